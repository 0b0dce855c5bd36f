// What a case finds when it begins: told as a table, made over the wire's own calls or as files of an image.
import { linkSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { FILE_KIND, type FileKind } from "../../src/wire/nfs/tree.ts";
import { make } from "../ext4-of-folder.ts";
import { scratch } from "../readers.ts";
import { run } from "../tools.ts";

export interface Owned {
  /** 0o7777. */
  mode: number;
  uid: number;
  gid: number;
}
export type Thing =
  | (Owned & { is: "directory" })
  | (Owned & { is: "fifo" | "socket" })
  | (Owned & { is: "file"; bytes: Uint8Array })
  | (Owned & { is: "block" | "character"; major: number; minor: number })
  | (Owned & { is: "symlink"; target: string })
  | { is: "link"; to: string };
export type Kind = Exclude<Thing["is"], "link">;
/** By path below the case's folder (one character a byte), parents first. */
export type Given = Readonly<Record<string, Thing>>;

type Meta = Partial<Owned>;
const owned = (mode: number, meta: Meta): Owned => ({ mode, uid: 0, gid: 0, ...meta });
export const file = (text: string | Uint8Array = "", meta: Meta = {}): Thing => ({
  is: "file",
  bytes: typeof text === "string" ? Buffer.from(text, "latin1") : text,
  ...owned(0o644, meta),
});
export const directory = (meta: Meta = {}): Thing => ({ is: "directory", ...owned(0o755, meta) });
export const fifo = (meta: Meta = {}): Thing => ({ is: "fifo", ...owned(0o644, meta) });
export const socket = (meta: Meta = {}): Thing => ({ is: "socket", ...owned(0o755, meta) });
export const block = (meta: Meta = {}): Thing => ({
  is: "block",
  major: 8,
  minor: 17,
  ...owned(0o600, meta),
});
export const character = (meta: Meta = {}): Thing => ({
  is: "character",
  major: 4,
  minor: 64,
  ...owned(0o600, meta),
});
export const symlink = (target = "elsewhere", meta: Meta = {}): Thing => ({
  is: "symlink",
  target,
  ...owned(0o777, meta),
});
export const linkTo = (to: string): Thing => ({ is: "link", to });

/** One of each kind. */
export const EACH: Record<Kind, (meta?: Meta) => Thing> = {
  file: (meta) => file("a few bytes", meta),
  directory,
  fifo,
  socket,
  block,
  character,
  symlink: (meta) => symlink("elsewhere", meta),
};
export const KINDS = Object.keys(EACH) as Kind[];
export const KIND_NUMBER: Record<Kind, FileKind> = FILE_KIND;

/** What mknod of debugfs calls it; a socket is made of a pipe. */
const NODE = { fifo: "p", socket: "p", block: "b", character: "c" };
/** S_IFMT. */
const TYPE: Record<Kind, number> = {
  fifo: 0o010000,
  character: 0o020000,
  directory: 0o040000,
  block: 0o060000,
  file: 0o100000,
  symlink: 0o120000,
  socket: 0o140000,
};

/** An ext4 with these things in folders by these names, each folder for everybody; without root. Gives its path. */
export function imageOf(t: TestContext, folders: ReadonlyMap<string, Given>): string {
  const root = scratch(t);
  const on = (path: string) => Buffer.from(join(root, path), "latin1");
  const orders: string[] = [];
  for (const [folder, given] of folders) {
    mkdirSync(on(folder));
    orders.push(`sif /${folder} mode 040777`);
    for (const [name, thing] of Object.entries(given)) {
      const path = `${folder}/${name}`;
      if (thing.is === "link") {
        const of = given[thing.to];
        if (of && (of.is in NODE || of.is === "symlink"))
          orders.push(`ln "/${folder}/${thing.to}" "/${path}"`, `sif "/${path}" links_count 2`);
        else linkSync(on(`${folder}/${thing.to}`), on(path));
        continue;
      }
      if (thing.is === "file") writeFileSync(on(path), thing.bytes);
      else if (thing.is === "directory") mkdirSync(on(path));
      else if (thing.is === "symlink") symlinkSync(Buffer.from(thing.target, "latin1"), on(path));
      else orders.push(...nodeOrders(path, thing));
      orders.push(`sif "/${path}" mode 0${(TYPE[thing.is] | thing.mode).toString(8)}`);
      for (const who of ["uid", "gid"] as const) orders.push(`sif "/${path}" ${who} ${thing[who]}`);
    }
  }
  const image = make(t, root, "32M", ["-t", "ext4", "-b", "4096", "-O", "^has_journal", "-N", "8192"]);
  const script = join(scratch(t), "orders");
  writeFileSync(script, Buffer.from(`${orders.join("\n")}\n`, "latin1"));
  const said = run("debugfs", ["-w", "-f", script, image]);
  const wrong = said
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("debugfs:") && !line.startsWith("Allocated inode"));
  if (wrong.length > 0) throw new Error(`debugfs: ${wrong.join("\n")}`);
  return image;
}

function nodeOrders(
  path: string,
  thing: Extract<Thing, { is: "fifo" | "socket" } | { is: "block" | "character" }>,
): string[] {
  const at = path.lastIndexOf("/");
  const numbers = "major" in thing ? ` ${thing.major} ${thing.minor}` : "";
  return [`cd "/${path.slice(0, at)}"`, `mknod "${path.slice(at + 1)}" ${NODE[thing.is]}${numbers}`, "cd /"];
}
