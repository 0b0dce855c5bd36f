// Makes a boot's files ready: what its bootloader will find, and how its root will be mounted.
import { BrambleError } from "../base/errors.ts";
import type { Boot, Step } from "../fleet/boots.ts";
import type { Node } from "../fleet/node.ts";
import type { AgentShelf } from "./agent-shelf.ts";
import { agentParameters, type BootFiles, type Prepared } from "./boot-files.ts";
import type { Core } from "./core.ts";
import { planNfsRoot } from "./nfs-kernel.ts";
import { bootLinesOf, frozenNow, type seedCheck, whyUnseeded as whyUnseededWith } from "./node-seed.ts";
import { rootNews } from "./root-news.ts";

export interface PrepareOptions {
  core: Core;
  agents: AgentShelf;
  files: BootFiles;
  whyUnseeded: ReturnType<typeof seedCheck>;
  /** Opens the door for NFS roots where it is not open yet: the port. */
  nfsDoor(): Promise<number>;
  event(kind: string, node: Node | undefined, words: string): void;
  step(node: Node, kind: Step["kind"], words: string, more?: Partial<Step>): void;
}

/** `server`: our address as the board sees it; `url`: where its agent reaches us. */
export type Prepare = (
  boot: Boot,
  node: Node,
  to: { token: string; server: string; url: string },
) => Promise<Prepared>;

export function preparation(options: PrepareOptions): Prepare {
  const { core, agents, files, whyUnseeded, event, step } = options;
  const { journal, registry } = core;

  return async (boot, node, { token, server, url }) => {
    // by TFTP without our DHCP it comes here unasked
    const kept = await core.profiles.frozen.of(boot.id);
    const frozen = kept ?? frozenNow(core, node);
    journal.bootUpdate(boot.id, { templates: core.profiles.frozen.keep(boot.id, frozen) });
    const unseeded = kept ? whyUnseededWith(core, node, url, kept) : whyUnseeded(node, url);
    if (unseeded) throw new BrambleError("TEMPLATE_BAD", `profile ${node.profile}: ${unseeded}`);
    const lines = bootLinesOf(core, node, url, frozen);
    const source = await core.bootSource(node);
    const { made, image } = source;
    const { root } = registry.resolve(node);
    // of a tree it is told where it is made
    if (made && root !== "nfs")
      event("clone", node, `a clone of ${image.name}:${image.version} was made for it`);
    const news = registry.byId(node.id) === node && (await rootNews(core, node, boot.id));
    if (news) event("root", node, news);
    journal.bootUpdate(boot.id, { root, image: `${image.name}:${image.version}` });
    const plan =
      root === "nfs" &&
      (await planNfsRoot(core, node, source, { server, port: await options.nfsDoor(), token }));
    if (plan) step(node, "server", plan.why, plan.words ? { fact: "kernel-root" } : {});
    const kernelRoot = plan ? plan.words : undefined;
    const { untouched } = await source.bootFiles();
    const agent = kernelRoot ? undefined : await agents.forClone(source, untouched);
    const parameters = agentParameters(boot.id, token, url, root);
    const ready = await files.prepare(boot, node, { parameters, agent, lines, kernelRoot });
    for (const words of ready.tree.changes) event("boot-tree", node, words);
    return ready;
  };
}
