import assert from "node:assert/strict";
import { test } from "node:test";
import { lackNotes } from "./model-notes.ts";
import { bootableModels } from "./models.ts";

const notesOf = async (files: string[], config?: string) =>
  lackNotes(
    await bootableModels({
      files: config === undefined ? files : [...files, "config.txt"],
      readText: async (name) => (name === "config.txt" ? config : undefined),
    }),
  );

test("lackNotes() of a lone config.txt says what each family of boards lacks: a Pi 5 no firmware", async () => {
  const [title = "", five = "", four = "", three = "", todo = "", ...more] = await notesOf([], "arm_64bit=1");
  assert.match(title, /no Raspberry Pi finds all its boot files/);
  assert.equal(
    five,
    "a Pi 5, CM5 or 500 (its firmware is in its EEPROM) lacks one of (kernel_2712.img, kernel8.img) and its device tree (bcm2712-rpi-5-b.dtb, bcm2712-rpi-cm5-cm5io.dtb, bcm2712-rpi-500.dtb)",
  );
  assert.match(
    four,
    /^a Pi 4B, 400 or CM4 lacks start4\.elf, fixup4\.dat, kernel8\.img and its device tree \(/,
  );
  assert.match(
    three,
    /^a Pi 2Bv1\.2, 3B or 3B\+ lacks bootcode\.bin, start\.elf, fixup\.dat, kernel8\.img and/,
  );
  assert.match(todo, /bramble firmware add/);
  assert.deepEqual(more, []);
});

test("lackNotes() names a file that only one model lacks once, and no device tree where none is wanted", async () => {
  const dtbs = ["bcm2712-rpi-5-b.dtb", "bcm2712-rpi-500.dtb"];
  const [, five] = await notesOf(dtbs, "");
  assert.match(
    five ?? "",
    /lacks one of \(kernel_2712\.img, kernel8\.img\) and its device tree \(bcm2712-rpi-cm5-cm5io\.dtb\)$/,
  );
  const [, , four] = await notesOf([], "device_tree=");
  assert.match(four ?? "", /lacks start4\.elf, fixup4\.dat and one of \(kernel8\.img, .*\)$/);
});

test("lackNotes() is silent where one model boots, and of an image whose files nobody could look at", async () => {
  assert.deepEqual(await notesOf(["kernel_2712.img", "bcm2712-rpi-5-b.dtb"], ""), []);
  assert.deepEqual(lackNotes([]), []);
  const only2B = ["start.elf", "fixup.dat", "kernel7.img", "bcm2709-rpi-2-b.dtb"];
  assert.notDeepEqual(await notesOf(only2B, ""), [], "a 2B boots from no network");
});
