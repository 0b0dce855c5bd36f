import type { InventoryHost } from "../../api/observe-contract.ts";
import type { Node } from "../../fleet/node.ts";
import type { Core } from "../core.ts";
import { lastBoots } from "../last-boots.ts";

/** Names of groups as Ansible allows them: letters, digits and underscores, no digit first (its rule since 2.8). */
const groupName = (...parts: string[]): string =>
  parts
    .join("_")
    .replace(/[^A-Za-z0-9_]+/g, "_")
    .toLowerCase();

/** Every node as other tools want it: where it is reached, and which groups it is in. */
export async function inventoryOf(core: Pick<Core, "book" | "registry">): Promise<InventoryHost[]> {
  const { registry, book } = core;
  const nodes = registry.all();
  const boots = await lastBoots(
    book,
    nodes.map(({ id }) => id),
  );
  return nodes.map((node) => {
    const { image, seed, root } = registry.resolve(node);
    const address = boots.get(node.id)?.address ?? node.address ?? node.planned?.client?.address;
    return {
      name: node.name,
      ...(address && { address }),
      ...(seed.user && { user: seed.user }),
      groups: groupsOf(node),
      facts: {
        bramble_id: node.id,
        bramble_state: node.state,
        bramble_profile: node.profile,
        bramble_root: root,
        ...(image && { bramble_image: image }),
        ...(node.model && { bramble_model: node.model }),
        ...(node.serial && { bramble_serial: node.serial }),
        ...(node.mac && { bramble_mac: node.mac }),
        ...(node.management && { bramble_management: node.management }),
        ...prefixed("bramble_label_", node.labels),
        ...prefixed("bramble_place_", node.place as Record<string, string | number> | undefined),
      },
    };
  });
}

function groupsOf(node: Node): string[] {
  const { place = {} } = node as { place?: { site?: string; rack?: string | number } };
  return [
    groupName("profile", node.profile),
    groupName("state", node.state),
    ...(node.model ? [groupName("model", node.model.replace("+", "plus"))] : []),
    ...(node.group ? [groupName("group", node.group)] : []),
    ...(place.site ? [groupName("site", String(place.site))] : []),
    ...(place.rack ? [groupName("rack", String(place.rack))] : []),
    ...Object.entries(node.labels ?? {}).map(([key, value]) =>
      value === "" ? groupName("label", key) : groupName("label", key, value),
    ),
  ];
}

const prefixed = (prefix: string, facts: Record<string, string | number> | undefined) =>
  Object.fromEntries(
    Object.entries(facts ?? {}).map(([key, value]) => [prefix + key.replace(/[^A-Za-z0-9_]/g, "_"), value]),
  );

/** Ansible's dynamic inventory, as `--list` gives it: groups with their hosts, variables under `_meta`, so that it asks once. */
export function ansibleList(hosts: readonly InventoryHost[]): Record<string, unknown> {
  const groups = new Map<string, string[]>();
  for (const { name, groups: of } of hosts)
    for (const group of of) groups.set(group, [...(groups.get(group) ?? []), name]);
  return {
    _meta: { hostvars: Object.fromEntries(hosts.map((host) => [host.name, ansibleVars(host)])) },
    all: { children: ["bramble", ...groups.keys()].sort() },
    bramble: { hosts: hosts.map(({ name }) => name) },
    ...Object.fromEntries([...groups].sort().map(([group, names]) => [group, { hosts: names }])),
  };
}

/** What `--host NAME` gives. */
export const ansibleVars = ({ address, user, facts }: InventoryHost): Record<string, unknown> => ({
  ...(address && { ansible_host: address }),
  ...(user && { ansible_user: user }),
  ...facts,
});
