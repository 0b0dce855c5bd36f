import { sh } from "./commands.ts";

/** A wired network of its own: one switch, a cable from it to the server, sockets for guests. */
export interface Network {
  /** The server's end of its cable. */
  interface: string;
  /** The server's address on it. */
  address: string;
  /** Another host's address in this network. */
  host(last: number): string;
  bridge: string;
  /** A new socket on the switch, as the name of a tap interface for QEMU. */
  tap(): Promise<string>;
}

let made = 0;

/** Call it inside a network namespace of your own: it goes away with the namespace. */
export async function makeNetwork(): Promise<Network> {
  const third = made++;
  const bridge = `switch${third}`;
  const name = `lan${third}`;
  const host = (last: number) => `10.99.${third}.${last}`;
  await sh("ip link set lo up");
  await sh(`ip link add ${bridge} type bridge forward_delay 0`);
  await sh(`ip link set ${bridge} up`);
  await sh(`ip link add ${name} type veth peer name ${name}-port`);
  await sh(`ip link set ${name}-port master ${bridge} up`);
  await sh(`ip addr add ${host(1)}/24 dev ${name}`);
  await sh(`ip link set ${name} up`);
  let taps = 0;
  return {
    interface: name,
    address: host(1),
    host,
    bridge,
    async tap() {
      const tap = `${bridge}-${taps++}`;
      await sh(`ip tuntap add dev ${tap} mode tap`);
      await sh(`ip link set ${tap} master ${bridge} up`);
      return tap;
    },
  };
}
