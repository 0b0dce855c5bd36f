import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { gunzipSync, gzipSync } from "node:zlib";
import { needs, run } from "../../test/tools.ts";
import type { Entry, Tree } from "../base/tree.ts";
import { type AgentOptions, buildAgent } from "./agent.ts";
import { elf, type TestMirror, type TestPackage, testMirror } from "./testing/test-mirror.ts";

const VERSION = "6.12.0-test";
const MODULES = `usr/lib/modules/${VERSION}`;

/** A root file system of these files. */
function tree(files: Record<string, Uint8Array | string>): Tree {
  const bytes = (path: string) => (files[path] === undefined ? undefined : Buffer.from(files[path]));
  const entry = (name: string, size: number): Entry => ({
    name,
    kind: "file",
    size,
    mode: 0o644,
    uid: 0,
    gid: 0,
    mtimeMs: 1,
  });
  return {
    lookup: async (path) => (bytes(path) ? entry(path, bytes(path)?.length ?? 0) : undefined),
    list: async () => [],
    open: async (path) => {
      const all = bytes(path);
      return (
        all && {
          size: all.length,
          read: (into, offset) => void all.copy(into, 0, offset, offset + into.length),
        }
      );
    },
  };
}

const xz = (text: string) =>
  Buffer.from(run("xz", ["-c"], { input: text, encoding: "latin1" } as never), "latin1");

const root = () => ({
  [`${MODULES}/modules.dep`]: `kernel/nbd.ko.xz: kernel/lib/crc.ko.gz\nkernel/lib/crc.ko.gz:\nkernel/plain-one.ko:\nkernel/other.ko.xz:\n`,
  [`${MODULES}/modules.alias`]: "alias block-major-43-* nbd\nalias of:other other\nalias x plain_one\n",
  [`${MODULES}/modules.builtin`]: "kernel/fs/ext4/ext4.ko\n",
  [`${MODULES}/kernel/nbd.ko.xz`]: xz("nbd module"),
  [`${MODULES}/kernel/lib/crc.ko.gz`]: gzipSync("crc module"),
  [`${MODULES}/kernel/plain-one.ko`]: "plain module",
});

const LOADER = "/lib/ld-linux-aarch64.so.1";
const LIBRARIES = "usr/lib/aarch64-linux-gnu";

const packages = (busybox: string): TestPackage[] => [
  {
    name: "busybox-static",
    version: busybox,
    files: { "usr/bin/busybox": Buffer.concat([elf([]), Buffer.from(busybox)]) },
  },
  {
    name: "open-iscsi",
    version: "2.1.11-1",
    depends: "libc6 (>= 2.38), libisns (>= 0.101), udev, debconf (>= 0.5) | debconf-2.0",
    files: {
      "usr/share/doc/open-iscsi/x": "text",
      "usr/sbin/iscsid": elf(["libisns.so.0", "libm.so.6", "libc.so.6"], LOADER),
      "usr/sbin/iscsiadm": elf(["libc.so.6"], LOADER),
    },
  },
  {
    name: "e2fsprogs",
    version: "1.47.2-3",
    depends: "libc6, logsave",
    files: { "usr/sbin/mke2fs": elf(["libc.so.6"], LOADER) },
  },
  {
    name: "libisns",
    version: "0.101",
    depends: "libc6",
    files: { [`${LIBRARIES}/libisns.so.0`]: elf(["libc.so.6"]) },
  },
  {
    name: "libc6",
    version: "2.41",
    files: {
      [`${LIBRARIES}/libc.so.6`]: elf(["ld-linux-aarch64.so.1"]),
      [`${LIBRARIES}/libm.so.6`]: elf([]),
      [`${LIBRARIES}/ld-linux-aarch64.so.1`]: elf([]),
    },
  },
];

interface Bench {
  mirror: TestMirror;
  options: AgentOptions;
}

