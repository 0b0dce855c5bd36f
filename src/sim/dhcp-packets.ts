// The DHCP packets of Raspberry Pi boot stages, byte for byte as captured (boot-net.adoc, firmware issue 1265, rpi-eeprom issue 58).

import { macBytes } from "../base/addresses.ts";
import { concat } from "../base/bytes.ts";
import { fromHex, toLatin1 } from "../base/text.ts";
import { BLANK } from "../wire/dhcp/blank.ts";
import { addressBytes, OPTION } from "../wire/dhcp/options.ts";
import { type DhcpPacket, encode, MESSAGE } from "../wire/dhcp/packet.ts";
import type { VirtualPi } from "./board.ts";
import { guidForm, guidHasMac } from "./firmware.ts";

/** ROM and bootcode.bin say the same number in every packet of every board. */
export const CONSTANT_XID = 0x26f30339;
export type DhcpForm = "rom" | "bootcode" | "eeprom";

type Known = VirtualPi & { revision: number; firmwareDate: string };

const range = [128, 129, 130, 131, 132, 133, 134, 135];
/** Option 55, in each form's own order. */
const ASKED_FOR: Record<DhcpForm, readonly number[]> = {
  rom: [43, 60, 67, ...range, 66],
  bootcode: [43, 60, 67, ...range, 66, 1, 3],
  eeprom: [1, 3, 43, 60, 66, 67, ...range],
};
const VENDOR_CLASS = toLatin1("PXEClient:Arch:00000:UNDI:002001");
const UNDI = 94;

const little = (value: number): Uint8Array =>
  Uint8Array.of(value & 255, (value >>> 8) & 255, (value >>> 16) & 255, value >>> 24);

/** Option 97, 17 bytes. `fourCc`: DHCP_OPTION97 of the EEPROM's settings, 0 = the serial four times. */
export function guid(pi: Known, form: DhcpForm, fourCc?: number): Uint8Array {
  if (form === "rom") return Uint8Array.of(0, ...new Uint8Array(16).fill(0x44));
  const serial = fromHex(pi.serial).reverse();
  const shape = form === "eeprom" ? guidForm(pi) : "serial";
  if (shape === "serial" || fourCc === 0) return concat([Uint8Array.of(0), serial, serial, serial, serial]);
  const mark = fourCc === undefined ? toLatin1(shape) : little(fourCc);
  const mac = guidHasMac(pi.firmwareDate) ? macBytes(pi.mac).slice(2) : new Uint8Array(4);
  return concat([Uint8Array.of(0), mark, little(pi.revision), mac, serial]);
}

const header = (pi: Known, xid: number): DhcpPacket => ({
  ...BLANK,
  xid,
  chaddr: pi.mac,
  options: new Map(),
});

/** 320 bytes from a ROM, 322 from the others. */
export function discover(pi: Known, form: DhcpForm, xid: number, fourCc?: number): Uint8Array {
  const packet = header(pi, xid);
  packet.options = new Map<number, Uint8Array>([
    [OPTION.MESSAGE_TYPE, Uint8Array.of(MESSAGE.DISCOVER)],
    [OPTION.ASKED_FOR, Uint8Array.from(ASKED_FOR[form])],
    [OPTION.ARCHITECTURE, Uint8Array.of(0, 0)],
    [UNDI, Uint8Array.of(1, 2, 1)],
    [OPTION.GUID, guid(pi, form, fourCc)],
    [OPTION.VENDOR_CLASS, VENDOR_CLASS],
  ]);
  return encode(packet);
}

/** The EEPROM's REQUEST. Its layout is rebuilt from what servers logged: option 60 present (not before 2020), 55 absent. */
export function request(pi: Known, xid: number, address: string, server: string): Uint8Array {
  const packet = header(pi, xid);
  packet.options = new Map<number, Uint8Array>([
    [OPTION.MESSAGE_TYPE, Uint8Array.of(MESSAGE.REQUEST)],
    [OPTION.REQUESTED_ADDRESS, addressBytes(address)],
    [OPTION.SERVER_ID, addressBytes(server)],
    ...(pi.firmwareDate < "2020-01-17" ? [] : [[OPTION.VENDOR_CLASS, VENDOR_CLASS] as const]),
  ]);
  const bytes = encode(packet);
  // Captures show it without padding, 290 bytes.
  const end = bytes.lastIndexOf(255) + 1;
  return bytes.slice(0, end);
}
