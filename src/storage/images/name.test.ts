import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { nameOfFile, nextVersion, parseImageName } from "./name.ts";

const FILES: [file: string, name: string, version: string | undefined][] = [
  ["2025-10-01-raspios-trixie-arm64-lite.img.xz", "raspios-trixie-arm64-lite", "2025-10-01"],
  ["/home/me/2025-10-01-raspios-trixie-armhf.img", "raspios-trixie-armhf", "2025-10-01"],
  [
    "ubuntu-24.04.3-preinstalled-server-arm64+raspi.img.xz",
    "ubuntu-preinstalled-server-arm64-raspi",
    "24.04.3",
  ],
  ["20231109_raspi_4_bookworm.img.xz", "raspi-4-bookworm", "20231109"],
  ["debian-13-raspi-arm64-daily.tar.img.zst", "debian-13-raspi-arm64-daily", undefined],
  ["haos_rpi5-64-16.2.img.xz", "haos-rpi5-64", "16.2"],
  ["DietPi_RPi234-ARMv8-Trixie.img.xz", "dietpi-rpi234-armv8-trixie", undefined],
  ["archive.zip", "archive", undefined],
  ["raspi-v1.4.gz", "raspi", "1.4"],
  ["....img", "image", undefined],
  ["ünï©ode.img", "n-ode", undefined],
];

test("nameOfFile() finds name and version in what publishers call their files", () => {
  for (const [file, name, version] of FILES) {
    assert.deepEqual(nameOfFile(file), version === undefined ? { name } : { name, version }, file);
  }
});

test("nameOfFile() gives for any file a name that parseImageName() takes", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.string({ unit: "grapheme" })), (file) => {
      const { name, version } = nameOfFile(file);
      assert.equal(parseImageName(`${name}${version ? `:${version}` : ""}`).name, name);
    }),
  );
});

test("nextVersion() counts numbers on, and gives anything else a count of its own", () => {
  const rows: [string, string[], string][] = [
    ["3", [], "4"],
    ["9", ["10", "11"], "12"],
    ["2025-10-01", [], "2025-10-01+1"],
    ["2025-10-01+1", ["2025-10-01+2"], "2025-10-01+3"],
    ["24.04.3", [], "24.04.3+1"],
    ["0123456789ab", [], "0123456789ab+1"],
    ["trixie", ["trixie+1"], "trixie+2"],
  ];
  for (const [version, taken, next] of rows) {
    assert.equal(nextVersion(version, taken), next, version);
    assert.deepEqual(parseImageName(`os:${next}`), { name: "os", version: next });
  }
});
