import type { Answer, NfsTree, Soon } from "../../wire/nfs/tree.ts";
import type { BlockTally } from "./tally.ts";

/** A tree whose requests are counted by what they ask: "nfs read", "nfs write", "nfs commit", "nfs change", "nfs look". */
export function countedTree(tree: NfsTree, tally: BlockTally): NfsTree {
  /** `bytes` of an answer that is not a refusal. */
  function counted<T extends object>(op: string, work: () => Soon<T>, bytes: (answer: T) => number): Soon<T> {
    const name = `nfs ${op}`;
    const took = (answer: Answer<T>) => (typeof answer === "number" ? 0 : bytes(answer));
    const started = performance.now();
    const answer = work();
    if (!(answer instanceof Promise)) {
      tally.count(name, 0, took(answer));
      return answer;
    }
    return answer.then((late) => {
      tally.count(name, performance.now() - started, took(late));
      return late;
    });
  }
  const none = () => 0;
  const look = <T extends object>(work: () => Soon<T>) => counted("look", work, none);
  const change = <T extends object>(work: () => Soon<T>) => counted("change", work, none);

  return {
    root: tree.root,
    getattr: (ino) => look(() => tree.getattr(ino)),
    setattr: (who, ino, set, guard) => change(() => tree.setattr(who, ino, set, guard)),
    lookup: (who, directory, name) => look(() => tree.lookup(who, directory, name)),
    access: (who, ino, wanted) => look(() => tree.access(who, ino, wanted)),
    readlink: (who, ino) => look(() => tree.readlink(who, ino)),
    read: (who, ino, offset, into) =>
      counted(
        "read",
        () => tree.read(who, ino, offset, into),
        ({ count }) => count,
      ),
    write: (who, ino, offset, data, stable) =>
      counted(
        "write",
        () => tree.write(who, ino, offset, data, stable),
        ({ count }) => count,
      ),
    create: (who, directory, name, how) => change(() => tree.create(who, directory, name, how)),
    mkdir: (who, directory, name, set) => change(() => tree.mkdir(who, directory, name, set)),
    symlink: (who, directory, name, target, set) =>
      change(() => tree.symlink(who, directory, name, target, set)),
    mknod: (who, directory, name, node) => change(() => tree.mknod(who, directory, name, node)),
    remove: (who, directory, name) => change(() => tree.remove(who, directory, name)),
    rmdir: (who, directory, name) => change(() => tree.rmdir(who, directory, name)),
    rename: (who, from, to) => change(() => tree.rename(who, from, to)),
    link: (who, ino, directory, name) => change(() => tree.link(who, ino, directory, name)),
    readdir: (who, directory, cookie, fits) => look(() => tree.readdir(who, directory, cookie, fits)),
    fsstat: () => look(() => tree.fsstat()),
    commit: (ino, offset, count) => counted("commit", () => tree.commit(ino, offset, count), none),
    remember: (key, reply) => tree.remember(key, reply),
    recall: (key) => tree.recall(key),
    settled: () => tree.settled(),
  };
}
