import { BrambleError } from "../base/errors.ts";
import { toUtf8, utf8 } from "../base/text.ts";
import { type Entry, type FileBytes, readAll, type Tree } from "../base/tree.ts";
import { cmdlineValue } from "../formats/cmdline.ts";
import { agentWords, nodeCmdline } from "./cmdline.ts";

/** Name of the agent's initramfs in every boot tree. 8.3 and short: config.txt lines are cut at 98 characters. */
export const AGENT_FILE = "agent.img";
const LINE_LIMIT = 98;
/** Names that auto_initramfs=1 makes of the kernels' names. */
const OWN_INITRAMFS = ["initramfs", "initramfs7", "initramfs7l", "initramfs8", "initramfs_2712"];

/** What iPXE of a node is told to load where its profile has a script for it. */
export const IPXE_FILE = "boot.ipxe";

/** Where a file of a boot tree comes from. */
export type Origin =
  | { from: "clone" }
  | { from: "firmware"; name: string }
  | { from: "generated"; why: string };

export interface BootFile extends FileBytes {
  origin: Origin;
}

export type AgentFile = FileBytes & { identity: string };

export interface BootTree {
  /** Path without a leading slash; undefined where no layer has it. Names fit as FAT's do: exact first, then in any case. */
  find(path: string): Promise<BootFile | undefined>;
  list(path: string): Promise<{ entry: Entry; origin: Origin }[]>;
  /** What was changed against the image, in words: for an event and for `node tree`. */
  readonly changes: string[];
}

export interface BootTreeParts {
  /** The clone's boot partition. */
  clone: Tree;
  firmware?: { name: string; tree: Tree };
  /** Undefined: the image boots with its own initramfs (nothing of ours is laid over). */
  agent?: AgentFile;
  /** bramble.* parameters, without the prefix. */
  parameters: ReadonlyMap<string, string>;
  /** The kernel mounts the root by itself, told by these words: no agent, no initramfs. */
  kernelRoot?: readonly string[];
  /** What the node's profile adds. */
  lines?: { cmdline: readonly string[]; config: readonly string[]; ipxe?: string };
}

/**
 * The files that a node's bootloader may ask for: its clone's own, then the firmware set where the clone lacks them,
 * with config.txt and cmdline.txt written for the network. os_prefix folders get theirs too, since the firmware
 * prepends the prefix to both names (spec pi-boot.md 1.7).
 */
export async function bootTree({
  clone,
  firmware,
  agent,
  parameters,
  kernelRoot,
  lines,
}: BootTreeParts): Promise<BootTree> {
  const lower = async (path: string): Promise<BootFile | undefined> => {
    const own = await clone.open(path);
    if (own) return withOrigin(own, { from: "clone" });
    const laid = await firmware?.tree.open(path);
    return laid && firmware && withOrigin(laid, { from: "firmware", name: firmware.name });
  };
  const text = async (path: string) => {
    const file = await lower(path);
    return file ? utf8(await readAll(file, 1 << 20)) : undefined;
  };

  const changes: string[] = [];
  /** What the tree must not have: the image's own initramfs would look for the card. */
  const hidden = new Set<string>();
  const generated = new Map<string, { path: string; bytes: FileBytes; why: string }>();
  const lay = (path: string, bytes: FileBytes, why: string) =>
    generated.set(path.toLowerCase(), { path, bytes, why });

  const config = (await text("config.txt")) ?? "";
  const steering = [config, ...(await includes(config, text))];
  const upstream = settings(steering, "upstream_kernel").includes("1") ? ["upstream/"] : [];
  const prefixes = ["", ...new Set([...settings(steering, "os_prefix"), ...upstream])];
  const cmdlines = [...new Set(["cmdline.txt", ...settings(steering, "cmdline")])];
  for (const prefix of prefixes) {
    for (const name of cmdlines) {
      const path = name.startsWith("/") ? name.slice(1) : prefix + name;
      const image = await text(path);
      if (image === undefined && path !== "cmdline.txt") continue;
      const { line, removed } = nodeCmdline(
        image ?? "",
        kernelRoot ?? agentWords(parameters),
        lines?.cmdline,
      );
      for (const { word, why } of removed) changes.push(`${path}: removed ${word}: ${why}`);
      lay(path, memoryFile(toUtf8(`${line}\n`)), "the image's parameters, and ours for the network root");
    }
    if (kernelRoot) {
      for (const name of OWN_INITRAMFS) {
        if (!(await lower(prefix + name))) continue;
        hidden.add((prefix + name).toLowerCase());
        changes.push(`${prefix}${name}: left out: the kernel mounts the root by itself`);
      }
    }
    if (!agent) continue;
    lay(prefix + AGENT_FILE, agent, "the agent that attaches the node's root");
    for (const name of OWN_INITRAMFS) {
      if (await clone.open(prefix + name)) lay(prefix + name, agent, "in place of the image's own initramfs");
    }
  }
  if (lines?.ipxe !== undefined) lay(IPXE_FILE, memoryFile(toUtf8(lines.ipxe)), "the profile's iPXE script");
  const ofProfile = lines?.config ?? [];
  if (lines?.cmdline.length) changes.push(`cmdline.txt: the profile adds ${lines.cmdline.join(" ")}`);
  const noOther = agent !== undefined || kernelRoot !== undefined;
  if (noOther || ofProfile.length > 0) {
    for (const name of ["config.txt", "tryboot.txt"]) {
      const image = await text(name);
      if (image === undefined && name !== "config.txt") continue;
      const added = [
        ...(ofProfile.length > 0 ? ["[all]", ...ofProfile] : []),
        ...(agent ? configLines(prefixes.length > 1) : []),
      ];
      const words = added.filter((line) => line !== "[all]").join(", ");
      if (words !== "") changes.push(`${name}: added ${words} under [all]`);
      const why =
        added.length === 0
          ? "the image's own lines, without those that name an initramfs"
          : `the image's own lines, and ${agent ? "the agent's" : "the profile's"} at the end`;
      lay(name, memoryFile(toUtf8(appendLines(image ?? "", added, noOther))), why);
    }
  }

  return {
    changes,
    async find(path) {
      if (hidden.has(path.toLowerCase())) return undefined;
      const over = generated.get(path.toLowerCase());
      if (!over) return lower(path);
      return withOrigin(over.bytes, { from: "generated", why: over.why });
    },
    async list(path) {
      const rows = new Map<string, { entry: Entry; origin: Origin }>();
      const layers: [Tree | undefined, Origin][] = [
        [firmware?.tree, { from: "firmware", name: firmware?.name ?? "" }],
        [clone, { from: "clone" }],
      ];
      let seen = path === "";
      for (const [tree, origin] of layers) {
        if ((await tree?.lookup(path))?.kind !== "directory" && path !== "") continue;
        seen = true;
        for (const entry of (await tree?.list(path)) ?? [])
          if (!hidden.has(`${path === "" ? "" : `${path}/`}${entry.name}`.toLowerCase()))
            rows.set(entry.name.toLowerCase(), { entry, origin });
      }
      if (!seen) throw new BrambleError("FILE_UNKNOWN", `${path} is no folder of this boot tree`);
      const folder = path === "" ? "" : `${path}/`;
      for (const { path: full, bytes, why } of generated.values()) {
        const name = full.slice(folder.length);
        if (!full.startsWith(folder) || name.includes("/")) continue;
        const entry: Entry = {
          name,
          kind: "file",
          size: bytes.size,
          mode: 0o644,
          uid: 0,
          gid: 0,
          mtimeMs: 0,
        };
        rows.set(name.toLowerCase(), { entry, origin: { from: "generated", why } });
      }
      return [...rows.values()].sort((a, b) => (a.entry.name < b.entry.name ? -1 : 1));
    },
  };
}

