// Where the page is: everything after the #, so that links last, work on any path of a proxy, and ask the server nothing.
import { signal } from "@preact/signals";

export interface Place {
  path: string;
  query: URLSearchParams;
}

function read(): Place {
  const [path = "", query = ""] = location.hash.replace(/^#?\/?/, "/").split(/\?(.*)/s);
  return { path, query: new URLSearchParams(query) };
}

export const here = signal<Place>(read());
addEventListener("hashchange", () => {
  here.value = read();
});

export const link = (path: string, query: Record<string, string> = {}): string => {
  const kept = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== ""));
  return `#${path}${kept.size > 0 ? `?${kept}` : ""}`;
};

export function go(path: string, query: Record<string, string> = {}, replace = false): void {
  const to = link(path, query);
  if (to === location.hash) return;
  if (replace) history.replaceState(null, "", to);
  else history.pushState(null, "", to);
  here.value = read();
}

/** What wouter's router asks. */
export const hashLocation = (): [string, (to: string, wish?: { replace?: boolean }) => void] => [
  here.value.path,
  (to, wish) => go(to, {}, wish?.replace),
];
