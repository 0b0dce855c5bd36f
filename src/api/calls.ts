import { LOCAL } from "../fleet/actor.ts";
import type { CallsOf, Context } from "./route.ts";

/**
 * Commands as callers have them: the data folder's owner stands for whoever does not say who calls. `perform` does a command by its name.
 */
export function callsThrough<C extends object>(
  commands: C,
  perform: (name: keyof C & string, args: Record<string, unknown>, context: Context) => Promise<unknown>,
): CallsOf<C> {
  const context: Context = { by: LOCAL, progress() {}, signal: new AbortController().signal };
  const calls = (Object.keys(commands) as (keyof C & string)[]).map((name) => [
    name,
    (args: Record<string, unknown>, more?: Partial<Context>) => perform(name, args, { ...context, ...more }),
  ]);
  return Object.fromEntries(calls) as CallsOf<C>;
}

type Verb = (args: object, context: Context) => Promise<unknown>;

/** Straight through, with nobody between who asks for rights. */
export const callsOf = <C extends object>(commands: C): CallsOf<C> =>
  callsThrough(commands, (name, args, context) => (commands[name] as Verb).call(commands, args, context));
