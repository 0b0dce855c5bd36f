// What tests of the life cycle share: a bed that closes itself, and what boards and power desks say.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { Actor } from "../../fleet/actor.ts";
import { POLICIES } from "../../fleet/life-policy.ts";
import type { PowerHand } from "../life/power-hand.ts";
import { lifeBed } from "./life-bed.ts";

export async function bed(t: TestContext) {
  const root = mkdtempSync(join(tmpdir(), "life-"));
  const one = await lifeBed(root);
  let open = true;
  const close = async () => {
    if (open) await one.close();
    open = false;
  };
  t.after(async () => {
    await close();
    rmSync(root, { recursive: true, force: true });
  });
  return { ...one, root, close };
}
export type Bed = Awaited<ReturnType<typeof bed>>;

export const hosting = { ...POLICIES.hosting, firmware: "unchecked" as const, localDisks: "leave" as const };
export const anna: Actor = { kind: "tenant", name: "anna" };
export const booted = (bootId = "b1") => ({ fact: "booted", bootId, tree: "deployed", words: "up" }) as const;
const INVENTORY = { serial: "10000001", model: "4B", cpus: 4, memoryKiB: 4_000_000, disks: [] as object[] };
export const inventory = (disks: object[] = []) =>
  ({
    fact: "inventory",
    bootId: "b0",
    tree: "agent-inventory",
    text: JSON.stringify({ ...INVENTORY, disks }),
  }) as const;

/** A power desk that remembers what it was asked for. */
export function powerHand(b: Bed) {
  const asked: string[] = [];
  const hand: PowerHand & { asked: string[]; fail?: Error } = {
    asked,
    isBound: () => true,
    async set(_, want, { soft }) {
      if (hand.fail) throw hand.fail;
      asked.push(soft ? `soft ${want}` : want);
    },
  };
  b.life.usePower(hand);
  return hand;
}
