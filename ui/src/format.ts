// Numbers and times as people read them.

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

export function size(bytes: number | undefined): string {
  if (bytes === undefined) return "–";
  const power = bytes < 1 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1024 ** power;
  return `${value >= 100 || power === 0 ? Math.round(value) : value.toFixed(1)} ${UNITS[power]}`;
}

export function duration(ms: number | undefined): string {
  if (ms === undefined) return "–";
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  const s = ms / 1_000;
  if (s < 60) return `${s < 10 ? s.toFixed(1) : Math.round(s)} s`;
  if (s < 3_600) return `${Math.floor(s / 60)} min ${Math.round(s % 60)} s`;
  if (s < 86_400) return `${Math.floor(s / 3_600)} h ${Math.floor((s % 3_600) / 60)} min`;
  return `${Math.floor(s / 86_400)} d ${Math.floor((s % 86_400) / 3_600)} h`;
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, {
  month: "short",
  day: "numeric",
  hour: "2-digit",
  minute: "2-digit",
});

/** Clock time; with the day where it was not today. */
export const time = (ms: number): string =>
  new Date(ms).toDateString() === new Date().toDateString() ? clock.format(ms) : day.format(ms);

export function ago(ms: number, now = Date.now()): string {
  const s = Math.max(0, now - ms) / 1_000;
  if (s < 5) return "just now";
  if (s < 60) return `${Math.round(s)} s ago`;
  if (s < 3_600) return `${Math.round(s / 60)} min ago`;
  if (s < 172_800) return `${Math.round(s / 3_600)} h ago`;
  return `${Math.round(s / 86_400)} d ago`;
}

export const count = (n: number, one: string, many = `${one}s`): string =>
  `${n.toLocaleString()} ${n === 1 ? one : many}`;

/** "4B" → "Pi 4B"; other servers have names of their own. */
export const board = (model: string | undefined): string =>
  model === undefined ? "unknown" : /^(\d|CM|Zero|A|B)/.test(model) ? `Pi ${model}` : model;

/** A key that sorts as people count: pi-2 before pi-10. */
export function naturalKey(text: string): string {
  let key = keys.get(text);
  if (key !== undefined) return key;
  key = text.toLowerCase().replace(/\d+/g, (digits) => digits.padStart(12, "0"));
  if (keys.size > MOST_KEYS) keys.clear();
  keys.set(text, key);
  return key;
}
/** Sorting asks for the same ones again and again. */
const keys = new Map<string, string>();
const MOST_KEYS = 50_000;
