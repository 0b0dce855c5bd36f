// Labels, groups, places and addresses, as people and programs ask for them.

import type { AddressesView, GroupView, ModelCommands, PoolView } from "../api/model-contract.ts";
import type { Context } from "../api/route.ts";
import { parseIpv4 } from "../base/addresses.ts";
import { BrambleError } from "../base/errors.ts";
import { ADDRESS_KINDS, type AddressPool, addressOf } from "../fleet/address-plan.ts";
import type { Group } from "../fleet/groups.ts";
import { resolveSettings } from "../fleet/inherit.ts";
import type { Node } from "../fleet/node.ts";
import { byPlace } from "../fleet/places.ts";
import { foldHostlist } from "../fleet/select-hostlist.ts";
import { chosen } from "./chosen.ts";
import type { Core } from "./core.ts";
import { readPlaces, writePlaces } from "./model-csv.ts";
import type { GroupPatch } from "./model-groups.ts";
import { applyModel, type ModelPatch } from "./model-patch.ts";

/** What these commands want of a running server. */
export interface ModelRunning {
  imagesChanged(): Promise<void>;
  /** The DHCP mode of each interface. */
  dhcpModes?(): string[];
}

type Parts = Pick<Core, "registry" | "profiles" | "journal" | "news">;

export function modelCommands(core: Parts, running?: ModelRunning): ModelCommands {
  const { registry, profiles, journal, news } = core;
  const { groups, pools } = registry;

  /** One patch for many nodes, all or none. */
  async function change(nodes: readonly Node[], patch: ModelPatch, words: string, { by }: Context) {
    if (patch.group) groups.need(patch.group);
    const drafts = nodes.map((node) => {
      const next: Node = { ...node, seed: { ...node.seed } };
      applyModel(next, patch);
      return { node, next };
    });
    await registry.replaceAll(drafts);
    for (const { id } of nodes) journal.event("set", id, `${words}, by ${by.name}`);
    await running?.imagesChanged();
    return { nodes: nodes.map(({ name }) => name) };
  }

  const membersOf = (name: string) => registry.all().filter((node) => node.group === name);
  const told = (id: string, words: string, { by }: Context) => {
    news.tell({ about: "group", id });
    journal.event("group", undefined, `${words}, by ${by.name}`);
  };

  async function poolsChanged(words: string, { by }: Context): Promise<void> {
    await registry.addresses.plan();
    journal.event("address", undefined, `${words}, by ${by.name}`);
    news.tell({ about: "setting", id: "address-pools" });
  }

  return {
    async nodeSettings({ node: reference }) {
      const node = registry.need(reference);
      const profile = registry.profile(node.profile);
      const group = groups.get(node.group);
      return {
        node: node.name,
        profile: profile.name,
        ...(group && { group: group.name }),
        settings: resolveSettings(node, profile, group, profiles.templates(profile.name).values),
      };
    },
    labelNodes: async ({ labels, ...meant }, context) =>
      change(
        chosen(registry, meant, context.by),
        { labels },
        `labels: ${Object.keys(labels).join(", ")}`,
        context,
      ),
    groups: async () => groups.all().map((group) => groupView(group, membersOf(group.name))),
    async group({ group }) {
      return groupView(groups.need(group), membersOf(group));
    },
    async addGroup({ group, patch }, context) {
      const made = await groups.add(group, (patch ?? {}) as GroupPatch);
      told(group, `group ${group} was made`, context);
      return groupView(made, []);
    },
    async setGroup({ group, patch }, context) {
      const next = await groups.patch(group, patch as GroupPatch);
      profiles.touched(); // what templates print may have changed
      await running?.imagesChanged();
      told(group, `group ${group}: set ${Object.keys(patch).join(", ")}`, context);
      return groupView(next, membersOf(group));
    },
    async removeGroup({ group }, context) {
      const { name } = groups.need(group);
      const nodes = membersOf(name).map((node) => node.name);
      if (nodes.length > 0)
        throw new BrambleError("GROUP_IN_USE", `group ${name} cannot go: nodes are in it`, {
          hint: `bramble group leave ${name} '${foldHostlist(nodes).slice(0, 200)}'`,
        });
      await groups.remove(name);
      told(name, `group ${name} was removed`, context);
      return { name };
    },
    async joinGroup({ group, ...meant }, context) {
      const { name } = groups.need(group);
      const done = await change(
        chosen(registry, meant, context.by),
        { group: name },
        `group: ${name}`,
        context,
      );
      news.tell({ about: "group", id: name });
      return done;
    },
    async leaveGroup({ group, ...meant }, context) {
      const { name } = groups.need(group);
      const members = chosen(registry, meant, context.by).filter((node) => node.group === name);
      const done = await change(members, { group: null }, `it left the group ${name}`, context);
      news.tell({ about: "group", id: name });
      return done;
    },
    async places({ select }) {
      const nodes = select === undefined ? registry.all() : registry.select(select);
      return [...nodes].sort(byPlace).map(({ name, id, state, group, labels = {}, place = {} }) => ({
        ...{ node: name, id, state, labels, place },
        ...(group !== undefined && { group }),
      }));
    },
    exportPlaces: async ({ select }) => ({
      csv: writePlaces(select === undefined ? registry.all() : registry.select(select)),
    }),
    async importPlaces({ csv, dryRun = false, strict = false }, { by }) {
      const { drafts, same, refused, refusedRows } = await readPlaces(csv, () => registry.all(), groups);
      const apply = !dryRun && !(strict && refusedRows > 0);
      if (apply && drafts.length > 0) {
        await registry.replaceAll(drafts);
        await running?.imagesChanged();
        const names = foldHostlist(drafts.map(({ node }) => node.name)).slice(0, 500);
        journal.event("place", undefined, `places were imported for ${names}, by ${by.name}`);
      }
      return { dryRun: !apply, changed: drafts.length, same, refused, refusedRows };
    },
    addressPools: async () => pools.all().map((pool) => poolView(pool, registry.all())),
    async addAddressPool({ pool: name, from, to, for: selector = "", kind = "client" }, context) {
      const pool = await pools.add({ name, kind, from, to, for: selector });
      await poolsChanged(`address pool ${name} was made`, context);
      return poolView(pool, registry.all());
    },
    async setAddressPool({ pool: name, ...patch }, context) {
      const pool = await pools.set({ ...pools.need(name), ...patch });
      await poolsChanged(`address pool ${name} was changed`, context);
      return poolView(pool, registry.all());
    },
    async removeAddressPool({ pool }, context) {
      const { name } = pools.need(pool);
      await pools.remove(name);
      await poolsChanged(`address pool ${name} was removed`, context);
      return { name };
    },
    async addresses({ select }) {
      const trouble = await registry.addresses.plan();
      const nodes = select === undefined ? registry.all() : registry.select(select);
      return { rows: nodes.map(addressRow), trouble, notes: modeNotes(running?.dhcpModes?.()) };
    },
  };
}

