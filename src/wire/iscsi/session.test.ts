import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { concat } from "../../base/bytes.ts";
import { hex } from "../../base/text.ts";
import { NO_TAG, OP } from "./pdu.ts";
import {
  command,
  dataOut,
  FINAL_LOGIN,
  INITIATOR,
  keysOf,
  login,
  Peer,
  quickLogin,
  said,
  TARGET,
  write10,
} from "./testing.ts";

const blocks = (count: number, fill = 7) => new Uint8Array(count * 512).fill(fill);
const TEST_UNIT_READY = "00";

/** In the full feature phase, with the answer to the login heard. */
function full(more: Record<string, string> = {}, options = {}): Peer {
  const peer = new Peer(options).say(quickLogin({ InitialR2T: "No", ...more }));
  assert.equal(peer.heard().length, 1);
  assert.equal(peer.session.stage, "full");
  return peer;
}

/** A login, commands with data in all ways, pings, texts, task management and a logout. */
const CONVERSATION = concat([
  login({ InitiatorName: INITIATOR, TargetName: TARGET, AuthMethod: "None" }, 0x81),
  login({ InitialR2T: "No", MaxRecvDataSegmentLength: "4096", HeaderDigest: "None" }, FINAL_LOGIN),
  command(10, 0, { cdb: TEST_UNIT_READY }),
  command(11, 1, { cdb: write10(2), write: 1024, data: blocks(2) }),
  command(12, 2, { cdb: write10(3), write: 1536, data: blocks(1, 1), final: false }),
  dataOut(12, blocks(1, 2), { offset: 512, dataSN: 0, final: false }),
  said(OP.NOP_OUT, { tag: 20, cmdSN: 3, words: { 20: NO_TAG }, data: Uint8Array.of(1, 2, 3) }),
  dataOut(12, blocks(1, 3), { offset: 1024, dataSN: 1 }),
  command(13, 4, { cdb: write10(4), write: 2048 }),
  dataOut(13, blocks(4, 9), { transfer: 1, offset: 0 }),
  said(OP.TASK, { flags: 0x81, tag: 30, immediate: true, cmdSN: 5, words: { 20: 99 } }),
  said(OP.TEXT, {
    tag: 40,
    cmdSN: 5,
    words: { 20: NO_TAG },
    data: new TextEncoder().encode("SendTargets=\0"),
  }),
  command(14, 6, { cdb: TEST_UNIT_READY, extra: Uint8Array.of(0, 5, 2, 0, 0, 0, 0, 9) }),
  said(OP.SNACK, { tag: 50 }),
  said(OP.LOGOUT, { tag: 60, cmdSN: 7, flags: 0x80 }),
]);

test("a conversation: what is ordered, and what is answered in which order", () => {
  const peer = new Peer().say(CONVERSATION);
  assert.deepEqual(
    peer.log.map((line) => line.split(" ").slice(0, 2).join(" ")),
    [
      `find ${TARGET}`,
      "admit 801234567000",
      "command 10",
      "command 11",
      "command 12",
      "command 13",
      "manage 1",
      "command 14",
      "logout 0",
    ],
  );
  assert.match(peer.log[4] ?? "", new RegExp(`${"01".repeat(512)}${"02".repeat(512)}${"03".repeat(512)}$`));
  const heard = peer.heard();
  assert.deepEqual(
    heard.map(({ opcode }) => opcode),
    [0x23, 0x23, 0x21, 0x21, 0x20, 0x21, 0x31, 0x21, 0x22, 0x24, 0x21, 0x3f, 0x26],
  );
  const numbered = heard.filter(({ opcode }) => opcode !== OP.R2T).map(({ view }) => view.getUint32(24));
  assert.deepEqual(
    numbered,
    numbered.map((_, i) => i + 1),
    "StatSN counts without a gap",
  );
  assert.deepEqual(keysOf(heard[9] as never), { TargetName: TARGET, TargetAddress: "10.0.0.1:3260,1" });
  assert.equal(peer.closed, "logged out");
});

/** What a peer sent, but for ExpCmdSN and MaxCmdSN: those tell how much has come when a PDU leaves. */
function sent(peer: Peer): string[] {
  return peer.heard().map(({ view, data }) => {
    const head = new Uint8Array(view.buffer, view.byteOffset, 48).slice().fill(0, 28, 36);
    return `${hex(head)} ${hex(data)}`;
  });
}

