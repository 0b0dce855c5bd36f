// Option 43 for Raspberry Pi boot stages: PXE vendor options (PXE 2.1 specification, table 2-1).
import { toLatin1 } from "../../base/text.ts";

/**
 * Three trailing spaces: the Pi 3B boot ROM compares past the text; later stages ignore them
 * (boot-net.adoc, bootflow-legacy.adoc "fixed in 3B+").
 */
const TEXT = "Raspberry Pi Boot   ";

/** The PXE menu that every Raspberry Pi boot stage looks for: discovery control, prompt, menu entry, end. */
export function raspberryBootMenu(text = TEXT): Uint8Array {
  return Uint8Array.of(
    ...[6, 1, 3], // PXE_DISCOVERY_CONTROL: neither broadcast nor multicast
    ...[10, 4, 0, ...toLatin1("PXE")], // PXE_MENU_PROMPT: no waiting
    ...[9, text.length + 3, 0, 0, text.length, ...toLatin1(text)], // PXE_BOOT_MENU: type 0
    255,
  );
}

/** For UEFI's PXE: no menu, discovery control 8 = take the boot file of this very answer (PXE 2.1, tag 6 bit 3). */
export const pxeNoMenu = (): Uint8Array => Uint8Array.of(6, 1, 8, 10, 4, 0, ...toLatin1("PXE"), 255);
