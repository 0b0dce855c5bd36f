import assert from "node:assert/strict";
import { test } from "node:test";
import type { NfsServer } from "../../serve/nfs.ts";
import { STATUS } from "../../wire/nfs/status.ts";
import type { NfsTree } from "../../wire/nfs/tree.ts";
import type { MountAnswer } from "./nfs-calls.ts";
import { NfsDesk } from "./nfs-desk.ts";

const A = { address: "10.0.0.7", port: 700, transport: "tcp" as const };
const B = { address: "10.0.0.8", port: 700, transport: "tcp" as const };
const binding = (id: string, number: number, address: string, bootId = "b1") => ({
  ...{ id, number, address, bootId, salt: number * 7 },
});

/** A desk over trees that are plain objects; `reset` puts another one in place of a tree. */
async function stand(answer: MountAnswer = { refused: "no-such" }) {
  const trees = new Map([
    ["n1", {}],
    ["n2", {}],
  ]);
  let generation = 1;
  let cold = false;
  const dropped: string[] = [];
  const refused: string[] = [];
  const asked: string[] = [];
  const desk = new NfsDesk<object>({
    trees: async () => ({
      tree(id) {
        const found = trees.get(id) as object;
        if (!cold) return found;
        cold = false;
        return Promise.resolve(found);
      },
      facts: () => ({ generation }),
    }),
    served: (of) => of as NfsTree,
    async mount({ path, address }) {
      asked.push(`${address} ${path}`);
      return answer;
    },
    refused: (address, why) => refused.push(`${address}: ${why}`),
  });
  desk.servers.push({
    port: 1,
    rpcbindPort: undefined,
    drop: async (number, why) => void dropped.push(`${number}: ${why}`),
    close: async () => {},
  } satisfies NfsServer);
  await desk.open();
  const reset = (id: string) => {
    trees.set(id, {});
    generation += 1;
  };
  return { ...{ desk, dropped, refused, asked, reset, trees }, chill: () => (cold = true) };
}

test("a tree is for the address that it was bound to; who was never bound has a stale handle", async () => {
  const { desk } = await stand();
  await desk.bind(binding("n1", 5, A.address));
  await desk.bind(binding("n2", 6, B.address));
  const found = await desk.treeOf(5, A, false);
  assert.ok(typeof found === "object");
  assert.deepEqual([found.name, found.handles], ["n1", { export: 5, generation: 1, salt: 35 }]);
  assert.equal(desk.treeOf(5, B, false), STATUS.ACCES);
  assert.equal(desk.treeOf(7, A, false), STATUS.STALE);
  assert.equal(desk.nameOf(5), "n1");
});

test("an export stays the same object until its tree is another one, whose handles are new", async () => {
  const { desk, reset, chill } = await stand();
  await desk.bind(binding("n1", 5, A.address));
  const first = desk.treeOf(5, A, false);
  assert.equal(desk.treeOf(5, A, false), first);
  chill();
  assert.equal(await desk.treeOf(5, A, false), first, "also after it had to be loaded");
  reset("n1");
  const second = desk.treeOf(5, A, false);
  assert.notEqual(second, first);
  assert.ok(typeof second === "object" && !(second instanceof Promise) && second.handles.generation === 2);
});

test("a newer boot ends the one before; the same one may come again", async () => {
  const { desk, dropped } = await stand();
  await desk.bind(binding("n1", 5, A.address));
  assert.deepEqual(await desk.bind(binding("n1", 5, A.address)), { ended: false });
  assert.deepEqual(dropped, []);
  assert.deepEqual(await desk.bind(binding("n1", 5, B.address, "b2")), { ended: true });
  assert.equal(dropped.length, 1);
  assert.equal(desk.treeOf(5, A, false), STATUS.ACCES);
  await desk.bind(binding("n1", 9, B.address, "b3"));
  assert.equal(desk.treeOf(5, B, false), STATUS.STALE, "a tree that was made anew has another number");
  await desk.unbind("n1", "released");
  assert.equal(desk.treeOf(9, B, false), STATUS.STALE);
  assert.equal(dropped.at(-1), "9: released");
  assert.equal(desk.isUsed("n1"), false);
});

test("where ports of root are asked for, others get nothing, and somebody hears of it", async () => {
  const { desk, refused, asked } = await stand({ number: 5, below: "boot" });
  await desk.bind(binding("n1", 5, A.address));
  const user = { ...A, port: 40_000 };
  assert.equal(desk.treeOf(5, user, true), STATUS.ACCES);
  assert.equal(await desk.mount("/nodes/n1/x", user, true), STATUS.ACCES);
  assert.match(refused.join(), /10\.0\.0\.7: its port 40000/);
  assert.deepEqual(asked, []);
  const mounted = await desk.mount("/nodes/n1/x", A, true);
  assert.ok(typeof mounted === "object" && mounted.below === "boot" && mounted.exported.name === "n1");
});

test("MOUNT's refusals have their statuses, and an answer for another address is none", async () => {
  const none = await stand();
  assert.equal(await none.desk.mount("/nodes/x/y", A, false), STATUS.NOENT);
  const not = await stand({ refused: "not-allowed" });
  assert.equal(await not.desk.mount("/nodes/x/y", A, false), STATUS.ACCES);
  const other = await stand({ number: 5 });
  await other.desk.bind(binding("n1", 5, A.address));
  assert.equal(await other.desk.mount("/nodes/n1/y", B, false), STATUS.ACCES);
});
