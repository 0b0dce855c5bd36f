// What was asked for and is not over yet, and what became of it: shown at the page's foot on every page.
import { signal } from "@preact/signals";
import type { Progress } from "../../src/api/route.ts";
import { type Args, call, type Problem, type Result, type Verb } from "./api.ts";
import { didSomething } from "./live.ts";

export interface Note {
  id: number;
  title: string;
  state: "running" | "done" | "failed";
  progress?: Progress | undefined;
  words?: string;
  problem?: Problem;
  abort?: AbortController;
}

export const notes = signal<readonly Note[]>([]);
let lastId = 0;
const DONE_MS = 6_000;

const change = (id: number, more: Partial<Note>) => {
  notes.value = notes.value.map((note) => (note.id === id ? { ...note, ...more } : note));
};
export const dismiss = (id: number): void => {
  notes.value = notes.value.filter((note) => note.id !== id);
};

/** Words for the person, gone by themselves after a while. */
export function say(title: string): void {
  const id = ++lastId;
  notes.value = [...notes.value, { id, title, state: "done" }];
  setTimeout(() => dismiss(id), DONE_MS);
}

/** Runs a long verb behind the page; its progress and its end are shown. Throws nothing. */
export async function inBackground<V extends Verb>(
  title: string,
  verb: V,
  args: Args<V>,
  done: (result: Result<V>) => string,
): Promise<void> {
  const id = ++lastId;
  const abort = new AbortController();
  notes.value = [...notes.value, { id, title, state: "running", abort }];
  try {
    const result = await call(verb, args, {
      signal: abort.signal,
      progress: (progress) => change(id, { progress }),
    });
    change(id, { state: "done", words: done(result), progress: undefined });
    didSomething();
    setTimeout(() => dismiss(id), DONE_MS);
  } catch (error) {
    if (abort.signal.aborted) dismiss(id);
    else change(id, { state: "failed", problem: error as Problem, progress: undefined });
  }
}
