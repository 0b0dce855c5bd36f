import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Model } from "./boards.ts";
import {
  armstubName,
  firmwareFiles,
  initramfsNameFor,
  kernelCandidates,
  wants64bit,
} from "./config-txt/files.ts";
import type { Board, Stage } from "./config-txt/filters.ts";
import { overlayFor, readOverlayMap, writeOverlayMap } from "./config-txt/overlay-map.ts";
import { type ConfigContext, type ConfigTxt, interpretConfig } from "./config-txt.ts";

const read = (
  text: string,
  more: Partial<ConfigContext> & { model?: Model; stage?: Stage; files?: Record<string, string> } = {},
): Promise<ConfigTxt> => {
  const { model = "4B", stage = "start", files = {}, board = { model }, ...rest } = more;
  return interpretConfig(text, { board, stage, readInclude: async (name) => files[name], ...rest });
};

/** Sources: boot, conditional, what = raspberrypi/documentation config_txt/{boot,conditional,what_is_config_txt}.adoc; STR = strings of the firmware. */
const FILTER_CASES: [source: string, text: string, board: Board, more: Partial<ConfigContext>, x: string][] =
  [
    ["conditional: [all] resets", "[pi3]\n[all]\nx=1", { model: "4B" }, {}, "1"],
    ["conditional: [none]", "[none]\nx=1", { model: "4B" }, {}, ""],
    ["conditional: [none] holds for any hardware", "[none]\n[pi4]\nx=1", { model: "4B" }, {}, ""],
    ["conditional: model table", "[pi4]\nx=1", { model: "400" }, {}, "1"],
    ["conditional: model table", "[pi400]\nx=1", { model: "4B" }, {}, ""],
    ["conditional: model table", "[pi4]\nx=1\n[pi400]\nx=2", { model: "400" }, {}, "2"],
    ["conditional: model table", "[pi3]\nx=1", { model: "3B+" }, {}, "1"],
    ["conditional: model table", "[pi3+]\nx=1", { model: "3B" }, {}, ""],
    ["conditional: model table, 2B of either chip", "[pi2]\nx=1", { model: "2Bv1.2" }, {}, "1"],
    ["conditional: model table", "[cm4]\nx=1", { model: "CM4" }, {}, "1"],
    ["conditional: model table", "[pi5]\nx=1\n[cm5]\nx=2", { model: "CM5" }, {}, "2"],
    ["conditional: same type replaces", "[pi1]\n[pi2]\nx=1", { model: "2B" }, {}, "1"],
    [
      "conditional: different types AND",
      "[EDID=VSC-TD2220]\n[pi2]\nx=1",
      { model: "2B", edid: ["VSC-TD2220"] },
      {},
      "1",
    ],
    [
      "conditional: different types AND",
      "[EDID=VSC-TD2220]\n[pi2]\nx=1",
      { model: "2B", edid: ["DEL-U2422H"] },
      {},
      "",
    ],
    ["conditional: serial", "[0x12345678]\nx=1", { model: "3B", serial: "12345678" }, {}, "1"],
    ["conditional: serial", "[0x12345678]\nx=1", { model: "3B", serial: "12345679" }, {}, ""],
    [
      "conditional: serial AND model",
      "[0x12345678]\n[pi4]\nx=1",
      { model: "3B", serial: "12345678" },
      {},
      "",
    ],
    ["conditional: gpio", "[gpio4=1]\nx=1", { model: "4B", gpio: new Map([[4, 1]]) }, {}, "1"],
    ["conditional: gpio", "[gpio4=0]\nx=1", { model: "4B", gpio: new Map([[4, 1]]) }, {}, ""],
    ["conditional: gpio unknown", "[gpio4=1]\nx=1", { model: "4B" }, {}, ""],
    ["conditional: board-type", "[board-type=0x14]\nx=1", { model: "CM4" }, {}, "1"],
    ["conditional: board-type is one to one", "[board-type=0x11]\nx=1", { model: "400" }, {}, ""],
    ["conditional: tryboot", "[tryboot]\nx=1", { model: "4B" }, { tryboot: true }, "1"],
    ["conditional: tryboot", "[tryboot]\nx=1", { model: "4B" }, {}, ""],
    ["conditional: HDMI says only which port", "[HDMI:1]\nx=1", { model: "4B" }, {}, "1"],
    [
      "STR: bootcode.bin has no edid",
      "[EDID=A]\nx=1",
      { model: "3B", edid: ["A"] },
      { stage: "bootcode" },
      "",
    ],
    [
      "STR: bootcode.bin has gpio",
      "[gpio2=1]\nx=1",
      { model: "3B", gpio: new Map([[2, 1]]) },
      { stage: "bootcode" },
      "1",
    ],
    [
      "release note 2020-12-11",
      "[cm4]\nx=1",
      { model: "CM4" },
      { stage: "eeprom2711", firmwareDate: "2020-09-03" },
      "",
    ],
    [
      "release note 2022-10-18",
      "[tryboot]\nx=1",
      { model: "4B" },
      { stage: "eeprom2711", tryboot: true, firmwareDate: "2022-04-26" },
      "",
    ],
    ["unknown filter: not meant", "[pi9]\nx=1", { model: "4B" }, {}, ""],
    ["what: # starts a comment", "# x=1\n#[none]\nx=2", { model: "4B" }, {}, "2"],
    ["what: last value wins", "x=1\nx=2\r\n", { model: "4B" }, {}, "2"],
  ];