test("any cut of the stream gives the same orders and the same answers", () => {
  const whole = new Peer().say(CONVERSATION);
  const expected = sent(whole);
  const cuts = fc.array(fc.nat(CONVERSATION.length), { maxLength: 40 });
  fc.assert(
    fc.property(cuts, (at) => {
      const edges = [0, ...at.sort((a, b) => a - b), CONVERSATION.length];
      const peer = new Peer();
      for (let i = 1; i < edges.length; i++) peer.say(CONVERSATION.subarray(edges[i - 1], edges[i]));
      assert.deepEqual(peer.log, whole.log);
      assert.deepEqual(sent(peer), expected);
    }),
    { numRuns: 100 },
  );
  const bytewise = new Peer();
  for (let i = 0; i < CONVERSATION.length; i++) bytewise.say(CONVERSATION.subarray(i, i + 1));
  assert.deepEqual(sent(bytewise), expected);
});

test("any bytes, before, in or after a login, give orders or an end, never a throw", () => {
  const start = fc.constantFrom(new Uint8Array(0), quickLogin(), CONVERSATION.subarray(0, 200));
  const noise = fc.array(
    fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc
        .tuple(fc.nat(0x7f), fc.uint8Array({ minLength: 47, maxLength: 47 }), fc.nat(64))
        .map(([op, rest, size]) => {
          const pdu = new Uint8Array(48 + ((size + 3) & ~3));
          pdu[0] = op;
          pdu.set(rest, 1);
          pdu.set([0, 0, 0, size], 4);
          return pdu;
        }),
    ),
    { maxLength: 12 },
  );
  fc.assert(
    fc.property(start, noise, fc.boolean(), (first, chunks, slow) => {
      const peer = new Peer({ slow });
      for (const chunk of [first, ...chunks]) {
        if (!peer.session.hungry) break;
        peer.say(chunk);
      }
      peer.obey(peer.session.next());
      peer.session.end();
    }),
    { numRuns: 700 },
  );
});

test("a conversation with a flipped bit gives orders or an end, never a throw", () => {
  fc.assert(
    fc.property(fc.nat(CONVERSATION.length * 8 - 1), (bit) => {
      const bytes = CONVERSATION.slice();
      bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      new Peer().say(bytes.subarray(0, 700), bytes.subarray(700));
    }),
    { numRuns: 500 },
  );
});

test("what is no login is cut off at its first byte", () => {
  assert.equal(new Peer().say(new TextEncoder().encode("G")).closed, "not an iSCSI login");
  assert.equal(new Peer().say(command(1, 0, { cdb: TEST_UNIT_READY })).closed, "not an iSCSI login");
});

test("an extended CDB is put together; a bidirectional length says nothing", () => {
  const peer = full();
  peer.say(command(1, 0, { cdb: "7f", extra: Uint8Array.of(0, 9, 1, 0, 1, 2, 3, 4, 5, 6, 7, 8) }));
  assert.match(peer.log.at(-1) ?? "", /7f000000000000000000000000000000(?:0102030405060708) /);
});

test("digests: right ones are taken and given, a wrong one ends the session", () => {
  const pair = { HeaderDigest: "CRC32C,None", DataDigest: "CRC32C" };
  const both = { headerDigest: true, dataDigest: true };
  const start = () => {
    const peer = full(pair);
    peer.say(command(1, 0, { cdb: write10(1), write: 512, data: blocks(1), ...both }));
    assert.equal(peer.log.length, 3);
    return peer;
  };
  const good = start();
  const at = good.out.length - 52;
  assert.equal(good.out[at], 0x21, "48 bytes of response and its digest");
  const again = said(0x21, { headerDigest: true });
  assert.equal(again.length, 52);
  for (const [place, reason] of [
    [20, undefined],
    [60, 2],
    [48 + 4 + 512, 2],
  ] as const) {
    const peer = start();
    const wrong = command(2, 1, { cdb: write10(1), write: 512, data: blocks(1), ...both });
    wrong[place] = (wrong[place] ?? 0) ^ 4;
    const before = peer.out.length;
    peer.say(wrong.subarray(0, 100), wrong.subarray(100));
    assert.match(peer.closed ?? "", /digest/);
    if (reason) assert.deepEqual([peer.out[before], peer.out[before + 2]], [0x3f, reason]);
    else assert.equal(peer.out.length, before, "nobody knows whose header that was");
  }
});

