// Never two writers: who may open a node's disk while somebody else has it open. docs/fencing.md is the story.

/** The boot of those who are no boot: a person's tools on loopback. */
export const TOOLS = "tools";

/** Somebody who has, or asks for, a disk. That the secret of the boot, or CHAP, is right is known elsewhere. */
export interface Party {
  node: string;
  boot: string;
  address: string;
  kind: "iscsi" | "nbd";
  /** iSCSI: the initiator's name. */
  initiator?: string;
}

export interface Holder extends Party {
  /** Does it answer a ping? Undefined: nobody has asked yet. A session whose TCP connection is closed holds nothing. */
  alive?: boolean;
}

type LoginVerdict =
  | { how: "take" }
  /** First drop and drain the holder's sessions, then let this one in. */
  | { how: "takeOver"; why: string }
  | { how: "refuse"; why: string }
  /** Ask the holder for a sign of life, then ask again. */
  | { how: "ping" };

const PROTOCOL = { iscsi: "iSCSI", nbd: "NBD" };

/** May this one open the disk that `holder` has open? */
export function mayLogIn(holder: Holder | undefined, asking: Party): LoginVerdict {
  if (!holder || isSame(holder, asking)) return { how: "take" };
  if (holder.alive === false)
    return { how: "takeOver", why: `the session from ${holder.address} does not answer any more` };
  if (holder.node !== asking.node) {
    const why = `it is ${holder.node}'s at ${holder.address}`; // a volume that was moved while it is in use
    return holder.alive === undefined ? { how: "ping" } : { how: "refuse", why };
  }
  if (holder.boot === TOOLS && asking.boot !== TOOLS)
    return { how: "takeOver", why: "the node itself asks for its disk: tools give way" };
  if (holder.boot !== asking.boot && asking.boot !== TOOLS)
    return { how: "takeOver", why: "a newer boot of this node has logged in" };
  if (holder.alive === undefined) return { how: "ping" };
  const where = `${holder.address} has it open over ${PROTOCOL[holder.kind]}`;
  return {
    how: "refuse",
    why: asking.boot === TOOLS ? `the node is running from this disk: ${where}` : `${where}, and answers`,
  };
}

/** The same node in the same boot by the same way: it connects again, or once more. */
const isSame = (one: Party, other: Party): boolean =>
  one.node === other.node &&
  one.boot === other.boot &&
  one.address === other.address &&
  one.kind === other.kind &&
  one.initiator === other.initiator;