test("config.txt's filters pass what the documentation says", async () => {
  for (const [source, text, board, more, x] of FILTER_CASES) {
    const config = await read(text, { board, ...more });
    assert.equal(config.settings.get("x") ?? "", x, `${source}: ${JSON.stringify(text)} on a ${board.model}`);
  }
});

test("characters past 98 are ignored, and that is said (what_is_config_txt.adoc)", async () => {
  const config = await read(`x=${"a".repeat(200)}`);
  assert.equal(config.settings.get("x"), "a".repeat(96));
  assert.match(config.notes[0]?.why ?? "", /98/);
  assert.equal((await read(`#${"a".repeat(200)}`)).notes.length, 0);
});

test("an assumption is a note with its line", async () => {
  const { notes } = await read("\n[gpio4=1]\nkernel=a\n[all]\nnonsense");
  assert.deepEqual(
    notes.map(({ line, text }) => [line, text]),
    [
      [2, "[gpio4=1]"],
      [5, "nonsense"],
    ],
  );
});

test("include is honoured by start*.elf and the 2712's loader, not by bootcode.bin nor a first pass", async () => {
  const files = { "a.txt": "[pi4]\nx=1\ninclude b.txt", "b.txt": "y=2" };
  const text = "include a.txt\ninclude gone.txt\nz=3";
  const whole = await read(text, { files });
  assert.deepEqual(
    [...whole.settings],
    [
      ["x", "1"],
      ["y", "2"],
      ["z", "3"],
    ],
  );
  assert.deepEqual(whole.includes, ["a.txt", "b.txt", "gone.txt"]);
  for (const more of [
    { stage: "bootcode" },
    { stage: "eeprom2711" },
    { stage: "eeprom2712", firstPass: true },
  ] as const) {
    const config = await read(text, { files, ...more });
    assert.deepEqual([config.includes, config.settings.get("z")], [[], "3"]);
  }
  const loop = await read("include a.txt", { files: { "a.txt": "include a.txt" } });
  assert.match(loop.notes[0]?.why ?? "", /deeply/);
});

test("the filter state reaches through an include: its text is inserted (what_is_config_txt.adoc)", async () => {
  const config = await read("include a.txt\nx=1", { files: { "a.txt": "[pi3]" } });
  assert.equal(config.settings.has("x"), false);
});

test("dtparam belongs to the overlay before it until dtoverlay= ends its scope", async () => {
  const { overlays, dtparams } = await read(
    "dtparam=audio=on\ndtoverlay=dwc2,dr_mode=host\ndtparam=x=1,y\ndtoverlay=\ndtparam=spi=on\ndtoverlay=lirc:pin=4",
  );
  assert.deepEqual(overlays, [
    { name: "dwc2", params: ["dr_mode=host", "x=1", "y"] },
    { name: "lirc", params: ["pin=4"] },
  ]);
  assert.deepEqual(dtparams, ["audio=on", "spi=on"]);
});

test("initramfs takes names and an address, with no = (boot.adoc)", async () => {
  assert.deepEqual((await read("initramfs a.gz,b.gz followkernel")).initramfs, {
    files: ["a.gz", "b.gz"],
    address: "followkernel",
  });
  assert.deepEqual((await read("initramfs a.gz 0x00800000")).initramfs?.address, "0x00800000");
  assert.deepEqual((await read("ramfsfile=a,b\nramfsaddr=0x100")).initramfs, {
    files: ["a", "b"],
    address: "0x100",
  });
});

