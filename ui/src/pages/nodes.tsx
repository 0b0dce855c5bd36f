import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { bulkEntries } from "../actions/bulk.ts";
import { count } from "../format.ts";
import { useKeys } from "../keys.ts";
import { nodeList, nodesLoaded, nodesProblem } from "../nodes.ts";
import { Button, Empty, Head, Loading, Refusal } from "../parts/basics.tsx";
import { Icon } from "../parts/icons.tsx";
import { Menu } from "../parts/menu.tsx";
import { go, here } from "../place.ts";
import { type Sort, type SortKey, useFiltered } from "./node-filter.ts";
import { NodeGrid } from "./node-grid.tsx";

/** Ids of the chosen nodes; kept while the person looks at one of them. */
export const chosen = signal<ReadonlySet<string>>(new Set());
const SHOWS = [
  ["", "all"],
  ["booting", "booting"],
  ["failed", "failed"],
  ["waiting", "waiting"],
  ["up", "booted"],
  ["idle", "idle"],
] as const;

export function Nodes() {
  const { query } = here.value;
  const filter = query.get("filter") ?? "";
  const show = query.get("show") ?? "";
  const sort: Sort = { key: (query.get("sort") ?? "name") as SortKey, down: query.has("down") };
  const { list, problem } = useFiltered(filter, show, sort);
  const input = useRef<HTMLInputElement>(null);
  // The box belongs to who types: drawing comes later than the next key, and would take letters back. Links change it.
  useEffect(() => {
    const now = here.value.query.get("filter") ?? "";
    if (input.current && input.current.value !== now) input.current.value = now;
  }, [filter]);
  const move = (next: { filter?: string; show?: string; sort?: Sort }) => {
    const by = next.sort ?? sort;
    go(
      "/nodes",
      {
        filter: next.filter ?? filter,
        show: next.show ?? show,
        sort: by.key === "name" ? "" : by.key,
        down: by.down ? "1" : "",
      },
      true,
    );
  };
  useKeys({ "/": () => input.current?.focus(), Escape: () => chosen.value.size > 0 && clear() });
  const clear = () => {
    chosen.value = new Set();
  };
  const total = nodeList.value.length;
  return (
    <div class="full">
      <Head
        title="Nodes"
        chips={
          <span class="dim num" role="status">
            {list.length === total
              ? count(total, "node")
              : `${list.length.toLocaleString()} of ${count(total, "node")}`}
          </span>
        }
      />
      <Refusal problem={nodesProblem.value} />
      <div class="filters">
        <div class="search">
          <Icon name="search" />
          <input
            ref={input}
            type="search"
            aria-label="Filter nodes"
            aria-describedby="filter-help"
            defaultValue={filter}
            onInput={(event) => move({ filter: event.currentTarget.value })}
            onKeyDown={(event) => {
              if (event.key === "Enter" || event.key === "ArrowDown") {
                event.preventDefault();
                document.getElementById("node-rows")?.focus();
              }
            }}
          />
        </div>
        <fieldset class="segments" aria-label="Show">
          {SHOWS.map(([value, text]) => (
            <button
              key={value}
              type="button"
              aria-pressed={show === value}
              onClick={() => move({ show: value })}
            >
              {text}
            </button>
          ))}
        </fieldset>
      </div>
      <p id="filter-help" class="filter-help">
        Words of names, addresses, labels or verdicts; or exactly: <code>rack=3,model in (4B,5),!broken</code>{" "}
        or <code>pi[01-30]</code>
      </p>
      <Refusal problem={problem} />
      <Bulk shown={list.length} clear={clear} all={() => choose(list)} />
      {!nodesLoaded.value && !nodesProblem.value && total === 0 ? (
        <Loading />
      ) : total === 0 ? (
        <Empty title="No board was heard yet" command="./bramble doctor">
          <p>
            Switch one on, without an SD card: it appears here when it first asks for an address. If it does
            not:
          </p>
        </Empty>
      ) : list.length === 0 && !problem ? (
        <Empty title="No node fits">
          <Button onClick={() => move({ filter: "", show: "" })}>Show all {total}</Button>
        </Empty>
      ) : (
        <NodeGrid list={list} sort={sort} onSort={(by) => move({ sort: by })} chosen={chosen} />
      )}
    </div>
  );
}

const choose = (list: readonly { id: string }[]) => {
  chosen.value = new Set(list.map(({ id }) => id));
};

/** What is done with many at once; it stays away until some are chosen. */
function Bulk({ shown, clear, all }: { shown: number; clear(): void; all(): void }) {
  const nodes = nodeList.value.filter((node) => chosen.value.has(node.id));
  if (nodes.length === 0) return null;
  return (
    <section class="bulk" aria-label="Chosen nodes">
      <strong class="num" role="status">
        {count(nodes.length, "node")} chosen
      </strong>
      {nodes.length < shown && (
        <Button small onClick={all}>
          Choose all {shown.toLocaleString()}
        </Button>
      )}
      <Menu entries={bulkEntries(nodes)}>Do with them</Menu>
      <Button small kind="plain" onClick={clear}>
        Choose none
      </Button>
    </section>
  );
}
