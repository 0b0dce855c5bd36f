import { createHash } from "node:crypto";
import { BrambleError } from "../base/errors.ts";
import type { FileBytes } from "../base/tree.ts";
import {
  type AgentFile,
  type BootTree,
  type BootTreeParts,
  bootTree,
  type Origin,
} from "../fleet/boot-tree.ts";
import { walkBoot } from "../fleet/boot-walk.ts";
import type { Boot } from "../fleet/boots.ts";
import type { Node, resolveNode } from "../fleet/node.ts";
import type { Core } from "./core.ts";
import type { FoundFile } from "./planes/boot.ts";

/** The boot tree of one boot, and what the timeline wants to know of it. */
export interface Prepared {
  boot: Boot;
  node: Node;
  tree: BootTree;
  /** Path of the kernel, where the model is known: its last byte sent means "kernel read". */
  kernel: string | undefined;
  /** Where the bytes of the clone's boot files are the image's, they are cached for all its nodes. */
  share: string | undefined;
  /** Where each file that was asked for comes from, in words, by the path as it was asked. */
  origins: Map<string, string>;
}

/** Files held in memory for the boot plane: the kernel of 3,000 nodes over one image is one buffer. */
const CACHE_BYTES = 384 * 1024 * 1024;
const FILE_BYTES = 256 * 1024 * 1024;

/** One of them: what mounts the root. */
interface Laid {
  agent: AgentFile | undefined;
  kernelRoot: readonly string[] | undefined;
}

export interface BootFiles {
  prepare(
    boot: Boot,
    node: Node,
    laid: Pick<BootTreeParts, "parameters" | "lines"> & Laid,
  ): Promise<Prepared>;
  /** A file's bytes, ready for the boot plane, and where they come from in words. */
  read(prepared: Prepared, path: string): Promise<{ found: FoundFile; origin: string } | undefined>;
}

export function bootFiles(core: Core): BootFiles {
  const cache = new Map<string, Promise<FoundFile>>();
  let held = 0;

  async function load(file: FileBytes, key: string): Promise<FoundFile> {
    if (file.size > FILE_BYTES) {
      throw new BrambleError("BAD_INPUT", `a boot file of ${file.size} bytes is too large for TFTP`);
    }
    const bytes = new SharedArrayBuffer(file.size);
    await file.read(new Uint8Array(bytes), 0);
    held += file.size;
    for (const old of cache.keys()) {
      if (held <= CACHE_BYTES || old === key) break;
      held -= (await cache.get(old))?.size ?? 0;
      cache.delete(old);
    }
    return { bytes, size: file.size };
  }

  return {
    async prepare(boot, node, { parameters, lines, agent, kernelRoot }) {
      const clone = await core.bootSource(node);
      const [own, firmware] = await Promise.all([clone.bootFiles(), core.firmwareOf(node)]);
      const tree = await bootTree({
        clone: own.tree,
        parameters,
        ...(lines && { lines }),
        ...(kernelRoot && { kernelRoot }),
        ...(firmware && { firmware }),
        ...(agent && { agent }),
      });
      const walk = node.model && (await walkBoot(tree, board(node)));
      return {
        boot,
        node,
        tree,
        kernel: walk?.kernel,
        share: own.untouched ? clone.image.sha256 : undefined,
        origins: new Map(),
      };
    },

    async read(prepared, path) {
      const file = await prepared.tree.find(path);
      if (!file) return undefined;
      const origin = originWords(file.origin);
      const owner =
        file.origin.from === "firmware"
          ? file.origin.name
          : file.origin.from === "clone" && prepared.share
            ? prepared.share
            : prepared.boot.id;
      const key = file.identity ?? `${owner} ${path.toLowerCase()}`;
      let found = cache.get(key);
      if (!found) {
        found = load(file, key);
        cache.set(key, found);
        found.catch(() => cache.delete(key)); // whoever asked gets the error
      }
      return { found: await found, origin };
    },
  };
}

export const originWords = (origin: Origin): string =>
  origin.from === "clone"
    ? "the node's own disk"
    : origin.from === "firmware"
      ? `firmware ${origin.name}`
      : `generated: ${origin.why}`;

export const board = (node: Node) => ({
  model: node.model ?? ("4B" as const),
  ...(node.serial && { serial: node.serial }),
  ...(node.revision !== undefined && { revision: node.revision }),
});

export const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

/** What the agent is told on the kernel's command line; the token is good once. */
export const agentParameters = (
  boot: string,
  token: string,
  server: string,
  root: ReturnType<typeof resolveNode>["root"],
) =>
  new Map([
    ["server", server],
    ["boot", boot],
    ["token", token],
    ["root", root],
  ]);