test("settings that name files and switches are taken, with their defaults", async () => {
  const none = await read("");
  assert.deepEqual(
    [none.osPrefix, none.overlayPrefix, none.cmdline, none.osCheck, none.bootRamdisk, none.autoInitramfs],
    ["", "overlays/", "cmdline.txt", true, false, false],
  );
  const all = await read(
    "os_prefix=new/\noverlay_prefix=ov/\ncmdline=c.txt\nos_check=0\nboot_ramdisk=1\nauto_initramfs=1\ndevice_tree=\nbootloader_update=0",
  );
  assert.deepEqual(
    [
      all.osPrefix,
      all.overlayPrefix,
      all.cmdline,
      all.osCheck,
      all.bootRamdisk,
      all.autoInitramfs,
      all.deviceTree,
      all.bootloaderUpdate,
    ],
    ["new/", "ov/", "c.txt", false, true, true, "", false],
  );
  assert.equal((await read("upstream_kernel=1")).osPrefix, "upstream/");
  assert.equal((await read("upstream_kernel=1\nos_prefix=x")).osPrefix, "x");
});

/** Kernel choice: boot.adoc arm_64bit and kernel, the order of names in the firmware, and what boards were seen to take. */
const KERNEL_CASES: [source: string, text: string, model: Model, date: string, kernels: string][] = [
  ["boot: kernel.img on a Pi 1", "", "1B", "2024-04-01", "kernel.img"],
  ["boot: a Pi 2 of BCM2836 has no 64 bits", "arm_64bit=1", "2B", "2024-04-01", "kernel7.img kernel.img"],
  ["log of a 3B, 2018", "", "3B", "2018-06-01", "kernel8-32.img kernel7.img kernel.img"],
  ["boot: arm_64bit=1", "arm_64bit=1", "3B", "2020-01-01", "kernel8.img"],
  ["boot: arm_control is the old way", "arm_control=0x200", "3B", "2019-01-01", "kernel8.img"],
  [
    "log of a 3B+, 2025, auto_initramfs",
    "auto_initramfs=1",
    "3B+",
    "2025-01-01",
    "kernel8.img kernel8-32.img kernel7.img kernel.img",
  ],
  ["log of a 4B, 2020", "", "4B", "2020-05-01", "kernel8-32.img kernel7l.img kernel7.img kernel.img"],
  [
    "boot: default 1 on a Pi 4",
    "",
    "4B",
    "2024-04-01",
    "kernel8.img kernel8-32.img kernel7l.img kernel7.img kernel.img",
  ],
  [
    "boot: arm_64bit=0",
    "arm_64bit=0",
    "4B",
    "2024-04-01",
    "kernel8-32.img kernel7l.img kernel7.img kernel.img",
  ],
  ["log of a Pi 5", "", "5", "2025-11-01", "kernel_2712.img kernel8.img"],
  ["boot: kernel=", "kernel=vmlinuz", "5", "2025-11-01", "vmlinuz"],
];

test("the kernel is chosen as boards choose it", async () => {
  for (const [source, text, model, date, kernels] of KERNEL_CASES)
    assert.equal(kernelCandidates(await read(text, { model }), { model }, date).join(" "), kernels, source);
});

test("a known name in kernel= decides between 32 and 64 bits (boot.adoc arm_64bit)", async () => {
  const wants = async (text: string) => wants64bit(await read(text), { model: "4B" }, "2024-04-01");
  assert.equal(await wants("kernel=kernel8.img\narm_64bit=0"), true);
  assert.equal(await wants("kernel=kernel7l.img"), false);
  assert.equal(await wants("kernel=old/kernel7.img"), false);
});

test("the initramfs is named after the kernel (boot.adoc auto_initramfs)", () => {
  const names = [
    "kernel8.img",
    "kernel7l.img",
    "kernel_2712.img",
    "kernel.img",
    "old/kernel8.img",
    "vmlinuz",
  ];
  assert.deepEqual(names.map(initramfsNameFor), [
    "initramfs8",
    "initramfs7l",
    "initramfs_2712",
    "initramfs",
    "old/initramfs8",
    undefined,
  ]);
});

