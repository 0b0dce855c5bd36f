import assert from "node:assert/strict";
import { test } from "node:test";
import { latin1, toLatin1 } from "../../base/text.ts";
import { toNetascii } from "./netascii.ts";

test("toNetascii() ends lines in CR LF and a lone CR in CR NUL (RFC 764)", () => {
  const wire = (text: string) => latin1(toNetascii(toLatin1(text)));
  assert.equal(wire("a\nb\n"), "a\r\nb\r\n");
  assert.equal(wire("a\rb"), "a\r\0b");
  assert.equal(wire("a\r\n"), "a\r\0\r\n");
  assert.equal(wire("\xff\x80"), "\xff\x80");
  assert.equal(wire(""), "");
});
