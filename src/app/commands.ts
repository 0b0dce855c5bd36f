import type { AccessCommands } from "../api/access-contract.ts";
import { callsThrough } from "../api/calls.ts";
import type { Calls, Commands, FirmwareView, SettingsPatch } from "../api/contract.ts";
import type { ObserveCommands } from "../api/observe-contract.ts";
import type { TaskCommands } from "../api/task-contract.ts";
import { BrambleError } from "../base/errors.ts";
import { readAll } from "../base/tree.ts";
import { parseEnrolRule } from "../fleet/enrol.ts";
import { eventsOf } from "../fleet/life-actions.ts";
import { DEFAULT_PROFILE, type Node } from "../fleet/node.ts";
import { addFirmware, type FirmwareManifest, listFirmware, removeFirmware } from "../storage/firmware.ts";
import { addImage, findImage, listImages, removeImage } from "../storage/images.ts";
import { type Gate, gateOf, type Perform } from "./access/gate.ts";
import { accessCommands } from "./access-commands.ts";
import { cloneCommands } from "./clone-kinds.ts";
import { tellOf } from "./command-news.ts";
import type { Core } from "./core.ts";
import { lastBootsOf } from "./last-boots.ts";
import { lifeCommands } from "./life-commands.ts";
import { modelCommands } from "./model-commands.ts";
import { type AgentOf, agentToLookAt, treeOf, treeView } from "./node-tree.ts";
import type { Observing } from "./observe/observing.ts";
import { observeCommands } from "./observe-commands.ts";
import type { PlaneState } from "./planes/spawn.ts";
import { powerCommands } from "./power/commands.ts";
import { profileCommands } from "./profile-commands.ts";
import { readSetting, writeSetting } from "./settings.ts";
import type { NodePatch, ProfilePatch } from "./settings-patch.ts";
import { superviseCommands } from "./supervise/commands.ts";
import type { Supervisor } from "./supervise/supervisor.ts";
import { taskCommands } from "./task-commands.ts";
import { bootDetail, bootView, eventView, nodeView, profileView } from "./views.ts";
import { volumeCommands } from "./volume-commands.ts";
import { attachedVolumes } from "./volumes.ts";

/** What only a running server knows, or must be told. */
export interface Running {
  startedMs: number;
  listening: string[];
  capabilities: string[];
  bootsInFlight(): number;
  planes(): PlaneState[];
  imagesChanged(): Promise<void>;
  /** The DHCP mode of each interface. */
  dhcpModes(): string[];
  ruleChanged(rule: string): void;
  dropDisk(node: Node, why: string): Promise<void>;
  /** What the node sees behind its target at its next login. */
  volumesChanged(node: Node): Promise<void>;
  agentOf: AgentOf;
  supervisor?: Supervisor;
  observing?: Observing;
}

const firmwareView = ({ name, version, source, addedAt, size, files }: FirmwareManifest): FirmwareView => ({
  name,
  version,
  source,
  addedAt,
  size,
  files: files.length,
});

export const VERSION = "0.1.0";
const MOST_ROWS = 1_000;

const idsOf = (nodes: readonly Node[]): string[] => nodes.map(({ id }) => id);

/** Of nodes by name, those behind the name `after`. */
const pageOf = (nodes: readonly Node[], limit = nodes.length, after?: string): Node[] =>
  (after === undefined ? nodes : nodes.filter(({ name }) => name > after)).slice(0, limit);
const byName = (nodes: readonly Node[]): Node[] => [...nodes].sort((a, b) => (a.name < b.name ? -1 : 1));

/** Every command, done in this process, which holds the data folder. */
export const localCommands = (core: Core, running?: Running): Calls => openCommands(core, running).calls;

/** The commands behind the gate that looks at who calls, and that gate's question for itself. */
export function openCommands(core: Core, running?: Running): { calls: Calls; mayCall: Gate["mayCall"] } {
  const perform: Perform = async (verb, args, context) => {
    const result = await gate.perform(verb, args, context);
    tellOf(core, verb, args);
    return result;
  };
  const all: Commands = {
    ...commands(core, running),
    ...observeCommands(core, running, () => callsThrough(all, perform)),
    ...accessCommands(core),
    ...taskCommands(core, perform),
  };
  const gate = gateOf(core, all, core.access.audit);
  return { calls: callsThrough(all, perform), mayCall: gate.mayCall };
}

