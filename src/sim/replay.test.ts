import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { shared } from "../../test/tools.ts";
import { replayTrace, type StartServers } from "./replay.ts";
import { toyDhcp, toyTftp } from "./toy-servers.ts";
import { virtualNet } from "./virtual-net.ts";

const inMemory: StartServers = async ({ files }) => ({
  net: virtualNet({ servers: [toyDhcp(), toyTftp({ files })] }),
  close: async () => {},
});

// biome-ignore lint/suspicious/noExplicitAny: JSON of many shapes, mutated here
type Trace = any;

function traces(t: TestContext): Map<string, Trace> {
  const folder = shared(t, "fixtures/pi/traces");
  if (!folder) return new Map();
  const names = readdirSync(folder).filter((name) => name.endsWith(".json"));
  return new Map(names.map((name) => [name, JSON.parse(readFileSync(join(folder, name), "utf8"))]));
}

test("every recorded boot is repeated by the matching virtual Pi", async (t) => {
  const all = traces(t);
  if (all.size === 0) return;
  assert.ok(all.size >= 12);
  for (const [name, trace] of all) {
    const result = await replayTrace(trace, inMemory);
    assert.ok(
      result.same,
      `${name}: ${result.firstDifference}\n${result.boot.requests.map(({ path, result: how }) => `  ${path} ${how}`).join("\n")}`,
    );
  }
});

const replay = (trace: Trace) => replayTrace(trace, inMemory);
const tftpAt = (trace: Trace, file: string, nth = 0): number =>
  trace.events.map((e: Trace, i: number) => (e.file === file ? i : -1)).filter((i: number) => i >= 0)[nth];

test("a log with a line taken out, far lines swapped, or another result is not the same boot", async (t) => {
  const all = traces(t);
  if (all.size === 0) return;
  const mutants: [name: string, what: string, change: (trace: Trace) => void, says: RegExp][] = [
    [
      "pi4-serial-uefi-rpi_efi",
      "fixup4.dat is taken out",
      (trace) => trace.events.splice(tftpAt(trace, "91cdf03d/fixup4.dat"), 1),
      /fixup4\.dat/,
    ],
    [
      "pi4-serial-uefi-rpi_efi",
      "a miss is taken out",
      (trace) => trace.events.splice(tftpAt(trace, "91cdf03d/dt-blob.bin"), 1),
      /dt-blob\.bin/,
    ],
    [
      "pi3b-root-fallback-32bit",
      "the kernel is taken out",
      (trace) => trace.events.splice(tftpAt(trace, "kernel7.img", 1), 1),
      /kernel7\.img/,
    ],
    [
      "pi4-root-fallback-selectel-2020",
      "the last line is taken out",
      (trace) => trace.events.pop(),
      /kernel7l\.img/,
    ],
    [
      "pi5-root-fallback-2026",
      "one of two readings is taken out",
      (trace) => trace.events.splice(tftpAt(trace, "config.txt", 1), 1),
      /config\.txt/,
    ],
    [
      "pi5-root-fallback-2026",
      "a file is put in",
      (trace) => trace.events.splice(5, 0, { proto: "tftp", file: "start4.elf", result: "not-found" }),
      /start4\.elf/,
    ],
    [
      "pi5-root-fallback-2026",
      "a first config.txt in the serial's directory",
      (trace) => {
        trace.events[0].result = "sent";
      },
      /pieeprom\.sig/,
    ],
    [
      "pi4-serial-uefi-rpi_efi",
      "kernel8.img was there",
      (trace) => {
        trace.events[tftpAt(trace, "91cdf03d/kernel8.img")].result = "sent";
      },
      /RPI_EFI\.fd|kernel8/,
    ],
    [
      "pi3b-root-fallback-32bit",
      "kernel8.img was read, not probed",
      (trace) => {
        trace.events[tftpAt(trace, "kernel8.img")].result = "sent";
      },
      /kernel8\.img/,
    ],
    [
      "pi4-serial-uefi-rpi_efi",
      "dtb and cmdline.txt change places",
      (trace) => {
        const [a, b] = [
          tftpAt(trace, "91cdf03d/bcm2711-rpi-4-b.dtb", 1),
          tftpAt(trace, "91cdf03d/cmdline.txt"),
        ];
        [trace.events[a], trace.events[b]] = [trace.events[b], trace.events[a]];
      },
      /dtb|cmdline/,
    ],
    [
      "pi5-root-raspios-documented",
      "as a set: a found file that no Pi 5 asks for",
      (trace) => trace.events.push({ proto: "tftp", file: "fixup4.dat", result: "sent" }),
      /fixup4\.dat/,
    ],
    [
      "pi3bplus-2021-32bit-tail",
      "a part: a line of it is taken out",
      (trace) => trace.events.splice(1, 1),
      /kernel8-32\.img/,
    ],
  ];
  for (const [name, what, change, says] of mutants) {
    const trace = structuredClone(all.get(`${name}.json`));
    assert.ok((await replay(trace)).same, name);
    change(trace);
    const result = await replay(trace);
    assert.equal(result.same, false, `${name}: ${what}`);
    assert.match(result.firstDifference ?? "", says, `${name}: ${what}`);
  }
});