async function bench(t: TestContext): Promise<Bench | undefined> {
  if (!needs(t, "xz", "xz-utils") || !needs(t, "cpio", "cpio")) return undefined;
  const mirror = await testMirror();
  const data = mkdtempSync(join(tmpdir(), "agent-"));
  t.after(() => {
    mirror.close();
    rmSync(data, { recursive: true });
  });
  await mirror.publish(packages("1:1.37.0-6"));
  const agentFiles = join(data, "scripts");
  cpSync("agent", agentFiles, { recursive: true });
  writeFileSync(join(agentFiles, "keys/debian-archive.asc"), mirror.keys);
  writeFileSync(join(agentFiles, "modules"), "# comment\nnbd # the root\next4\nplain_one\nnowhere\n");
  const kernels = [{ version: VERSION, modules: MODULES }];
  return {
    mirror,
    options: { data, arch: "arm64", kernels, root: tree(root()), mirror: mirror.url, agentFiles },
  };
}

const unpacked = (path: string) => {
  const input = gunzipSync(readFileSync(path));
  const list = run("cpio", ["-it", "--quiet"], { input }).trim().split("\n");
  const text = (name: string) => run("cpio", ["-i", "--quiet", "--to-stdout", name], { input });
  return { list, text };
};

test("buildAgent() packs busybox, our scripts and the modules with what they need, unpacked", async (t) => {
  const at = await bench(t);
  if (!at) return;
  const agent = await buildAgent(at.options);
  const { list, text } = unpacked(agent.path);
  const modules = list.filter((name) => name.endsWith(".ko"));
  const folder = `lib/modules/${VERSION}`;
  assert.deepEqual(modules, [
    `${folder}/kernel/lib/crc.ko`,
    `${folder}/kernel/nbd.ko`,
    `${folder}/kernel/plain-one.ko`,
  ]);
  assert.equal(text(`${folder}/kernel/nbd.ko`), "nbd module");
  assert.equal(text(`${folder}/kernel/lib/crc.ko`), "crc module");
  assert.equal(
    text(`${folder}/modules.dep`),
    "kernel/nbd.ko: kernel/lib/crc.ko\nkernel/lib/crc.ko:\nkernel/plain-one.ko:\n",
  );
  assert.equal(text(`${folder}/modules.alias`), "alias block-major-43-* nbd\nalias x plain_one\n");
  assert.match(text("bin/busybox"), /1:1\.37\.0-6$/);
  const libraries = list.filter((name) => name.includes(".so")).sort();
  const folderOf = (name: string) => `lib/aarch64-linux-gnu/${name}`;
  assert.deepEqual(libraries, [
    folderOf("libc.so.6"),
    folderOf("libisns.so.0"),
    folderOf("libm.so.6"),
    LOADER.slice(1),
  ]);
  assert.ok(list.includes("sbin/mke2fs"));
  assert.equal(text("init"), readFileSync("agent/init", "utf8"));
  assert.ok(list.includes("agent/root.sh") && list.includes("@/udhcpc") && list.includes("dev/console"));
  assert.deepEqual(agent.absent, { [VERSION]: ["nowhere"] });
  assert.deepEqual(
    agent.packages.map(({ name, version }) => `${name} ${version}`),
    ["busybox-static 1:1.37.0-6", "e2fsprogs 1.47.2-3", "libc6 2.41", "libisns 0.101", "open-iscsi 2.1.11-1"],
  );
});

test("buildAgent() lists what iscsid takes with it into its own folder: nothing of other programs", async (t) => {
  const at = await bench(t);
  if (!at) return;
  const { list, text } = unpacked((await buildAgent(at.options)).path);
  const folder = "lib/aarch64-linux-gnu";
  const jail = text("agent/jail").trim().split("\n").sort();
  assert.deepEqual(jail, [
    `${folder}/libc.so.6`,
    `${folder}/libisns.so.0`,
    `${folder}/libm.so.6`,
    LOADER.slice(1),
    "sbin/@iscsid",
    "sbin/iscsiadm",
  ]);
  for (const path of jail) assert.ok(list.includes(path), `${path} is in the agent`);
});

test("the same packages and modules give the same bytes, without any network", async (t) => {
  const at = await bench(t);
  if (!at) return;
  const first = await buildAgent(at.options);
  at.mirror.close();
  rmSync(join(at.options.data, "agent/built"), { recursive: true });
  const again = await buildAgent({ ...at.options, offline: true });
  assert.equal(again.sha256, first.sha256);
  assert.equal(again.path, first.path);
});

