import assert from "node:assert/strict";
import { test } from "node:test";
import type { Extent } from "../../base/disk.ts";
import { putReadHead, putReply, readHead, replyLength, statusReply } from "./replies.ts";
import type { Request } from "./requests.ts";

const cookie = { cookieHigh: 0x01020304, cookieLow: 0xfffefdfc, cost: 64 };
const read = { do: "read" as const, ...cookie, offset: 0x1_0000_0200, length: 16 };
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const head = (structured: boolean, request = read) => {
  const bytes = new Uint8Array(readHead(structured, request.length));
  putReadHead(new DataView(bytes.buffer), 0, request, structured);
  return hex(bytes);
};
const answer = (request: Request, errno: number, structured: boolean) => {
  const bytes = new Uint8Array(replyLength(request, structured));
  putReply(new DataView(bytes.buffer), 0, { request, errno, structured });
  return hex(bytes);
};

test("a read's reply: simple, or one chunk with DONE and its offset, or none for no bytes", () => {
  assert.equal(head(false), "674466980000000001020304fffefdfc");
  assert.equal(head(true), "668e33ef0001000101020304fffefdfc000000180000000100000200");
  assert.equal(head(true, { ...read, length: 0 }), "668e33ef0001000001020304fffefdfc00000000");
});

test("errors are chunks for reads and status where structured replies were agreed on, simple replies otherwise", () => {
  const chunk = "668e33ef0001800101020304fffefdfc00000006000000050000";
  const simple = "674466980000000501020304fffefdfc";
  assert.equal(answer(read, 5, true), chunk);
  assert.equal(answer(read, 5, false), simple);
  assert.equal(answer({ do: "status", ...cookie, offset: 0, length: 1, one: false }, 5, true), chunk);
  assert.equal(answer({ do: "refuse", ...cookie, errno: 5, command: 0 }, 5, true), chunk);
  assert.equal(answer({ do: "refuse", ...cookie, errno: 5, command: 7 }, 5, true), chunk);
  assert.equal(answer({ do: "refuse", ...cookie, errno: 5, command: 1 }, 5, true), simple);
  assert.equal(answer({ do: "flush", ...cookie }, 0, true), "674466980000000001020304fffefdfc");
});

test("base:allocation: neighbours alike are one extent; a hole may show the base, so that it is data", () => {
  const kinds: Extent["kind"][] = ["data", "hole", "zero", "zero", "data"];
  const extents = kinds.map((kind, i) => ({ offset: i * 512, length: 512, kind }));
  const status = { do: "status" as const, ...cookie, offset: 0, length: 2560, one: false };
  assert.equal(
    hex(statusReply(status, extents)),
    "668e33ef0001000501020304fffefdfc0000001c00000001" +
      "0000040000000000" +
      "0000040000000003" +
      "0000020000000000",
  );
  assert.equal(
    hex(statusReply({ ...status, one: true }, extents)),
    "668e33ef0001000501020304fffefdfc0000000c00000001" + "0000040000000000",
  );
});

test("a status reply is bounded, however scattered the disk is", () => {
  const extents = Array.from({ length: 20_000 }, (_, i) => ({
    offset: i,
    length: 1,
    kind: i % 2 ? ("data" as const) : ("zero" as const),
  }));
  const status = { do: "status" as const, ...cookie, offset: 0, length: 20_000, one: false };
  assert.equal(statusReply(status, extents).length, 24 + 4096 * 8);
});
