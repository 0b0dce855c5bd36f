import { LOCAL } from "../fleet/actor.ts";
import type { CallsOf, Context } from "./route.ts";

/** Commands as callers have them: `by` stands for whoever does not say who calls. */
export function callsOf<C extends object>(commands: C, by = LOCAL): CallsOf<C> {
  const context: Context = { by, progress() {}, signal: new AbortController().signal };
  const bound = Object.entries(commands).map(([name, verb]) => {
    const call = verb.bind(commands) as (args: object, context: Context) => Promise<unknown>;
    return [name, (args: object, more?: Partial<Context>) => call(args, { ...context, ...more })];
  });
  return Object.fromEntries(bound) as CallsOf<C>;
}
