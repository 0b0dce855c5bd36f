// A long list of which only what is seen is in the page: rows by number, a window over them.
import {
  elementScroll,
  observeElementOffset,
  observeElementRect,
  type VirtualItem,
  Virtualizer,
} from "@tanstack/virtual-core";
import { useEffect, useReducer, useRef } from "preact/hooks";

/** The rows that are in sight, and how tall all would be. */
/** `headPx`: of a head that stays at the scroller's top. */
export function useWindow(count: number, rowHeight: number, headPx: number) {
  const scroller = useRef<HTMLDivElement>(null);
  const [, draw] = useReducer((n: number, _: undefined) => n + 1, 0);
  const made = useRef<Virtualizer<HTMLDivElement, Element> | undefined>(undefined);
  const options = {
    count,
    estimateSize: () => rowHeight,
    overscan: 8,
    paddingStart: headPx,
    scrollPaddingStart: headPx,
    getScrollElement: () => scroller.current,
    observeElementRect,
    observeElementOffset,
    scrollToFn: elementScroll,
    onChange: () => draw(undefined),
  };
  made.current ??= new Virtualizer(options);
  const virtual = made.current;
  virtual.setOptions(options);
  useEffect(() => virtual._didMount(), [virtual]);
  useEffect(() => virtual._willUpdate());
  useEffect(() => virtual.measure(), [virtual, rowHeight]);
  return {
    scroller,
    rows: virtual.getVirtualItems() as readonly VirtualItem[],
    height: virtual.getTotalSize(),
    reveal: (index: number) => virtual.scrollToIndex(index, { align: "auto" }),
  };
}
