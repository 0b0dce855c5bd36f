import assert from "node:assert/strict";
import { test } from "node:test";
import { WINDOW } from "./commands.ts";
import { NO_TAG, OP } from "./pdu.ts";
import { command, dataOut, Peer, quickLogin, said, write10 } from "./testing.ts";

const blocks = (count: number, fill = 7) => new Uint8Array(count * 512).fill(fill);
const TEST_UNIT_READY = "00";

/** In the full feature phase, with the answer to the login heard. */
function full(more: Record<string, string> = {}, options = {}): Peer {
  const peer = new Peer(options).say(quickLogin({ InitialR2T: "No", ...more }));
  assert.equal(peer.heard().length, 1);
  assert.equal(peer.session.stage, "full");
  return peer;
}

test("a command outside the window is ignored, as is a number that was used", () => {
  const peer = full();
  peer.say(command(1, WINDOW, { cdb: TEST_UNIT_READY }), command(2, 0xffffffff, { cdb: TEST_UNIT_READY }));
  assert.deepEqual(peer.heard(), []);
  peer.say(command(3, 0, { cdb: TEST_UNIT_READY }), command(4, 0, { cdb: TEST_UNIT_READY }));
  assert.deepEqual(
    peer.heard().map(({ tag }) => tag),
    [3],
  );
});

test("a command that comes early waits for those before it", () => {
  const peer = full();
  peer.say(command(2, 2, { cdb: TEST_UNIT_READY }), command(1, 1, { cdb: TEST_UNIT_READY }));
  assert.deepEqual(peer.heard(), []);
  peer.say(command(3, 0, { cdb: TEST_UNIT_READY }));
  assert.deepEqual(
    peer.heard().map(({ tag, view }) => [tag, view.getUint32(28)]),
    [
      [3, 3],
      [1, 3],
      [2, 3],
    ],
  );
});

test("the window closes as commands are open, never shrinks, and moves on as they end", () => {
  const peer = full({}, { slow: true });
  for (let i = 0; i < WINDOW; i++) peer.say(command(i, i, { cdb: TEST_UNIT_READY }));
  peer.say(said(OP.NOP_OUT, { tag: 999, cmdSN: WINDOW, immediate: true, words: { 20: NO_TAG } }));
  const [full1] = peer.heard();
  assert.equal(full1?.view.getUint32(28), WINDOW);
  assert.equal(full1?.view.getUint32(32), WINDOW - 1, "no more commands");
  peer.say(command(1000, WINDOW, { cdb: TEST_UNIT_READY }));
  assert.equal(peer.open.length, WINDOW, "one beyond the window is ignored");
  peer.answer(peer.open[5] as never);
  assert.equal(peer.heard()[0]?.view.getUint32(32), WINDOW);
});

test("immediate commands have a bound of their own: beyond it they are rejected", () => {
  const peer = full({}, { slow: true });
  for (let i = 0; i < WINDOW + 40; i++) peer.say(command(i, 0, { cdb: TEST_UNIT_READY, immediate: true }));
  const rejected = peer.heard();
  assert.equal(rejected.length + peer.open.length, WINDOW + 40);
  assert.ok(
    rejected.length > 0 && rejected.every(({ opcode, view }) => opcode === 0x3f && view.getUint8(2) === 6),
  );
});

test("data is asked for in bursts, as many at a time as was agreed on", () => {
  const peer = full({ MaxBurstLength: "1024", MaxOutstandingR2T: "2", FirstBurstLength: "512" });
  peer.say(command(1, 0, { cdb: write10(8), write: 4096, data: blocks(1, 1) }));
  const asked = peer.heard().map(({ view }) => [view.getUint32(36), view.getUint32(40), view.getUint32(44)]);
  assert.deepEqual(asked, [
    [0, 512, 1024],
    [1, 1536, 1024],
  ]);
  peer.say(dataOut(1, blocks(1, 2), { transfer: 1, offset: 512, final: false }));
  peer.say(dataOut(1, blocks(1, 3), { transfer: 1, dataSN: 1, offset: 1024 }));
  assert.deepEqual(
    peer.heard().map(({ view }) => [view.getUint32(36), view.getUint32(40), view.getUint32(44)]),
    [[2, 2560, 1024]],
  );
  peer.say(
    dataOut(1, blocks(2, 4), { transfer: 2, offset: 1536 }),
    dataOut(1, blocks(2, 5), { transfer: 3, offset: 2560 }),
  );
  const last = peer.heard()[0];
  assert.deepEqual([last?.view.getUint32(40), last?.view.getUint32(44)], [3584, 512]);
  peer.say(dataOut(1, blocks(1, 6), { transfer: 4, offset: 3584 }));
  assert.equal(peer.heard()[0]?.opcode, 0x21);
  const wrote = [1, 2, 3, 4, 4, 5, 5, 6].map((n) => `0${n}`.repeat(512)).join("");
  assert.ok(peer.log.at(-1)?.endsWith(wrote));
});

