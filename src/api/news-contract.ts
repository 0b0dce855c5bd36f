// What the stream says has changed: a part of the contract.

/** Kinds of things whose changes are told. */
export type About =
  | "node"
  | "boot"
  | "image"
  | "clone"
  | "volume"
  | "profile"
  | "group"
  | "switch"
  | "power"
  | "task"
  | "user"
  | "setting";
