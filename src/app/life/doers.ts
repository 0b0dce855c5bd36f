// Who does what a change of state asks for. Each bears to be done again: a kill may have come between the deed and its record.
import { existsSync } from "node:fs";
import { BrambleError } from "../../base/errors.ts";
import { SYSTEM } from "../../fleet/actor.ts";
import type { Node } from "../../fleet/node.ts";
import type { Core } from "../core.ts";
import { cleanRecords } from "./clean-records.ts";
import type { Life, Work } from "./life.ts";

type Parts = Pick<
  Core,
  "book" | "registry" | "data" | "disks" | "removeClone" | "ensureClone" | "removeTree" | "ensureTree"
> & {
  life: Life;
};

/** What works on the book and the disks alone; a running server does `revoke` better than this. */
export function standardDoers(core: Parts): void {
  const { book, registry, life } = core;
  const name = (node: Node) => registry.byId(node.id)?.name ?? node.id;

  life.does("revoke", async ({ node }) => {
    await forgetRights(core, node);
    return undefined;
  });

  life.does("dropClone", async ({ node }) => {
    const had = await book
      .selectFrom("clone")
      .select("imageSha")
      .where("nodeId", "=", node.id)
      .executeTakeFirst();
    await core.removeClone(node);
    const tree = await core.removeTree(node);
    const words = [
      had && "its clone and its snapshots were dropped",
      tree && "its NFS tree and its snapshots were dropped",
    ].filter(Boolean);
    return words.length > 0 ? words.join("; ") : undefined;
  });

  life.does("makeClone", async ({ node }) => {
    const { ephemeral, root } = registry.resolve(node);
    if (ephemeral) return "it gets a fresh clone at every boot";
    if (root === "external") return undefined;
    if (root === "nfs") {
      await core.ensureTree(node); // what was made of it is told where it is made
      return undefined;
    }
    const { image, made } = await core.ensureClone(node);
    return made ? `a clone of ${image.name}:${image.version} was made for it` : undefined;
  });

  life.does("dropVolumes", async ({ node }) => {
    const rows = await book.selectFrom("volume").selectAll().where("nodeId", "=", node.id).execute();
    // at home a disk that somebody made by hand is the person's, not the node's
    const keeps = life.policy().name === "home";
    const [gone, kept] = [
      rows.filter((row) => row.spec !== null || !keeps),
      rows.filter((row) => row.spec === null && keeps),
    ];
    for (const { id } of gone) {
      await core.disks.call("removeClone", { path: core.data.volume(id) });
      await book.transaction().execute(async (trx) => {
        await trx.deleteFrom("lun").where("volumeId", "=", id).execute();
        await trx.deleteFrom("volume").where("id", "=", id).execute();
      });
    }
    for (const { id } of kept)
      await book.updateTable("volume").set({ nodeId: null }).where("id", "=", id).execute();
    const words = [
      gone.length > 0 && `dropped: ${gone.map((row) => row.name).join(", ")}`,
      kept.length > 0 && `detached, with what is on them: ${kept.map((row) => row.name).join(", ")}`,
    ].filter(Boolean);
    return words.length > 0 ? `its volumes were ${words.join("; ")}` : undefined;
  });

  life.does("dropSecrets", async ({ node }) => {
    await book.deleteFrom("secret").where("nodeId", "=", node.id).execute();
    if (life.policy().name === "home") return undefined; // what is set on a node at home is its person's wish for it
    const none = { user: null, passwordHash: null, sshKeys: null, image: null, root: null, volumes: null };
    await registry.patch(node, none);
    return "its secrets, and what its last owner had set, were dropped";
  });

  life.does("power", async (work) => switchPower(core, work));

  life.does("goOn", async ({ job: { effect }, finish }) => {
    if (effect.kind === "goOn") await finish([effect.event], "what came before is done");
    return undefined;
  });

  life.does("checkFirmware", async ({ finish }) => {
    if (life.policy().firmware === "unchecked")
      await finish(["done"], "its boot firmware was NOT checked: the policy says that it need not be");
    else await finish(["fail"], "the policy wants its boot firmware checked, which Bramble cannot do yet");
    return undefined;
  });

  life.does("checkCleaned", async ({ node, finish }) => {
    const records = await cleanRecords(core, node, existsSync);
    const bad = records.filter(({ verified }) => !verified);
    const told = (bad.length > 0 ? bad : records).map(({ what, found }) => `${what}: ${found}`).join("; ");
    if (bad.length > 0) await finish(["fail"], `${name(node)} is not clean: ${told}`, { records });
    else await finish(["done"], told, { verified: true, records });
    return undefined;
  });
}

async function switchPower({ book, life }: Parts, { node, job }: Work): Promise<string | undefined> {
  const { effect, begunMs } = job;
  if (effect.kind !== "power") return undefined;
  const { want, soft } = effect;
  const power = life.power();
  if (!power?.isBound(node.id)) {
    if (want === "off" && life.policy().name === "hosting" && node.state === "releasing")
      throw new BrambleError(
        "NOT_AVAILABLE",
        "no power driver is bound to it, so nobody knows that it is off",
      );
    return `no power driver is bound to it: ${want === "off" ? "switch it off" : "power cycle it"} by hand`;
  }
  if (want === "cycle" && begunMs !== undefined) {
    // begun before a kill: a boot since then is the proof that it was switched
    const boot = await book
      .selectFrom("boot")
      .select("id")
      .where("nodeId", "=", node.id)
      .where("startedMs", ">", begunMs)
      .executeTakeFirst();
    if (boot) return "it was power cycled already";
  }
  try {
    await power.set(node.id, want, { by: SYSTEM, why: `it is ${node.state}`, ...(soft && { soft }) });
  } catch (error) {
    if ((error as { code?: string }).code !== "POWER_SUPERSEDED") throw error;
    return "somebody wanted its power otherwise meanwhile";
  }
  return undefined;
}

/** What a node's boots may use, in the book: nothing of it is taken up again after a start. */
export async function forgetRights({ book }: Pick<Core, "book">, node: Node): Promise<void> {
  await book.transaction().execute(async (trx) => {
    for (const open of ["openDisk", "openTree"] as const)
      await trx.deleteFrom(open).where("nodeId", "=", node.id).execute();
    await trx.deleteFrom("agentSession").where("nodeId", "=", node.id).execute();
    await trx.updateTable("boot").set({ tokenHash: null }).where("nodeId", "=", node.id).execute();
  });
}