test("commands ask for their data side by side, each for its own", () => {
  const peer = full();
  peer.say(command(1, 0, { cdb: write10(1), write: 512 }), command(2, 1, { cdb: write10(1), write: 512 }));
  const other = full();
  other.say(command(1, 0, { cdb: write10(1), write: 512 }));
  assert.deepEqual(
    peer.heard().map(({ opcode, tag, view }) => [opcode, tag, view.getUint32(20), view.getUint32(36)]),
    [
      [0x31, 1, 1, 0],
      [0x31, 2, 2, 0],
    ],
  );
  assert.equal(other.heard().length, 1);
  peer.say(dataOut(2, blocks(1, 2), { transfer: 2 }), dataOut(1, blocks(1, 1), { transfer: 1 }));
  assert.deepEqual(
    peer.heard().map(({ opcode, tag }) => [opcode, tag]),
    [
      [0x21, 2],
      [0x21, 1],
    ],
  );
});

test("data out of its turn ends its command, and nothing else", () => {
  for (const wrong of [
    dataOut(1, blocks(1), { dataSN: 1, offset: 512 }),
    dataOut(1, blocks(1), { offset: 1024 }),
    dataOut(1, blocks(1), { transfer: 77, offset: 512 }),
  ]) {
    const peer = full();
    peer.say(command(1, 0, { cdb: write10(3), write: 1536, data: blocks(1), final: false }), wrong);
    const [failed] = peer.heard();
    assert.equal(failed?.view.getUint8(3), 2);
    assert.deepEqual([failed?.data[4], failed?.data[14], failed?.data[15]], [0x0b, 0x47, 0x05]);
    peer.say(dataOut(1, blocks(1), { dataSN: 1, offset: 512 }), command(2, 1, { cdb: TEST_UNIT_READY }));
    assert.equal(peer.heard()[0]?.tag, 2);
  }
});

test("data that was not agreed on ends the session with a Reject", () => {
  const cases: [Record<string, string>, Uint8Array][] = [
    [{ ImmediateData: "No" }, command(1, 0, { cdb: write10(1), write: 512, data: blocks(1) })],
    [{ InitialR2T: "Yes" }, command(1, 0, { cdb: write10(1), write: 512, final: false })],
    [{ FirstBurstLength: "512" }, command(1, 0, { cdb: write10(2), write: 1024, data: blocks(2) })],
    [{}, command(1, 0, { cdb: TEST_UNIT_READY, data: blocks(1) })],
    [{}, command(NO_TAG, 0, { cdb: TEST_UNIT_READY })],
  ];
  for (const [terms, wrong] of cases) {
    const peer = full(terms).say(wrong);
    assert.deepEqual(
      peer.heard().map(({ opcode, view }) => [opcode, view.getUint8(2)]),
      [[0x3f, 4]],
    );
    assert.ok(peer.closed);
  }
});

test("an initiator that promises less than its command takes is told what is missing, and the other way round", () => {
  const peer = full();
  peer.say(command(1, 0, { cdb: write10(2), write: 512, data: blocks(1) }));
  peer.say(command(2, 1, { cdb: write10(1), write: 1024, data: blocks(2) }));
  const [over, under] = peer.heard();
  assert.deepEqual([over?.flags, over?.view.getUint32(44)], [0x84, 512]);
  assert.deepEqual([under?.flags, under?.view.getUint32(44)], [0x82, 512]);
  assert.ok(peer.log.at(-1)?.endsWith("07".repeat(512)) && !peer.log.at(-1)?.endsWith("07".repeat(513)));
});

test("commands beyond a session's share of memory wait, in their order, and go on", () => {
  const peer = full({}, { slow: true, bytes: 4096 });
  peer.say(command(1, 0, { cdb: "28", read: 3000 }), command(2, 1, { cdb: "28", read: 3000 }));
  peer.say(command(3, 2, { cdb: write10(1), write: 512, data: blocks(1, 5) }));
  assert.deepEqual(
    peer.open.map(({ tag }) => tag),
    [1],
  );
  assert.equal(peer.session.blocked, true);
  peer.answer(peer.open[0] as never);
  assert.deepEqual(
    peer.open.map(({ tag }) => tag),
    [1, 2, 3],
  );
  assert.ok(peer.log.at(-1)?.endsWith("05".repeat(512)));
});
