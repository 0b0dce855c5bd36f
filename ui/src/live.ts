// The stream of what happens (server-sent events): the browser itself reconnects and says what it heard last.
import { signal } from "@preact/signals";
import type { EventView } from "../../src/api/contract.ts";
import type { About } from "../../src/api/news-contract.ts";

/** `all`: the stream had a gap, so anything may have changed. `mine`: what was just done here has changed something. */
export interface Change {
  about: About | "all" | "mine";
  id?: string;
  /** A boot's node. */
  node?: string;
}

export type LiveState = "connecting" | "live" | "lost";
export const liveState = signal<LiveState>("connecting");
/** The latest events, newest first. */
export const recent = signal<readonly EventView[]>([]);
const MOST_EVENTS = 500;
/** Events are shown a few times a second, not each by itself. */
const GATHER_MS = 200;

const listeners = new Set<(change: Change) => void>();
/** Ends with the function that it returns. */
export function onChange(listener: (change: Change) => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
const tell = (change: Change) => {
  for (const listener of listeners) listener(change);
};

/** Said after a verb of ours, so that its page shows it whatever the stream does. */
export const didSomething = (): void => tell({ about: "mine" });

let stream: EventSource | undefined;
const gathered: EventView[] = [];
let gathering = false;

function gather(event: EventView): void {
  gathered.push(event);
  if (gathering) return;
  gathering = true;
  setTimeout(() => {
    gathering = false;
    addEvents(gathered.splice(0));
  }, GATHER_MS);
}

/** Puts events to those that are shown; in any order, each once. */
export function addEvents(events: readonly EventView[]): void {
  const known = new Set(recent.value.map((event) => event.id));
  const fresh = events.filter((event) => !known.has(event.id));
  if (fresh.length === 0) return;
  recent.value = [...fresh, ...recent.value].sort((a, b) => b.id - a.id).slice(0, MOST_EVENTS);
}

const RETRY_MS = 2_000;

/** Opens the stream after the last event that is known; `url` is the contract's. */
export function connect(url: string): void {
  disconnect();
  const after = recent.value[0]?.id;
  const opened = new EventSource(after === undefined ? url : `${url}?after=${after}`);
  let wasOpen = false;
  stream = opened;
  opened.addEventListener("open", () => {
    // Events are replayed from the one heard last; what else changed meanwhile is asked for anew.
    if (wasOpen || liveState.value === "lost") tell({ about: "all" });
    wasOpen = true;
    liveState.value = "live";
  });
  opened.addEventListener("event", (message) => gather(JSON.parse(message.data) as EventView));
  opened.addEventListener("change", (message) => tell(JSON.parse(message.data) as Change));
  // What was missed is no longer kept: everything may have changed.
  opened.addEventListener("reset", () => tell({ about: "all" }));
  opened.addEventListener("error", () => {
    liveState.value = "lost";
    // The browser tries again by itself unless the answer was no stream at all.
    if (opened.readyState !== EventSource.CLOSED || stream !== opened) return;
    setTimeout(() => stream === opened && connect(url), RETRY_MS);
  });
}

export function disconnect(): void {
  stream?.close();
  stream = undefined;
}