test("what dnsmasq's log swaps and folds is still the same boot", async (t) => {
  const all = traces(t);
  if (all.size === 0) return;
  const trace = structuredClone(all.get("pi4-serial-uefi-rpi_efi.json"));
  // Probe and reading in one line.
  trace.events.splice(tftpAt(trace, "91cdf03d/bcm2711-rpi-4-b.dtb"), 1);
  // A miss that is logged before the file that was asked for before it.
  const miss = tftpAt(trace, "91cdf03d/pieeprom.sig");
  [trace.events[miss - 1], trace.events[miss]] = [trace.events[miss], trace.events[miss - 1]];
  const result = await replay(trace);
  assert.ok(result.same, result.firstDifference);
});

/** A boot of the virtual Pi written down as dnsmasq would: traces that nobody has recorded. */
test("other boards, other configurations: a made-up world is repeated, with includes, HATs and renamed overlays", async () => {
  const line = (file: string, result: string) => ({ proto: "tftp", file, result });
  const missing = (file: string) => line(file, "not-found");
  const sent = (file: string) => line(file, "sent");
  const trace = {
    model: "4B",
    completeness: "full",
    client: { serial: "0a0b0c0d" },
    events: [
      missing("0a0b0c0d/start4.elf"),
      sent("config.txt"),
      missing("vl805.sig"),
      missing("pieeprom.sig"),
      missing("recover4.elf"),
      missing("recovery.elf"),
      sent("start4.elf"),
      sent("fixup4.dat"),
      missing("recovery.elf"),
      sent("config.txt"),
      sent("more.txt"),
      missing("dt-blob.bin"),
      missing("recovery.elf"),
      sent("config.txt"),
      sent("more.txt"),
      missing("bootcfg.txt"),
      sent("initrd.img"),
      sent("bcm2711-rpi-4-b.dtb"),
      sent("overlays/overlay_map.dtb"),
      missing("overlays/rpi-poe.dtbo"),
      sent("config.txt"),
      sent("more.txt"),
      sent("overlays/vc4-kms-v3d-pi4.dtbo"),
      sent("cmdline.txt"),
      missing("armstub8-gic.bin"),
      sent("vmlinuz"),
    ],
    world: {
      model: "4B",
      stages: "eeprom4",
      firmwareDate: "2021-08-01",
      hats: ["rpi-poe"],
      displays: [],
      vl805: true,
      compare: "order",
      configTxt: [
        "[pi4]",
        "kernel=vmlinuz",
        "initramfs initrd.img followkernel",
        "[all]",
        "arm_64bit=1",
        "include more.txt",
        "dtoverlay=vc4-kms-v3d",
      ],
    },
  };
  const result = await replay(trace);
  assert.ok(
    result.same,
    `${result.firstDifference}\n${result.boot.requests.map(({ path }) => path).join("\n")}`,
  );
});

test("what is no trace is refused in words", async () => {
  for (const json of [
    null,
    {},
    { events: [] },
    { events: [{ proto: "tftp", file: "x", result: "sent" }], world: {} },
  ])
    await assert.rejects(replayTrace(json, inMemory), { code: "BAD_INPUT" });
  const zero = { model: "Zero", events: [{ proto: "tftp", file: "x", result: "sent" }] };
  await assert.rejects(replayTrace(zero, inMemory), /Zero/);
});