test("another kernel module or script makes another agent; the first stays for who boots from it", async (t) => {
  const at = await bench(t);
  if (!at) return;
  const first = await buildAgent(at.options);
  const changed = { ...root(), [`${MODULES}/kernel/plain-one.ko`]: "plain module, upgraded" };
  const second = await buildAgent({ ...at.options, root: tree(changed) });
  assert.notEqual(second.sha256, first.sha256);
  writeFileSync(join(at.options.agentFiles, "talk.sh"), "# changed\n");
  const third = await buildAgent({ ...at.options, root: tree(changed) });
  assert.notEqual(third.sha256, second.sha256);
  assert.equal(readdirSync(join(at.options.data, "agent/built")).length, 3);
});

test("of many agents the eight used last are kept", async (t) => {
  const at = await bench(t);
  if (!at) return;
  const built = join(at.options.data, "agent/built");
  const build = async (n: number) => {
    writeFileSync(join(at.options.agentFiles, "talk.sh"), `# ${n}\n`);
    return (await buildAgent(at.options)).path;
  };
  const paths: string[] = [];
  for (let n = 0; n < 8; n++) {
    const path = await build(n);
    utimesSync(path, 1000 + n, 1000 + n);
    paths.push(path);
  }
  await build(0); // used again
  const newest = await build(8);
  const kept = [paths[0], ...paths.slice(2), newest];
  assert.deepEqual(
    readdirSync(built)
      .map((name) => join(built, name))
      .sort(),
    kept.sort(),
  );
});

test("offline with an empty cache fails and says what to do", async (t) => {
  const at = await bench(t);
  if (!at) return;
  await assert.rejects(buildAgent({ ...at.options, offline: true }), { code: "AGENT_UNBUILDABLE" });
  assert.deepEqual(at.mirror.asked, []);
});

test("the lock decides: a newer package on the mirror changes nothing until the locked one is gone", async (t) => {
  const at = await bench(t);
  if (!at) return;
  const first = await buildAgent(at.options);
  await at.mirror.publish(packages("1:1.38.0-1"));
  assert.equal((await buildAgent(at.options)).sha256, first.sha256);
  rmSync(join(at.options.data, "agent/debs"), { recursive: true });
  assert.equal((await buildAgent(at.options)).sha256, first.sha256, "the mirror still has the locked one");
  rmSync(join(at.options.data, "agent/debs"), { recursive: true });
  at.mirror.files.delete("pool/busybox-static_1.37.0-6_arm64.deb");
  const newer = await buildAgent(at.options);
  assert.equal(newer.packages[0]?.version, "1:1.38.0-1");
});

test("a package that is not what was locked is never used", async (t) => {
  const at = await bench(t);
  if (!at) return;
  await buildAgent(at.options);
  const path = join(at.options.data, "agent/debs/busybox-static_1.37.0-6_arm64.deb");
  writeFileSync(path, "something else");
  at.mirror.files.set("pool/busybox-static_1.37.0-6_arm64.deb", Buffer.from("also something else"));
  await assert.rejects(buildAgent(at.options), { code: "PACKAGES_UNTRUSTED" });
});

test("a library that no package has is named", async (t) => {
  const at = await bench(t);
  if (!at) return;
  const lacking = packages("1:1.37.0-6").map((one) =>
    one.name === "libisns" ? { ...one, files: { "usr/lib/x": "y" } } : one,
  );
  await at.mirror.publish(lacking);
  await assert.rejects(buildAgent(at.options), /no package of the agent has the library libisns\.so\.0/);
});

test("an image without module tables, and a damaged module, are named", async (t) => {
  const at = await bench(t);
  if (!at) return;
  await assert.rejects(
    buildAgent({ ...at.options, root: tree({}) }),
    /no usr\/lib\/modules\/6\.12\.0-test\/modules\.dep/,
  );
  const cut = { ...root(), [`${MODULES}/kernel/nbd.ko.xz`]: xz("nbd module").subarray(0, 20) };
  await assert.rejects(buildAgent({ ...at.options, root: tree(cut) }), /nbd\.ko\.xz is damaged/);
});
