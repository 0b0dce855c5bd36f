import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Button } from "./basics.tsx";
import { Icon } from "./icons.tsx";

export interface MenuEntry {
  text: string;
  why?: string | undefined;
  danger?: boolean | undefined;
  run(): void;
}

const LIST_PX = 380;
const WIDTH_PX = 360;

/** Where the list goes: it stands in the window, not in what scrolls or cuts; below its button unless there is more room above. */
function besides({ top, bottom, left, right }: DOMRect): Record<string, string> {
  if (innerWidth <= 760) return {};
  const across = left + WIDTH_PX > innerWidth ? { right: `${innerWidth - right}px` } : { left: `${left}px` };
  return bottom + LIST_PX > innerHeight && top > innerHeight - bottom
    ? { ...across, bottom: `${innerHeight - top + 4}px`, maxHeight: `${top - 16}px` }
    : { ...across, top: `${bottom + 4}px`, maxHeight: `${innerHeight - bottom - 16}px` };
}

/** A button with a list of verbs; arrows, Home, End, Escape and typing do what they do elsewhere. */
export function Menu({ children, entries }: { children: ComponentChildren; entries: readonly MenuEntry[] }) {
  const [open, setOpen] = useState(false);
  const [at, setAt] = useState<Record<string, string>>({});
  const box = useRef<HTMLDivElement>(null);
  const items = () => [...(box.current?.querySelectorAll<HTMLButtonElement>("li button") ?? [])];
  useEffect(() => {
    if (!open) return;
    items()[0]?.focus();
    const outside = (event: PointerEvent) => {
      if (!box.current?.contains(event.target as Node)) setOpen(false);
    };
    const away = (event: Event) => {
      if (!box.current?.contains(event.target as Node)) setOpen(false);
    };
    addEventListener("pointerdown", outside);
    addEventListener("scroll", away, true);
    return () => {
      removeEventListener("pointerdown", outside);
      removeEventListener("scroll", away, true);
    };
  }, [open]);
  const toggle = () => {
    const around = box.current?.getBoundingClientRect();
    if (around) setAt(besides(around));
    setOpen(!open);
  };
  const leave = () => {
    setOpen(false);
    box.current?.querySelector("button")?.focus();
  };
  const onKey = (event: KeyboardEvent) => {
    if (!open) return;
    const all = items();
    const at = all.indexOf(document.activeElement as HTMLButtonElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (to !== undefined) all[(to + all.length) % all.length]?.focus();
    else if (event.key === "Escape") leave();
    else if (event.key === "Tab") setOpen(false);
    else if (/^\w$/.test(event.key)) {
      const rest = [...all.slice(at + 1), ...all.slice(0, at + 1)];
      rest.find((one) => one.textContent?.toLowerCase().startsWith(event.key.toLowerCase()))?.focus();
    } else return;
    if (event.key !== "Tab") event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div class="menu" ref={box} onKeyDown={onKey}>
      <button type="button" class="button" aria-haspopup="menu" aria-expanded={open} onClick={toggle}>
        {children}
        <Icon name="down" />
      </button>
      {open && (
        <ul role="menu" style={at}>
          {entries.map((entry) => (
            <li key={entry.text} role="none">
              <button
                type="button"
                role="menuitem"
                tabIndex={-1}
                aria-disabled={entry.why === undefined ? undefined : "true"}
                onClick={() => {
                  if (entry.why !== undefined) return;
                  leave();
                  entry.run();
                }}
              >
                <span class={entry.danger ? "bad-text" : ""}>{entry.text}</span>
                {entry.why !== undefined && <span class="why">{entry.why}</span>}
              </button>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

/** Three or fewer as buttons, the rest behind "More". */
export const Actions = ({ entries, shown = 2 }: { entries: readonly MenuEntry[]; shown?: number }) => (
  <>
    {entries.slice(0, shown).map((entry) => (
      <Button
        key={entry.text}
        why={entry.why}
        {...(entry.danger && { kind: "danger" as const })}
        onClick={entry.run}
      >
        {entry.text}
      </Button>
    ))}
    {entries.length > shown && <Menu entries={entries.slice(shown)}>More</Menu>}
  </>
);
