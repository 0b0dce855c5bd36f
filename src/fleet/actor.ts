/** Whose rights count: people by role; `policy`: a rule that a person set; `system`: our own work; `node`: a board that holds its boot's token. */
export type ActorKind = "admin" | "operator" | "tenant" | "viewer" | "policy" | "system" | "node";

/** Who asked for something. It stands in events and in the audit log. */
export interface Actor {
  kind: ActorKind;
  /** A user's or token's name; `cli` for whoever may open the data folder; a node's id. */
  name: string;
  /** Address that it came from. */
  from?: string;
  /** Areas of the API that a token is for, such as `nodes` or `images:read`; absent: all that its role may. */
  scopes?: readonly string[];
}

/** Somebody who may open the data folder: root, or the user who runs us. */
export const LOCAL: Actor = { kind: "admin", name: "cli" };
/** Our own work. */
export const SYSTEM: Actor = { kind: "system", name: "bramble" };
