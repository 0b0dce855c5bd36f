import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { MessageChannel } from "node:worker_threads";
import { BrambleError } from "../../base/errors.ts";
import { connect, type Handlers, Transfer } from "./rpc.ts";

function pair(t: TestContext, handlers: Handlers) {
  const { port1, port2 } = new MessageChannel();
  t.after(() => port1.close());
  connect(port2, handlers);
  return connect(port1, {});
}

test("connect() carries answers, errors with code and hint, and buffers without a copy", async (t) => {
  const bytes = new Uint8Array([1, 2, 3]);
  const peer = pair(t, {
    add: ({ a, b }: { a: number; b: number }) => a + b,
    fail() {
      throw new BrambleError("DISK_FULL", "no room", { hint: "make some" });
    },
    bytes: () => new Transfer(bytes, [bytes.buffer]),
    odd: () => () => {}, // nothing that can be sent
  });
  assert.equal(await peer.call("add", { a: 2, b: 3 }), 5);
  await assert.rejects(peer.call("fail"), { code: "DISK_FULL", message: "no room", hint: "make some" });
  assert.deepEqual(await peer.call("bytes"), new Uint8Array([1, 2, 3]));
  assert.equal(bytes.length, 0, "handed over");
  await assert.rejects(peer.call("odd"));
  await assert.rejects(peer.call("nothing"), { code: "INTERNAL" });
});

test("a long job tells how far it is: its first word and its last, and not each of a thousand", async (t) => {
  const peer = pair(t, {
    job(_: unknown, progress: (done: number, total: number) => void) {
      for (let i = 1; i <= 1000; i++) progress(i, 1000);
      return "done";
    },
  });
  const told: number[][] = [];
  assert.equal(await peer.call("job", {}, (done, total) => told.push([done, total])), "done");
  assert.deepEqual(told.at(-1), [1000, 1000]);
  assert.ok(told.length < 100, `${told.length} words`);
});

test("broken() fails what is open, and nothing later", async (t) => {
  const peer = pair(t, { never: () => new Promise(() => {}), now: () => 1 });
  const open = peer.call("never");
  peer.broken(new BrambleError("PLANE_DIED", "gone"));
  await assert.rejects(open, { code: "PLANE_DIED" });
  assert.equal(await peer.call("now"), 1);
});
