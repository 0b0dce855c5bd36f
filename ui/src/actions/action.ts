// A verb as a person gives it: what it is called, what it does, what it needs to know.
import { ROUTES } from "virtual:routes";
import { signal } from "@preact/signals";
import type { Args, Result, Verb } from "../api.ts";
import { lacksRole } from "../session.ts";

export interface Option {
  value: string;
  text: string;
}

export interface Field {
  name: string;
  label: string;
  /** `list`: one entry a line. `size`: 10G and the like. `json`: a list or object as it is. */
  kind?: "text" | "number" | "size" | "select" | "tick" | "long" | "secret" | "list" | "json";
  hint?: string;
  /** An input as it may look, shown between label and field. */
  example?: string;
  required?: boolean;
  value?: string | number | boolean;
  options?: readonly Option[] | (() => readonly Option[]);
  /** Left empty it means: take it back to what it inherits (null), instead of: leave it as it is. */
  emptyIsNull?: boolean;
}

export type Values = Record<string, unknown>;

export interface Action<V extends Verb = Verb> {
  verb: V;
  /** On the button and as the dialog's title: a verb and its object. */
  title: string;
  /** What happens, and what is lost. */
  words?: string;
  fields?: readonly Field[];
  danger?: boolean;
  /** It runs behind the page, with its progress. */
  long?: boolean;
  /** Why it cannot be done now. */
  why?: string | undefined;
  /** The fields' values as arguments; by default as they are, beside `fixed`. */
  args?(values: Values): Args<V>;
  fixed?: Values;
  /** What is said afterwards. */
  done?(result: Result<V>): string;
  /** What to do with the answer, such as going where it now is. */
  after?(result: Result<V>): void;
  ifMatch?: string | undefined;
}

export const action = <V extends Verb>(wish: Action<V>): Action<V> => wish;

/** The dialog that is open. */
export const asked = signal<Action<never> | undefined>(undefined);
export const ask = <V extends Verb>(wish: Action<V>): void => {
  asked.value = wish as unknown as Action<never>;
};

/** Why this person cannot do this now: the state of things, or their role. */
export const whyNot = ({ verb, why }: { verb: Verb; why?: string | undefined }): string | undefined => {
  const route = ROUTES[verb];
  return route ? (lacksRole(route.role) ?? why) : "this Bramble does not know it";
};

/** For menus and rows of buttons. */
export const entry = <V extends Verb>(wish: Action<V>) => ({
  text: wish.title,
  danger: wish.danger,
  why: whyNot(wish),
  run: () => ask(wish),
});