function commands(
  core: Core,
  running?: Running,
): Omit<Commands, keyof AccessCommands | keyof TaskCommands | keyof ObserveCommands> {
  const { book, registry, data, journal } = core;
  const agentOf = running?.agentOf ?? agentToLookAt(core);

  const lastBoots = lastBootsOf(core);
  async function bootRow(id: string) {
    const row = await book.selectFrom("boot").selectAll().where("id", "=", id).executeTakeFirst();
    if (row) return row;
    throw new BrambleError("BOOT_UNKNOWN", `there is no boot ${id}`, {
      hint: "`bramble boot list` shows them",
    });
  }
  const view = async (node: Node) => nodeView(node, registry, await lastBoots.one(node.id), supervised(node));
  const supervised = (node: Node) => {
    const line = running?.supervisor?.place(node.id);
    const supervision = running?.supervisor?.sight(node);
    return { ...(line !== undefined && { line }), ...(supervision && { supervision }) };
  };
  const limited = (limit: unknown) => Math.min(Math.max(1, Number(limit) || 50), MOST_ROWS);

  /** Nodes whose clones, or snapshots of them, stand on an image. */
  async function standingOn(sha256: string): Promise<string[]> {
    const names: string[] = [];
    for (const { nodeId, imageSha } of await book.selectFrom("clone").selectAll().execute()) {
      const name = registry.byId(nodeId)?.name ?? nodeId;
      if (imageSha === sha256) names.push(name);
      else if ((await imagesOf(nodeId)).includes(sha256)) names.push(`${name} (a snapshot)`);
    }
    for (const { nodeId, imageSha } of await book.selectFrom("tree").selectAll().execute()) {
      const name = registry.byId(nodeId)?.name ?? nodeId;
      if (imageSha === sha256) names.push(`${name} (an NFS root)`);
      else if ((await core.trees.call("treeSnapshots", { id: nodeId })).some(({ image }) => image === sha256))
        names.push(`${name} (a snapshot)`);
    }
    return names;
  }
  const imagesOf = async (nodeId: string): Promise<string[]> =>
    (await core.disks.call("facts", { path: data.clone(nodeId) })).images;

  /** What settings allow a clone is told to the disk plane at once. */
  async function quotasChanged(patch: SettingsPatch, nodes: readonly Node[]): Promise<void> {
    if (patch.quota !== undefined)
      for (const node of nodes) await Promise.all([core.applyQuota(node), core.applyTreeQuota(node)]);
  }

  return {
    ...cloneCommands(core, running),
    ...volumeCommands(core, running),
    ...powerCommands(core, running),
    ...lifeCommands(core, running),
    async status() {
      return {
        version: VERSION,
        pid: process.pid,
        data: data.root,
        startedMs: running?.startedMs ?? 0,
        listening: running?.listening ?? [],
        bootsInFlight: running?.bootsInFlight() ?? 0,
        planes: running?.planes() ?? [],
        enrol: (await readSetting(book, "enrol")) ?? "ask",
        capabilities: running?.capabilities ?? [],
        rssBytes: process.memoryUsage.rss(),
      };
    },
    async nodes({ select, limit, after }, { by }) {
      const seen = registry.seenBy(by);
      const nodes = pageOf(select === undefined ? seen : byName(registry.select(select, seen)), limit, after);
      const boots = await lastBoots.of(idsOf(nodes));
      return nodes.map((node) => nodeView(node, registry, boots.get(node.id), supervised(node)));
    },
    node: async ({ node }) => view(registry.need(node)),
    async setNode({ node, patch }) {
      const found = registry.need(node);
      if (patch.image) await findImage(data.root, patch.image);
      await registry.patch(found, patch as NodePatch);
      await quotasChanged(patch, [found]);
      await running?.imagesChanged();
      const names = Object.keys(patch).join(", ");
      journal.event("set", found.id, `set: ${names}`);
      return view(found);
    },
    async enrolNode({ node }, { by }) {
      const found = registry.need(node);
      const open =
        found.state === "discovered" || (found.state === "enrolled" && core.life.policy().name === "home");
      if (open) await core.life.apply(found.id, eventsOf(core.life.facts(found), "enrol"), by);
      return view(found);
    },
    async forgetNode({ node }) {
      const found = registry.need(node);
      await running?.dropDisk(found, "the node was forgotten");
      await core.removeClone(found);
      await core.removeTree(found);
      await journal.flush();
      const volumes = (await attachedVolumes(core, found)).map(({ name }) => name);
      await core.power.forget(found.id);
      await registry.forget(found);
      running?.supervisor?.forget(found.id);
      return { name: found.name, volumes };
    },
    nodeTree: ({ node, model }) => treeView(core, registry.need(node), model, agentOf),
    async nodeFile({ node, path }) {
      const { tree } = await treeOf(core, registry.need(node), agentOf);
      const file = await tree.find(path);
      if (!file) throw new BrambleError("FILE_UNKNOWN", `${path} is not in the boot tree of ${node}`);
      return { base64: Buffer.from(await readAll(file)).toString("base64"), origin: file.origin.from };
    },
    async explain({ node }, context) {
      const found = registry.need(node);
      await journal.flush();
      const last = await lastBoots.one(found.id);
      const events = await this.events({ node: found.id, limit: 50 }, context);
      return { node: await view(found), events, ...(last && { boot: await bootDetail(book, last) }) };
    },
    async boots({ node, limit, after }, { by }) {
      let query = book
        .selectFrom("boot")
        .selectAll()
        .orderBy("startedMs", "desc")
        .orderBy("id", "desc")
        .limit(limited(limit));
      if (node) query = query.where("nodeId", "=", registry.need(node).id);
      if (after !== undefined) {
        const { startedMs, id } = await bootRow(after);
        query = query.where((e) =>
          e.or([e("startedMs", "<", startedMs), e.and([e("startedMs", "=", startedMs), e("id", "<", id)])]),
        );
      }
      if (by.kind === "tenant") query = query.where("nodeId", "in", idsOf(registry.seenBy(by)));
      return (await query.execute()).map((row) => bootView(row, registry));
    },
    boot: async ({ boot }) => bootDetail(book, bootView(await bootRow(boot), registry)),
    async events({ node, limit, after, before }, { by }) {
      await journal.flushEvents();
      const forward = after !== undefined;
      let query = book
        .selectFrom("event")
        .selectAll()
        .orderBy("id", forward ? "asc" : "desc")
        .limit(limited(limit));
      if (node) query = query.where("nodeId", "=", registry.need(node).id);
      if (by.kind === "tenant") query = query.where("nodeId", "in", idsOf(registry.seenBy(by)));
      if (forward) query = query.where("id", ">", after);
      if (before !== undefined) query = query.where("id", "<", before);
      const events = (await query.execute()).map((row) => eventView(row, registry));
      return forward ? events : events.reverse();
    },
    images: () => listImages(data.root),
    image: ({ image }) => findImage(data.root, image),
    async addImage({ source, name, sha256 }, { progress, signal }) {
      const image = await addImage({
        data: data.root,
        source,
        onProgress: ({ phase, bytesRead, bytesTotal }) =>
          progress({ phase, bytes: bytesRead, ...(bytesTotal !== undefined && { total: bytesTotal }) }),
        signal,
        ...(name && { name }),
        ...(sha256 && { sha256 }),
      });
      const standard = registry.profile(DEFAULT_PROFILE);
      if (!standard.image)
        await registry.patchProfile(DEFAULT_PROFILE, { image: `${image.name}:${image.version}` });
      await running?.imagesChanged();
      return image;
    },
    async removeImage({ image }) {
      const removed = await removeImage(data.root, image, {
        inUse: standingOn,
      });
      const name = `${removed.name}:${removed.version}`;
      for (const profile of registry.profiles()) {
        if (profile.image === name) await registry.patchProfile(profile.name, { image: null });
      }
      await running?.imagesChanged();
      return { name };
    },
    firmwares: async () => (await listFirmware(data.root)).map(firmwareView),
    addFirmware: async ({ source, name }) =>
      firmwareView(await addFirmware({ data: data.root, source, name })),
    async removeFirmware({ firmware }) {
      const inUse = ({ name, version }: { name: string; version: string }) =>
        [...registry.profiles(), ...registry.all()].flatMap((one) =>
          one.firmware === `${name}:${version}` || one.firmware === name ? [one.name] : [],
        );
      const { name, version } = await removeFirmware(data.root, firmware, { inUse });
      return { name: `${name}:${version}` };
    },
    ...superviseCommands(core, running?.supervisor && { supervisor: running.supervisor }),
    ...profileCommands(core, () => running?.imagesChanged()),
    ...modelCommands(core, running),
    profiles: async () => registry.profiles().map(profileView),
    async setProfile({ profile, patch }) {
      if (patch.image) await findImage(data.root, patch.image);
      const next = await registry.patchProfile(profile, patch as ProfilePatch);
      await quotasChanged(
        patch,
        registry.all().filter((node) => node.profile === profile),
      );
      await running?.imagesChanged();
      return profileView(next);
    },
    async setEnrol({ rule }) {
      parseEnrolRule(rule);
      await writeSetting(book, "enrol", rule);
      running?.ruleChanged(rule);
      return { rule };
    },
  };
}
