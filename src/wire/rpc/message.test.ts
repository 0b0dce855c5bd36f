import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fromHex, hex } from "../../base/text.ts";
import { XdrReader, XdrWriter } from "../xdr.ts";
import { ACCEPT, CallHead, type Denial, seal, writeAccepted, writeDenied, writeMismatch } from "./message.ts";

interface Asked {
  type?: number;
  rpc?: number;
  flavor?: number;
  body?: Uint8Array;
  bodyLength?: number;
  verifierLength?: number;
}
const call = ({ type = 0, rpc = 2, flavor = 0, body = new Uint8Array(0), ...more }: Asked): Uint8Array => {
  const w = new XdrWriter().into(new Uint8Array(1024));
  w.u32(77).u32(type).u32(rpc).u32(100003).u32(3).u32(6).u32(flavor);
  w.u32(more.bodyLength ?? body.length).fixed(body);
  w.u32(0).u32(more.verifierLength ?? 0);
  return w.u32(0xcafe).bytes.slice(0, w.at);
};
const sys = (gids: number, name = "pi01", more = 0): Uint8Array => {
  const w = new XdrWriter().into(new Uint8Array(512));
  w.u32(1).text(name).u32(1000).u32(1001).u32(gids);
  for (let i = 0; i < gids + more; i++) w.u32(2000 + i);
  return w.bytes.slice(0, w.at);
};
const read = (asked: Asked): { head: CallHead; denial: Denial | undefined; next: number } => {
  const head = new CallHead();
  const r = new XdrReader().over(call(asked));
  const denial = head.read(r);
  return { head, denial, next: denial === undefined ? r.u32() : 0 };
};

test("the head of a call tells who asks what, and ends where the arguments begin", () => {
  const { head, denial, next } = read({ flavor: 1, body: sys(16) });
  assert.equal(denial, undefined);
  assert.deepEqual([head.xid, head.program, head.version, head.procedure], [77, 100003, 3, 6]);
  assert.deepEqual([head.who.uid, head.who.gid, head.who.gids.length], [1000, 1001, 16]);
  assert.equal(next, 0xcafe);
  assert.deepEqual(read({}).head.who, { uid: 65534, gid: 65534, gids: [] });
});

test("the MNT call of libnfs 4.0.0 is understood, as it was seen on the wire", () => {
  const bytes = fromHex(
    "6ab5ee970000000000000002000186a50000000300000001000000010000001c" +
      "0243ee96000000066c69626e6673000000000000000000000000000000000000" +
      "00000000000000122f6e6f6465732f706930312f7365637265740000",
  );
  const head = new CallHead();
  const r = new XdrReader().over(bytes);
  assert.equal(head.read(r), undefined);
  assert.deepEqual([head.program, head.version, head.procedure], [100005, 3, 1]);
  assert.deepEqual(head.who, { uid: 0, gid: 0, gids: [] });
  assert.equal(r.text(1024), "/nodes/pi01/secret");
  assert.equal(r.left, 0);
});

test("the same credentials are read once, others anew", () => {
  const head = new CallHead();
  const of = (body: Uint8Array) => {
    head.read(new XdrReader().over(call({ flavor: 1, body })));
    return head.who;
  };
  const first = of(sys(2));
  assert.equal(of(sys(2)), first);
  assert.equal(of(sys(3)).gids.length, 3);
  assert.deepEqual(of(sys(2)), first);
  assert.equal(read({}).head.who.uid, 65534);
  head.read(new XdrReader().over(call({})));
  assert.equal(head.who.uid, 65534, "AUTH_NONE after AUTH_SYS is nobody");
});

test("what RFC 5531 denies is denied", () => {
  const [badCredentials, rejected, badVerifier] = [1, 2, 3];
  const rows: [Asked, Denial][] = [
    [{ rpc: 1 }, "rpc version"],
    [{ rpc: 3 }, "rpc version"],
    [{ flavor: 6, body: new Uint8Array(20) }, badCredentials as Denial],
    [{ flavor: 2, body: new Uint8Array(8) }, rejected as Denial],
    [{ flavor: 1, body: sys(17) }, badCredentials as Denial],
    [{ flavor: 1, body: sys(3).subarray(0, 24) }, badCredentials as Denial],
    [{ flavor: 1, body: sys(0, "x".repeat(256)) }, badCredentials as Denial],
    [{ flavor: 1, body: new Uint8Array(0) }, badCredentials as Denial],
    [{ flavor: 1, body: new Uint8Array(20).fill(0xff) }, badCredentials as Denial],
    [{ flavor: 1, bodyLength: 401 }, badCredentials as Denial],
    [{ flavor: 0, bodyLength: 0xffff_fffd }, badCredentials as Denial],
    [{ verifierLength: 401 }, badVerifier as Denial],
  ];
  for (const [asked, denial] of rows) assert.equal(read(asked).denial, denial, JSON.stringify(asked));
});

test("what is no call is thrown out, as is one that ends in its head", () => {
  assert.throws(() => read({ type: 1 }), { code: "WIRE_VALUE" });
  const whole = call({ flavor: 1, body: sys(4) });
  for (let length = 0; length < whole.length - 4; length++)
    assert.throws(() => new CallHead().read(new XdrReader().over(whole.subarray(0, length))), {
      code: "WIRE_SHORT",
    });
});

test("any bytes are a call, a denial or a BrambleError", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (bytes, looksRight) => {
      if (looksRight && bytes.length > 12) {
        bytes.set([0, 0, 0, 0, 0, 0, 0, 2], 4);
      }
      try {
        new CallHead().read(new XdrReader().over(bytes));
      } catch (error) {
        assert.match((error as { code: string }).code, /^WIRE_/);
      }
    }),
  );
});

test("replies have the words of RFC 5531 section 9", () => {
  const said = (write: (w: XdrWriter) => void) => {
    const w = new XdrWriter().into(new Uint8Array(64));
    write(w);
    seal(w, 0);
    return hex(w.bytes.subarray(0, w.at));
  };
  const rows: [(w: XdrWriter) => void, string][] = [
    [
      (w) => writeAccepted(w, 5, ACCEPT.success),
      "80000018 00000005 00000001 00000000 00000000 00000000 00000000",
    ],
    [
      (w) => writeAccepted(w, 5, ACCEPT.garbageArguments),
      "80000018 00000005 00000001 00000000 00000000 00000000 00000004",
    ],
    [
      (w) => writeMismatch(w, 5, 3),
      "80000020 00000005 00000001 00000000 00000000 00000000 00000002 00000003 00000003",
    ],
    [
      (w) => writeDenied(w, 5, "rpc version"),
      "80000018 00000005 00000001 00000001 00000000 00000002 00000002",
    ],
    [(w) => writeDenied(w, 5, 1), "80000014 00000005 00000001 00000001 00000001 00000001"],
  ];
  for (const [write, wanted] of rows) assert.equal(said(write), wanted.replaceAll(" ", ""));
});
