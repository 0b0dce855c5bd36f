// For tests: an image with the things in it that trees trip over.
import * as fs from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { Lower } from "../src/storage/trees/lower.ts";
import { openExt4Lower } from "../src/storage/trees/lower-ext4.ts";
import { make, tools } from "./ext4-of-folder.ts";
import { bytesOnDisk, scratch } from "./readers.ts";
import { run } from "./tools.ts";

/** Bytes that are nowhere zero. */
export const pattern = (length: number): Buffer =>
  Buffer.from(Uint8Array.from({ length }, (_, i) => 1 + (i % 251)));

function folder(t: TestContext): string {
  const path = scratch(t);
  fs.mkdirSync(join(path, "etc/deep"), { recursive: true });
  fs.mkdirSync(join(path, "boot/firmware"), { recursive: true });
  fs.writeFileSync(
    join(path, "etc/fstab"),
    "PARTUUID=1-01 /boot/firmware vfat defaults 0 2\nPARTUUID=1-02 / ext4 defaults 0 1\n",
  );
  fs.writeFileSync(join(path, "etc/big"), pattern(100_000), { mode: 0o640 });
  fs.linkSync(join(path, "etc/big"), join(path, "etc/deep/big2"));
  fs.symlinkSync("../big", join(path, "etc/deep/link"));
  fs.symlinkSync("/etc", join(path, "alias"));
  fs.utimesSync(join(path, "etc/big"), 1_000_000_000, 12_345);
  for (let i = 0; i < 700; i++) fs.writeFileSync(join(path, "etc/deep", `n${i}`), `${i}`);
  return path;
}

let made: Buffer | undefined;

/** An ext4 of that folder, made once; undefined where the tools for it are not here. */
export function rootImage(t: TestContext): Buffer | undefined {
  if (!tools(t)) return undefined;
  if (made) return made;
  const path = make(t, folder(t), "16M", ["-t", "ext4", "-b", "4096"]);
  run("debugfs", ["-w", "-R", "ea_set etc/big security.capability hello", path]);
  run("debugfs", ["-w", "-R", "ea_set etc/big user.kept yes", path]);
  made = fs.readFileSync(path);
  return made;
}

/** It as a lower layer: warm, and so cold that nothing is there at once and hardly anything is remembered. */
export async function layers(
  t: TestContext,
): Promise<{ bytes: Buffer; lower: Lower; cold: Lower } | undefined> {
  const bytes = rootImage(t);
  if (!bytes) return undefined;
  const warm = {
    size: bytes.length,
    read: (into: Uint8Array, at: number) => into.set(bytes.subarray(at, at + into.length)),
  };
  return {
    bytes,
    lower: await openExt4Lower(warm, 1 << 24),
    cold: await openExt4Lower(bytesOnDisk(bytes), 1),
  };
}
