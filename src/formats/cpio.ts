// cpio archives of the "newc" kind, the only one that the kernel unpacks as initramfs (Documentation/driver-api/early-userspace/buffer-format.rst).
import { concat } from "../base/bytes.ts";
import { toUtf8 } from "../base/text.ts";

export type CpioEntry =
  | { kind: "file"; path: string; mode: number; bytes: Uint8Array }
  | { kind: "directory"; path: string; mode: number }
  | { kind: "symlink"; path: string; target: string }
  | { kind: "character"; path: string; mode: number; major: number; minor: number };

const TYPE = { file: 0o100000, directory: 0o040000, symlink: 0o120000, character: 0o020000 } as const;
const NOTHING = new Uint8Array(0);

/**
 * An archive whose bytes depend on nothing but the entries: sorted by path, owner 0:0, time 0, inode numbers in order. Paths are
 * "a/b" without a leading slash; folders that entries need and that are not named are added (0755).
 */
export function writeCpio(entries: readonly CpioEntry[]): Uint8Array<ArrayBuffer> {
  const all = new Map<string, CpioEntry>();
  for (const entry of entries) {
    const parts = entry.path.split("/");
    for (let n = 1; n < parts.length; n++) {
      const path = parts.slice(0, n).join("/");
      if (!all.has(path)) all.set(path, { kind: "directory", path, mode: 0o755 });
    }
    all.set(entry.path, entry);
  }
  const sorted = [...all.values()].sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
  const parts = sorted.flatMap((entry, index) => member(entry, index + 1));
  parts.push(...header("TRAILER!!!", { inode: 0, mode: 0, size: 0, links: 1, major: 0, minor: 0 }));
  return concat(parts);
}

function member(entry: CpioEntry, inode: number): Uint8Array[] {
  const body =
    entry.kind === "file" ? entry.bytes : entry.kind === "symlink" ? toUtf8(entry.target) : NOTHING;
  const mode = TYPE[entry.kind] | (entry.kind === "symlink" ? 0o777 : entry.mode);
  const device = entry.kind === "character" ? entry : { major: 0, minor: 0 };
  const links = entry.kind === "directory" ? 2 : 1;
  const { major, minor } = device;
  return [
    ...header(entry.path, { inode, mode, size: body.length, links, major, minor }),
    body,
    padding(body.length),
  ];
}

interface Header {
  inode: number;
  mode: number;
  size: number;
  links: number;
  major: number;
  minor: number;
}

function header(path: string, h: Header): Uint8Array[] {
  const name = toUtf8(`${path}\0`);
  const fields = [h.inode, h.mode, 0, 0, h.links, 0, h.size, 0, 0, h.major, h.minor, name.length, 0];
  const text = `070701${fields.map((n) => n.toString(16).padStart(8, "0")).join("")}`;
  return [toUtf8(text), name, padding(text.length + name.length)];
}

/** Names and bodies each end at a multiple of 4. */
const padding = (length: number): Uint8Array => new Uint8Array((4 - (length % 4)) % 4);