test("pings: ours is answered by a pong, theirs is echoed within what they take", () => {
  const peer = full({ MaxRecvDataSegmentLength: "512" });
  peer.obey(peer.session.ping());
  const [ping] = peer.heard();
  assert.deepEqual([ping?.opcode, ping?.tag], [0x20, NO_TAG]);
  const transfer = ping?.view.getUint32(20) ?? 0;
  peer.say(said(OP.NOP_OUT, { tag: NO_TAG, immediate: true, words: { 20: transfer } }));
  assert.equal(peer.log.at(-1), "pong");
  peer.say(said(OP.NOP_OUT, { tag: 3, immediate: true, words: { 20: NO_TAG }, data: blocks(2) }));
  const [echo] = peer.heard();
  assert.deepEqual([echo?.tag, echo?.data.length, echo?.view.getUint32(20)], [3, 512, NO_TAG]);
  assert.equal(echo?.view.getUint32(24), ping?.view.getUint32(24) ?? 0, "a ping of ours uses no StatSN up");
});

test("a planned restart is announced by an asynchronous message that asks for a logout", () => {
  const peer = full();
  peer.obey(peer.session.askToLogOut(7));
  const [message] = peer.heard();
  assert.deepEqual([message?.opcode, message?.view.getUint8(36), message?.view.getUint16(42)], [0x32, 1, 7]);
});

test("a discovery session lists in as many PDUs as the initiator's buffer wants, and runs no command", () => {
  const names = Array.from({ length: 40 }, (_, i) => `iqn.2026-11.local.bramble:node-${i}`);
  const peer = new Peer({ names });
  peer.say(
    login(
      { InitiatorName: INITIATOR, SessionType: "Discovery", MaxRecvDataSegmentLength: "512" },
      FINAL_LOGIN,
    ),
  );
  peer.heard();
  const ask = (transfer: number, data: string, cmdSN: number) =>
    said(OP.TEXT, { tag: 9, cmdSN, words: { 20: transfer }, data: new TextEncoder().encode(data) });
  peer.say(ask(NO_TAG, "SendTargets=All\0", 0));
  let all = "";
  for (let i = 1; i < 20; i++) {
    const [part] = peer.heard();
    if (!part) break;
    assert.ok(part.data.length <= 512);
    all += new TextDecoder().decode(part.data);
    if (part.flags & 0x80) break;
    assert.equal(part.flags & 0x40, 0x40);
    peer.say(ask(part.view.getUint32(20), "", i));
  }
  assert.equal(all.match(/TargetName=/g)?.length, 40);
  assert.match(all, /TargetName=iqn\.2026-11\.local\.bramble:node-39\0TargetAddress=10\.0\.0\.1:3260,1\0$/);
  peer.say(command(10, 10, { cdb: TEST_UNIT_READY, immediate: true }));
  assert.ok(peer.closed);
});

test("a text that goes on over several PDUs is put together, and has a bound", () => {
  const peer = full();
  const part = (transfer: number, flags: number, data: string, cmdSN: number) =>
    said(OP.TEXT, { tag: 9, flags, cmdSN, words: { 20: transfer }, data: new TextEncoder().encode(data) });
  peer.say(part(NO_TAG, 0x40, "SendTar", 0));
  const [more] = peer.heard();
  assert.equal(more?.flags, 0);
  peer.say(part(more?.view.getUint32(20) ?? 0, 0x80, "gets=\0X-com.example=1\0", 1));
  assert.deepEqual(keysOf(peer.heard()[0] as never), {
    "X-com.example": "NotUnderstood",
    TargetName: TARGET,
    TargetAddress: "10.0.0.1:3260,1",
  });
  let cmdSN = 2;
  let transfer: number = NO_TAG;
  while (peer.closed === undefined && cmdSN < 100) {
    peer.say(part(transfer, 0x40, "x".repeat(4000), cmdSN++));
    transfer = peer.heard()[0]?.view.getUint32(20) ?? 0;
  }
  assert.ok(cmdSN < 10, "a stranger's text cannot grow");
});

test("a data segment longer than declared ends the session at once, before its data is held", () => {
  const peer = full();
  const head = command(1, 0, { cdb: write10(1), write: 512 });
  new DataView(head.buffer).setUint32(4, 0xfffffc);
  peer.say(head);
  assert.match(peer.closed ?? "", /16777212 bytes/);
  const stranger = new Peer();
  const long = quickLogin();
  new DataView(long.buffer).setUint32(4, 9000);
  stranger.say(long.subarray(0, 48));
  assert.match(stranger.closed ?? "", /9000 bytes/);
});
