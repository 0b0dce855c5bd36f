// What DHCP and TFTP tell, as lines of the timelines and pages that it concerns.
import type { BootStage, Boots, Step } from "../fleet/boots.ts";
import type { Node } from "../fleet/node.ts";
import type { DhcpEvent } from "../serve/dhcp.ts";
import type { TftpEvent } from "../serve/tftp.ts";
import type { Prepared } from "./boot-files.ts";
import type { Journal } from "./journal.ts";
import type { Registry } from "./registry.ts";
import { dhcpFacts } from "./supervise/facts.ts";

export interface BootNewsOptions {
  registry: Registry;
  journal: Journal;
  boots: Boots;
  /** Whose file is it? Throws where the one who asks may not have it. */
  who(path: string, address: string): Promise<{ node: Node; rest: string } | undefined>;
  remember(address: string, node: Node): void;
  atHome(node: Node, address: string): void;
  prepared(bootId: string): Promise<Prepared> | undefined;
  event(kind: string, node: Node | undefined, words: string): void;
  step(node: Node, kind: Step["kind"], words: string, more?: Partial<Step>, reached?: BootStage): void;
  now(): number;
}

/** Without DHCP of ours a boot begins with its first request, which came a little earlier. */
const ASKED_FIRST_MS = 2_000;

export function bootNews(options: BootNewsOptions) {
  const { registry, journal, boots, event, step, now } = options;

  function dhcp(told: DhcpEvent): void {
    const node = registry.byMac(told.mac) ?? (told.serial ? registry.bySerial(told.serial) : undefined);
    const boot = node && boots.current(node.id);
    const learned = told.learned ?? told.address;
    if (node && learned) {
      if (boot) {
        options.atHome(node, learned);
        if (boot.address !== learned) journal.bootUpdate(boot.id, { address: learned });
        boot.address = learned;
      } else options.remember(learned, node);
    }
    const words = `${told.message}${told.address ? ` ${told.address}` : ""}: ${told.reason}`;
    if (node && boot) step(node, "dhcp", words, dhcpFacts(told));
    event(told.kind === "decision" ? "dhcp" : told.kind, node, words);
  }

  /** A line of the timeline for each request that has ended. */
  async function tftp(told: TftpEvent): Promise<void> {
    const owner = await options.who(told.path, told.client.address).catch(() => undefined); // refused: told where it was
    const boot = owner && boots.current(owner.node.id);
    if (!owner || !boot) {
      if (told.kind === "missing" || told.kind === "refused") {
        const words = `${told.client.address} asked for ${told.path}: ${told.why ?? "no node of ours"}`;
        journal.event("tftp", undefined, words);
      }
      return;
    }
    // its power was cut in the middle of a file: that transfer's end, half a minute later, is none of this boot's
    if (told.at - (told.ms ?? 0) + ASKED_FIRST_MS < boot.startedMs) return;
    if (told.kind === "read") return boots.fetch(owner.node.id, told.path, told.bytes ?? 0, now());
    // A 3B says so in its ROM's DISCOVER; the other board that reads bootcode.bin from the network is the 3B+.
    if (owner.rest === "bootcode.bin" && !owner.node.model)
      registry.see({ ...idOf(owner.node), model: "3B+" }, now());
    // told where it failed
    const { kernel, origins } = (await options.prepared(boot.id)?.catch(() => undefined)) ?? {};
    const result = RESULTS[told.kind];
    const origin = origins?.get(told.path);
    step(
      owner.node,
      "tftp",
      `${told.path}: ${told.why ?? told.kind}`,
      {
        path: told.path,
        ...(result && { result }),
        ...(told.bytes !== undefined && { bytes: told.bytes }),
        ...(told.ms !== undefined && { tookMs: told.ms }),
        ...(origin && { origin }),
      },
      isKernel(told, owner.rest, kernel) ? "kernel" : "firmware",
    );
  }

  return { dhcp, tftp };
}

/** The kernel, wholly sent. Where nobody could say which file it is, by its usual name. */
const isKernel = ({ kind }: TftpEvent, path: string, kernel: string | undefined): boolean =>
  kind === "sent" &&
  (kernel === undefined ? /(^|\/)(kernel[^/]*\.img|RPI_EFI\.fd)$/.test(path) : path === kernel);

const idOf = ({ serial, mac }: Node) => ({ ...(serial && { serial }), ...(mac && { mac }) });

const RESULTS: { [K in TftpEvent["kind"]]?: NonNullable<Step["result"]> } = {
  sent: "sent",
  probe: "probed",
  missing: "missing",
  timeout: "broken",
  refused: "missing",
};
