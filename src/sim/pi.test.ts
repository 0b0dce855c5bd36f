import assert from "node:assert/strict";
import { test } from "node:test";
import type { VirtualPi } from "./board.ts";
import { bootPi } from "./pi.ts";
import {
  boot,
  brief,
  KERNEL,
  PI3,
  PI3_FILES,
  PI4,
  PI4_FILES,
  PI5,
  PI5_FILES,
  sha,
  type World,
} from "./testing/worlds.ts";
import type { ToyDhcp } from "./toy-servers.ts";
import { toyDhcp, toyTftp, treeOf } from "./toy-servers.ts";
import { virtualNet } from "./virtual-net.ts";

test("a Pi 4 boots from the root of the tree, and ends with the kernel's right bytes", async () => {
  const result = await boot(PI4, PI4_FILES, {}, true);
  assert.equal(result.outcome, "kernel", result.reason);
  assert.equal(result.kernel?.sha256, sha(KERNEL));
  assert.deepEqual(result.kernel?.bytes, KERNEL);
  assert.equal(result.initramfs?.sha256, sha(PI4_FILES.initramfs8));
  assert.equal(result.dtb?.path, "bcm2711-rpi-4-b.dtb");
  assert.equal(result.address, "10.0.0.100");
  const asked = brief(result);
  assert.equal(asked[0], "91cdf03d/start4.elf x");
  assert.equal(asked.at(-1), "kernel8.img read");
  assert.ok(result.tftp.aborted.includes("kernel8.img 0 Early terminate"));
});

test("a Pi 4 prefers its own directory, under TFTP_PREFIX", async () => {
  const within = (prefix: string) =>
    Object.fromEntries(Object.entries(PI4_FILES).map(([path, content]) => [prefix + path, content]));
  const settings: [string, string][] = [
    ["91cdf03d/", ""],
    ["e4-5f-01-09-02-f7/", "TFTP_PREFIX=2\n"],
    ["lab/", "TFTP_PREFIX=1\nTFTP_PREFIX_STR=lab/\n"],
  ];
  for (const [prefix, more] of settings) {
    const result = await boot({ ...PI4, eepromConfig: `[all]\nBOOT_ORDER=0xf21\n${more}` }, within(prefix));
    assert.equal(result.kernel?.path, `${prefix}kernel8.img`, result.reason);
  }
});

test("a Pi 5 boots without start4.elf, and must have a config.txt", async () => {
  const result = await boot(PI5, PI5_FILES);
  assert.equal(result.outcome, "kernel", result.reason);
  assert.equal(result.kernel?.sha256, sha(KERNEL));
  const { "config.txt": _, ...none } = PI5_FILES;
  const failed = await boot({ ...PI5, eepromConfig: "BOOT_ORDER=0xe2" }, none);
  assert.deepEqual([failed.outcome, /config\.txt/.test(failed.reason)], ["stopped", true]);
});

test("a Pi 5 in its own directory doubles slashes as real ones do", async () => {
  const own = Object.fromEntries(Object.entries(PI5_FILES).map(([path, file]) => [`da591740/${path}`, file]));
  const result = await boot(PI5, own);
  assert.equal(result.outcome, "kernel", result.reason);
  const asked = result.tftp.asked;
  assert.ok(asked.includes("da591740/config.txt") && asked.includes("da591740//config.txt"));
  assert.ok(asked.includes("da591740//cmdline.txt") && asked.includes("da591740/kernel_2712.img"));
});

test("a Pi 3B goes through ROM, bootcode.bin and start.elf: two DISCOVERs, no REQUEST", async () => {
  const result = await boot(PI3, PI3_FILES);
  assert.equal(result.outcome, "kernel", result.reason);
  assert.equal(result.kernel?.sha256, sha(KERNEL));
  assert.equal(result.dhcp.seen.length, 2);
  assert.equal(brief(result)[0], "bootcode.bin read");
});

test("a Pi takes address and server from two DHCP servers, as beside a home router", async () => {
  const router = toyDhcp({ address: "10.0.0.254", mode: "router" });
  const proxy = toyDhcp({ mode: "proxy" });
  for (const [pi, files] of [
    [PI3, PI3_FILES],
    [PI4, PI4_FILES],
    [PI5, PI5_FILES],
  ] as const) {
    const net = virtualNet({ servers: [router, proxy, toyTftp({ files: treeOf(files) })] });
    const result = await bootPi(pi, net);
    assert.deepEqual([result.outcome, result.server], ["kernel", "10.0.0.1"], result.reason);
  }
});

test("DISCOVERs: a ROM gives up after five, an EEPROM doubles its gaps within 45 s", async () => {
  const rom = await boot(PI3, PI3_FILES, { dhcp: { deaf: 5 } });
  assert.equal(rom.outcome, "no-dhcp");
  assert.equal(rom.dhcp.seen.length, 5);
  const times: number[] = [];
  const eeprom = await boot({ ...PI4, eepromConfig: "BOOT_ORDER=0xe2", hardwareWaits: 0 }, PI4_FILES, {
    dhcp: { deaf: 99 },
    net: { onDatagram: (_, now) => times.push(Math.round(now / 1000)) },
  });
  assert.equal(eeprom.outcome, "stopped");
  assert.deepEqual(times, [0, 4, 12, 28]);
  assert.equal(new Set(eeprom.dhcp.seen.map(({ xid }) => xid)).size, 1);
});

