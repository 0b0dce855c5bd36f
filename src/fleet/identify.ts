// Who sends this DHCP message, and in which stage of its boot is it? By what it sends, never by a list of MAC prefixes.
import { formatMac, macBytes } from "../base/addresses.ts";
import { hex, latin1 } from "../base/text.ts";
import { OPTION, optionText } from "../wire/dhcp/options.ts";
import type { DhcpPacket } from "../wire/dhcp/packet.ts";

/**
 * rom3: Pi 3B/2B v1.2 boot ROM · bootcode: bootcode.bin and the 3B+ ROM · eeprom2711: Pi 4, 400, CM4 ·
 * eeprom2712: Pi 5, 500, CM5 · uefi, uefi-http, ipxe, uboot: what they say · linux: an operating system · unknown: the rest.
 */
export type BootStage =
  | "rom3"
  | "bootcode"
  | "eeprom2711"
  | "eeprom2712"
  | "uefi"
  | "uefi-http"
  | "ipxe"
  | "uboot"
  | "linux"
  | "unknown";

/** What one message tells about its sender. */
export interface Sender {
  mac: string;
  stage: BootStage;
  /** 8 lower-case hex digits. */
  serial?: string;
  /** The board's revision code. */
  revision?: number;
  /** Option 97 as hex, 34 digits. */
  guid?: string;
  /** Option 93 (IANA processor architecture types); the first one if several. */
  arch?: number;
  vendorClass?: string;
  userClass?: string;
  /** Option 82 as hex: what a relay or switch on the way says of the port (RFC 3046). */
  circuit?: string;
}

/** The stages that a Raspberry Pi's own firmware goes through: they need option 43. */
export const isPiStage = (stage: BootStage): boolean =>
  stage === "rom3" || stage === "bootcode" || stage === "eeprom2711" || stage === "eeprom2712";

/** The Pi 3 boot ROM and bootcode.bin have it compiled in; the EEPROM draws its own for each attempt. */
const PI3_XID = 0x26f30339;
/** Pi firmware says 0 on IPv4; 41 is its number by IANA, used on IPv6. */
const PI_ARCHITECTURES = [0, 41];
const UEFI_HTTP = [15, 16, 17, 18, 19];
const UEFI = [2, 6, 7, 8, 9, 10, 11, 12, 13, 14];
const UBOOT = [21, 22, 23, 24];
/** RPi4 until early 2022, then 4iPR; the first Pi 5 images also said 4iPR, later 5iPR. */
const FOURCC = ["RPi4", "4iPR", "RPi5", "5iPR"];
const OS_VENDOR = /^(udhcp|dhcpcd|dhclient|linux|systemd|busybox|bramble|android-dhcp|networkmanager|nm)/i;

/** Never throws: a field that is absent or wrong is left out. */
export function identify(packet: DhcpPacket): Sender {
  const guid = packet.options.get(OPTION.GUID);
  const arch = architecture(packet);
  const vendorClass = optionText(packet, OPTION.VENDOR_CLASS);
  const user = userClass(packet.options.get(OPTION.USER_CLASS));
  const circuit = packet.options.get(OPTION.RELAY_AGENT);
  const seen: Omit<Sender, "stage"> = {
    mac: packet.chaddr,
    ...(guid?.length === 17 && { guid: hex(guid) }),
    ...(arch !== undefined && { arch }),
    ...(vendorClass !== undefined && { vendorClass }),
    ...(user !== undefined && { userClass: user }),
    ...(circuit !== undefined && { circuit: hex(circuit) }),
  };
  const efi = uefiRevision(packet.chaddr, guid);
  const withBoard = efi === undefined ? seen : { ...seen, revision: efi };

  if (user === "iPXE" || user === "gPXE" || packet.options.has(OPTION.IPXE))
    return { ...withBoard, stage: "ipxe" };
  if (vendorClass?.startsWith("U-Boot") || UBOOT.includes(arch ?? -1))
    return { ...withBoard, stage: "uboot" };
  if (vendorClass?.startsWith("HTTPClient") || UEFI_HTTP.includes(arch ?? -1))
    return { ...withBoard, stage: "uefi-http" };
  if (UEFI.includes(arch ?? -1)) return { ...withBoard, stage: "uefi" };
  if (PI_ARCHITECTURES.includes(arch ?? 0)) {
    const pi = raspberry(packet, guid);
    if (pi) return { ...seen, ...pi };
  }
  const boots = vendorClass?.startsWith("PXEClient") || arch !== undefined;
  const os = !boots && (vendorClass === undefined || vendorClass === "" || OS_VENDOR.test(vendorClass));
  return { ...seen, stage: os ? "linux" : "unknown" };
}

