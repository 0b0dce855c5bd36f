// What the control side may ask of the NFS plane, and what that plane asks and tells. Types only.
import type { Entry } from "../../base/tree.ts";
import type { NfsDurability } from "../../fleet/nfs-root.ts";
import type { SettleStep } from "../../fleet/settle.ts";
import type { Faults } from "./disk-calls.ts";
import type { TreeVerbs } from "./nfs-verbs.ts";

/** What the plane's thread knows from its start. */
export interface NfsPlaneGiven {
  /** Of all trees. */
  folder: string;
  /** The data folder: images lie in it. */
  images: string;
  /** Of trees whose binding has none. `fast`: a reply may be lost with the host's power, not with our process (spec nfs-root.md 5). */
  durability: NfsDurability;
}

/** A tree that one boot may use, from one address. */
export interface Binding {
  /** The tree: the node's id. */
  id: string;
  /** Of its export, in handles; never another one's. */
  number: number;
  /** 32 random bits of the export, for its handles' check. */
  salt: number;
  bootId: string;
  address: string;
  /** Absent: as all. */
  durability?: NfsDurability;
}

/** What is known of a tree. */
export interface TreeFacts {
  /** sha256 of the image that it stands on. */
  image: string;
  /** Bytes of its own. */
  ownBytes: number;
  /** Another one after each reset and rollback. */
  generation: number;
  /** As it is answered at the moment. */
  durability: NfsDurability;
}

/** A tree is called by its node's id, a path in it is written as base/tree.ts has them. */
export interface NfsPlane {
  /** Is it there? */
  ping(args: object): boolean;
  /** Opens a door; on port 0 a free one. `privileged`: only clients whose own port is below 1024 are let in. */
  listenNfs(args: { host: string; port: number; privileged: boolean; udp: boolean; rpcbind: boolean }): {
    port: number;
  };
  createTree(args: { id: string; image: string; quota?: number }): void;
  /** Nothing where there is none. */
  removeTree(args: { id: string }): void;
  treeFacts(args: { id: string }): TreeFacts;
  /** From now on, until the next bind() at the latest; null: as all. What was answered before is on the disk when it is done. */
  setTreeDurability(args: { id: string; durability: NfsDurability | null }): void;
  setTreeQuota(args: { id: string; bytes: number | null }): void;
  lookupIn(args: { id: string; path: string }): Entry | undefined;
  /** Throws FILE_UNKNOWN. */
  listIn(args: { id: string; path: string }): Entry[];
  /** Size of a file, and what readIn() calls it; undefined where there is no such file. `identity`: of one that is the image's as it was. */
  openIn(args: { id: string; path: string }): { ino: number; size: number; identity?: string } | undefined;
  readIn(args: { id: string; ino: number; offset: number; length: number }): Uint8Array;
  /** Done in this order, and lasting when it is answered. */
  settleTree(args: { id: string; steps: readonly SettleStep[] }): void;
  /** Lets a boot of a node use its tree; boots of before lose it first. `ended`: another one had it. */
  bind(args: Binding): { ended: boolean };
  /** Nobody may use the tree any more; resolves when nothing of a client touches it. */
  unbind(args: { id: string; why: string }): void;
  close(): void;
}

/** Everything that can be asked of it; in tests also to fail (faults.ts). */
export type NfsCalls = NfsPlane & TreeVerbs & Faults;

/** What the plane asks the control side when a client asks for a path. */
export interface MountWish {
  path: string;
  address: string;
  port: number;
}
/** The binding of the tree is with the plane when this comes. */
export type MountAnswer = { number: number; below?: string } | { refused: "no-such" | "not-allowed" };

/** What happened at its door; the same kind for the same address at most once a second. */
export interface NfsNews {
  kind: "mounted" | "unmounted" | "denied" | "refused" | "error" | "notice";
  address?: string;
  /** The node's id, where it is known. */
  id?: string;
  why?: string;
  /** So many like it were not told. */
  more?: number;
}
