// Power of nodes as their switches said it last, by node name, live.
import { signal } from "@preact/signals";
import type { PowerView } from "../../src/api/power-contract.ts";
import { call } from "./api.ts";
import { onChange } from "./live.ts";

export const powers = signal<ReadonlyMap<string, PowerView>>(new Map());
const MOST_SINGLE = 200;
const EVERY_MS = 400;

/** Loads them, and those again that change; ends with the function that it returns. */
export function startPowers(): () => void {
  const stale = new Set<string>();
  let all = true;
  let planned = false;
  let ended = false;
  const load = async () => {
    planned = false;
    const whole = all || stale.size > MOST_SINGLE;
    const select = whole ? undefined : `id in (${[...stale].join(",")})`;
    all = false;
    stale.clear();
    try {
      const found = await call("powers", select === undefined ? {} : { select });
      if (ended) return;
      const next = whole ? new Map<string, PowerView>() : new Map(powers.value);
      for (const one of found) next.set(one.node, one);
      powers.value = next;
    } catch {
      all = true; // the next change asks for all; until then marks are absent, and each node's page says why
    }
  };
  const plan = () => {
    if (planned || ended) return;
    planned = true;
    setTimeout(() => void load(), EVERY_MS);
  };
  plan();
  const end = onChange(({ about, id }) => {
    if (about !== "power" && about !== "switch" && about !== "all") return;
    if (about === "power" && id !== undefined) stale.add(id);
    else all = true;
    plan();
  });
  return () => {
    ended = true;
    end();
  };
}
