import assert from "node:assert/strict";
import { test } from "node:test";
import { toUtf8, utf8 } from "../base/text.ts";
import { type Entry, readAll, type Tree } from "../base/tree.ts";
import { bootTree, memoryFile, rootPartitionOf } from "./boot-tree.ts";

const entry = (name: string, size: number, kind: Entry["kind"] = "file"): Entry => ({
  name,
  kind,
  size,
  mode: 0o755,
  uid: 0,
  gid: 0,
  mtimeMs: 0,
});

/** A tree of texts, one level of folders. */
function treeOf(files: Record<string, string>): Tree {
  return {
    async lookup(path) {
      if (files[path] !== undefined) return entry(path, files[path].length);
      return Object.keys(files).some((f) => f.startsWith(`${path}/`))
        ? entry(path, 0, "directory")
        : undefined;
    },
    async list(path) {
      const folder = path === "" ? "" : `${path}/`;
      return Object.keys(files)
        .filter((f) => f.startsWith(folder) && !f.slice(folder.length).includes("/"))
        .map((f) => entry(f.slice(folder.length), files[f]?.length ?? 0));
    },
    async open(path) {
      const text = files[path];
      return text === undefined ? undefined : memoryFile(toUtf8(text));
    },
  };
}

const parameters = new Map([["root", "nbd"]]);
const agent = { ...memoryFile(toUtf8("AGENT")), identity: "agent-1" };
const read = async (tree: Awaited<ReturnType<typeof bootTree>>, path: string) => {
  const file = await tree.find(path);
  return file && utf8(await readAll(file));
};

test("a boot tree lays the agent, config.txt and cmdline.txt over the clone's files", async () => {
  const tree = await bootTree({
    clone: treeOf({
      "config.txt": "arm_64bit=1\nauto_initramfs=1",
      "cmdline.txt": "root=/dev/mmcblk0p2 quiet",
      k: "K",
    }),
    agent,
    parameters,
  });
  assert.equal(await read(tree, "cmdline.txt"), "quiet bramble.root=nbd\n");
  assert.equal(
    await read(tree, "config.txt"),
    "arm_64bit=1\nauto_initramfs=1\n[all]\ninitramfs agent.img followkernel\n",
  );
  assert.equal(await read(tree, "agent.img"), "AGENT");
  assert.equal((await tree.find("agent.img"))?.identity, "agent-1");
  assert.equal((await tree.find("k"))?.origin.from, "clone");
  assert.equal(await tree.find("absent"), undefined);
  assert.ok(tree.changes.some((c) => c.includes("root=/dev/mmcblk0p2")));
});

