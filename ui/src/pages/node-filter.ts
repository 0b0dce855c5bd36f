// Which nodes are shown: plain words are looked for here; selectors and hostlists are the server's to read.
import { type ReadonlySignal, signal, useComputed } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import type { NodeView } from "../../../src/api/contract.ts";
import { call, type Problem } from "../api.ts";
import { addressNow, searchText, standing } from "../node-facts.ts";
import { byName, nodeList, nodes } from "../nodes.ts";

/** `rack=3,model in (4B,5),!broken` or `pi[01-30,40]`; anything else is words to look for. */
export const isForServer = (text: string): boolean => /[=!([]/.test(text);

export type SortKey = "name" | "standing" | "model" | "image" | "address" | "place" | "seen";
export interface Sort {
  key: SortKey;
  down: boolean;
}

const SORTS: Record<SortKey, (node: NodeView) => string | number> = {
  name: (node) => node.name,
  standing: (node) => ["failed", "waiting", "booting", "idle", "up"].indexOf(standing(node).kind),
  model: (node) => node.model ?? "~",
  image: (node) => node.image ?? "~",
  address: (node) =>
    (addressNow(node) ?? "~")
      .split(".")
      .map((part) => part.padStart(3, "0"))
      .join("."),
  place: (node) =>
    [node.place?.rack ?? "~", node.place?.unit, node.place?.slot]
      .map((part) => String(part ?? "").padStart(4, "0"))
      .join(" "),
  seen: (node) => -node.lastSeenMs,
};

const TYPING_MS = 150;
const AGAIN_MS = 2_000;

/** The nodes that fit, sorted; and what is wrong with the filter's text, if anything is. */
export function useFiltered(text: string, show: string, sort: Sort) {
  const state = useMemo(
    () => ({
      text: signal(text),
      show: signal(show),
      sort: signal(sort),
      ids: signal<ReadonlySet<string> | undefined>(undefined),
      problem: signal<Problem | undefined>(undefined),
    }),
    [],
  );
  state.text.value = text;
  state.show.value = show;
  state.sort.value = sort;
  useServerFilter(text, state.ids, state.problem);
  const list: ReadonlySignal<readonly NodeView[]> = useComputed(() => {
    const wanted = state.text.value.trim().toLowerCase();
    const ids = isForServer(wanted) ? state.ids.value : undefined;
    const words = isForServer(wanted) ? [] : wanted.split(/\s+/).filter(Boolean);
    const kind = state.show.value;
    const fits = (node: NodeView) =>
      (kind === "" || standing(node).kind === kind) &&
      (ids === undefined || ids.has(node.id)) &&
      words.every((word) => searchText(node).includes(word));
    const all = nodeList.value;
    return sorted(
      kind === "" && ids === undefined && words.length === 0 ? all : all.filter(fits),
      state.sort.value,
    );
  });
  return { list: list.value, problem: state.problem.value };
}

function sorted(list: readonly NodeView[], { key, down }: Sort): readonly NodeView[] {
  if (key === "name") return down ? list.toReversed() : list;
  const value = SORTS[key];
  const rows = list.map((node) => ({ node, by: value(node) }));
  rows.sort((a, b) => (a.by < b.by ? -1 : a.by > b.by ? 1 : byName(a.node, b.node)));
  if (down) rows.reverse();
  return rows.map(({ node }) => node);
}

function useServerFilter(
  text: string,
  ids: { value: ReadonlySet<string> | undefined },
  problem: { value: Problem | undefined },
): void {
  useEffect(() => {
    problem.value = undefined;
    if (!isForServer(text)) {
      ids.value = undefined;
      return undefined;
    }
    const abort = new AbortController();
    let asked = nodes.value;
    const load = async () => {
      try {
        const found = new Set<string>();
        for (let after: string | undefined; ; ) {
          const page = await call(
            "nodes",
            { select: text.trim(), limit: 1_000, ...(after !== undefined && { after }) },
            { signal: abort.signal },
          );
          for (const node of page) found.add(node.id);
          after = page.at(-1)?.name;
          if (page.length < 1_000) break;
        }
        ids.value = found;
        problem.value = undefined;
      } catch (error) {
        if (!abort.signal.aborted) problem.value = error as Problem;
      }
    };
    const first = setTimeout(() => void load(), TYPING_MS);
    // What fits may change with the nodes.
    const again = setInterval(() => {
      if (asked === nodes.value || problem.value) return;
      asked = nodes.value;
      void load();
    }, AGAIN_MS);
    return () => {
      abort.abort();
      clearTimeout(first);
      clearInterval(again);
    };
  }, [text, ids, problem]);
}
