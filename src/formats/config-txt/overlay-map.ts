// overlays/overlay_map.dtb: other names of overlays per SoC, as a flattened device tree (Devicetree Specification 0.4, 5).
import { Reader } from "../../base/bytes.ts";
import { toUtf8, utf8 } from "../../base/text.ts";
import type { Family } from "../boards.ts";

/** Overlay → property (bcm2711, renamed, …) → value; "" for a bare property: the overlay serves that SoC under its own name. */
export type OverlayMap = Map<string, Map<string, string>>;

const MAGIC = 0xd00dfeed;
const BEGIN_NODE = 1;
const END_NODE = 2;
const PROP = 3;
const NOP = 4;

/** Reads the first level of nodes. Undefined for anything that is no device tree: the firmware then does without. */
export function readOverlayMap(blob: Uint8Array): OverlayMap | undefined {
  try {
    return read(blob);
  } catch {
    return undefined; // damaged or not a device tree at all
  }
}

function read(blob: Uint8Array): OverlayMap | undefined {
  const header = new Reader("device tree", blob);
  if (header.u32("magic") !== MAGIC) return undefined;
  header.u32("total size");
  const structure = header.u32("structure offset");
  const strings = header.u32("strings offset");
  const r = new Reader("device tree structure", blob.subarray(structure));
  const start = r.left;
  const align = () => r.view(-(start - r.left) & 3, "padding");
  const map: OverlayMap = new Map();
  const path: string[] = [];
  while (r.left >= 4) {
    const token = r.u32("token");
    if (token === BEGIN_NODE) {
      path.push(r.text("node name"));
      align();
      if (path.length === 2) map.set(path[1] ?? "", new Map());
    } else if (token === END_NODE) {
      path.pop();
    } else if (token === PROP) {
      const length = r.u32("length");
      const name = new Reader("device tree strings", blob.subarray(strings + r.u32("name offset")));
      const value = utf8(r.view(length, "value")).replace(/\0[\s\S]*$/, "");
      align();
      if (path.length === 2) map.get(path[1] ?? "")?.set(name.text("property name"), value);
    } else if (token !== NOP) {
      break; // the end, or something that we do not know
    }
  }
  return map;
}

/** What file an overlay has on this SoC: `vc4-kms-v3d` → `vc4-kms-v3d-pi5` on bcm2712. */
export function overlayFor(map: OverlayMap | undefined, name: string, family: Family): string {
  const entry = map?.get(name);
  if (!entry) return name;
  const renamed = entry.get("renamed");
  if (renamed) return renamed;
  // The map speaks of bcm2835 for every board before the 2711.
  return entry.get(family === "bcm2711" || family === "bcm2712" ? family : "bcm2835") || name;
}

/** Builds such a file, for trees that are made up. */
export function writeOverlayMap(map: OverlayMap): Uint8Array<ArrayBuffer> {
  const words: number[] = [];
  const names: number[] = [];
  const offsets = new Map<string, number>();
  const u32 = (n: number) => words.push(n >>> 24, (n >>> 16) & 255, (n >>> 8) & 255, n & 255);
  const text = (s: string) => {
    words.push(...toUtf8(s), 0);
    while (words.length % 4) words.push(0);
  };
  u32(BEGIN_NODE);
  text("");
  for (const [overlay, properties] of map) {
    u32(BEGIN_NODE);
    text(overlay);
    for (const [name, value] of properties) {
      if (!offsets.has(name)) {
        offsets.set(name, names.length);
        names.push(...toUtf8(name), 0);
      }
      u32(PROP);
      u32(value === "" ? 0 : toUtf8(value).length + 1);
      u32(offsets.get(name) ?? 0);
      if (value !== "") text(value);
    }
    u32(END_NODE);
  }
  u32(END_NODE);
  u32(9);
  const header = 40 + 16; // one empty entry of the reservation map
  const out = new Uint8Array(header + words.length + names.length);
  const view = new DataView(out.buffer);
  const fields = [
    MAGIC,
    out.length,
    header,
    header + words.length,
    40,
    17,
    16,
    0,
    names.length,
    words.length,
  ];
  for (const [i, field] of fields.entries()) view.setUint32(i * 4, field);
  out.set(words, header);
  out.set(names, header + words.length);
  return out;
}
