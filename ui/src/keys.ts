// Keys of one letter: they can be switched off (WCAG 2.1.4), and rest while somebody types.
import { effect, signal } from "@preact/signals";
import { useEffect } from "preact/hooks";

export const keysOn = signal(localStorage.getItem("keys") !== "off");
effect(() => {
  if (keysOn.value) localStorage.removeItem("keys");
  else localStorage.setItem("keys", "off");
});

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement &&
  (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName)) &&
  !(target instanceof HTMLInputElement && target.type === "checkbox");

let pending = "";
let pendingTimer: ReturnType<typeof setTimeout> | undefined;

/** Keys and what they do: "/", or two in a row: "g n". */
export function useKeys(map: Record<string, () => void>): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (!keysOn.value || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
      if (isTyping(event.target) || document.querySelector("dialog[open]")) return;
      const run = map[pending ? `${pending} ${event.key}` : event.key];
      if (run) {
        event.preventDefault();
        pending = "";
        run();
      } else if (Object.keys(map).some((key) => key.startsWith(`${event.key} `))) {
        pending = event.key;
        clearTimeout(pendingTimer);
        pendingTimer = setTimeout(() => {
          pending = "";
        }, 1_200);
      }
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  });
}
