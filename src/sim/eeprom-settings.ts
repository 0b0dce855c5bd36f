// The EEPROM's bootconf.txt: the settings that change what the network sees (eeprom-bootloader.adoc), with their defaults.
import { interpretation } from "../formats/config-txt.ts";
import type { Bench } from "./board.ts";
import type { EepromDhcp } from "./dhcp-client.ts";
import type { Run } from "./machine.ts";

export interface EepromSettings {
  /** Nibbles, lowest first. */
  bootOrder: bigint;
  maxRestarts: number;
  networkRetries: number;
  fileTimeoutMs: number;
  dhcp: EepromDhcp;
  /** CLIENT_IP, SUBNET, TFTP_IP and perhaps GATEWAY: no DHCP at all. */
  fixed: { address: string; mask: string; server: string; router: string | undefined } | undefined;
  /** Put before every name, "" or ends with a slash. */
  prefix: string;
  selfUpdate: boolean;
  signedBoot: boolean;
}

/** Network boot as raspi-config sets it; the firmware's own default is 0xf41, which never asks the network. */
const NETWORK_FIRST = "BOOT_ORDER=0xf21\n";

const integer = (value: string | undefined, otherwise: number): number =>
  value === undefined || value === "" || Number.isNaN(Number(value)) ? otherwise : Number(value);

/** Interprets bootconf.txt with its sections, as config.txt is read. */
export function* eepromSettings(bench: Bench, family: "bcm2711" | "bcm2712"): Run<EepromSettings> {
  const { pi, board } = bench;
  const stage = family === "bcm2711" ? "eeprom2711" : "eeprom2712";
  const steps = interpretation(pi.eepromConfig ?? NETWORK_FIRST, { board, stage, firstPass: true });
  let step = steps.next(undefined);
  while (!step.done) step = steps.next(undefined);
  const { settings } = step.value;
  const number = (key: string, otherwise: number) => integer(settings.get(key), otherwise);
  const text = (key: string) => settings.get(key) || undefined;
  const order = settings.get("BOOT_ORDER") ?? "0xf41";
  const [address, mask, server] = ["CLIENT_IP", "SUBNET", "TFTP_IP"].map(text);
  const prefixKind = number("TFTP_PREFIX", 0);
  const prefixes = [`${pi.serial}/`, text("TFTP_PREFIX_STR") ?? "", `${pi.mac.replaceAll(":", "-")}/`];
  return {
    bootOrder: /^0x[0-9a-f]+$/i.test(order) ? BigInt(order) : 0xf41n,
    maxRestarts: number("MAX_RESTARTS", -1),
    networkRetries: number("NET_BOOT_MAX_RETRIES", 0),
    fileTimeoutMs: Math.max(5000, number("TFTP_FILE_TIMEOUT", 30_000)),
    dhcp: {
      timeoutMs: Math.max(5000, number("DHCP_TIMEOUT", 45_000)),
      requestTimeoutMs: Math.max(500, number("DHCP_REQ_TIMEOUT", 4000)),
      menuText: text("PXE_OPTION43"),
      fourCc: settings.has("DHCP_OPTION97") ? number("DHCP_OPTION97", 0) : undefined,
      server,
    },
    fixed: address && mask && server ? { address, mask, server, router: text("GATEWAY") } : undefined,
    prefix: prefixes[prefixKind] ?? prefixes[0] ?? "",
    selfUpdate: number("ENABLE_SELF_UPDATE", 1) !== 0 && number("FREEZE_VERSION", 0) === 0,
    signedBoot: number("SIGNED_BOOT", 0) !== 0,
  };
}
