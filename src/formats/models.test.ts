import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { shared } from "../../test/tools.ts";
import { bootableModels, type ModelFiles } from "./models.ts";

const PI3 = ["bootcode.bin", "start.elf", "fixup.dat", "kernel8.img", "bcm2710-rpi-3-b.dtb"];
const PI4 = ["start4.elf", "fixup4.dat", "kernel8.img", "bcm2711-rpi-4-b.dtb"];
const PI5 = ["kernel_2712.img", "bcm2712-rpi-5-b.dtb"];

async function models(files: string[], texts: Record<string, string> = {}): Promise<Map<string, ModelFiles>> {
  const all = await bootableModels({
    files: [...files, ...Object.keys(texts)],
    readText: async (name) => texts[name],
  });
  return new Map(all.map((one) => [one.model, one]));
}
const bootable = async (files: string[], texts: Record<string, string> = {}) =>
  [...(await models(files, texts)).values()].filter(({ boots }) => boots).map(({ model }) => model);

const CASES: [what: string, files: string[], texts: Record<string, string>, boots: string[]][] = [
  ["nothing", [], {}, []],
  ["a Pi 3's files", PI3, { "config.txt": "arm_64bit=1" }, ["3B"]],
  [
    "a Pi 3's files with auto_initramfs, as newer firmware takes them",
    PI3,
    { "config.txt": "auto_initramfs=1" },
    ["3B"],
  ],
  ["a Pi 4's files; arm_64bit is its default", PI4, {}, ["4B"]],
  ["a Pi 5's files; it needs no start*.elf", PI5, {}, ["5"]],
  ["a Pi 5 with the kernel for all", ["kernel8.img", "bcm2712-rpi-5-b.dtb"], {}, ["5"]],
  ["names in another case, as on FAT", PI4.map((name) => name.toUpperCase()), {}, ["4B"]],
  [
    "a kernel that config.txt names",
    ["vmlinuz-6.12", ...PI4.filter((f) => f !== "kernel8.img")],
    { "config.txt": "kernel=vmlinuz-6.12" },
    ["4B"],
  ],
  [
    "a kernel that config.txt names for others only",
    ["vmlinuz", ...PI4.slice(0, 2), PI4[3] ?? ""],
    { "config.txt": "[pi5]\nkernel=vmlinuz" },
    [],
  ],
  ["a named kernel that is not there", PI4, { "config.txt": "kernel=vmlinuz" }, []],
  [
    "system files under os_prefix",
    ["start4.elf", "fixup4.dat", "cur/vmlinuz", "cur/bcm2711-rpi-4-b.dtb"],
    { "config.txt": "os_prefix=cur/\nkernel=vmlinuz" },
    ["4B"],
  ],
  [
    "an os_prefix without a device tree is dropped",
    [...PI4, "cur/kernel8.img"],
    { "config.txt": "os_prefix=cur/" },
    ["4B"],
  ],
  [
    "an include that names the kernel",
    [...PI4.filter((f) => f !== "kernel8.img"), "k"],
    { "config.txt": "include more.txt", "more.txt": "kernel=k" },
    ["4B"],
  ],
  ["no device tree wanted", PI4.slice(0, 3), { "config.txt": "device_tree=" }, ["4B", "400", "CM4"]],
  [
    "a fixup that does not go with its start file",
    [...PI4.filter((f) => f !== "fixup4.dat"), "fixup.dat"],
    {},
    [],
  ],
  [
    "the cut-down firmware",
    ["start4cd.elf", "fixup4cd.dat", ...PI4.slice(2)],
    { "config.txt": "gpu_mem=16" },
    ["4B"],
  ],
  ["a CM5 Lite's device tree", ["kernel_2712.img", "bcm2712-rpi-cm5l-cm5io.dtb"], {}, ["CM5"]],
  [
    "a 32-bit system",
    [
      "bootcode.bin",
      "start.elf",
      "fixup.dat",
      "kernel7.img",
      "bcm2710-rpi-3-b-plus.dtb",
      "bcm2709-rpi-2-b.dtb",
    ],
    {},
    ["2B", "3B+"],
  ],
];

test("bootableModels() says which boards find all that their boot stages ask for", async () => {
  for (const [what, files, texts, boots] of CASES)
    assert.deepEqual(await bootable(files, texts), boots, what);
});

test("bootableModels() names each file that is missing, and apart from that what is only wished for", async () => {
  const some = await models(["start4.elf", "kernel8.img"], { "config.txt": "" });
  assert.deepEqual(some.get("4B")?.missing, ["fixup4.dat", "bcm2711-rpi-4-b.dtb"]);
  assert.deepEqual(some.get("4B")?.lacks, ["cmdline.txt", "overlays/overlay_map.dtb"]);
  assert.deepEqual(some.get("5")?.missing, ["bcm2712-rpi-5-b.dtb"]);
  assert.deepEqual(some.get("5")?.lacks, [
    "cmdline.txt",
    "overlays/overlay_map.dtb",
    "overlays/bcm2712d0.dtbo",
  ]);
  assert.deepEqual((await models([])).get("5")?.missing, [
    "kernel_2712.img | kernel8.img",
    "bcm2712-rpi-5-b.dtb",
  ]);
  assert.deepEqual((await models([])).get("3B")?.missing.slice(0, 3), [
    "bootcode.bin",
    "start.elf",
    "fixup.dat",
  ]);
  assert.equal(
    (await models([])).get("2B")?.missing.includes("bootcode.bin"),
    false,
    "a 2B has it on its card",
  );
});

test("bootableModels() agrees with the table of minimal files", async (t) => {
  const path = shared(t, "fixtures/pi/bootfiles/minimal.json");
  if (!path) return;
  const table = JSON.parse(readFileSync(path, "utf8")) as { models: Record<string, { tftp: string[] }> };
  const rows: [row: string, models: string[]][] = [
    ["3B/2B v1.2 (OTP set) and 3B+", ["3B", "3B+"]],
    ["4B/400/CM4", ["4B", "400", "CM4"]],
    ["5/500/CM5", ["5", "CM5", "500"]],
  ];
  for (const [row, wanted] of rows) {
    // "kernel8.img | kernel7.img", "bootcode.bin (TFTP root, never prefixed)": names, without the words about them.
    const files = (table.models[row]?.tftp ?? []).flatMap((cell) =>
      cell.split("|").map((name) => name.trim().split(" ")[0] ?? ""),
    );
    const config = { "config.txt": "auto_initramfs=1" };
    assert.deepEqual(await bootable(files, config), wanted, row);
    for (const name of files.filter((file) => /^(bootcode|start|fixup)/.test(file))) {
      assert.deepEqual(
        await bootable(
          files.filter((file) => file !== name),
          config,
        ),
        [],
        `${row} without ${name}`,
      );
    }
    assert.deepEqual(
      await bootable(
        files.filter((file) => !/^kernel/.test(file)),
        config,
      ),
      [],
      `${row} without a kernel`,
    );
  }
});