/**
 * auto_initramfs stays as the image has it: firmware of a Pi 3 takes the 64-bit kernel where it is 1 (spec pi-boot.md 1.7).
 * Should it then look for the image's own initramfs beside ours, it finds the agent there too.
 */
const configLines = (hasPrefix: boolean): string[] => [
  "[all]",
  `initramfs ${hasPrefix ? "/" : ""}${AGENT_FILE} followkernel`,
];

/** Where ours is laid over, earlier `initramfs` lines go: the firmware would load theirs too. A last line without its newline gets one. */
function appendLines(image: string, lines: string[], ours: boolean): string {
  const kept = image
    .split("\n")
    .map((line) =>
      ours && /^\s*(initramfs\s|ramfsfile\s*=|ramfsaddr\s*=)/.test(line)
        ? `#${line}`.slice(0, LINE_LIMIT)
        : line,
    )
    .join("\n");
  return `${kept}${kept === "" || kept.endsWith("\n") ? "" : "\n"}${lines.join("\n")}\n`;
}

async function includes(
  config: string,
  text: (path: string) => Promise<string | undefined>,
): Promise<string[]> {
  const out: string[] = [];
  for (const [, name] of config.matchAll(/^\s*include\s+(\S+)/gm)) {
    const more = name && (await text(name));
    if (more) out.push(more);
  }
  return out;
}

/** All values that a key takes in any section: which section holds is the board's business. */
function settings(texts: string[], key: string): string[] {
  const values = texts.flatMap((text) =>
    [...text.matchAll(new RegExp(`^[ \\t]*${key}=([^\\r\\n]*)`, "gm"))].map((match) =>
      (match[1] ?? "").trim(),
    ),
  );
  return [...new Set(values.filter((value) => value !== ""))];
}

const withOrigin = (file: FileBytes, origin: Origin): BootFile => ({
  size: file.size,
  origin,
  ...(file.identity !== undefined && { identity: file.identity }),
  read: (into, offset) => file.read(into, offset),
});

export const memoryFile = (bytes: Uint8Array): FileBytes => ({
  size: bytes.length,
  read(into, offset) {
    into.set(bytes.subarray(offset, offset + into.length));
  },
});

/** The partition that the image itself mounts as root, from its cmdline.txt: 2 of root=PARTUUID=b2a3b1e5-02. */
export function rootPartitionOf(cmdline: string): number | undefined {
  const root = cmdlineValue(cmdline, "root");
  const digits = root && /(?:-0*|p|sd[a-z])(\d+)$/.exec(root)?.[1];
  return digits ? Number(digits) : undefined;
}
