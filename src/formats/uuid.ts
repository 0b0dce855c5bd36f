import { hex } from "../base/text.ts";
import { u16, u32 } from "./fields.ts";

/** 16 bytes in order, as ext4 and Linux write them. */
export const uuid = (bytes: Uint8Array, at = 0): string =>
  hex(bytes.subarray(at, at + 16)).replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");

/** A GUID as UEFI keeps it: the first three fields little-endian. Lower case. */
export const guid = (bytes: Uint8Array, at: number): string =>
  [
    u32(bytes, at).toString(16).padStart(8, "0"),
    u16(bytes, at + 4)
      .toString(16)
      .padStart(4, "0"),
    u16(bytes, at + 6)
      .toString(16)
      .padStart(4, "0"),
    hex(bytes.subarray(at + 8, at + 10)),
    hex(bytes.subarray(at + 10, at + 16)),
  ].join("-");
