import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import type { SimBoot, VirtualPi } from "./board.ts";
import { bootPi } from "./pi.ts";
import { type ToyDhcp, type ToyTftp, toyDhcp, toyTftp, treeOf } from "./toy-servers.ts";
import { type VirtualNetOptions, virtualNet } from "./virtual-net.ts";

const sha = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const blob = (size: number, seed: number) =>
  Uint8Array.from({ length: size }, (_, i) => (i * 31 + seed) & 255);

const KERNEL = blob(100_000, 7);
const PI4_FILES = {
  "start4.elf": blob(20_000, 1),
  "fixup4.dat": blob(5436, 2),
  "config.txt": "arm_64bit=1\nauto_initramfs=1\ndtoverlay=vc4-kms-v3d\n",
  "cmdline.txt": "root=/dev/ram0",
  "kernel8.img": KERNEL,
  initramfs8: blob(70_000, 3),
  "bcm2711-rpi-4-b.dtb": blob(5000, 4),
  "overlays/vc4-kms-v3d.dtbo": blob(512, 5),
};
const PI5_FILES = {
  "config.txt": "",
  "cmdline.txt": "root=/dev/ram0",
  "kernel_2712.img": KERNEL,
  "bcm2712-rpi-5-b.dtb": blob(5000, 4),
};
const PI3_FILES = {
  "bootcode.bin": blob(52_476, 1),
  "start.elf": blob(30_000, 1),
  "fixup.dat": blob(7303, 2),
  "config.txt": "arm_64bit=1",
  "cmdline.txt": "root=/dev/ram0",
  "kernel8.img": KERNEL,
  "bcm2710-rpi-3-b.dtb": blob(5000, 4),
};

const PI3: VirtualPi = {
  model: "3B",
  serial: "a2ef5644",
  mac: "b8:27:eb:ef:56:44",
  firmwareDate: "2024-04-01",
};
const PI4: VirtualPi = {
  model: "4B",
  serial: "91cdf03d",
  mac: "e4:5f:01:09:02:f7",
  firmwareDate: "2024-04-01",
};
const PI5: VirtualPi = {
  model: "5",
  serial: "da591740",
  mac: "88:a2:9e:ae:c8:7f",
  firmwareDate: "2025-11-01",
};

interface World {
  dhcp?: ToyDhcp;
  tftp?: Partial<ToyTftp>;
  net?: Partial<VirtualNetOptions>;
}

function boot(
  pi: VirtualPi,
  files: Record<string, string | Uint8Array>,
  world: World = {},
  keepBytes = false,
) {
  const dhcp = toyDhcp(world.dhcp);
  const tftp = toyTftp({ files: treeOf(files), ...world.tftp });
  const net = virtualNet({ servers: [dhcp, tftp], ...world.net });
  return bootPi(pi, net, { keepBytes }).then((result) => ({ ...result, dhcp, tftp }));
}

const brief = (result: SimBoot) =>
  result.requests.map(
    ({ path, result: how }) => `${path} ${how === "probe" ? "?" : how === "missing" ? "x" : how}`,
  );

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

test("silence is asked again every 2 s from the same port, and is absence after TFTP_FILE_TIMEOUT", async () => {
  const seen: [number, number][] = [];
  const result = await boot(
    { ...PI4, hardwareWaits: 0, eepromConfig: "BOOT_ORDER=0xe2\nTFTP_FILE_TIMEOUT=20000" },
    PI4_FILES,
    {
      tftp: { silent: (path) => path === "91cdf03d/start4.elf" },
      net: {
        onDatagram: ({ from, to, bytes }, now) => {
          if (to.port === 69 && bytes.includes(0x34) && seen.length < 10) seen.push([now, from.port]);
        },
      },
    },
  );
  const gaps = seen.slice(1).map(([at], i) => Math.round(at - (seen[i]?.[0] ?? 0)));
  assert.deepEqual(gaps, Array(9).fill(2000));
  assert.equal(new Set(seen.map(([, port]) => port)).size, 1);
  assert.deepEqual([result.requests[0]?.result, result.requests[0]?.ms], ["timeout", 20_000]);
  assert.equal(result.outcome, "kernel", "it went on with the root of the tree");
});

test("a start4.elf that does not come in time ends the attempt, one that is absent does not", async () => {
  const pi = { ...PI4, hardwareWaits: 0, eepromConfig: "BOOT_ORDER=0xe2" };
  const files = { ...PI4_FILES, "start.elf": PI4_FILES["start4.elf"], "fixup.dat": PI4_FILES["fixup4.dat"] };
  let probes = 0;
  const slow = await boot(pi, files, { tftp: { silent: (path) => path === "start4.elf" && ++probes > 0 } });
  assert.equal(slow.outcome, "stopped");
  assert.ok(!slow.tftp.asked.includes("start.elf"));
  const { "start4.elf": _, ...rest } = files;
  assert.equal((await boot(pi, rest)).outcome, "kernel");
});

