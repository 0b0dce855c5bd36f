import { readFile } from "node:fs/promises";
import { BrambleError } from "../base/errors.ts";
import type { Tree } from "../base/tree.ts";
import { agentKernels } from "../fleet/agent-kernels.ts";
import { type AgentFile, memoryFile } from "../fleet/boot-tree.ts";
import { openExt4 } from "../formats/ext4.ts";
import { slice } from "../formats/slice.ts";
import { buildAgent } from "../storage/agent.ts";
import { fileDisk } from "../storage/disks.ts";
import type { KernelFacts } from "../storage/images/inspect.ts";
import { type ImageManifest, imageFile } from "../storage/images/manifest.ts";
import { listImages } from "../storage/images.ts";
import type { BootSource } from "./boot-source.ts";
import type { Core } from "./core.ts";
import { packageFolder } from "./package.ts";

export interface AgentShelf {
  /** May a node of this image be offered a boot now? Answers at once; starts the build where there was none. */
  state(image: ImageManifest): { ready: boolean; why: string };
  /** The agent for the kernels that a clone holds now: the image's, or its own after an upgrade inside the node. */
  forClone(clone: BootSource, untouched: boolean): Promise<AgentFile>;
  /** Builds for every image, so that the first board does not wait. */
  prebuild(): Promise<void>;
}

/** A build that failed (no network) is tried again after this long. */
const AGAIN_MS = 60_000;

export function agentShelf(
  core: Core,
  options: {
    dummy?: AgentFile | undefined;
    mirror?: string | undefined;
    /** Only from packages that are here: to look at a boot tree without a server. */
    offline?: boolean;
    say(words: string): void;
  },
): AgentShelf {
  const { dummy, mirror, offline = false, say } = options;
  const builds = new Map<
    string,
    { promise: Promise<AgentFile>; state: "building" | "ready" | Error; atMs: number }
  >();
  const loaded = new Map<string, AgentFile>();
  let line: Promise<unknown> = Promise.resolve();

  async function build(all: readonly KernelFacts[], root: () => Promise<Tree>): Promise<AgentFile> {
    const found = new Map(
      all.flatMap(({ version, modulesPath }) =>
        version && modulesPath ? [[version, { version, modules: modulesPath }] as const] : [],
      ),
    );
    const { arch, kernels } = agentKernels([...found.values()]);
    if (kernels.length === 0) {
      throw new BrambleError(
        "AGENT_UNBUILDABLE",
        found.size === 0
          ? "no kernel of the boot partition has its modules in the root file system"
          : "the image's kernels are all for ARMv6 (Pi 1, Zero), which the agent's programs cannot run on",
      );
    }
    const built = await buildAgent({
      data: core.data.root,
      arch,
      kernels,
      root: await root(),
      agentFiles: packageFolder("agent"),
      offline,
      ...(mirror && { mirror }),
      onProgress: say,
    });
    let file = loaded.get(built.sha256);
    if (!file) {
      file = { ...memoryFile(await readFile(built.path)), identity: built.sha256 };
      loaded.set(built.sha256, file);
    }
    return file;
  }

  /** One build at a time: each unpacks some tens of MB. */
  function queued(key: string, work: () => Promise<AgentFile>): Promise<AgentFile> {
    const known = builds.get(key);
    if (known && (!(known.state instanceof Error) || Date.now() - known.atMs < AGAIN_MS))
      return known.promise;
    const promise = line.then(work);
    const entry = { promise, state: "building" as "building" | "ready" | Error, atMs: Date.now() };
    builds.set(key, entry);
    line = promise.then(
      () => {
        entry.state = "ready";
      },
      (error: Error) => {
        entry.state = error;
        entry.atMs = Date.now();
        if (offline) return; // whoever looks says it
        core.journal.event("agent", undefined, `the agent could not be built: ${error.message}`);
        say(`the agent could not be built: ${error.message}`);
      },
    );
    return promise;
  }

  const ofImage = (image: ImageManifest) =>
    queued(image.sha256, () => build(image.facts.kernels, () => rootOf(image)));

  async function rootOf({ sha256, facts }: ImageManifest): Promise<Tree> {
    const root = facts.partitions.find((p) => p.number === facts.rootPartition);
    if (!root)
      throw new BrambleError("AGENT_UNBUILDABLE", "there is no root partition to take kernel modules from");
    return openExt4(slice(fileDisk(imageFile(core.data.root, sha256)), root.offset, root.size));
  }

  return {
    state(image) {
      if (dummy) return { ready: true, why: "" };
      ofImage(image).catch(() => {}); // its state says what happened
      const state = builds.get(image.sha256)?.state;
      if (state === "ready") return { ready: true, why: "" };
      if (state instanceof Error)
        return { ready: false, why: `the agent could not be built: ${state.message}` };
      return { ready: false, why: "the agent for its image is being built; the board asks again by itself" };
    },
    async forClone(clone, untouched) {
      if (dummy) return dummy;
      if (untouched) return ofImage(clone.image);
      const kernels = await clone.kernels();
      const versions = kernels.map((kernel) => kernel.version).join(" ");
      const same = clone.image.facts.kernels.map((kernel) => kernel.version).join(" ") === versions;
      return same
        ? ofImage(clone.image)
        : queued(`${clone.path} ${versions}`, () => build(kernels, clone.rootTree));
    },
    async prebuild() {
      if (dummy) return;
      for (const image of await listImages(core.data.root)) await ofImage(image).catch(() => {}); // told by state()
    },
  };
}
