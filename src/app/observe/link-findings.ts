// What the wire says to whom only listens: speed, spanning tree, who else has our address.
import { readFileSync } from "node:fs";
import type { BrambleError } from "../../base/errors.ts";
import { listenForBpdus } from "../../serve/bpdu-ear.ts";
import { openRaw } from "../../serve/raw.ts";
import type { Finding } from "../doctor.ts";
import type { Wired } from "../interfaces.ts";

/** Gigabit boards behind a slower port share it: a kernel of 30 MB takes 2.4 s each. */
const SLOW_MBPS = 1_000;
/** A boot ROM gives up after about this long (spec pi-boot.md 7, 1). */
const ROM_PATIENCE_S = 25;

const sysfs = (name: string, file: string): string => {
  try {
    return readFileSync(`/sys/class/net/${name}/${file}`, "latin1").trim();
  } catch {
    return ""; // the driver does not say, or there is no link
  }
};

/** Speed, duplex and errors of a port of ours, as its driver tells them. */
export function linkFinding(name: string, read = sysfs): Finding | undefined {
  const speed = Number(read(name, "speed"));
  const duplex = read(name, "duplex");
  const crc = Number(read(name, "statistics/rx_crc_errors"));
  const collisions = Number(read(name, "statistics/collisions"));
  if (!(speed > 0)) return undefined;
  const words = `${name}: ${speed} Mbit/s, ${duplex || "duplex unknown"} duplex`;
  const what = "link";
  if (duplex === "half")
    return {
      ...{ what, state: "problem", words: `${words}; ${collisions} collisions` },
      hint: "one end is set by hand and the other is not: set both to negotiate by themselves; try another cable",
    };
  if (crc > 0)
    return {
      ...{ what, state: "warning", words: `${words}; ${crc} frames were damaged on the way in` },
      hint: "a bad cable or plug; boards repeat what is lost, slowly",
    };
  if (speed < SLOW_MBPS)
    return {
      ...{ what, state: "warning", words: `${words}: every boot shares it` },
      hint: "a cable with four good pairs, a gigabit port",
    };
  return { what, state: "ok", words };
}

/** Listens for bridges on a port of ours. */
export async function treeFindings({ name }: Wired, ms: number): Promise<Finding[]> {
  const what = `spanning tree on ${name}`;
  try {
    const heard = await listenForBpdus(name, ms);
    if (heard.length === 0) return [{ what, state: "ok", words: "no bridge says anything about it" }];
    return heard.map(({ protocol, bridge, port, forwardDelaySeconds, role, forwarding, topologyChange }) => {
      const closed = 2 * forwardDelaySeconds;
      const blocked = role === "designated" && forwarding === false;
      const words = [
        `the switch ${bridge} speaks ${protocol.toUpperCase()} here, port ${port}`,
        ...(blocked ? ["this port does not forward yet"] : []),
        ...(topologyChange ? ["the tree is changing right now"] : []),
        `a port that is not set to edge stays closed for ${closed} s after its link`,
      ].join("; ");
      return {
        ...{ what, state: blocked ? "problem" : closed > 0 ? "warning" : "ok", words },
        hint: `set the boards' ports to edge (portfast): boot ROMs give up after about ${ROM_PATIENCE_S} s`,
      };
    });
  } catch (error) {
    return [notLooked(what, error)];
  }
}

/** Does somebody else answer for our own address? */
export async function addressFinding({ name, address }: Wired, ms: number): Promise<Finding> {
  const what = `address ${address} on ${name}`;
  const raw = await openRaw(name, "0.0.0.0"); // a probe says nothing of itself (RFC 5227 2.1.1): hosts do not answer their own address
  try {
    const lost = raw.lost.find(({ capability }) => capability === "raw-frames");
    if (lost) return { what, state: "ok", words: `whether somebody else has it was not asked: ${lost.why}` };
    raw.heardArp();
    raw.askArp(address);
    const end = performance.now() + ms;
    while (performance.now() < end) {
      const other = raw.heardArp().find((one) => one.address === address);
      if (other)
        return {
          ...{ what, state: "problem", words: `${other.mac} has the same address as we` },
          hint: "give one of the two another: boards reach now the one, now the other",
        };
      await new Promise((go) => setTimeout(go, 50));
    }
    return { what, state: "ok", words: "nobody else answers for it" };
  } finally {
    raw.close();
  }
}

export function notLooked(what: string, error: unknown): Finding {
  const { message, hint } = error as BrambleError;
  return { what, state: "warning", words: `not looked: ${message}`, ...(hint !== undefined && { hint }) };
}
