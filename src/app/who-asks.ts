import { BrambleError } from "../base/errors.ts";
import type { Node } from "../fleet/node.ts";
import { neighbourMac } from "../serve/neighbours.ts";
import type { Registry } from "./registry.ts";

/** Addresses of this many clients are remembered. */
const MOST_ADDRESSES = 20_000;

const SERIAL = /^([0-9a-f]{8})\/(.*)$/i;
const MAC = /^((?:[0-9a-f]{2}-){5}[0-9a-f]{2})\/(.*)$/i;

/** Whose request is it? Knows which address is which node's. `refused` hears of a node whose files another one asked for. */
export function whoAsks(registry: Registry, refused: (owner: Node, words: string) => void) {
  const addresses = new Map<string, string>();

  function remember(address: string, node: Node): void {
    addresses.delete(address);
    addresses.set(address, node.id);
    for (const old of addresses.keys()) {
      if (addresses.size <= MOST_ADDRESSES) break;
      addresses.delete(old);
    }
  }

  /**
   * The node whose file a path means, and the path without its prefix: a prefix says it, else the address that asks.
   * Throws TOKEN_REFUSED where the address is known to be another node's.
   */
  async function who(path: string, address: string): Promise<{ node: Node; rest: string } | undefined> {
    const serial = SERIAL.exec(path);
    const mac = MAC.exec(path);
    const owner = addresses.get(address);
    const named = serial
      ? registry.bySerial((serial[1] ?? "").toLowerCase())
      : mac
        ? registry.byMac((mac[1] ?? "").toLowerCase().replaceAll("-", ":"))
        : undefined;
    const rest = serial?.[2] ?? mac?.[2] ?? path;
    if (named) {
      if (owner !== undefined && owner !== named.id) {
        refused(named, `${address} asked for its files, but is ${registry.byId(owner)?.name}`);
        throw new BrambleError("TOKEN_REFUSED", "these files belong to another node");
      }
      return { node: named, rest };
    }
    if (serial || mac) return undefined; // a prefix of nobody: the board goes on without it
    const byAddress = owner === undefined ? undefined : registry.byId(owner);
    if (byAddress) return { node: byAddress, rest };
    const heard = await neighbourMac(address);
    const byMac = heard ? registry.byMac(heard) : undefined;
    return byMac && { node: byMac, rest };
  }

  return { remember, who };
}