/** What DHCP cannot do with the plan, plainly. */
export function modeNotes(modes: readonly string[] | undefined): string[] {
  if (modes === undefined) return ["No server runs: nobody is given these addresses now."];
  const said: Record<string, string> = {
    proxy:
      "Bramble is a DHCP proxy here: your router gives the addresses, these are for templates only. To have nodes get them, enter them in the router (`bramble address export`), or start Bramble with --mode full.",
    off: "DHCP is off here: another server gives the addresses. `bramble address export` prints them as lines for dnsmasq, Kea and ISC.",
  };
  return [...new Set(modes)].flatMap((mode) => said[mode] ?? []);
}

function addressRow(node: Node): AddressesView["rows"][number] {
  const [client, management] = ADDRESS_KINDS.map((kind) => addressOf(node, kind));
  return {
    node: node.name,
    ...(node.mac !== undefined && { mac: node.mac }),
    ...(node.managementMac !== undefined && { managementMac: node.managementMac }),
    ...(client && { client: client.address, clientFrom: client.from }),
    ...(management && { management: management.address, managementFrom: management.from }),
  };
}

const poolView = (pool: AddressPool, nodes: readonly Node[]): PoolView => ({
  ...pool,
  size: parseIpv4(pool.to) - parseIpv4(pool.from) + 1,
  used: nodes.filter((node) => ADDRESS_KINDS.some((kind) => node.planned?.[kind]?.pool === pool.name)).length,
});

function groupView(
  { name, about, values, version, seed, ...settings }: Group,
  nodes: readonly Node[],
): GroupView {
  const { passwordHash, ...shown } = seed;
  return {
    ...{ name, values, version },
    ...(about !== undefined && { about }),
    nodes: nodes.map((node) => node.name),
    settings: { ...settings, ...shown },
    hasPassword: passwordHash !== undefined,
  };
}
