import type { LifeCommands, LifeView } from "../api/life-contract.ts";
import { BrambleError } from "../base/errors.ts";
import type { Actor } from "../fleet/actor.ts";
import { actionsOf, eventsOf } from "../fleet/life-actions.ts";
import { POLICIES } from "../fleet/life-policy.ts";
import { type Effect, STATES } from "../fleet/lifecycle-table.ts";
import type { Node } from "../fleet/node.ts";
import { findImage } from "../storage/images.ts";
import type { Running } from "./commands.ts";
import type { Core } from "./core.ts";
import { lifeFields } from "./life/fields.ts";
import { inventoryOf } from "./life/inventory.ts";

export function lifeCommands(core: Core, running?: Pick<Running, "imagesChanged">): LifeCommands {
  const { book, registry, data, life } = core;

  async function view(node: Node, by: Actor): Promise<LifeView> {
    const { kind, retries = 0 } = STATES[node.state];
    const { tree, why, root } = life.answer(node);
    const rows = await book
      .selectFrom("effect")
      .selectAll()
      .where("nodeId", "=", node.id)
      .orderBy("id")
      .execute();
    return {
      ...{ node: node.name, id: node.id, state: node.state, kind, ...lifeFields(node) },
      tries: kind === "busy" ? retries + 1 : 0,
      policy: life.policy().name,
      boots: { tree, why, root: root ?? (tree === "none" ? "none" : registry.resolve(node).root) },
      actions: actionsOf(life.facts(node), by),
      todo: rows.map(({ effect, atMs, tries, error }) => ({
        ...{ work: workWords(JSON.parse(effect) as Effect), sinceMs: atMs, tries },
        ...(error !== null && { error }),
      })),
    };
  }

  /** Without a server the work is done before the command ends. */
  async function worked(node: Node, by: Actor): Promise<LifeView> {
    if (!running) await life.settled();
    return view(node, by);
  }

  /** What a deployment is to be of: settings of the node from now on. */
  async function choose(node: Node, { image, profile, root }: Choice): Promise<void> {
    if (image === undefined && profile === undefined && root === undefined) return;
    if (image !== undefined) await findImage(data.root, image);
    await registry.patch(node, {
      ...(image !== undefined && { image }),
      ...(profile !== undefined && { profile }),
      ...(root !== undefined && { root }),
    });
    await running?.imagesChanged();
  }

  function mayChange(node: Node, by: Actor): void {
    if (by.kind === "admin" || by.kind === "operator" || (by.kind === "tenant" && node.owner === by.name))
      return;
    throw new BrambleError("FORBIDDEN", `${by.kind} ${by.name} may not change ${node.name}`);
  }

  return {
    life: async ({ node }, { by }) => view(registry.need(node), by),
    async lifeHistory({ node, limit = 50 }) {
      const rows = await book
        .selectFrom("lifeEvent")
        .selectAll()
        .where("nodeId", "=", registry.need(node).id)
        .orderBy("version", "desc")
        .limit(limit)
        .execute();
      return rows.map(({ args, id: _, nodeId: __, ...row }) => ({
        ...row,
        ...(args !== null && { args: JSON.parse(args) as unknown }),
      }));
    },
    async nodeInventory({ node }) {
      const found = registry.need(node);
      const told = await inventoryOf(book, found);
      if (told) return { node: found.name, ...told };
      throw new BrambleError("INVENTORY_UNKNOWN", `${found.name} has told nothing of itself yet`, {
        hint: `its agent does at its next boot; bramble node inspect ${found.name}`,
      });
    },
    async actNode({ node, action, image, profile, root, owner, reason, version }, { by }) {
      const found = registry.need(node);
      const asks = eventsOf(life.facts(found), action);
      const args = { ...(owner !== undefined && { owner }) };
      const deploys = action === "deploy" || action === "reinstall";
      if (!deploys && (image ?? profile ?? root) !== undefined)
        throw new BrambleError("BAD_INPUT", `${action} takes no image, profile or root`);
      if (deploys) {
        // refused before anything of it is kept
        life.check(found, asks, by, args, version);
        await choose(found, { image, profile, root });
        await core.imageOf(found);
      }
      await life.apply(found.id, asks, by, {
        args,
        ...(version !== undefined && { version }),
        ...(reason !== undefined && { words: reason }),
      });
      return worked(found, by);
    },
    async allocateNode({ select, owner, reason }, { by }) {
      const among =
        select === undefined ? registry.all() : registry.select(select).map(({ id }) => registry.need(id));
      for (const node of among) {
        if (node.state !== "ready" || node.maintenance !== undefined) continue;
        const args = { ...(owner !== undefined && { owner }) };
        const more = { args, version: node.version, ...(reason !== undefined && { words: reason }) };
        try {
          await life.apply(node.id, "reserve", by, more);
          return await worked(node, by);
        } catch (error) {
          // somebody else was faster: the next one
          if ((error as BrambleError).code !== "NODE_CHANGED") throw error;
        }
      }
      throw new BrambleError("NODE_STATE", "no node is ready", {
        hint: "bramble node list shows what they are",
      });
    },
    async setMaintenance({ node, reason, version }, { by }) {
      const found = registry.need(node);
      await life.maintain(found, by, reason ?? undefined, version);
      return worked(found, by);
    },
    async setNextBoot({ node, boot, image, profile, disks = false, always = false, version }, { by }) {
      const found = registry.need(node);
      mayChange(found, by);
      const custom = image !== undefined || profile !== undefined;
      if (custom !== (boot === "custom"))
        throw new BrambleError(
          "BAD_INPUT",
          "an image or a profile goes with a custom boot, and only with that",
          {
            hint: "--image NAME:VERSION or --profile NAME",
          },
        );
      if (disks && boot !== "rescue")
        throw new BrambleError(
          "BAD_INPUT",
          "a node's disks are opened beside another root to a rescue only",
          {
            hint: "bramble node next-boot NODE rescue --disks",
          },
        );
      if (image !== undefined) await findImage(data.root, image);
      if (profile !== undefined) registry.profile(profile);
      const what = boot && {
        ...{ boot, once: !always, by: by.name, atMs: Date.now() },
        ...(image !== undefined && { image }),
        ...(profile !== undefined && { profile }),
        ...(disks && { disks }),
      };
      await life.setOverride(found, by, what ?? undefined, version);
      await running?.imagesChanged();
      return worked(found, by);
    },
    policy: async () => life.policy(),
    async setPolicy({ name, ...more }, { by }) {
      const now = life.policy();
      const base = name === undefined || name === now.name ? now : POLICIES[name];
      return life.setPolicy({ ...base, ...more }, by);
    },
  };
}

interface Choice {
  image: string | undefined;
  profile: string | undefined;
  root: Node["root"];
}

const workWords = (effect: Effect): string => {
  switch (effect.kind) {
    case "revoke":
      return "withdraw its rights";
    case "dropClone":
      return "drop its clone";
    case "makeClone":
      return "make its clone";
    case "dropVolumes":
      return "drop its volumes";
    case "dropSecrets":
      return "drop its secrets";
    case "power":
      return effect.want === "off" ? "switch it off" : "power cycle it";
    case "goOn":
      return `go on: ${effect.event.replaceAll("_", "-")}`;
    case "checkFirmware":
      return "look at its firmware";
    case "checkCleaned":
      return "look whether it is clean";
  }
};
