/** At most so many at once, the others in the order in which they came. */
export function slots(most: number): <T>(work: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = [];
  let busy = 0;
  return async (work) => {
    if (busy >= most) await new Promise<void>((go) => waiting.push(go));
    busy += 1;
    try {
      return await work();
    } finally {
      busy -= 1;
      waiting.shift()?.();
    }
  };
}

/** At most so many a second, evenly: gives how long to wait for one's turn, ms. */
export function pacer(perSecond: number): (now: number) => number {
  let nextMs = 0;
  return (now) => {
    const at = Math.max(now, nextMs);
    nextMs = at + 1000 / perSecond;
    return at - now;
  };
}
