import {
  closeSync,
  existsSync,
  fstatSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import type { ReadableDisk } from "../src/base/disk.ts";

/** A folder that goes when the test ends. */
export function scratch(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "bramble-readers-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A file as a disk, each read done at once; closed when the test ends. */
export function fileOnDisk(t: TestContext, path: string): ReadableDisk {
  const fd = openSync(path, "r");
  t.after(() => closeSync(fd));
  return {
    size: fstatSync(fd).size,
    read(into, offset) {
      for (let done = 0; done < into.length; ) {
        const got = readSync(fd, into, done, into.length - done, offset + done);
        if (got === 0) throw new Error(`read past the end of ${path}`);
        done += got;
      }
    },
  };
}

/** Bytes as a disk whose every read takes a turn of the event loop, and which refuses what lies outside. */
export function bytesOnDisk(bytes: Uint8Array): ReadableDisk {
  return {
    size: bytes.length,
    async read(into, offset) {
      if (!(offset >= 0 && offset + into.length <= bytes.length))
        throw new Error(`read of ${into.length} at ${offset}`);
      into.set(bytes.subarray(offset, offset + into.length));
    },
  };
}

/** A gzipped file below src/formats, unpacked. */
export function fixture(path: string): Uint8Array<ArrayBuffer> {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "package.json"))) folder = dirname(folder);
  return new Uint8Array(gunzipSync(readFileSync(join(folder, "src/formats", path))));
}
