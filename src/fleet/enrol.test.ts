import assert from "node:assert/strict";
import { test } from "node:test";
import { enrols, parseEnrolRule } from "./enrol.ts";

const pi4 = { model: "4B", serial: "10000abc", mac: "dc:a6:32:00:00:01" };

test("auto takes everybody, ask nobody", () => {
  assert.equal(enrols(parseEnrolRule("auto"), {}), true);
  assert.equal(enrols(parseEnrolRule("ask"), pi4), false);
});

test("a pattern must fit whole, one of several is enough", () => {
  assert.equal(enrols(parseEnrolRule("model=4b,serial=1000*"), pi4), true);
  assert.equal(enrols(parseEnrolRule("model=4B,serial=2*"), pi4), false);
  assert.equal(enrols(parseEnrolRule("model=5 mac=dc:a6:32:*"), pi4), true);
  assert.equal(enrols(parseEnrolRule("serial=*"), { mac: "a" }), true, "* also fits what is not known yet");
  assert.equal(enrols(parseEnrolRule("serial=?*"), { mac: "a" }), false);
});

test("a pattern's dots are dots", () => {
  assert.equal(enrols(parseEnrolRule("serial=1.000abc"), pi4), false);
});

test("parseEnrolRule() names what it could not read", () => {
  assert.throws(() => parseEnrolRule("colour=red"), /colour=red is no enrolment pattern/);
  assert.throws(() => parseEnrolRule("  "), /empty/);
});
