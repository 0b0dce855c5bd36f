// What POSIX and RFC 1813 promise, as tables of cases. Each group runs on a tree that holds nothing yet, and over the files of an image.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Credentials, Ino } from "../../src/wire/nfs/tree.ts";
import { tools } from "../ext4-of-folder.ts";
import { directory, type Given, imageOf, type Thing } from "./given.ts";
import { asked, called, openTree } from "./stand.ts";
import { good, User } from "./user.ts";
import type { Calls } from "./wire.ts";

/** Who acts in a case. Ann and Kim share a main group, Ann and Bob a further one. */
const WHO = {
  root: { uid: 0, gid: 0, gids: [] },
  ann: { uid: 1001, gid: 1001, gids: [1100] },
  kim: { uid: 1002, gid: 1001, gids: [] },
  bob: { uid: 1003, gid: 1003, gids: [1100] },
  eve: { uid: 1004, gid: 1004, gids: [] },
} satisfies Record<string, Credentials>;
type Name = keyof typeof WHO;
export const ANN = { uid: WHO.ann.uid, gid: WHO.ann.gid };
export const BOB = { uid: WHO.bob.uid, gid: WHO.bob.gid };
export const CREW = 1100;

/** A case's own folder (0777, root's) and those who act in it. */
export type Scene = Record<Name, User> & { tree: Calls; home: Ino };
export interface Case {
  /** Who is promised what. */
  promises: string;
  given?: Given;
  check(scene: Scene): Promise<unknown>;
}

const WORLDS: Record<string, (t: TestContext, cases: readonly Case[]) => Promise<Iterable<Scene>>> = {
  "an empty tree": async (t, cases) => {
    const tree = called(await openTree(t, imageOf(t, new Map())));
    const root = new User(tree, tree.root, WHO.root);
    const scenes: Scene[] = [];
    for (const [i, { given = {} }] of cases.entries()) {
      const home = await root.mkdir(`case-${i}`, 0o777);
      for (const [name, thing] of Object.entries(given)) await makeThing(root, `case-${i}`, name, thing);
      scenes.push(sceneOf(tree, home.made.ino));
    }
    return scenes;
  },
  "an image's files, over the wire": async (t, cases) => {
    const folders = cases.map(({ given = {} }, i) => [`case-${i}`, given] as const);
    const tree = await asked(t, await openTree(t, imageOf(t, new Map(folders))));
    const scenes: Scene[] = [];
    for (const [i] of cases.entries())
      scenes.push(sceneOf(tree, (await good(tree.lookup(WHO.root, tree.root, `case-${i}`))).found.ino));
    return scenes;
  },
};

function sceneOf(tree: Calls, home: Ino): Scene {
  const users = Object.entries(WHO).map(([name, who]) => [name, new User(tree, home, who)]);
  return { ...(Object.fromEntries(users) as Record<Name, User>), tree, home };
}

async function makeThing(root: User, folder: string, name: string, thing: Thing): Promise<void> {
  const path = `${folder}/${name}`;
  if (thing.is === "link") return void (await root.link(`${folder}/${thing.to}`, path));
  const { mode, uid, gid } = thing;
  const set = { mode, uid, gid };
  if (thing.is === "directory") await root.mkdir(path, undefined, set);
  else if (thing.is === "symlink") await root.symlink(thing.target, path, set);
  else if (thing.is !== "file")
    await root.mknod(path, thing.is, set, "major" in thing ? [thing.major, thing.minor] : [0, 0]);
  else {
    await root.create(path, { how: "guarded", set: { ...set, mode: 0o600 } });
    if (thing.bytes.length > 0) await root.write(path, thing.bytes);
    await root.chmod(path, mode);
  }
}

/** Runs a group's cases in every world, each in a folder of its own. */
export function group(name: string, cases: readonly Case[]): void {
  assert.equal(
    new Set(cases.map(({ promises }) => promises)).size,
    cases.length,
    "no two cases have one name",
  );
  for (const [world, open] of Object.entries(WORLDS))
    test(`${name}: on ${world}`, async (t) => {
      if (!tools(t)) return;
      const scenes = [...(await open(t, cases))];
      for (const [i, { promises, check }] of cases.entries())
        await t.test(promises, async () => void (await check(scenes[i] as Scene)));
    });
}

/** The two's times, to be compared. */
export const ns = ({ s, ns }: { s: number; ns: number }): bigint => BigInt(s) * 1_000_000_000n + BigInt(ns);

type Times = "atime" | "mtime" | "ctime";
/** Of what lies at `path`, exactly these of mtime and ctime are later after `act`. */
export async function moves(
  user: User,
  path: string,
  times: Times[],
  act: () => Promise<unknown>,
): Promise<void> {
  const before = await user.lstat(path);
  await act();
  const after = await user.lstat(path);
  const moved = (["atime", "mtime", "ctime"] as const).filter((time) => ns(after[time]) > ns(before[time]));
  assert.deepEqual(moved, times, `times of ${path || "the folder"}`);
  for (const time of ["atime", "mtime", "ctime"] as const)
    if (!times.includes(time)) assert.equal(ns(after[time]), ns(before[time]), `${time} of ${path}`);
}

/** A folder of Ann's. */
export const annsFolder = (mode = 0o755): Thing => directory({ ...ANN, mode });
