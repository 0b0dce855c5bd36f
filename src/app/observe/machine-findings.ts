// What this machine says of itself: firewall, clock, disk. Nothing is changed.
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { type Incoming, nftVerdict, type Verdict } from "../../formats/firewall.ts";
import { iptablesVerdict } from "../../formats/iptables.ts";
import type { Finding, Ports } from "../doctor.ts";
import { clockState } from "./clock.ts";

const PATHS = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/sbin"];
const program = (name: string): string | undefined =>
  PATHS.map((folder) => join(folder, name)).find((path) => existsSync(path));

const output = (path: string, args: string[]): string =>
  execFileSync(path, args, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    maxBuffer: 1 << 26,
    timeout: 10_000,
  });

/** How rules are read; undefined where there is no such program. */
export interface Firewalls {
  nft(): string | undefined;
  iptables(): string | undefined;
}
export const FIREWALLS: Firewalls = {
  nft() {
    const path = program("nft");
    return path && output(path, ["-j", "list", "ruleset"]);
  },
  iptables() {
    const path = program("iptables-save");
    return path && output(path, []);
  },
};

/** Any high port: where a board's TFTP blocks and acknowledgements go. */
const TFTP_REPLIES = 40_000;

/** Would boards' packets be let in on this interface? Each port that would not is one finding. */
export function firewallFindings(ports: Ports, name: string, read: Firewalls = FIREWALLS): Finding[] {
  const what = `firewall on ${name}`;
  const doors: [string, Incoming["proto"], number][] = [
    ["DHCP", "udp", ports.dhcp],
    ["TFTP", "udp", ports.tftp],
    ["TFTP's data (high UDP ports)", "udp", TFTP_REPLIES],
    ["proxy DHCP", "udp", ports.proxy],
    ["the agent", "tcp", ports.agent],
    ["iSCSI", "tcp", ports.iscsi],
    ["NBD", "tcp", ports.nbd],
    ...(ports.nfs === undefined ? [] : ([["NFS", "tcp", ports.nfs]] as [string, "tcp", number][])),
  ];
  const hint = (proto: string, port: number) =>
    port === TFTP_REPLIES
      ? `nft: udp dport 32768-60999 iifname ${name} accept`
      : `let it in: ${proto} dport ${port} iifname ${name} accept (nft), -A INPUT -i ${name} -p ${proto} --dport ${port} -j ACCEPT (iptables)`;
  let nft: string | undefined;
  let iptables: string | undefined;
  try {
    nft = read.nft();
    iptables = read.iptables();
  } catch (error) {
    const words = `its rules cannot be read: ${(error as Error).message.split("\n")[0]}`;
    const needs = doors.map(([, proto, port]) => `${proto} ${port}`).join(", ");
    return [
      {
        what,
        state: "ok",
        words,
        hint: `sudo ./bramble doctor; should there be one, it must let in ${needs}`,
      },
    ];
  }
  const out: Finding[] = [];
  for (const [door, proto, port] of doors) {
    const packet: Incoming = { proto, port, from: name };
    const verdicts: Verdict[] = [
      ...(nft ? [nftVerdict(nft, packet)] : []),
      ...(iptables ? [iptablesVerdict(iptables, packet)] : []),
    ];
    const no = verdicts.find(({ passes }) => passes === "no");
    const maybe = verdicts.find(({ passes }) => passes === "maybe");
    if (no)
      out.push({
        what,
        state: "problem",
        words: `it drops ${door}, ${proto} ${port}: ${no.by}`,
        hint: hint(proto, port),
      });
    else if (maybe)
      out.push({
        ...{
          what,
          state: "warning",
          words: `whether it lets in ${door}, ${proto} ${port}, depends: ${maybe.by}`,
        },
        hint: hint(proto, port),
      });
  }
  return out.length > 0 ? out : [{ what, state: "ok", words: "it lets in what boards send" }];
}

/** Before this the program was not written: the clock is wrong. */
const NOT_BEFORE_MS = Date.UTC(2026, 9, 1);

/** Certificates, tokens and the book's times depend on it. `newestMs`: of the newest thing that the book knows. */
export async function clockFinding(nowMs: number, newestMs = 0): Promise<Finding> {
  const what = "clock";
  const hint = "timedatectl set-ntp true, or install chrony";
  const at = new Date(nowMs).toISOString();
  if (nowMs < NOT_BEFORE_MS) return { what, state: "problem", words: `it says ${at}, which cannot be`, hint };
  if (newestMs > nowMs + 60_000)
    return {
      ...{
        what,
        state: "problem",
        words: `it went back: it says ${at}, and the book knows ${new Date(newestMs).toISOString()}`,
      },
      hint,
    };
  const state = await clockState();
  return state === "not synchronised"
    ? { what, state: "warning", words: `${at}; the kernel says that it is not synchronised`, hint }
    : { what, state: "ok", words: `${at}${state === "synchronised" ? ", synchronised" : ""}` };
}

const LEAST = 2 * 2 ** 30;

/** Room for images and clones: when it is gone, nodes cannot write. */
export async function spaceFinding(folder: string): Promise<Finding> {
  const what = "disk space";
  const { bavail, blocks, bsize, files, ffree } = await statfs(folder);
  const free = bavail * bsize;
  const share = bavail / Math.max(1, blocks);
  const words = `${(free / 2 ** 30).toFixed(1)} GiB free, ${Math.round(share * 100)} %`;
  const hint = "bramble clone list shows who takes it; bramble image rm, clone quota, retention apply";
  if (files > 0 && ffree / files < 0.02)
    return { what, state: "problem", words: `${words}; no inodes left`, hint };
  if (share < 0.05 || free < LEAST / 4)
    return { what, state: "problem", words: `${words}: when it is full, nodes cannot write`, hint };
  if (share < 0.15 || free < LEAST) return { what, state: "warning", words, hint };
  return { what, state: "ok", words };
}