test("start and fixup files go together (boot.adoc start_x, start_debug; release note 2019-07-15)", async () => {
  const pairs = async (text: string, board: Board) =>
    firmwareFiles(await read(text, { board }), board).map(({ start, fixup }) => `${start} ${fixup}`);
  assert.deepEqual(await pairs("", { model: "3B" }), ["start.elf fixup.dat"]);
  assert.deepEqual(await pairs("start_x=1", { model: "3B" }), ["start_x.elf fixup_x.dat"]);
  assert.deepEqual(await pairs("start_debug=1", { model: "4B" }), [
    "start4db.elf fixup4db.dat",
    "start_db.elf fixup_db.dat",
  ]);
  assert.deepEqual(await pairs("gpu_mem=16", { model: "4B" }), [
    "start4cd.elf fixup4cd.dat",
    "start_cd.elf fixup_cd.dat",
  ]);
  assert.deepEqual(await pairs("gpu_mem=64\ngpu_mem_512=16", { model: "1B", revision: 0xe }), [
    "start_cd.elf fixup_cd.dat",
  ]);
  assert.deepEqual(await pairs("start_file=a.elf\nfixup_file=b.dat", { model: "4B" }), ["a.elf b.dat"]);
});

test("the armstub that boards were seen to ask for", async () => {
  assert.equal(armstubName(await read(""), { model: "3B" }, false), "armstub8-32.bin");
  assert.equal(armstubName(await read(""), { model: "3B" }, true), "armstub8.bin");
  assert.equal(armstubName(await read(""), { model: "4B" }, false), "armstub8-32-gic.bin");
  assert.equal(armstubName(await read("enable_gic=0"), { model: "4B" }, true), "armstub8.bin");
  assert.equal(armstubName(await read(""), { model: "5" }, true), "armstub8-2712.bin");
  assert.equal(armstubName(await read("armstub=RPI_EFI.fd"), { model: "4B" }, true), "RPI_EFI.fd");
});

test("Raspberry Pi OS's own config.txt (pi-gen stage1) on a Pi 5 and a CM4", async () => {
  const text = `dtparam=audio=on\ncamera_auto_detect=1\nauto_initramfs=1\ndtoverlay=vc4-kms-v3d\n[cm4]\notg_mode=1\n[cm5]
dtoverlay=dwc2,dr_mode=host\n[pi5]\ndtoverlay=nospi10\n[all]\n`;
  const pi5 = await read(text, { model: "5", stage: "eeprom2712" });
  assert.deepEqual(
    pi5.overlays.map(({ name }) => name),
    ["vc4-kms-v3d", "nospi10"],
  );
  const cm4 = await read(text, { model: "CM4" });
  assert.equal(cm4.settings.get("otg_mode"), "1");
  assert.deepEqual(cm4.notes, []);
});

test("overlay_map.dtb names overlays per SoC, and what is no device tree is none", () => {
  const map = new Map([
    [
      "vc4-kms-v3d",
      new Map([
        ["bcm2835", ""],
        ["bcm2711", "vc4-kms-v3d-pi4"],
        ["bcm2712", "vc4-kms-v3d-pi5"],
      ]),
    ],
    ["pi3-disable-bt", new Map([["renamed", "disable-bt"]])],
  ]);
  const blob = writeOverlayMap(map);
  assert.deepEqual(readOverlayMap(blob), map);
  assert.equal(overlayFor(map, "vc4-kms-v3d", "bcm2712"), "vc4-kms-v3d-pi5");
  assert.equal(overlayFor(map, "vc4-kms-v3d", "bcm2837"), "vc4-kms-v3d");
  assert.equal(overlayFor(map, "pi3-disable-bt", "bcm2711"), "disable-bt");
  assert.equal(overlayFor(undefined, "x", "bcm2711"), "x");
  assert.equal(readOverlayMap(new Uint8Array([1, 2, 3, 4])), undefined);
  for (let cut = 0; cut < blob.length; cut++) readOverlayMap(blob.subarray(0, cut));
});

test("any text gives a ConfigTxt", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.oneof(
          fc.string(),
          fc.constantFrom("[pi4]", "[all]", "include a", "dtoverlay=", "initramfs", "[0x", "[]"),
        ),
      ),
      async (lines) => {
        const config = await read(lines.join("\n"), { files: { a: "[none]" } });
        for (const key of config.settings.keys()) assert.notEqual(key, "dtoverlay");
      },
    ),
  );
});
