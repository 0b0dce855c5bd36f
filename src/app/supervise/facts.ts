import type { Boot, Fact, Step } from "../../fleet/boots.ts";
import type { Sender } from "../../fleet/identify.ts";
import type { DhcpEvent } from "../../serve/dhcp.ts";

/** What a DISCOVER gives away of the board's firmware and the way to it, that its boot does not know yet. */
export const newFacts = (boot: Boot, sender: Sender, relay: string | undefined): [Fact, string][] =>
  senderFacts(sender, relay).filter(([fact]) => !boot.steps.some((step) => step.fact === fact));

function senderFacts(sender: Sender, relay: string | undefined): [Fact, string][] {
  const facts: [Fact, string][] = [];
  if (sender.stage === "rom3") facts.push(["rom3", "it asks as a Pi 3's boot ROM"]);
  if (relay !== undefined) facts.push(["relayed", `it asks through the relay ${relay}`]);
  if (isOldEeprom(sender)) facts.push(["eeprom-old", "it asks as an old EEPROM does"]);
  return facts;
}

/** Pi 4: the FourCC `RPi4`, or its serial four times, was sent until early 2022. Pi 5: the first images said `4iPR` (spec pi-boot.md 1.1). */
function isOldEeprom({ stage, guid = "" }: Sender): boolean {
  const fourcc = guid.slice(2, 10);
  if (stage === "eeprom2711") return fourcc === hexOf("RPi4") || guid.slice(2) === fourcc.repeat(4);
  return stage === "eeprom2712" && fourcc === hexOf("4iPR");
}
const hexOf = (text: string): string => Buffer.from(text, "latin1").toString("hex");

const FACTS: { readonly [K in DhcpEvent["kind"]]?: Fact } = {
  "foreign-server": "other-server",
  conflict: "address-conflict",
  decline: "address-conflict",
};

/** What a DHCP event proves about the boot that it belongs to. */
export function dhcpFacts({ kind, message }: Pick<DhcpEvent, "kind" | "message">): Pick<Step, "fact"> {
  const fact = FACTS[kind] ?? (/→ (OFFER|ACK)$/.test(message) ? "answered" : undefined);
  return fact ? { fact } : {};
}