test("BOOT_ORDER is walked nibble by nibble, and starts again at 0xf", async () => {
  const order = (eepromConfig: string) => boot({ ...PI4, eepromConfig }, PI4_FILES, { dhcp: { deaf: 6 } });
  assert.equal((await order("BOOT_ORDER=0xe1")).requests.length, 0);
  const walked = await order("BOOT_ORDER=0xf241");
  assert.equal(walked.outcome, "kernel", walked.reason);
  assert.ok(walked.log.some((line) => line.includes("USB-MSD")));
  assert.ok(walked.log.some((line) => line.includes("Restart 1 max -1")));
  const patient = await boot({ ...PI4, patienceMs: 60_000 }, {});
  assert.equal(patient.outcome, "gave-up");
});

test("NET_BOOT_MAX_RETRIES tries again, after 5 s since 2020-06", async () => {
  const eepromConfig = "BOOT_ORDER=0xe2\nNET_BOOT_MAX_RETRIES=2";
  const young = await boot({ ...PI4, eepromConfig, hardwareWaits: 0 }, {});
  assert.deepEqual([young.attempts, young.dhcp.seen.length], [3, 6]);
  assert.ok(young.ms > 10_000 && young.ms < 11_000, `${young.ms}`);
  const old = await boot({ ...PI4, eepromConfig, hardwareWaits: 0, firmwareDate: "2019-12-03" }, {});
  assert.deepEqual([old.attempts, old.dhcp.seen.length], [3, 2]);
  assert.ok(old.ms < 100, `${old.ms}`);
});

test("CLIENT_IP, SUBNET and TFTP_IP need no DHCP", async () => {
  const eepromConfig = "BOOT_ORDER=0xe2\nCLIENT_IP=10.0.0.9\nSUBNET=255.255.255.0\nTFTP_IP=10.0.0.1";
  const result = await boot({ ...PI4, eepromConfig }, PI4_FILES, { dhcp: { deaf: 99 } });
  assert.deepEqual([result.outcome, result.address, result.dhcp.seen.length], ["kernel", "10.0.0.9", 0]);
});

test("block sizes and the end of the block counter follow the firmware's age", async () => {
  const sizes = async (pi: VirtualPi) => {
    const found = new Set<string>();
    const onDatagram: VirtualNetOptions["onDatagram"] = ({ to, bytes }) => {
      if (to.port === 69) found.add(Buffer.from(bytes).toString("latin1").split("\0")[6] ?? "none");
    };
    await boot(pi, PI4_FILES, { net: { onDatagram } });
    return [...found].join(" ");
  };
  assert.equal(await sizes({ ...PI4, firmwareDate: "2020-05-01" }), "1024");
  assert.equal(await sizes({ ...PI4, firmwareDate: "2024-04-01" }), "1468");
  const big = { ...PI5_FILES, "kernel_2712.img": new Uint8Array(16 * 65536) };
  const tftp = { blockSize: 16 }; // a small block brings the end near
  const old = await boot({ ...PI5, firmwareDate: "2025-05-08", eepromConfig: "BOOT_ORDER=0xe2" }, big, {
    tftp,
  });
  assert.equal(old.requests.at(-1)?.result, "too-large");
  assert.equal((await boot(PI5, big, { tftp })).outcome, "kernel");
});

test("a newer pieeprom.sig makes the board flash itself, start again, and not ask for the image twice", async () => {
  const image = new Uint8Array(524_288);
  const files = {
    ...PI4_FILES,
    "pieeprom.upd": image,
    "pieeprom.sig": `${sha(image)}\nts: 1700000000\ntarget-soc: 2711\n`,
  };
  const result = await boot({ ...PI4, updateTimestamp: 1600000000 }, files);
  assert.equal(result.outcome, "kernel", result.reason);
  assert.equal(result.requests.filter(({ path }) => path === "pieeprom.upd").length, 1);
  assert.equal(result.requests.filter(({ path }) => path === "pieeprom.sig").length, 2);
  const current = await boot({ ...PI4, updateTimestamp: 1700000000 }, files);
  assert.ok(!current.requests.some(({ path }) => path === "pieeprom.upd"));
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

test("boot_ramdisk ends with boot.img; a signed 2712 never gets it (open bug)", async () => {
  const files = { "config.txt": "boot_ramdisk=1", "boot.img": KERNEL };
  const ram = await boot(PI5, files);
  assert.deepEqual([ram.outcome, ram.kernel?.sha256], ["boot-img", sha(KERNEL)]);
  const signed = await boot(
    { ...PI5, eepromConfig: "BOOT_ORDER=0xe2\nSIGNED_BOOT=1" },
    { "da591740/boot.img": KERNEL },
  );
  assert.deepEqual([signed.outcome, brief(signed)], ["stopped", ["da591740/boot.img ?"]]);
});

test("a board that is switched off stops at once", async () => {
  const dice = new AbortController();
  const net = virtualNet({ servers: [toyDhcp(), toyTftp({ files: treeOf(PI4_FILES) })] });
  const onRequest = () => dice.abort(new Error("power cut"));
  await assert.rejects(bootPi(PI4, net, { signal: dice.signal, onRequest }), /power cut/);
});
