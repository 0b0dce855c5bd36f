import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { makeFat32 } from "../../storage/demo-image-fat.ts";
import { addFirmware } from "../../storage/firmware.ts";
import { addImage } from "../../storage/images.ts";
import { knownImages } from "../known-images.ts";
import { fakeCore } from "../testing/fake-core.ts";
import { fleetFindings } from "./findings.ts";
import { linkFinding } from "./link-findings.ts";
import { clockFinding, firewallFindings } from "./machine-findings.ts";

const boot = (nodeId: string, id: string, reached: object | null) => ({
  ...{ id, nodeId, startedMs: Date.now(), endedMs: 2, stage: "booted", outcome: "booted", verdict: null },
  ...{ root: null, image: null, address: null, tokenHash: null, server: null },
  reached: reached && JSON.stringify(reached),
});

test("fleetFindings() names boards that a switch port lets out late, every time", async (t) => {
  const { core, node } = await fakeCore(t);
  const [slow, quick] = [await node("10000001"), await node("10000002")];
  for (const [i, wait] of [38_000, 31_000].entries())
    core.journal.boot(boot(slow.id, `s${i}`, { power: 1_000, dhcp: 1_000 + wait }) as never);
  core.journal.boot(boot(quick.id, "q1", { power: 1_000, dhcp: 40_000 }) as never);
  core.journal.boot(boot(quick.id, "q2", { power: 1_000, dhcp: 5_000 }) as never);
  core.journal.boot(boot(quick.id, "q3", null) as never);
  await core.journal.flush();
  const found = (await fleetFindings(core)).filter(({ what }) => what === "slow switch port");
  assert.deepEqual(
    found.map(({ node: name }) => name),
    [slow.name],
  );
  assert.match(found[0]?.words ?? "", /31 s or more after its power came on, in each of its last 2 boots/);
});

test("fleetFindings() tells of two nodes with one address, and of conflicts that were heard, on both pages", async (t) => {
  const { core, node } = await fakeCore(t);
  const [one, two] = [await node("10000001"), await node("10000002")];
  one.address = "10.0.0.7";
  two.address = "10.0.0.7";
  core.journal.event("conflict", one.id, "10.0.0.7 was meant for it, but b8:27:eb:00:00:09 answers there");
  core.journal.event("foreign-server", undefined, "another DHCP server is here: 10.0.0.254");
  await core.journal.flush();
  const all = await fleetFindings(core);
  const of = (what: string) => all.filter((finding) => finding.what === what);
  assert.deepEqual(
    of("duplicate address").map(({ node: name }) => name),
    [one.name, two.name],
  );
  assert.equal(of("address or identity conflict")[0]?.node, one.name);
  assert.equal(of("another DHCP server").length, 1);
  assert.equal(of("image").length, 2, "and neither has an image");
  const own = await fleetFindings(core, two);
  assert.deepEqual(
    own.map(({ what }) => what),
    ["image", "duplicate address"],
  );
});

/** A disk of one FAT32 partition that has a config.txt, and nothing else. */
async function writeBareImage(path: string): Promise<void> {
  const size = 36 << 20;
  const files = new Map([["config.txt", Buffer.from("arm_64bit=1\n")]]);
  const disk = Buffer.alloc((1 << 20) + size);
  disk.set(await makeFat32({ size, label: "BOOT", volumeId: 1, files }), 1 << 20);
  disk[446 + 4] = 0x0c;
  disk.writeUInt32LE(2048, 446 + 8);
  disk.writeUInt32LE(size / 512, 446 + 12);
  disk.writeUInt16LE(0xaa55, 510);
  await writeFile(path, disk);
}

