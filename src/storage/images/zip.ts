import { crc32 } from "node:zlib";
import yauzl from "yauzl";

/**
 * The one disk image inside a .zip file: the only *.img (also packed, *.img.xz), or the only file at all.
 * The entry's CRC-32 and size are verified. Throws where there is none, more than one, or damage.
 */
export async function* openZip(path: string): AsyncGenerator<Uint8Array> {
  const zip = await yauzl.openPromise(path, { autoClose: false });
  try {
    const entries: yauzl.Entry[] = [];
    for await (const entry of zip.eachEntry()) {
      if (!entry.fileName.endsWith("/")) entries.push(entry);
      if (entries.length > 10_000) throw new Error("zip: more than 10,000 files: no disk image");
    }
    const images = entries.filter((entry) => /\.(img|raw)(\.(xz|zst|gz))?$/i.test(entry.fileName));
    const [entry, ...more] = images.length > 0 ? images : entries;
    if (!entry) throw new Error("zip: no file in it");
    if (more.length > 0) {
      const names = [entry, ...more].slice(0, 5).map((e) => e.fileName);
      throw new Error(`zip: ${more.length + 1} files in it (${names.join(", ")}), one disk image expected`);
    }
    let crc = 0;
    for await (const bytes of (await zip.openReadStreamPromise(entry)) as AsyncIterable<Uint8Array>) {
      crc = crc32(bytes, crc);
      yield bytes;
    }
    if (crc !== entry.crc32) throw new Error(`zip: the checksum of ${entry.fileName} does not match`);
  } finally {
    zip.close();
  }
}
