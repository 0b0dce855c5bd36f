// The nodes as a grid (WAI-ARIA grid pattern): one stop for Tab, arrows move, Space chooses, Enter opens.
import type { Signal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import type { NodeView } from "../../../src/api/contract.ts";
import { board } from "../format.ts";
import { useWindow } from "../grid.ts";
import { addressNow, placeWords, standing } from "../node-facts.ts";
import { Ago, Chip } from "../parts/basics.tsx";
import { Labels } from "../parts/labels.tsx";
import { PowerMark } from "../parts/power-mark.tsx";
import { go, link } from "../place.ts";
import type { Sort, SortKey } from "./node-filter.ts";

const COLUMNS: readonly (readonly [SortKey, string])[] = [
  ["name", "Name"],
  ["standing", "Status"],
  ["model", "Board"],
  ["image", "Image"],
  ["address", "Address"],
  ["place", "Place and labels"],
  ["seen", "Heard"],
];
const NARROW = matchMedia("(max-width: 760px)");
const [ROW_PX, NARROW_ROW_PX, HEAD_PX] = [37, 66, 36];

export function NodeGrid({
  list,
  sort,
  onSort,
  chosen,
}: {
  list: readonly NodeView[];
  sort: Sort;
  onSort(sort: Sort): void;
  chosen: Signal<ReadonlySet<string>>;
}) {
  const narrow = useMedia(NARROW);
  const { scroller, rows, height, reveal } = useWindow(
    list.length,
    narrow ? NARROW_ROW_PX : ROW_PX,
    narrow ? 0 : HEAD_PX,
  );
  const [at, setAt] = useState(0);
  const from = useRef(0);
  const active = Math.min(at, list.length - 1);
  const moveTo = (index: number, extend: boolean) => {
    const next = Math.max(0, Math.min(list.length - 1, index));
    setAt(next);
    reveal(next);
    if (extend) chooseSpan(next);
    else from.current = next;
  };
  const chooseSpan = (to: number) => {
    const [first, last] = [Math.min(from.current, to), Math.max(from.current, to)];
    const next = new Set(chosen.value);
    for (const node of list.slice(first, last + 1)) next.add(node.id);
    chosen.value = next;
  };
  const toggle = (index: number) => {
    const node = list[index];
    if (!node) return;
    const next = new Set(chosen.value);
    if (!next.delete(node.id)) next.add(node.id);
    chosen.value = next;
    from.current = index;
  };
  const open = () => list[active] && go(`/nodes/${list[active].name}`);
  const page = Math.max(1, rows.length - 10);
  const onKey = (event: KeyboardEvent) => {
    if (event.target !== event.currentTarget) return;
    const keys: Record<string, () => void> = {
      ArrowDown: () => moveTo(active + 1, event.shiftKey),
      ArrowUp: () => moveTo(active - 1, event.shiftKey),
      j: () => moveTo(active + 1, false),
      k: () => moveTo(active - 1, false),
      PageDown: () => moveTo(active + page, event.shiftKey),
      PageUp: () => moveTo(active - page, event.shiftKey),
      Home: () => moveTo(0, event.shiftKey),
      End: () => moveTo(list.length - 1, event.shiftKey),
      " ": () => toggle(active),
      x: () => toggle(active),
      Enter: open,
    };
    if ((event.ctrlKey || event.metaKey) && event.key === "a") {
      chosen.value = new Set(list.map(({ id }) => id));
    } else {
      const run = event.ctrlKey || event.metaKey || event.altKey ? undefined : keys[event.key];
      if (!run) return;
      run();
    }
    event.preventDefault();
  };
  return (
    <div
      id="node-rows"
      class="grid"
      ref={scroller}
      role="grid"
      tabIndex={0}
      aria-label="Nodes: arrows move, Space chooses, Enter opens"
      aria-rowcount={list.length + 1}
      aria-multiselectable="true"
      aria-activedescendant={list[active] ? `row-${list[active].id}` : undefined}
      onKeyDown={onKey}
    >
      <div class="grid-all" role="presentation" style={{ height: `${height}px` }}>
        <div role="rowgroup" class="grid-top">
          <div class="grid-head" role="row" aria-rowindex={1}>
            <span role="columnheader">
              <span class="unseen">Chosen</span>
            </span>
            {COLUMNS.map(([key, text]) => (
              <span
                key={key}
                role="columnheader"
                class={`c-${key}`}
                aria-sort={sort.key === key ? (sort.down ? "descending" : "ascending") : "none"}
              >
                <button type="button" onClick={() => onSort({ key, down: sort.key === key && !sort.down })}>
                  {text}
                  {sort.key === key ? (sort.down ? " ↓" : " ↑") : ""}
                </button>
              </span>
            ))}
          </div>
        </div>
        <div role="rowgroup">
          {rows.map((row) => {
            const node = list[row.index];
            return (
              node && (
                <Row
                  key={node.id}
                  node={node}
                  index={row.index}
                  top={row.start}
                  active={row.index === active}
                  chosen={chosen.value.has(node.id)}
                  toggle={toggle}
                  extend={(index) => {
                    setAt(index);
                    chooseSpan(index);
                  }}
                />
              )
            );
          })}
        </div>
      </div>
    </div>
  );
}

interface RowWish {
  node: NodeView;
  index: number;
  top: number;
  active: boolean;
  chosen: boolean;
  toggle(index: number): void;
  extend(index: number): void;
}

const Row = ({ node, index, top, active, chosen, toggle, extend }: RowWish) => {
  const stands = standing(node);
  const why = stands.kind === "failed" ? node.boot?.verdict : undefined;
  return (
    <div
      id={`row-${node.id}`}
      class={`grid-row ${active ? "active" : ""} ${chosen ? "chosen" : ""}`}
      role="row"
      aria-rowindex={index + 2}
      aria-selected={chosen}
      style={{ transform: `translateY(${top}px)` }}
    >
      <span role="gridcell" class="c-tick">
        {/* The keyboard chooses with Space on the row itself. */}
        <input
          type="checkbox"
          tabIndex={-1}
          aria-label={`choose ${node.name}`}
          checked={chosen}
          onClick={(event) => {
            if (event.shiftKey) extend(index);
            else toggle(index);
          }}
        />
      </span>
      <span role="gridcell" class="c-name">
        <PowerMark node={node} />
        <a href={link(`/nodes/${node.name}`)} tabIndex={-1}>
          {node.name}
        </a>
      </span>
      <span role="gridcell" class="c-standing" title={why}>
        <Chip tone={stands.tone}>{stands.word}</Chip>
        {why !== undefined && <span class="why">{why}</span>}
      </span>
      <span role="gridcell" class="c-model">
        {board(node.model)}
      </span>
      <span role="gridcell" class="c-image mono">
        {node.image ?? "–"}
      </span>
      <span role="gridcell" class="c-address mono">
        {addressNow(node) ?? "–"}
      </span>
      <span role="gridcell" class="c-place">
        <Labels labels={node.labels} /> {placeWords(node)}
      </span>
      <span role="gridcell" class="c-seen dim">
        <Ago ms={node.lastSeenMs} />
      </span>
    </div>
  );
};

export function useMedia(media: MediaQueryList): boolean {
  const [fits, setFits] = useState(media.matches);
  useEffect(() => {
    const onChange = () => setFits(media.matches);
    media.addEventListener("change", onChange);
    return () => media.removeEventListener("change", onChange);
  }, [media]);
  return fits;
}