test("the image's own initramfs lines are commented out, in tryboot.txt as well", async () => {
  const tree = await bootTree({
    clone: treeOf({ "config.txt": "initramfs old.img followkernel\n", "tryboot.txt": "kernel=new.img\n" }),
    agent,
    parameters,
  });
  assert.match((await read(tree, "config.txt")) ?? "", /^#initramfs old\.img/);
  assert.match((await read(tree, "tryboot.txt")) ?? "", /kernel=new\.img\n\[all\]\ninitramfs agent\.img/);
});

test("auto_initramfs finds the agent under the image's own name, and only where the image has such a file", async () => {
  const tree = await bootTree({ clone: treeOf({ initramfs8: "old" }), agent, parameters });
  assert.equal(await read(tree, "initramfs8"), "AGENT");
  assert.equal(await read(tree, "initramfs_2712"), undefined);
});

test("an os_prefix folder gets its cmdline.txt and finds the agent, also when an include sets it", async () => {
  const tree = await bootTree({
    clone: treeOf({
      "config.txt": "include usercfg.txt\n",
      "usercfg.txt": "os_prefix=current/\n",
      "current/cmdline.txt": "root=LABEL=writable splash",
    }),
    agent,
    parameters,
  });
  assert.equal(await read(tree, "current/cmdline.txt"), "splash bramble.root=nbd\n");
  assert.equal(await read(tree, "current/agent.img"), "AGENT");
  assert.match((await read(tree, "config.txt")) ?? "", /initramfs \/agent\.img followkernel/);
});

test("firmware files serve only where the clone has none, and say so", async () => {
  const tree = await bootTree({
    clone: treeOf({ "start4.elf": "own" }),
    firmware: { name: "raspi:1", tree: treeOf({ "start4.elf": "laid", "fixup4.dat": "laid" }) },
    agent,
    parameters,
  });
  assert.equal(await read(tree, "start4.elf"), "own");
  assert.equal(await read(tree, "fixup4.dat"), "laid");
  assert.deepEqual((await tree.find("fixup4.dat"))?.origin, { from: "firmware", name: "raspi:1" });
  const rows = await tree.list("");
  assert.deepEqual(
    rows.map((row) => `${row.entry.name} ${row.origin.from}`),
    [
      "agent.img generated",
      "cmdline.txt generated",
      "config.txt generated",
      "fixup4.dat firmware",
      "start4.elf clone",
    ],
  );
  await assert.rejects(tree.list("nowhere"), { code: "FILE_UNKNOWN" });
});

test("an image without cmdline.txt still gets our parameters", async () => {
  const tree = await bootTree({ clone: treeOf({}), agent, parameters });
  assert.equal(await read(tree, "CMDLINE.TXT"), "bramble.root=nbd\n");
});

test("rootPartitionOf() reads what pi-gen, Ubuntu and a plain device name write", () => {
  assert.equal(rootPartitionOf("root=PARTUUID=b2a3b1e5-02 rootwait"), 2);
  assert.equal(rootPartitionOf("root=/dev/mmcblk0p3"), 3);
  assert.equal(rootPartitionOf("root=/dev/sda2"), 2);
  assert.equal(rootPartitionOf("root=LABEL=writable"), undefined);
  assert.equal(rootPartitionOf("quiet"), undefined);
});

test("a profile's words and lines stand behind the image's own and before ours, the image's words once", async () => {
  const lines = { cmdline: ["cgroup_enable=memory", "quiet"], config: ["[pi4]", "dtparam=poe=on"] };
  const clone = treeOf({ "config.txt": "initramfs own.img\n", "cmdline.txt": "quiet" });
  const tree = await bootTree({ clone, agent, parameters, lines });
  assert.equal(await read(tree, "cmdline.txt"), "quiet cgroup_enable=memory bramble.root=nbd\n");
  assert.equal(
    await read(tree, "config.txt"),
    "#initramfs own.img\n[all]\n[pi4]\ndtparam=poe=on\n[all]\ninitramfs agent.img followkernel\n",
  );
  assert.ok(tree.changes.some((words) => words.includes("the profile adds cgroup_enable=memory quiet")));
  const own = await bootTree({ clone, parameters, lines });
  assert.equal(await read(own, "config.txt"), "initramfs own.img\n[all]\n[pi4]\ndtparam=poe=on\n");
});

test("a profile's iPXE script is a file of the tree, in whatever case it is asked for, and nothing else changes", async () => {
  const clone = treeOf({ "config.txt": "", "cmdline.txt": "quiet" });
  const lines = { cmdline: [], config: [], ipxe: "#!ipxe\nexit\n" };
  const tree = await bootTree({ clone, parameters, lines });
  assert.equal(await read(tree, "BOOT.IPXE"), "#!ipxe\nexit\n");
  assert.equal((await tree.find("boot.ipxe"))?.origin.from, "generated");
  const without = await bootTree({ clone, parameters, lines: { cmdline: [], config: [] } });
  assert.equal(await read(without, "boot.ipxe"), undefined);
  assert.equal(await read(without, "cmdline.txt"), await read(tree, "cmdline.txt"));
});

test("a kernel that mounts its root by itself gets its words, and no initramfs: neither ours nor the image's", async () => {
  const kernelRoot = ["root=/dev/nfs", "nfsroot=10.0.0.1:/nodes/a/b,vers=3", "ip=dhcp", "rw"];
  const tree = await bootTree({
    clone: treeOf({
      "config.txt": "auto_initramfs=1\ninitramfs old.img followkernel\n",
      "cmdline.txt": "root=/dev/mmcblk0p2 ip=off quiet",
      initramfs8: "OLD",
      initramfs_2712: "OLD",
      "kernel8.img": "K",
    }),
    parameters: new Map([["token", "secret"]]),
    kernelRoot,
  });
  assert.equal(await read(tree, "cmdline.txt"), `quiet ${kernelRoot.join(" ")}\n`);
  assert.equal(await tree.find("initramfs8"), undefined);
  assert.equal(await tree.find("INITRAMFS_2712"), undefined);
  assert.equal(await tree.find("agent.img"), undefined);
  assert.equal((await read(tree, "config.txt"))?.includes("\ninitramfs"), false);
  assert.match((await read(tree, "config.txt")) ?? "", /auto_initramfs=1\n#initramfs old/);
  assert.deepEqual(
    (await tree.list("")).map(({ entry: { name } }) => name),
    ["cmdline.txt", "config.txt", "kernel8.img"],
  );
  assert.equal(tree.changes.filter((words) => /^initramfs.*left out/.test(words)).length, 2);
});
