// A tree as it looks through the wire: what a server answers to an NFSv3 client, in the words of NfsTree.
import { type Fh, NfsRefusal, type NfsTestClient } from "../../src/serve/nfs-client-testing.ts";
import type { StatusCode } from "../../src/wire/nfs/status.ts";
import type {
  Answer,
  Attributes,
  Change,
  Credentials,
  Ino,
  Listed,
  Made,
  NfsTree,
} from "../../src/wire/nfs/tree.ts";

/** What a client can ask for. */
export type Calls = Omit<NfsTree, "remember" | "recall" | "settled">;

type Told = Attributes & { fsid?: number };
const plain = ({ fsid: _, ...attributes }: Told): Attributes => attributes;

/** Equal to nothing that there is: a server need not tell of before. */
const UNTOLD: Change["before"] = { size: -1, mtime: { s: -1, ns: 0 }, ctime: { s: -1, ns: 0 } };

/** Refusals become statuses. */
async function answer<T>(act: () => Promise<T>): Promise<Answer<T>> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof NfsRefusal) return error.status as StatusCode;
    throw error;
  }
}

/** `handleOf`: of inodes that were never told of. */
export async function wireTree(
  client: NfsTestClient,
  rootHandle: Fh,
  handleOf: (ino: Ino) => Fh,
): Promise<Calls> {
  const handles = new Map<Ino, Fh>();
  const root = (await client.getattr(rootHandle)).ino;
  handles.set(root, rootHandle);
  const h = (ino: Ino) => handles.get(ino) ?? handleOf(ino);
  const as = ({ uid, gid, gids }: Credentials) => client.as(uid, gid, gids);
  const known = async (fh: Fh, told: Told | undefined): Promise<Attributes> => {
    const attributes = plain(told ?? (await client.getattr(fh)));
    handles.set(attributes.ino, fh);
    return attributes;
  };
  const change = async (told: { before?: Change["before"]; after?: Told }, of: Fh): Promise<Change> => {
    return { before: told.before ?? UNTOLD, after: plain(told.after ?? (await client.getattr(of))) };
  };
  const made = async (directory: Ino, act: () => ReturnType<NfsTestClient["mkdir"]>): Promise<Answer<Made>> =>
    answer(async () => {
      const { fh, attributes, wcc } = await act();
      return { made: await known(fh, attributes), directory: await change(wcc, h(directory)) };
    });
  return {
    root,
    getattr: (ino) => answer(async () => plain(await client.getattr(h(ino)))),
    setattr: (who, ino, set, guard) =>
      answer(async () => change(await as(who).setattr(h(ino), set, guard), h(ino))),
    lookup: (who, directory, name) =>
      answer(async () => {
        const told = await as(who).lookup(h(directory), name);
        const found = await known(told.fh, told.attributes);
        return { found, directory: plain(told.directory ?? (await client.getattr(h(directory)))) };
      }),
    access: (who, ino, wanted) =>
      answer(async () => ({
        granted: await as(who).access(h(ino), wanted),
        attributes: plain(await client.getattr(h(ino))),
      })),
    readlink: (who, ino) =>
      answer(async () => ({
        target: await as(who).readlink(h(ino)),
        attributes: plain(await client.getattr(h(ino))),
      })),
    read: (who, ino, offset, into) =>
      answer(async () => {
        const { data, eof, attributes } = await as(who).read(h(ino), offset, into.length);
        into.set(data);
        return { count: data.length, eof, attributes: plain(attributes ?? (await client.getattr(h(ino)))) };
      }),
    write: (who, ino, offset, data, stable) =>
      answer(async () => {
        const { wcc, count, committed } = await as(who).write(h(ino), offset, data, stable);
        return { count, committed: committed as 0 | 1 | 2, change: await change(wcc, h(ino)) };
      }),
    create: (who, directory, name, how) =>
      made(directory, () =>
        as(who).create(h(directory), name, how.how === "exclusive" ? how : { how: how.how, set: how.set }),
      ),
    mkdir: (who, directory, name, set) => made(directory, () => as(who).mkdir(h(directory), name, set)),
    symlink: (who, directory, name, target, set) =>
      made(directory, () => as(who).symlink(h(directory), name, target, set)),
    mknod: (who, directory, name, node) => made(directory, () => as(who).mknod(h(directory), name, node)),
    remove: (who, directory, name) =>
      answer(async () => change(await as(who).remove(h(directory), name), h(directory))),
    rmdir: (who, directory, name) =>
      answer(async () => change(await as(who).rmdir(h(directory), name), h(directory))),
    rename: (who, from, to) =>
      answer(async () => {
        const told = await as(who).rename(h(from.directory), from.name, h(to.directory), to.name);
        return {
          from: await change(told.from, h(from.directory)),
          to: await change(told.to, h(to.directory)),
        };
      }),
    link: (who, ino, directory, name) =>
      answer(async () => {
        const { attributes, wcc } = await as(who).link(h(ino), h(directory), name);
        return { attributes: await known(h(ino), attributes), directory: await change(wcc, h(directory)) };
      }),
    /** A turn is what the server sends at once; what does not fit is asked for again. */
    readdir: (who, directory, cookie, fits) =>
      answer(async () => {
        const { entries, eof, attributes } = await as(who).readdirplus(h(directory), cookie, 8192);
        const of = plain(attributes ?? (await client.getattr(h(directory))));
        for (const { ino, name, cookie: at, attributes: told, fh } of entries) {
          const one: Attributes = fh ? await known(fh, told) : plain(told ?? { ...of, ino });
          const entry: Listed = { ino, name, cookie: at, attributes: one };
          if (!fits(entry)) return { eof: false, attributes: of };
        }
        return { eof, attributes: of };
      }),
    fsstat: () => answer(() => client.fsstat(rootHandle)),
    commit: (ino, offset, count) =>
      answer(async () => change((await client.commit(h(ino), offset, count)).wcc, h(ino))),
  };
}
