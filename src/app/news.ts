import type { EventView } from "../api/contract.ts";
import type { About } from "../api/news-contract.ts";

/** That something changed: who shows it asks for it anew. `event` carries itself, and stands in the book already. */
export type News =
  | { about: "event"; event: EventView }
  /** A boot goes by its own id; its node's goes along. */
  | { about: "boot"; id: string; node: string }
  | { about: Exclude<About, "boot">; id: string };

export interface NewsDesk {
  tell(news: News): void;
  /** Ends with the function that it returns. A listener may not throw, and may not wait. */
  listen(listener: (news: News) => void): () => void;
}

export function newsDesk(): NewsDesk {
  const listeners = new Set<(news: News) => void>();
  return {
    tell(news) {
      for (const listener of listeners) listener(news);
    },
    listen(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
