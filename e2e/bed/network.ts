import { sh } from "./commands.ts";

/** A wired network of its own: one switch, the server's address on it, sockets for guests. */
export interface Network {
  bridge: string;
  address: string;
  /** "10.99.0.0/24" */
  subnet: string;
  /** A new socket on the switch, as the name of a tap interface for QEMU. */
  tap(): Promise<string>;
}

let made = 0;

/** Call it inside a network namespace of your own: it goes away with the namespace. */
export async function makeNetwork(third = 0): Promise<Network> {
  const bridge = `br${made++}`;
  const address = `10.99.${third}.1`;
  await sh("ip link set lo up");
  await sh(`ip link add ${bridge} type bridge forward_delay 0`);
  await sh(`ip link set ${bridge} address 02:00:00:00:${third.toString(16).padStart(2, "0")}:01`);
  await sh(`ip addr add ${address}/24 dev ${bridge}`);
  await sh(`ip link set ${bridge} up`);
  let taps = 0;
  return {
    bridge,
    address,
    subnet: `10.99.${third}.0/24`,
    async tap() {
      const name = `${bridge}t${taps++}`;
      await sh(`ip tuntap add dev ${name} mode tap`);
      await sh(`ip link set ${name} master ${bridge} up`);
      return name;
    },
  };
}
