// Is a node clean? Every place where its last owner's data may be, looked at anew; nothing is believed because it was ordered.
import { join } from "node:path";
import type { Node } from "../../fleet/node.ts";
import type { Core } from "../core.ts";
import { ownDisks } from "./inventory.ts";
import type { Life } from "./life.ts";

export interface CleanRecord {
  what: string;
  verified: boolean;
  /** What was found, for people. */
  found: string;
}

type Parts = Pick<Core, "book" | "data"> & { life: Life };

export async function cleanRecords(
  { book, data, life }: Parts,
  node: Node,
  exists: (path: string) => boolean,
): Promise<CleanRecord[]> {
  const count = async (
    table: "clone" | "secret" | "openDisk" | "agentSession" | "volume" | "tree" | "openTree",
  ) => (await book.selectFrom(table).select("nodeId").where("nodeId", "=", node.id).execute()).length;
  const none = (what: string, left: number, found: string): CleanRecord => ({
    ...{ what, verified: left === 0, found: left === 0 ? found : `${left} left` },
  });
  const file = exists(data.clone(node.id));
  return [
    none("clone", (await count("clone")) + Number(file), "its file is gone"),
    none("tree", (await count("tree")) + Number(exists(join(data.trees, node.id))), "it has none"),
    none("volumes", await count("volume"), "none is its"),
    none("secrets", await count("secret"), "none is kept"),
    none(
      "rights",
      (await count("openDisk")) + (await count("openTree")) + (await count("agentSession")),
      "no disk and no session is open to it",
    ),
    await localDisks({ book, life }, node),
  ];
}

/** Its own disks cannot be wiped yet: the policy says what that means. */
async function localDisks({ book, life }: Pick<Parts, "book" | "life">, node: Node): Promise<CleanRecord> {
  const what = "its own disks";
  const disks = await ownDisks(book, node);
  if (life.policy().localDisks === "leave")
    return { what, verified: true, found: "NOT looked at: the policy leaves them as they are" };
  if (!disks) return { what, verified: false, found: "not known: it was never inspected" };
  if (disks.length === 0) return { what, verified: true, found: "it has none, by its inventory" };
  const names = disks.map(({ name, bytes }) => `${name} (${Math.round(bytes / 1e9)} GB)`).join(", ");
  return {
    what,
    verified: false,
    found: `${names}: Bramble cannot wipe a board's own disk yet (NOT_AVAILABLE)`,
  };
}
