import assert from "node:assert/strict";
import { test } from "node:test";
import type { VirtualPi } from "./board.ts";
import { boot, brief, KERNEL, PI4, PI4_FILES, PI5, PI5_FILES, sha } from "./testing/worlds.ts";
import type { VirtualNetOptions } from "./virtual-net.ts";

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
