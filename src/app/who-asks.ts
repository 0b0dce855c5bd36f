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
  /** Where DHCP says that a node is in its present boot: nobody else gets its files. */
  const homes = new Map<string, string>();

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
   * Throws TOKEN_REFUSED where DHCP knows the node elsewhere, or another node at this address.
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
      const home = homes.get(named.id) ?? address;
      if (home !== address || (owner !== undefined && owner !== named.id)) {
        const name = owner === undefined ? "no node of ours" : registry.byId(owner)?.name;
        refused(named, `${address} (${name}) asked for its files and was refused`);
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

  return {
    remember,
    who,
    /** The node that was last heard at this address. */
    whose: (address: string): Node | undefined => registry.byId(addresses.get(address) ?? ""),
    /** DHCP gave this address to a node that boots, or heard that it has it. */
    atHome(node: Node, address: string): void {
      remember(address, node);
      homes.set(node.id, address);
    },
    /** A new boot: where the node is now, DHCP has still to say. */
    leftHome(node: Node): void {
      homes.delete(node.id);
    },
  };
}
