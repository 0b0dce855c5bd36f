import { LOCAL } from "../fleet/actor.ts";
import type { Calls, Commands } from "./contract.ts";
import type { Context } from "./route.ts";

/** Commands as callers have them: `by` stands for whoever does not say who calls. */
export function callsOf(commands: Commands, by = LOCAL): Calls {
  const context: Context = { by, progress() {}, signal: new AbortController().signal };
  const names = Object.keys(commands) as (keyof Commands)[];
  return Object.fromEntries(
    names.map((name) => {
      const call = commands[name].bind(commands) as (args: object, context: Context) => Promise<unknown>;
      return [name, (args: object, more?: Partial<Context>) => call(args, { ...context, ...more })];
    }),
  ) as unknown as Calls;
}