/** The match rule of option 97: 00 | FourCC | revision LE32 | MAC[2..5] | serial LE32, or the serial four times, or 44 × 16. */
function raspberry(packet: DhcpPacket, guid: Uint8Array | undefined): Omit<Sender, "mac"> | undefined {
  if (guid?.length !== 17 || guid[0] !== 0) return undefined;
  // On the ROM the GUID says nothing about the board: it is known by its MAC.
  if (guid.every((byte, i) => i === 0 || byte === 0x44)) return { stage: "rom3" };

  const word = u32le(guid, 1);
  if (word !== 0 && [5, 9, 13].every((at) => u32le(guid, at) === word)) {
    const old = packet.xid === PI3_XID || packet.options.get(OPTION.ASKED_FOR)?.[0] === OPTION.VENDOR;
    return { stage: old ? "bootcode" : "eeprom2711", serial: hex32(word) };
  }

  const revision = u32le(guid, 5);
  const tail = macBytes(packet.chaddr).subarray(2);
  const hasMac = tail.every((byte, i) => guid[9 + i] === byte);
  const chip = (revision >>> 12) & 15;
  const newStyle = (revision & 0x800000) !== 0;
  const fourcc = latin1(guid.subarray(1, 5));
  // DHCP_OPTION97 in the EEPROM's settings may put another FourCC: then MAC and a revision of those chips must fit.
  if (!FOURCC.includes(fourcc) && !(hasMac && newStyle && (chip === 3 || chip === 4))) return undefined;
  const is2712 = newStyle && (chip === 3 || chip === 4) ? chip === 4 : fourcc.includes("5");
  return { stage: is2712 ? "eeprom2712" : "eeprom2711", serial: hex32(u32le(guid, 13)), revision };
}

/** The Pi's UEFI sends 00 | revision LE32 | six zeros | MAC. */
function uefiRevision(mac: string, guid: Uint8Array | undefined): number | undefined {
  if (guid?.length !== 17 || guid[0] !== 0 || formatMac(guid.subarray(11)) !== mac) return undefined;
  const revision = u32le(guid, 1);
  return revision !== 0 && guid.subarray(5, 11).every((byte) => byte === 0) ? revision : undefined;
}

/** Option 93 (RFC 4578 2.1), else out of `PXEClient:Arch:00011:…`, whose digits are decimal in EDK2 and hex in U-Boot. */
function architecture(packet: DhcpPacket): number | undefined {
  const value = packet.options.get(OPTION.ARCHITECTURE);
  if (value && value.length >= 2) return (value[0] ?? 0) * 256 + (value[1] ?? 0);
  const digits = /^(?:PXE|HTTP)Client:Arch:([0-9a-f]{5})/i.exec(
    optionText(packet, OPTION.VENDOR_CLASS) ?? "",
  )?.[1];
  return digits === undefined ? undefined : Number.parseInt(digits, /[a-f]/i.test(digits) ? 16 : 10);
}

/** Plain text as iPXE sends it, or with a length in front of each class (RFC 3004 4): the first one. */
function userClass(value: Uint8Array | undefined): string | undefined {
  const length = value?.[0];
  if (!value || length === undefined) return undefined;
  return latin1(length > 0 && length < value.length && length < 32 ? value.subarray(1, 1 + length) : value);
}

const u32le = (bytes: Uint8Array, at: number): number =>
  ((bytes[at] ?? 0) |
    ((bytes[at + 1] ?? 0) << 8) |
    ((bytes[at + 2] ?? 0) << 16) |
    ((bytes[at + 3] ?? 0) << 24)) >>>
  0;

const hex32 = (n: number): string => n.toString(16).padStart(8, "0");
