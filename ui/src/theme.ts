import { effect, signal } from "@preact/signals";

export type Theme = "auto" | "light" | "dark";
const stored = localStorage.getItem("theme");
export const theme = signal<Theme>(stored === "light" || stored === "dark" ? stored : "auto");
const prefersDark = matchMedia("(prefers-color-scheme: dark)");
const dark = signal(prefersDark.matches);
prefersDark.addEventListener("change", (event) => {
  dark.value = event.matches;
});

effect(() => {
  const shown = theme.value === "auto" ? (dark.value ? "dark" : "light") : theme.value;
  document.documentElement.dataset["theme"] = shown;
});
effect(() => {
  if (theme.value === "auto") localStorage.removeItem("theme");
  else localStorage.setItem("theme", theme.value);
});
