// NFSv3 on the file system: FSSTAT, FSINFO, PATHCONF (RFC 1813 3.3.18 to 3.3.20).
import type { XdrWriter } from "../xdr.ts";
import { writePost } from "./attributes.ts";
import { after, type Procedure, reply, type Scene, SMALL } from "./procedure.ts";
import { MOST_DATA } from "./procedures-files.ts";
import { MOST_LIST } from "./procedures-lists.ts";
import type { Attributes } from "./tree.ts";

interface Space {
  totalBytes: number;
  freeBytes: number;
  totalFiles: number;
  freeFiles: number;
}
const BLOCK = 4096;
/** Of ext4 with blocks of 4 KiB. */
const MOST_FILE = 2 ** 44;
/** FSF_LINK, SYMLINK, HOMOGENEOUS, CANSETTIME. */
const PROPERTIES = 0x1b;
/** Of ext4. */
const MOST_LINKS = 65_000;
const MOST_NAME = 255;

export const fsstat: Procedure<undefined> = {
  name: "FSSTAT",
  effect: "looks",
  refusal: "attributes",
  decode: () => undefined,
  room: () => SMALL,
  answer(w, scene) {
    const soon = after(scene.tree.getattr(scene.ino), (attributes) =>
      after(scene.tree.fsstat(), (space) => ({ attributes, space })),
    );
    return reply(w, scene, "attributes", soon, writeSpace);
  },
};
function writeSpace(w: XdrWriter, scene: Scene, found: { attributes: Attributes; space: Space }): void {
  const { totalBytes, freeBytes, totalFiles, freeFiles } = found.space;
  writePost(w, found.attributes, scene.handles.export);
  w.u64(totalBytes).u64(freeBytes).u64(freeBytes).u64(totalFiles).u64(freeFiles).u64(freeFiles);
  w.u32(0); // invarsec: it changes all the time
}

export const fsinfo: Procedure<undefined> = {
  name: "FSINFO",
  effect: "looks",
  refusal: "attributes",
  decode: () => undefined,
  room: () => SMALL,
  answer: (w, scene) => reply(w, scene, "attributes", scene.tree.getattr(scene.ino), writeInfo),
};
function writeInfo(w: XdrWriter, scene: Scene, attributes: Attributes): void {
  writePost(w, attributes, scene.handles.export);
  w.u32(MOST_DATA).u32(MOST_DATA).u32(BLOCK);
  w.u32(MOST_DATA).u32(MOST_DATA).u32(BLOCK);
  w.u32(MOST_LIST).u64(MOST_FILE);
  w.u32(0).u32(1).u32(PROPERTIES); // times are exact to the nanosecond
}

export const pathconf: Procedure<undefined> = {
  name: "PATHCONF",
  effect: "looks",
  refusal: "attributes",
  decode: () => undefined,
  room: () => SMALL,
  answer: (w, scene) => reply(w, scene, "attributes", scene.tree.getattr(scene.ino), writeConf),
};
function writeConf(w: XdrWriter, scene: Scene, attributes: Attributes): void {
  writePost(w, attributes, scene.handles.export);
  // Longer names are refused, only root gives files away, and case counts.
  w.u32(MOST_LINKS).u32(MOST_NAME).bool(true).bool(true).bool(false).bool(true);
}