test("option 66 alone is enough for a Pi 4, not for a Pi 3B", async () => {
  assert.equal((await boot(PI4, PI4_FILES, { dhcp: { only66: true } })).outcome, "kernel");
  assert.equal((await boot(PI3, PI3_FILES, { dhcp: { only66: true } })).outcome, "no-dhcp");
});

test("each bug of the ROM stops a boot, and its counter-measure lets it pass", async () => {
  const bugs: [VirtualPi["bugs"], ToyDhcp, World["tftp"]?][] = [
    [{ earlyReplyLostMs: 1900 }, { delayMs: 2000 }],
    [{ flush: true }, { arpBefore: true, broadcast: true }],
    [{ arpSilent: true }, { pin: true }],
    [{ strictOption43: true }, {}],
    [{ noRelay: true }, {}],
  ];
  const bad: ToyDhcp[] = [{}, {}, {}, { menu: "Raspberry Pi Boot" }, { hops: 1 }];
  const slow = { delayMs: 20 }; // bootcode.bin then takes longer than a neighbour entry lasts
  for (const [i, [bug, good]] of bugs.entries()) {
    const pi: VirtualPi = { ...PI3, ...(bug && { bugs: bug }) };
    const net = bug?.arpSilent ? { ...slow, neighbourMs: 1000 } : {};
    const failed = await boot(pi, PI3_FILES, { net, ...(bad[i] && { dhcp: bad[i] }) });
    assert.notEqual(failed.outcome, "kernel", JSON.stringify(bug));
    const passed = await boot(pi, PI3_FILES, { dhcp: good, net });
    assert.equal(
      passed.outcome,
      "kernel",
      `${JSON.stringify(bug)}: ${passed.reason}\n${passed.log.join("\n")}`,
    );
  }
});

test("a second OACK cuts files short on an old bootcode.bin, and harms nobody else", async () => {
  const world = { tftp: { repeatOackMs: 0.1 } };
  const hurt = await boot({ ...PI3, bugs: { duplicateOack: true } }, PI3_FILES, world);
  assert.equal(hurt.outcome, "damaged");
  assert.equal((await boot(PI3, PI3_FILES, world)).kernel?.sha256, sha(KERNEL));
});

test("a lossy, late and doubling network costs time, not bytes", async () => {
  const kernel = KERNEL.subarray(0, 60_000);
  for (let seed = 1; seed <= 5; seed++) {
    const net = { seed, loss: 0.05, duplicate: 0.05, reorder: 0.1, reorderMs: 30 };
    for (const [pi, files] of [
      [PI4, PI4_FILES],
      [PI5, PI5_FILES],
      [PI3, PI3_FILES],
    ] as const) {
      const small = "kernel8.img" in files ? { "kernel8.img": kernel } : { "kernel_2712.img": kernel };
      const result = await boot(pi, { ...files, ...small }, { net });
      assert.equal(result.kernel?.sha256, sha(kernel), `seed ${seed}: ${result.outcome} ${result.reason}`);
    }
  }
});

test("the same dice give the same boot", async () => {
  const net = { seed: 4, loss: 0.1 };
  const [a, b] = [await boot(PI4, PI4_FILES, { net }), await boot(PI4, PI4_FILES, { net })];
  assert.deepEqual(a.log, b.log);
});

test("os_prefix is used only where kernel and dtb are, overlays only with their README", async () => {
  const moved = Object.fromEntries(
    Object.entries(PI4_FILES).map(([path, content]) => [
      /^(kernel|initramfs|cmdline|bcm|overlays)/.test(path) ? `new/${path}` : path,
      content,
    ]),
  );
  const config = `os_prefix=new/\n${PI4_FILES["config.txt"]}`;
  const shared = await boot(PI4, { ...moved, "config.txt": config });
  assert.equal(shared.kernel?.path, "new/kernel8.img", shared.reason);
  assert.ok(brief(shared).includes("overlays/vc4-kms-v3d.dtbo x"));
  const own = await boot(PI4, { ...moved, "config.txt": config, "new/overlays/README": "" });
  assert.ok(brief(own).includes("new/overlays/vc4-kms-v3d.dtbo read"));
  const nowhere = await boot(PI4, { ...PI4_FILES, "config.txt": config });
  assert.equal(nowhere.kernel?.path, "kernel8.img", nowhere.reason);
});

test("tryboot reads tryboot.txt, [0xserial] and include steer what is asked for", async () => {
  const tried = await boot(
    { ...PI4, tryboot: true },
    { ...PI4_FILES, "tryboot.txt": "kernel=new.img", "new.img": KERNEL },
  );
  assert.equal(tried.kernel?.path, "new.img", tried.reason);
  const files = {
    ...PI4_FILES,
    "config.txt": "include more.txt",
    "more.txt": "[0x91cdf03d]\nkernel=mine.img",
    "mine.img": KERNEL,
  };
  const mine = await boot(PI4, files);
  assert.equal(mine.kernel?.path, "mine.img", mine.reason);
  assert.equal(brief(mine).filter((line) => line === "more.txt read").length, 3);
});

test("a board that is switched off stops at once", async () => {
  const dice = new AbortController();
  const net = virtualNet({ servers: [toyDhcp(), toyTftp({ files: treeOf(PI4_FILES) })] });
  const onRequest = () => dice.abort(new Error("power cut"));
  await assert.rejects(bootPi(PI4, net, { signal: dice.signal, onRequest }), /power cut/);
});
