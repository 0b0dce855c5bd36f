import assert from "node:assert/strict";
import { test } from "node:test";
import { toUtf8 } from "../base/text.ts";
import type { Tree } from "../base/tree.ts";
import { bootTree, memoryFile } from "./boot-tree.ts";
import { walkBoot } from "./boot-walk.ts";

/** Just enough of a tree: files by path. */
const files = (texts: Record<string, string>): Tree => ({
  lookup: async () => undefined,
  list: async () => [],
  open: async (path) => (texts[path] === undefined ? undefined : memoryFile(toUtf8(texts[path]))),
});
const tree = (texts: Record<string, string>) =>
  bootTree({
    clone: files(texts),
    agent: { ...memoryFile(toUtf8("A")), identity: "a" },
    parameters: new Map(),
  });

const PI4 = {
  "start4.elf": "s",
  "fixup4.dat": "f",
  "kernel8.img": "k",
  "bcm2711-rpi-4-b.dtb": "d",
  "cmdline.txt": "",
};

test("a Pi 4 gets its firmware pair, kernel8.img, the agent and its device tree", async () => {
  const walk = await walkBoot(await tree({ ...PI4, "config.txt": "arm_64bit=1\nauto_initramfs=1\n" }), {
    model: "4B",
  });
  assert.equal(walk.kernel, "kernel8.img");
  assert.deepEqual(walk.initramfs, ["agent.img"]);
  assert.deepEqual(walk.missing, []);
  assert.deepEqual(
    walk.files.filter((f) => f.origin?.from === "generated").map((f) => f.path),
    ["config.txt", "agent.img", "cmdline.txt"],
  );
});

test("the same tree is missing the kernel's device tree for a Pi 5, and says so", async () => {
  const walk = await walkBoot(await tree(PI4), { model: "5" });
  assert.equal(walk.kernel, "kernel8.img", "kernel_2712.img is absent: the second choice");
  assert.deepEqual(walk.missing, ["bcm2712-rpi-5-b.dtb"]);
  assert.ok(!walk.files.some((f) => f.path.startsWith("start")), "a Pi 5 asks for no start file");
});

test("filters decide: a section for another model changes nothing here", async () => {
  const config = "[pi5]\nkernel=five.img\n[pi4]\nkernel=four.img\n[all]\narm_64bit=1\n";
  const with4 = await walkBoot(await tree({ ...PI4, "four.img": "4", "config.txt": config }), {
    model: "4B",
  });
  assert.equal(with4.kernel, "four.img");
  const with3 = await walkBoot(await tree({ ...PI4, "config.txt": config }), { model: "3B" });
  assert.equal(with3.kernel, "kernel8.img");
});

test("os_prefix holds only where kernel and device tree lie under it", async () => {
  const config = "os_prefix=new/\narm_64bit=1\n";
  const whole = await walkBoot(
    await tree({
      ...PI4,
      "config.txt": config,
      "new/kernel8.img": "k",
      "new/bcm2711-rpi-4-b.dtb": "d",
      "new/cmdline.txt": "",
    }),
    { model: "4B" },
  );
  assert.equal(whole.kernel, "new/kernel8.img");
  assert.equal(whole.cmdline, "new/cmdline.txt");
  assert.deepEqual(whole.initramfs, ["agent.img"], "the agent is named absolutely");
  const half = await walkBoot(await tree({ ...PI4, "config.txt": config, "new/kernel8.img": "k" }), {
    model: "4B",
  });
  assert.equal(half.kernel, "kernel8.img");
});
