import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BrambleError } from "../base/errors.ts";
import { allVolumes, parseGuard, parseSize, parseVolumeSpec, type VolumeSpec } from "./disk-settings.ts";

const badInput = (error: unknown) => error instanceof BrambleError && error.code === "BAD_INPUT";

test("parseSize() reads what people write, up to whole MiB", () => {
  const M = 1 << 20;
  const rows: [string, number][] = [
    ["512M", 512 * M],
    ["10G", 10 * 1024 * M],
    ["1.5g", 1536 * M],
    ["2TiB", 2 * 1024 * 1024 * M],
    ["1", M],
    ["1048577", 2 * M],
    ["64T", 2 ** 46],
  ];
  for (const [text, size] of rows) assert.equal(parseSize(text), size, text);
  for (const text of ["", "0", "G", "-1G", "10X", "1e3", "65T", "Infinity", "1G 2G"])
    assert.throws(() => parseSize(text), badInput, text);
});

test("parseVolumeSpec() takes a volume apart and refuses what a shell would take for more", () => {
  assert.deepEqual(parseVolumeSpec("containers:20G:ext4:/var/lib/containers"), {
    name: "containers",
    size: 20 * 2 ** 30,
    fstype: "ext4",
    mountpoint: "/var/lib/containers",
  });
  assert.deepEqual(parseVolumeSpec("raw:1G:none"), { name: "raw", size: 2 ** 30, fstype: "none" });
  const bad = [
    "a:1G",
    "a:1G:ext4",
    "a:1G:ext4:relative",
    "a:1G:ext4:/",
    "a:1G:ext4:/etc",
    "a:1G:ext4:/var/../etc",
    "a:1G:ext4:/srv/$(reboot)",
    "a:1G:ext4:/srv/a b",
    "a:1G:xfs:/srv",
    "a:1G:none:/srv",
    "A:1G:ext4:/srv",
    ":1G:ext4:/srv",
    "a:much:ext4:/srv",
  ];
  for (const text of bad) assert.throws(() => parseVolumeSpec(text), badInput, text);
});

test("any text is a volume or BAD_INPUT, and a volume's mount point is one plain word", () => {
  const near = fc.stringMatching(/^[a-z-]{1,8}:[0-9]{1,4}[MG]:(ext4|none)(:\/[ -~]{0,20})?$/);
  fc.assert(
    fc.property(fc.oneof(fc.string(), near), (text) => {
      try {
        assert.match(parseVolumeSpec(text).mountpoint ?? "/x", /^[A-Za-z0-9._/-]+$/);
      } catch (error) {
        assert.ok(badInput(error), String(error));
      }
    }),
  );
});

test("parseGuard() takes two times in seconds", () => {
  assert.deepEqual(parseGuard("60,0"), { shutdown: 60, down: 0 });
  for (const text of ["60", "60,", "-1,0", "1,2,3", "a,b", ""])
    assert.throws(() => parseGuard(text), badInput);
});

test("allVolumes(): of two volumes of one name the node's own counts", () => {
  const one = (name: string, size: number): VolumeSpec => ({ name, size, fstype: "none" });
  assert.deepEqual(allVolumes([one("a", 1), one("b", 1)], [one("b", 2), one("c", 2)]), [
    one("a", 1),
    one("b", 2),
    one("c", 2),
  ]);
  assert.deepEqual(allVolumes(undefined, undefined), []);
});
