import type { Progress } from "../../api/route.ts";
import { bytes } from "./print.ts";

/** Does what takes long: with a line that says how far it is, and ended by Ctrl-C. */
export async function long<T>(
  work: (progress: (progress: Progress) => void, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const stop = new AbortController();
  const onSignal = () => stop.abort();
  process.once("SIGINT", onSignal);
  const bar = progressBar();
  try {
    return await work(bar.move, stop.signal);
  } finally {
    bar.clear();
    process.removeListener("SIGINT", onSignal);
  }
}

/** One line on stderr that is written over; nothing where that is no terminal. */
function progressBar() {
  const out = process.stderr;
  const width = 30;
  let last = 0;
  return {
    move({ phase, bytes: done, total }: Progress) {
      const now = Date.now();
      if (!out.isTTY || now - last < 100) return;
      last = now;
      const part = total ? Math.min(1, done / total) : 0;
      const bar = total
        ? `[${"#".repeat(Math.round(part * width)).padEnd(width, ".")}] ${Math.floor(part * 100)} %  `
        : "";
      out.write(`\r\u001b[K${phase}  ${bar}${bytes(done)}${total ? ` of ${bytes(total)}` : ""}`);
    },
    clear() {
      if (out.isTTY) out.write("\r\u001b[K");
    },
  };
}
