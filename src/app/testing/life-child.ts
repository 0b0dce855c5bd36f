// Deploys boards again and again until it is killed: a line for each thing that was answered, as a person would have seen it.
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { LOCAL } from "../../fleet/actor.ts";
import type { Node } from "../../fleet/node.ts";
import { lifeBed, REAL_CLOCK } from "./life-bed.ts";

const [, , root = "", boards = "6"] = process.argv;
const say = (name: string, words: string) => appendFileSync(join(root, name), `${words}\n`);

const bed = await lifeBed(root, (words) => say("disks.log", words), REAL_CLOCK);
const { life, hear } = bed;
life.usePower({
  isBound: () => true,
  async set(nodeId, want) {
    say("power.log", `${want} ${nodeId}`);
    // what the supervisor of boots would see of a board that was switched on
    const boot = {
      id: `${nodeId}-${Date.now()}-${Math.random()}`,
      nodeId,
      startedMs: Date.now(),
      stage: "dhcp",
    };
    if (want === "cycle")
      await bed.book
        .insertInto("boot")
        .values({ ...boot, endedMs: null } as never)
        .execute();
  },
});
await life.resume();

/** A board tells that it is up only after it was switched on: nothing is left to be done for it. */
async function switched({ id }: Node): Promise<boolean> {
  const left = await bed.book.selectFrom("effect").select("id").where("nodeId", "=", id).executeTakeFirst();
  return left === undefined;
}

async function live(node: Node): Promise<void> {
  for (;;) {
    if (node.state === "deployed") {
      await life.apply(node.id, "reinstall", LOCAL);
      say("answered.log", `${node.id} ${node.version}`);
      process.stdout.write(".");
    } else if (node.state === "first_boot" && (await switched(node)))
      await hear(node.id, { fact: "booted", bootId: "b", tree: "deployed", words: "up" });
    await new Promise(setImmediate);
  }
}
const nodes = await Promise.all(Array.from({ length: Number(boards) }, (_, i) => bed.board(i)));
await Promise.race(nodes.map(live));
