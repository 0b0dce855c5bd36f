import { createReadStream } from "node:fs";
import { readdir, readFile, realpath, stat } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { extract } from "tar-stream";
import yauzl from "yauzl";
import { utf8 } from "../base/text.ts";
import { readDeb } from "../formats/deb.ts";
import { parseStanza } from "../formats/debian-control.ts";
import { type Packing, peek } from "./images/detect.ts";
import { unpack } from "./images/unpack.ts";

/** A file of a folder or archive, in the order in which it is met. Its bytes must be read, or left, before the next one. */
export interface SourceFile {
  /** "boot/overlays/README": no leading slash, no "..". */
  path: string;
  bytes(): AsyncIterable<Uint8Array>;
  /** A link (hard or symbolic) to this path of the same source: it has no bytes of its own. */
  linkTo?: string;
}

/** Where boot files come from; may be walked more than once. */
export interface FirmwareSource {
  files(): AsyncGenerator<SourceFile>;
  /** Name and version as a Debian package says them. */
  debian?: { name: string; version: string };
}

/** Opens a folder, a .deb, a .zip, or a tar file packed by anything that images may be packed by. */
export async function openFirmwareSource(path: string): Promise<FirmwareSource> {
  if ((await stat(path)).isDirectory()) return { files: () => ofFolder(path) };
  const { chunks, packing } = await peek(createReadStream(path, { end: 15 }));
  let head = "";
  for await (const bytes of chunks) head += Buffer.from(bytes).toString("latin1");
  if (head.startsWith("!<arch>\n")) return ofDeb(await readFile(path));
  if (packing === "zip") return { files: () => ofZip(path) };
  return { files: () => ofTar(unpack(packing, createReadStream(path, { highWaterMark: 1 << 18 }))) };
}

/** A path inside an archive, cleaned; undefined for one that would leave it. */
function cleanPath(path: string): string | undefined {
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  const bad =
    parts.length === 0 || parts.some((part) => part === ".." || part.includes("\0") || part.includes("\\"));
  return bad ? undefined : parts.join("/");
}

async function* ofFolder(root: string): AsyncGenerator<SourceFile> {
  const real = await realpath(root);
  const folders = [""];
  for (let folder = folders.shift(); folder !== undefined; folder = folders.shift()) {
    const entries = await readdir(join(real, folder), { withFileTypes: true });
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
      const bytes = () => createReadStream(join(real, path));
      if (entry.isDirectory() && entry.name !== ".git") folders.push(path);
      else if (entry.isFile()) yield { path, bytes };
      else if (entry.isSymbolicLink()) {
        const to = relative(real, await realpath(join(real, path)));
        if (!to.startsWith("..") && (await stat(join(real, path))).isFile()) {
          yield { path, bytes, linkTo: to.split(sep).join("/") };
        }
      }
    }
  }
}

async function* ofTar(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<SourceFile> {
  const tar = extract();
  const feeding = pump(chunks, tar);
  feeding.catch((error: Error) => tar.destroy(error));
  for await (const entry of tar) {
    const { name, type, linkname } = entry.header;
    const path = cleanPath(name);
    const bytes = () => entry as unknown as AsyncIterable<Uint8Array>;
    if (path !== undefined && type === "file") yield { path, bytes };
    if (path !== undefined && linkname && (type === "link" || type === "symlink")) {
      const base = type === "link" ? "" : path.split("/").slice(0, -1).join("/");
      const to = linkname.startsWith("/") ? undefined : resolveInside(base, linkname);
      if (to !== undefined) yield { path, bytes, linkTo: to };
    }
    entry.resume();
  }
  await feeding;
}

/** Ends, and lets go of `chunks`, also when nobody reads the archive any more. */
async function pump(chunks: AsyncIterable<Uint8Array>, tar: ReturnType<typeof extract>): Promise<void> {
  for await (const bytes of chunks) {
    const more = tar.destroyed || tar.write(bytes);
    if (!more && !tar.destroyed) {
      await new Promise<void>((resolve) => {
        tar.once("drain", () => resolve());
        tar.once("close", () => resolve());
      });
    }
    if (tar.destroyed) return;
  }
  tar.end(undefined);
}

function resolveInside(base: string, link: string): string | undefined {
  const parts = base === "" ? [] : base.split("/");
  for (const part of link.split("/")) {
    if (part === "..") {
      if (parts.pop() === undefined) return undefined;
    } else if (part !== "" && part !== ".") parts.push(part);
  }
  return parts.join("/");
}

async function* ofZip(path: string): AsyncGenerator<SourceFile> {
  const zip = await yauzl.openPromise(path, { autoClose: false });
  try {
    for await (const entry of zip.eachEntry()) {
      const inside = cleanPath(entry.fileName);
      if (inside === undefined || entry.fileName.endsWith("/")) continue;
      yield {
        path: inside,
        async *bytes() {
          yield* (await zip.openReadStreamPromise(entry)) as AsyncIterable<Uint8Array>;
        },
      };
    }
  } finally {
    zip.close();
  }
}

/** deb(5): control.tar.* and data.tar.*, each packed in its own way. */
async function ofDeb(bytes: Uint8Array): Promise<FirmwareSource> {
  const members = readDeb(bytes);
  const member = async (name: string) => {
    const found = members.find((one) => one.name === name || one.name.startsWith(`${name}.`));
    if (!found) throw new Error(`deb: no ${name} in it`);
    return async function* () {
      const { chunks, packing } = await peek(whole(found.bytes));
      yield* ofTar(unpack(packing as Exclude<Packing, "zip">, chunks));
    };
  };
  const data = await member("data.tar");
  for await (const file of (await member("control.tar"))()) {
    if (file.path !== "control") continue;
    const parts: Uint8Array[] = [];
    for await (const part of file.bytes()) parts.push(part);
    const stanza = parseStanza(utf8(Buffer.concat(parts)));
    return {
      files: data,
      debian: { name: stanza.get("package") ?? "", version: stanza.get("version") ?? "" },
    };
  }
  return { files: data };
}

async function* whole(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 1 << 18) yield bytes.subarray(at, at + (1 << 18));
}
