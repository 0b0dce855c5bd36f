// What each boot was given, and by whose word: decided when it begins, and kept for as long as anybody may ask.
import { asBooted, type BootAnswer } from "../../fleet/boot-answer.ts";
import type { Node } from "../../fleet/node.ts";
import type { AgentHooks } from "../agent-api.ts";
import type { Core } from "../core.ts";

/** Boots that are remembered; older ones go first. */
const MOST = 20_000;

export function bootAnswers({
  book,
  registry,
  journal,
  life,
  hear,
}: Pick<Core, "book" | "registry" | "journal" | "life" | "hear">) {
  const given = new Map<string, BootAnswer>();

  /** What a node gets if it asks now, and the node as that boot sees it. */
  function now(node: Node): { answer: BootAnswer; seen: Node } {
    const answer = life.answer(node);
    const { profile } = answer;
    if (profile !== undefined && !registry.profiles().some((one) => one.name === profile))
      return {
        answer: { tree: "none", why: `its next boot is set to profile ${profile}, which is gone` },
        seen: node,
      };
    return { answer, seen: asBooted(node, answer) };
  }

  const hooks: Pick<AgentHooks, "seen" | "wantsDisks" | "used" | "heard"> = {
    seen(node, bootId) {
      const answer = given.get(bootId);
      return answer ? asBooted(node, answer) : node;
    },
    wantsDisks: (bootId) => given.get(bootId)?.disks === true,
    async used(node, bootId) {
      const answer = given.get(bootId);
      if (answer) await life.used(node, answer, bootId);
    },
    heard: (node, bootId, told) =>
      hear(node.id, { ...told, bootId, tree: given.get(bootId)?.tree ?? "none" }),
  };

  return {
    now,
    /** A boot begins, or its files are made anew: it gets what it got. */
    freeze(node: Node, bootId: string): Node {
      const known = given.get(bootId);
      if (known) return asBooted(node, known);
      const { answer, seen } = now(node);
      given.set(bootId, answer);
      for (const old of given.keys()) if (given.size > MOST) given.delete(old);
      journal.bootUpdate(bootId, { answer: JSON.stringify(answer) });
      return seen;
    },
    hooks,
    /** After a start of ours. */
    async restore(): Promise<void> {
      const rows = await book
        .selectFrom("boot")
        .select(["boot.id", "boot.answer"])
        .where("boot.answer", "is not", null)
        .where((where) =>
          where.or([
            where("boot.outcome", "is", null),
            where("boot.id", "in", where.selectFrom("agentSession").select("bootId")),
          ]),
        )
        .orderBy("boot.startedMs")
        .execute();
      for (const { id, answer } of rows) if (answer !== null) given.set(id, JSON.parse(answer) as BootAnswer);
    },
  };
}
