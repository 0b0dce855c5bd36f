// What the control side may ask of the disk plane, and what that plane tells by itself. Types only.
import type { DiskVerbs } from "./disk-verbs.ts";

export interface Chap {
  user: string;
  secret: string;
  mutual?: { user: string; secret: string };
}

/** A disk of a target. Its serial and NAA follow from the id in the file's header. */
export interface Lun {
  lun: number;
  path: string;
  product: "CLONE" | "VOLUME";
}

/** What is known of a clone or a volume. */
interface DiskFacts {
  size: number;
  /** Bytes of its own file. */
  ownBytes: number;
  /** Bytes that its snapshots hold, apart from its own. */
  sharedBytes: number;
  /** Frozen files beside its own; 0 for one without snapshots. */
  layers: number;
  /** Images (sha256) that it and its snapshots stand on, its own first. */
  images: string[];
  /** Bytes that own and shared ones may take together. */
  quota?: number;
  generation: number;
  /** A node, or a tool, has it open. */
  busy: boolean;
}

/** Paths are whole. An export is asked for by a secret, or by a target and CHAP, and talked about by its name. */
export interface DiskPlane {
  /** Is it there? */
  ping(args: object): boolean;
  createClone(args: { path: string; image: { path: string; size: number; sha256: string } }): void;
  removeClone(args: { path: string }): void;
  read(args: { path: string; offset: number; length: number }): Uint8Array;
  /** Has the clone bytes of its own in this range, so that the image no longer speaks for it? */
  owns(args: { path: string; offset: number; length: number }): boolean;
  facts(args: { path: string }): DiskFacts;
  flush(args: { path: string }): void;
  /** Opens an NBD door; on port 0 the door that this host has already, if any. */
  listen(args: { host: string; port: number }): { port: number };
  listenIscsi(args: { host: string; port: number }): { port: number };
  /** Opens a disk over NBD to one boot at one address, by a secret, or by its sha256 in hex. Its node's older boots lose theirs first. */
  export(args: {
    secret?: string;
    secretHash?: string;
    /** `<node>/<boot>`, or `<node>/tools`. */
    name: string;
    path: string;
    address: string;
    readOnly?: boolean;
  }): { ended: number };
  /** Opens a target to one boot. Its node's older boots lose theirs first; the same boot may ask again, with other LUNs. */
  exportIscsi(args: {
    target: string;
    name: string;
    initiator: string;
    address: string;
    chap: Chap;
    luns: readonly Lun[];
  }): { ended: number };
  /** Ends an export, with what is open through it; resolves when nothing of it touches the disk. */
  drop(args: { name: string; why: string }): void;
  /** Lets nodes know, ends what they have open when it is out of the disks, and closes every clone. */
  close(): void;
}

export type DiskEvent =
  | { kind: "opened" | "closed"; name: string; address: string; how: "NBD" | "iSCSI"; why?: string }
  /** `name`: whose disk it was, where that is known. */
  | { kind: "refused"; address: string; why: string; name?: string }
  /** A dead session's place was taken; `address` is the new one. */
  | { kind: "tookOver"; name: string; address: string; from: string; why: string }
  /** The node has logged in from another address than before. */
  | { kind: "moved"; name: string; address: string }
  /** Something to be known about a disk. */
  | { kind: "notice"; name?: string; path?: string; words: string }
  | { kind: "quota"; path: string; ownBytes: number; quota: number };

/** Everything that can be asked of it; in tests also to fail (faults.ts). */
export type DiskCalls = DiskPlane & DiskVerbs & Faults;

/** Only where the environment asks for it. */
export interface Faults {
  fault(args: { how: "throw" | "heap" }): void;
  hang(args: object): never;
}
