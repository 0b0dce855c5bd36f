import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { output } from "../bed/commands.ts";
import { startFirmware } from "../bed/firmware.ts";
import { makeNetwork, type Network } from "../bed/network.ts";
import { bootNfsGuest } from "../bed/nfs-guest.ts";
import { type NfsTrees, startTrees, treeImage } from "../bed/nfs-trees.ts";
import { QEMU, type Scenario, type Stage } from "../scenario.ts";

const MB = 1 << 20;
/** As seen from /usr/bin. */
const UBOOT = "../lib/u-boot/qemu_arm64/u-boot.bin";
const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** Other people's NFS clients: libnfs' programs, U-Boot, Linux' kernel. */
export const scenario: Scenario = {
  name: "nfs-foreign",
  tier: "ci",
  budgetSeconds: 110,
  needs: [
    QEMU,
    { tool: "mke2fs", package: "e2fsprogs" },
    { tool: "nfs-ls", package: "libnfs-utils" },
    { tool: UBOOT, package: "u-boot-qemu" },
  ],
  assets: ["mini-image"],
  async run(t) {
    const network = await makeNetwork();
    const files = join(t.folder, "files");
    await mkdir(join(files, "boot/firmware"), { recursive: true });
    const large = randomBytes(5 * MB + 123);
    await writeFile(join(files, "boot/firmware/kernel8.img"), large);
    await writeFile(join(files, "hello"), "hello from the image\n", { mode: 0o640 });
    await symlink("hello", join(files, "way"));
    const image = await treeImage(t, files);
    const trees = await startTrees(t, { image, host: network.address, old: true });
    await libnfs(t, trees, large);
    await uBoot(t, network, trees, large);
    await kernel(t, network, trees, large);
  },
};

async function libnfs(t: Stage, trees: NfsTrees, large: Buffer): Promise<void> {
  const url = (path: string) =>
    `nfs://${trees.host}${trees.path(0)}${path}?version=3&nfsport=${trees.port}&mountport=${trees.port}`;
  const listed = await output("nfs-ls", ["-R", url("/")]);
  assert.match(listed, /-rw-r-----\s+1\s+0\s+0\s+21 hello/, listed);
  assert.match(listed, /lrwxrwxrwx.* way/, listed);
  assert.match(listed, new RegExp(` ${large.length} .*kernel8\\.img`), listed);
  assert.equal(await output("nfs-cat", [url("/hello")]), "hello from the image\n");
  const to = (name: string) => join(t.folder, name);
  await output("nfs-cp", [url("/boot/firmware/kernel8.img"), to("down")]);
  assert.equal(sha256(await readFile(to("down"))), sha256(large));
  await writeFile(to("up"), large.subarray(1));
  await output("nfs-cp", [to("up"), url("/uploaded")]);
  await output("nfs-cp", [url("/uploaded"), to("back")]);
  assert.equal(sha256(await readFile(to("back"))), sha256(large.subarray(1)));
  t.say("libnfs: nfs-ls, nfs-cat, nfs-cp down and up: right names and bytes");
}

async function uBoot(t: Stage, network: Network, trees: NfsTrees, large: Buffer): Promise<void> {
  const machine = await startFirmware(t, network, {
    firmware: join("/usr/bin", UBOOT),
    mac: "52:54:00:00:02:01",
    card: "e1000", // as in foreign-clients
  });
  await machine.saw(/Hit any key/, 60);
  machine.type("\n");
  await machine.saw(/=> /, 30);
  machine.type(`setenv ipaddr ${network.host(60)}; setenv netmask 255.255.255.0\n`);
  machine.type(`nfs $loadaddr ${trees.host}:${trees.path(0)}/boot/firmware/kernel8.img\n`);
  await machine.saw(new RegExp(`Bytes transferred = ${large.length} `), 60);
  machine.type("crc32 $loadaddr $filesize\n");
  await machine.saw(new RegExp(`==> ${crc32(large).toString(16).padStart(8, "0")}`), 30);
  await machine.stop("SIGKILL");
  t.say(`U-Boot: nfs of ${large.length} bytes, its CRC is right`);
}

async function kernel(t: Stage, network: Network, trees: NfsTrees, large: Buffer): Promise<void> {
  const guest = await bootNfsGuest(t, {
    network,
    number: 61,
    server: trees.host,
    path: trees.path(0),
    options: `port=${trees.port},mountport=${trees.port}`,
    programs: [],
    script: [
      "cat way; sha256sum boot/firmware/kernel8.img",
      "mkdir made; cp boot/firmware/kernel8.img made/copy; sync; echo 3 > /proc/sys/vm/drop_caches; sha256sum made/copy",
      "mv made/copy made/moved; ln made/moved linked; rm made/moved; ls -l linked; chmod 600 hello; echo more >> hello; cat hello; df -k . | tail -n 1",
    ].join("\n"),
  });
  assert.equal(await guest.ended, 0);
  const said = guest.text();
  assert.match(said, /hello from the image/);
  for (const path of ["boot/firmware/kernel8.img", "made/copy"])
    assert.match(said, new RegExp(`${sha256(large)} {2}${path}`));
  assert.match(said, /hello from the image\r?\nmore/);
  assert.match(said, /GUEST unmounted/);
  const url = `nfs://${trees.host}${trees.path(0)}/linked?version=3&nfsport=${trees.port}&mountport=${trees.port}`;
  const back = join(t.folder, "linked");
  await output("nfs-cp", [url, back]);
  assert.equal(sha256(await readFile(back)), sha256(large), "what the guest wrote, by another client");
  t.say("Linux' kernel client (NFSv3 over TCP): reads, writes, renames, links; another client sees the same");
}
