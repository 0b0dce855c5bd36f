// What people set on a node beside its profile's settings: labels, group, place, values, the management interface.
import { formatIpv4, parseIpv4, parseMac } from "../base/addresses.ts";
import { BrambleError } from "../base/errors.ts";
import { ADDRESS_KINDS, addressOf } from "../fleet/address-plan.ts";
import { patchValues, type ValuesPatch } from "../fleet/groups.ts";
import { type LabelsPatch, patchLabels } from "../fleet/labels.ts";
import type { Node } from "../fleet/node.ts";
import { checkSeat, type PlacePatch, patchPlace } from "../fleet/places.ts";
import { setOrDrop } from "./settings-patch.ts";

export interface ModelPatch {
  labels?: LabelsPatch;
  group?: string | null;
  place?: PlacePatch | null;
  management?: string | null;
  managementMac?: string | null;
  values?: ValuesPatch;
}

/** Throws ADDRESS_TAKEN where another node has the address, by a person's word or by the plan. */
export function checkAddressFree(others: readonly Node[], id: string, address: string): void {
  for (const other of others)
    for (const kind of ADDRESS_KINDS) {
      const has = addressOf(other, kind);
      // what a pool gave makes room for what a person says
      if (other.id !== id && has?.address === address && has.from === "node")
        throw new BrambleError("ADDRESS_TAKEN", `${address} is reserved for ${other.name}`);
    }
}

/**
 * Checks a patch and puts it into `next`, a copy of the node. Its group is known to be there. Without `others` somebody else has made sure
 * that its seat and addresses are free.
 */
export function applyModel(
  next: Node,
  patch: ModelPatch & { address?: string | null },
  others?: readonly Node[],
): void {
  const { labels, group, place, address, management, managementMac, values } = patch;
  if (labels) {
    const all = patchLabels(next.labels, labels);
    setOrDrop(next, "labels", all ?? null);
  }
  setOrDrop(next, "group", group);
  if (place !== undefined) {
    const there = place === null ? undefined : patchPlace(next.place, place);
    if (others) checkSeat(others, { id: next.id, ...(there && { place: there }) });
    setOrDrop(next, "place", there ?? null);
  }
  for (const [key, wish] of [
    ["address", address],
    ["management", management],
  ] as const) {
    const one = wish && formatIpv4(parseIpv4(wish));
    if (one && others) checkAddressFree(others, next.id, one);
    setOrDrop(next, key, one);
  }
  if (next.address !== undefined && next.address === next.management)
    throw new BrambleError("ADDRESS_TAKEN", `${next.address} cannot be both of the node's addresses`);
  if (managementMac) {
    const mac = parseMac(managementMac);
    const by = others?.find((one) => one.id !== next.id && (one.mac === mac || one.managementMac === mac));
    if (by || next.mac === mac)
      throw new BrambleError(
        "BAD_INPUT",
        `${mac} is an interface of ${by?.name ?? "the node's own"} already`,
      );
    next.managementMac = mac;
  } else setOrDrop(next, "managementMac", managementMac);
  if (values) {
    const all = patchValues(next.values, values);
    setOrDrop(next, "values", Object.keys(all).length > 0 ? all : null);
  }
}