test("fleetFindings() says what an image lacks for a node's model, and counts what a firmware set lays under it", async (t) => {
  const { core, node } = await fakeCore(t);
  const [four, five] = [await node("10000001"), await node("10000002")];
  const [data, folder] = [core.data.root, join(core.data.root, "boot")];
  await writeBareImage(join(data, "bare-1.img"));
  await addImage({ data, source: join(data, "bare-1.img"), name: "bare:1" });
  for (const [one, model] of [
    [four, "4B"],
    [five, "5"],
  ] as const)
    await core.registry.patch(Object.assign(one, { model }), { image: "bare:1" });
  const told = async () =>
    (await fleetFindings(core)).filter(({ what }) => what === "image").map(({ words }) => words);
  const [ofFour = "", ofFive = ""] = await told();
  assert.match(
    ofFour,
    /bare:1 lacks what a Pi 4B .* asks for: start4\.elf, fixup4\.dat, kernel8\.img, bcm2711-rpi-4-b\.dtb$/,
  );
  assert.match(ofFive, /asks for: kernel_2712\.img \| kernel8\.img, bcm2712-rpi-5-b\.dtb$/);

  await mkdir(folder);
  for (const name of ["START4.ELF", "fixup4.dat", "kernel8.img", "bcm2711-rpi-4-b.dtb"])
    await writeFile(join(folder, name), name);
  const { name, version } = await addFirmware({ data, source: folder, name: "laid:1" });
  for (const one of [four, five]) await core.registry.patch(one, { firmware: `${name}:${version}` });
  assert.deepEqual(await told(), [
    `bare:1 lacks what a Pi 5 (${five.name}) asks for, and laid:1 does not have it either: bcm2712-rpi-5-b.dtb`,
  ]);
  const known = knownImages(core);
  await known.learn();
  assert.deepEqual(known.lacks(four), [], "nor is a boot of it told to lack them");
  assert.deepEqual(known.lacks(five), ["bcm2712-rpi-5-b.dtb"]);
});

test("linkFinding() tells half duplex, damaged frames and slow ports apart, and is silent where the driver is", () => {
  const port = (facts: Record<string, string>) => linkFinding("eth0", (_, file) => facts[file] ?? "");
  assert.equal(port({ speed: "1000", duplex: "full" })?.state, "ok");
  assert.equal(port({ speed: "100", duplex: "full" })?.state, "warning");
  assert.equal(port({ speed: "1000", duplex: "half", "statistics/collisions": "9" })?.state, "problem");
  assert.match(
    port({ speed: "1000", duplex: "full", "statistics/rx_crc_errors": "7" })?.words ?? "",
    /7 frames/,
  );
  assert.equal(port({ speed: "-1" }), undefined);
  assert.equal(port({}), undefined);
});

test("firewallFindings() names the port, the rule and what to write, and says when it may not look", () => {
  const ports = { dhcp: 67, tftp: 69, proxy: 4011, agent: 8441, nbd: 10809, iscsi: 3260, operator: 8440 };
  const saved =
    "*filter\n:INPUT DROP [0:0]\n-A INPUT -p udp -j ACCEPT\n-A INPUT -p tcp -m tcp --dport 3260 -j ACCEPT\nCOMMIT\n";
  const found = firewallFindings(ports, "eth0", { nft: () => undefined, iptables: () => saved });
  assert.deepEqual(
    found.map(({ words }) => words.split(",")[0]),
    ["it drops the agent", "it drops NBD"],
  );
  assert.match(found[0]?.hint ?? "", /-A INPUT -i eth0 -p tcp --dport 8441 -j ACCEPT/);
  const look = { nft: () => undefined, iptables: () => saved };
  const withTrees = firewallFindings({ ...ports, nfs: 2049 }, "eth0", look).map(
    ({ words }) => words.split(",")[0],
  );
  assert.deepEqual(withTrees, ["it drops the agent", "it drops NBD", "it drops NFS"]);
  const open = firewallFindings(ports, "eth0", { nft: () => undefined, iptables: () => undefined });
  assert.equal(open[0]?.state, "ok");
  const refused = firewallFindings(ports, "eth0", {
    nft: () => {
      throw new Error("Operation not permitted (you must be root)");
    },
    iptables: () => undefined,
  });
  assert.match(refused[0]?.words ?? "", /cannot be read/);
});

test("clockFinding() finds a clock that cannot be, and one that went back", async () => {
  assert.equal((await clockFinding(0)).state, "problem");
  const now = Date.UTC(2030, 1, 1);
  assert.match((await clockFinding(now, now + 3_600_000)).words, /^it went back/);
  assert.notEqual((await clockFinding(now, now)).state, "problem");
});
