// What the servers tell, and what they are told: the fleet's memory on the boot path. Nothing here waits for the disk.

import { BrambleError } from "../base/errors.ts";
import { type Boot, type BootStage, Boots, type Do, type Step } from "../fleet/boots.ts";
import type { FleetAnswer } from "../fleet/dhcp-context.ts";
import { type EnrolRule, enrols } from "../fleet/enrol.ts";
import { isPiStage, type Sender } from "../fleet/identify.ts";
import { eventsOf } from "../fleet/life-actions.ts";
import type { Node } from "../fleet/node.ts";
import type { AgentHooks } from "./agent-api.ts";
import type { DeskOptions } from "./boot-desk-options.ts";
import { bootFiles, type Prepared, sha256 } from "./boot-files.ts";
import { bootNews } from "./boot-news.ts";
import { preparation } from "./boot-prepare.ts";
import { bootRecord } from "./boot-record.ts";
import { restoreBoots, serverOf } from "./boot-restore.ts";
import { diskNews } from "./disk-news.ts";
import { knownImages } from "./known-images.ts";
import { bootAnswers } from "./life/boot-answers.ts";
import { revokeWhileRunning } from "./life/revoke.ts";
import { plannedAnswers } from "./model-dhcp.ts";
import { nfsRoots } from "./nfs-roots.ts";
import { nodeDisks } from "./node-disks.ts";
import { seedCheck } from "./node-seed.ts";
import type { FoundFile } from "./planes/boot.ts";
import { modelOf } from "./sighting.ts";
import { newFacts } from "./supervise/facts.ts";
import { supervisor } from "./supervise/supervisor.ts";
import { whoAsks } from "./who-asks.ts";

/** What a board asks the TFTP server for. */
interface FileWish {
  path: string;
  client: { address: string };
}

/** A board that is here may still ask for files. */
const BEFORE_AGENT: ReadonlySet<BootStage> = new Set(["dhcp", "firmware", "kernel"]);
/** One firmware may start another one: EDK2 iPXE. */
const BEFORE_KERNEL: ReadonlySet<BootStage> = new Set(["power", "dhcp", "firmware"]);
/** Boots whose token may still be used; older ones go first. */
const MOST_TOKENS = 10_000;
/** Names of a boot's files: FAT knows each by many spellings. */
const MOST_ORIGINS = 1_000;

