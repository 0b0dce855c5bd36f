const MOST = 2_000;

/**
 * Who somebody was found to be, by the hash of what was shown: the book is not asked again for each request. Everything that changes users,
 * tokens or sessions goes through this process and forgets all of it.
 */
export function recentOf<T>() {
  const found = new Map<string, T>();
  let times = 0;
  return {
    /** What is known, else what the book says; an answer that was overtaken by a change is used once and not kept. */
    async find(hash: string, look: () => Promise<T | undefined>): Promise<T | undefined> {
      const known = found.get(hash);
      if (known !== undefined) return known;
      const before = times;
      const value = await look();
      if (value !== undefined && before === times) {
        if (found.size >= MOST) found.clear();
        found.set(hash, value);
      }
      return value;
    },
    forget(): void {
      times += 1;
      found.clear();
    },
  };
}
