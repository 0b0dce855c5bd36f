/** What a stranger can cause: by whom, and how many like it were not told since the last one. */
interface Told {
  kind: string;
  client: { address: string };
  more?: number;
  at: number;
}

/**
 * A stranger can make one event of a kind a second; what was swallowed is counted in the next one.
 * @param always kinds that strangers cannot cause
 */
export function throttled<E extends Told>(
  on: (event: E) => void,
  always: readonly E["kind"][],
): (event: Omit<E, "at" | "more">) => void {
  const last = new Map<string, { at: number; more: number }>();
  return (said) => {
    const event = said as Omit<E, "at" | "more"> & Pick<E, "kind" | "client">;
    const at = Date.now();
    if (always.includes(event.kind)) {
      on({ ...event, at } as unknown as E);
      return;
    }
    const key = `${event.kind} ${event.client.address}`;
    const before = last.get(key);
    if (before && at - before.at < 1000) before.more += 1;
    else {
      if (last.size >= 1024) last.clear();
      last.set(key, { at, more: 0 });
      on({ ...event, at, ...(before?.more && { more: before.more }) } as unknown as E);
    }
  };
}

export function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve = () => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
