import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { cmdlineValue, splitCmdline } from "../formats/cmdline.ts";
import { foreignWord, nodeCmdline } from "./cmdline.ts";

const PI_GEN =
  "console=serial0,115200 console=tty1 root=PARTUUID=b2a3b1e5-02 rootfstype=ext4 fsck.repair=yes rootwait resize init=/usr/lib/raspberrypi-sys-mods/firstboot\n";

test("nodeCmdline() takes the SD card's root, resize and firstboot out and says each", () => {
  const { line, removed } = nodeCmdline(PI_GEN, ["bramble.root=nbd"]);
  assert.equal(line, "console=serial0,115200 console=tty1 fsck.repair=yes rootwait bramble.root=nbd");
  assert.deepEqual(
    removed.map((r) => r.word),
    [
      "root=PARTUUID=b2a3b1e5-02",
      "rootfstype=ext4",
      "resize",
      "init=/usr/lib/raspberrypi-sys-mods/firstboot",
    ],
  );
});

test("nodeCmdline() keeps an init= that is the user's own", () => {
  assert.equal(nodeCmdline("init=/bin/sh quiet", []).line, "init=/bin/sh quiet");
});

test("nodeCmdline() lets no image smuggle parameters of ours in", () => {
  const { line } = nodeCmdline("bramble.server=http://evil quiet", ["bramble.server=http://10.0.0.1"]);
  assert.equal(line, "quiet bramble.server=http://10.0.0.1");
});

test("nodeCmdline() lets a profile ask for the kernel's words, and for nothing else of ours", () => {
  assert.equal(foreignWord("bramble.console=netconsole"), undefined);
  assert.equal(typeof foreignWord("bramble.console=http://evil"), "string");
  assert.equal(
    nodeCmdline("quiet", [], ["bramble.console=netconsole"]).line,
    "quiet bramble.console=netconsole",
  );
});

test("splitCmdline() keeps quoted blanks together, and cmdlineValue() takes the last as the kernel does", () => {
  assert.deepEqual(splitCmdline('a="b c" d'), ['a="b c"', "d"]);
  assert.equal(cmdlineValue("root=/dev/a  root=/dev/b", "root"), "/dev/b");
  assert.equal(cmdlineValue("quiet", "root"), undefined);
});

test("any command line goes through as one line", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary-ascii" }), (text) => {
      assert.doesNotMatch(nodeCmdline(text, []).line.replace(/"[^"]*"?/g, ""), /\n/);
    }),
  );
});

test("what the agent does on a failure may be chosen; none of its other parameters", () => {
  const { line, removed } = nodeCmdline("bramble.server=http://10.0.0.9 bramble.onfail=reboot quiet", []);
  assert.equal(line, "bramble.onfail=reboot quiet");
  assert.deepEqual(
    removed.map(({ word }) => word),
    ["bramble.server=http://10.0.0.9"],
  );
  assert.equal(foreignWord("bramble.onfail=reboot"), undefined);
  for (const word of ["bramble.onfail=sh;x", "bramble.onfail=", "bramble.root=shell", "bramble.token=x"])
    assert.ok(foreignWord(word), word);
});