export function bootDesk(options: DeskOptions) {
  const { core, agents, now, endLease } = options;
  const { registry, journal } = core;
  let rule = options.rule;
  const files = bootFiles(core);
  const boots = new Boots({
    deadlineMs: (nodeId, stage) => watch.deadlineMs(nodeId, stage),
    diagnose: (boot) => watch.diagnose(boot),
  });
  const prepared = new Map<string, Promise<Prepared>>();
  const unprepared = new Map<string, string | undefined>();
  const servers = new Map<string, string>();
  const tokens: AgentHooks["tokens"] = new Map();
  const sessions: AgentHooks["sessions"] = new Map();
  const images = knownImages(core);
  const whyUnseeded = seedCheck(core);
  const disks = nodeDisks(core, options.diskPorts);
  const answers = bootAnswers(core);
  const planned = plannedAnswers(core);

  const event = (kind: string, node: Node | undefined, words: string) => journal.event(kind, node?.id, words);
  /** Nobody waits for it. */
  const told = (work: Promise<void>) =>
    void work.catch((error: Error) => event("life", undefined, error.message));

  const { remember, who, whose, atHome, leftHome } = whoAsks(registry, (owner, words) =>
    event("refused", owner, words),
  );
  const record = bootRecord({
    journal,
    registry,
    now,
    say: options.say,
    closed({ id }) {
      prepared.delete(id);
      unprepared.delete(id);
    },
  });

  const watch = supervisor({
    core,
    boots,
    now,
    newId: options.newId,
    say: options.say,
    obey: (orders) => obey(orders),
    lacks: (node) => images.lacks(node),
    dhcpMode: (node) => options.dhcpMode?.(servers.get(node.id)),
    bootsAtAll: (node) => core.life.answer(node).tree !== "none",
    failed: (node, words) => told(core.hear(node.id, { fact: "gave-up", words })),
  });
  const obey = (orders: Do[]): void => {
    for (const order of orders) {
      watch.heard(order);
      options.watch?.boot(order);
      record(order);
      const { boot } = order;
      const node = order.do === "step" && boot.stage === "kernel" && registry.byId(boot.nodeId);
      if (node) told(used(node, boot.id));
    }
  };

  const step = (
    node: Node,
    kind: Step["kind"],
    words: string,
    more: Partial<Step> = {},
    reached?: BootStage,
  ) => obey(boots.step(node.id, { atMs: now(), kind, words, ...more }, reached));

  const prepare = preparation({ core, agents, files, whyUnseeded, nfsDoor: options.nfsDoor, event, step });
  const roots = nfsRoots({
    ...{ core, tokens, sessions, whose, now, door: options.nfsDoor, ...answers.hooks },
    current: (nodeId) => boots.current(nodeId),
    ended: (node) => obey(boots.end(node.id, "switched-root", now())),
    async serverUrl(nodeId) {
      return options.agentUrl(servers.get(nodeId) ?? (await serverOf(core, nodeId)) ?? options.defaultHost);
    },
    step: (node, words, { fact, reached } = {}) => step(node, "disk", words, fact ? { fact } : {}, reached),
  });
  const used: AgentHooks["used"] = async (node, bootId) => {
    await roots.endBefore(node, bootId);
    await answers.hooks.used(node, bootId);
  };
  /** Ends every use of what a node has open. */
  const dropDisk = async (node: Node, why: string) => {
    await Promise.all([disks.drop(node, why), roots.drop(node, why)]);
  };

  /** Opens a boot, draws its token and starts to make its files ready. */
  function begin(node: Node, second: boolean, server: string | undefined): Boot {
    const { fresh, orders } = boots.discover(node.id, options.newId(), now(), second);
    obey(orders);
    const boot = boots.current(node.id);
    if (!boot) throw new BrambleError("INTERNAL", "a boot that was just opened is gone");
    if (fresh) {
      leftHome(node);
      told(core.hear(node.id, { fact: "began" }));
      arm(boot, node, server ?? servers.get(node.id) ?? options.defaultHost);
    }
    return boot;
  }

  /** Draws a boot's token and starts to make its files ready. A token that it may have from before a restart of ours stays good. */
  function arm(boot: Boot, node: Node, server: string): void {
    const token = core.newSecret();
    options.watch?.token();
    const before = tokens.get(boot.id);
    const hashes = [...(before?.hashes ?? []), sha256(token)].slice(-2);
    tokens.set(boot.id, { ...before, nodeId: node.id, hashes });
    for (const old of tokens.keys()) if (tokens.size > MOST_TOKENS) tokens.delete(old);
    journal.bootUpdate(boot.id, { tokenHash: hashes.join(" "), server });
    const ready = prepare(boot, answers.freeze(node, boot.id), {
      ...{ token, server, url: options.agentUrl(server) },
    });
    prepared.set(boot.id, ready);
    unprepared.delete(boot.id);
    ready.catch((error: BrambleError) => {
      const words = `its boot files could not be made ready: ${error.message}${error.hint ? ` (${error.hint})` : ""}`;
      step(node, "server", words, { fact: "not-ready" });
      event("boot-files", node, words);
    });
  }

  function ask(sender: Sender, via: { interface: string; relay?: string }): FleetAnswer {
    const pi = isPiStage(sender.stage);
    const known =
      registry.byMac(sender.mac) ?? (sender.serial ? registry.bySerial(sender.serial) : undefined);
    const sighting = {
      mac: sender.mac,
      ...(sender.serial && { serial: sender.serial }),
      ...modelOf(sender, known?.model),
    };
    if (!pi && !known) return planned.other(sender);
    const seen = pi ? registry.see(sighting, now()) : known && { node: known, isNew: false };
    if (!seen) return { answer: false, reason: "too many unknown boards: it is not taken down" };
    const { node } = seen;
    if (sender.circuit !== undefined) core.power.circuits.heard(node.id, sender.circuit);
    const answer = (yes: boolean, reason: string): FleetAnswer => ({
      answer: yes,
      nodeId: node.id,
      hostname: node.name,
      reason,
      ...planned.address(node),
    });
    if ("conflict" in seen && seen.conflict) {
      event("conflict", node, seen.conflict);
      told(core.hear(node.id, { fact: "conflict", words: seen.conflict }));
      if (boots.current(node.id)) step(node, "dhcp", seen.conflict, { fact: "duplicate" });
      return answer(false, `two boards claim to be this node: ${seen.conflict}`);
    }
    if (seen.isNew) {
      options.say(`a new board: ${node.name}${node.model ? `, a Pi ${node.model}` : ""} (${sender.mac})`);
      event("discovered", node, `heard for the first time, as ${sender.stage}`);
    }
    if (node.state === "discovered" && enrols(rule, node)) {
      const asks = eventsOf(core.life.facts(node), "enrol");
      core.life.soon(node, asks, { kind: "policy", name: `the rule ${rule.text}` }, "it was heard");
    }
    const { answer: gets, seen: asked } = answers.now(node);
    if (gets.tree === "none") {
      const todo = node.state === "discovered" ? `: bramble node enrol ${node.name}` : "";
      if (seen.isNew && todo) options.say(`  to let it boot${todo}`);
      return answer(false, `${gets.why}${todo}`);
    }
    if (!pi) {
      const file = planned.bootFile(asked, sender.stage);
      const before = boots.current(node.id);
      // firmware that is none of a Pi's, after a boot that had its kernel: the board has started anew
      if (file.bootFile !== undefined && before && !BEFORE_KERNEL.has(before.stage))
        begin(node, false, options.addressOf(via.interface));
      return { ...answer(true, "a node of ours"), ...file };
    }
    const image = images.of(asked);
    if (!image) {
      void images.learn();
      return answer(false, "no image is set for it, or the image is not there: bramble image list");
    }
    const { root, nfsBoot } = registry.resolve(asked);
    const { ready, why } = agents.state(image);
    if (!ready && !(root === "nfs" && nfsBoot === "kernel")) return answer(false, why);
    const server = options.addressOf(via.interface);
    const unseeded = whyUnseeded(asked, options.agentUrl(server));
    if (unseeded) {
      event("profile", node, `it is not booted: profile ${asked.profile}: ${unseeded}`);
      return answer(false, `its profile ${asked.profile} cannot be rendered: ${unseeded}`);
    }
    const place = watch.admit(node, sender.stage);
    if (place > 0) return { ...answer(false, "it waits in line: enough boots are under way"), later: true };
    servers.set(node.id, server);
    const boot = begin(node, sender.stage === "bootcode", server);
    for (const [fact, words] of newFacts(boot, sender, via.relay)) step(node, "dhcp", words, { fact });
    return answer(true, `${node.name} boots ${image.name}:${image.version}`);
  }

  async function find({ path, client }: FileWish): Promise<FoundFile | undefined> {
    const owner = await who(path, client.address);
    if (!owner || core.life.answer(owner.node).tree === "none") return undefined;
    const { node, rest } = owner;
    remember(client.address, node);
    const current = boots.current(node.id);
    if (current && BEFORE_AGENT.has(current.stage) && unprepared.has(current.id))
      arm(current, node, unprepared.get(current.id) ?? options.defaultHost);
    // Files after the hand-over: the board starts anew, and another server answered its DHCP.
    const boot = current && prepared.has(current.id) ? current : begin(node, false, undefined);
    const tree = await prepared.get(boot.id);
    if (!tree) return undefined;
    const file = await files.read(tree, rest);
    if (file && tree.origins.size < MOST_ORIGINS) tree.origins.set(path, file.origin);
    return file?.found;
  }

  const { dhcp, tftp } = bootNews({
    registry,
    journal,
    boots,
    who,
    remember,
    atHome,
    prepared: (bootId) => prepared.get(bootId),
    event,
    step,
    now,
  });
  const disk = diskNews({
    node: registry.byId,
    neighbour: whose,
    ownerOf: (path) => registry.all().find((node) => core.data.clone(node.id) === path),
    event,
    step: (node, words, fact) => step(node, "disk", words, { fact }),
    moved: (told) => void disks.moved(told),
  });

  const agentHooks: Omit<AgentHooks, "core" | "ramRoot" | "now"> = {
    agentUrl: options.agentUrl,
    tokens,
    sessions,
    current: (nodeId) => boots.current(nodeId),
    revive: (nodeId, bootId) => obey(boots.revive(nodeId, bootId, now())),
    step: (node, words, reached) => {
      step(node, "agent", words, {}, reached);
      if (reached === "switched-root") prepared.delete(boots.current(node.id)?.id ?? "");
    },
    fail: (node, words) => obey(boots.fail(node.id, { atMs: now(), kind: "agent", words })),
    stopped(node, words) {
      obey(boots.end(node.id, "stopped", now(), words));
      dropDisk(node, "its boot has ended").catch((error: Error) => event("disk", node, error.message));
    },
    ended: (node) => obey(boots.end(node.id, "switched-root", now())),
    ...answers.hooks,
    used,
    dropDisk: (node) => dropDisk(node, "its rights were withdrawn"),
    exportNbd: disks.exportNbd,
    exportIscsi: disks.exportIscsi,
    exportVolumes: disks.exportVolumes,
    exportDisks: disks.exportDisks,
    exportNfs: roots.exportNfs,
  };

  revokeWhileRunning({ core, boots, tokens, sessions, dropDisk, endLease, obey, now });

  return {
    ask,
    dhcp,
    find,
    tftp,
    disk,
    agentHooks,
    tick() {
      obey(boots.tick(now()));
      watch.tick();
    },
    supervisor: watch,
    inFlight: () => boots.size,
    current: (nodeId: string) => boots.current(nodeId),
    /** The node that was last heard at this address. */
    whose,
    async imagesChanged(): Promise<void> {
      await images.learn();
      void agents.prebuild();
    },
    setRule(next: EnrolRule) {
      rule = next;
    },
    dropDisk,
    mount: roots.mount,
    nfs: roots.news,
    lunsChanged: disks.lunsChanged,
    /** After a start of ours, before any door opens: what running nodes have open, and the boots that were under way. */
    async restore(): Promise<void> {
      await images.learn();
      await answers.restore();
      const open = (await disks.restore()) + (await roots.restore());
      const going = await restoreBoots(core, { boots, tokens, sessions, unprepared, atHome, now });
      await watch.restore();
      if (open + going > 0)
        options.say(`taken up again: the disks of ${open} nodes, ${going} boots that were under way`);
    },
  };
}
