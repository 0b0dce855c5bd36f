import type { NfsTree } from "../wire/nfs/tree.ts";
import { type CallHead, seal } from "../wire/rpc/message.ts";
import type { XdrWriter } from "../wire/xdr.ts";
import type { NfsClient, NfsEvent, NfsExport } from "./nfs.ts";
import type { Outbox } from "./outbox.ts";

/** Where calls come from and replies go to: a connection, or one datagram. */
export interface Line {
  readonly client: NfsClient;
  readonly head: CallHead;
  /** Replies that may leave at the end of the turn. */
  readonly now: Outbox;
  /** Replies that promise something: they leave when the trees that they changed have settled. */
  readonly held: Outbox;
  /** Nobody is there any more. */
  readonly gone: boolean;
  /** This tree must settle before what is held leaves. */
  unsettled(tree: NfsTree): void;
  /** It was let in to this export. */
  used(exported: NfsExport): void;
  /** A call goes on after this turn, with a reply of up to so many bytes. */
  begun(bytes: number): void;
  /** It has ended, its reply is in its outbox. */
  ended(bytes: number): void;
}

export type Tell = (event: Omit<NfsEvent, "at" | "more">) => void;

/** A short reply that promises nothing. */
export function say(line: Line, w: XdrWriter, write: (w: XdrWriter) => void): void {
  const { slab, at } = line.now.room(128);
  w.into(slab.bytes, at, slab.view);
  write(w);
  seal(w, at);
  line.now.rewind(w.at);
}
