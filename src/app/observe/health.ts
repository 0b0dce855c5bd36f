import { statfs } from "node:fs/promises";
import type { Core } from "../core.ts";

/** With less than this nothing that nodes write is safe. */
const LEAST_FREE = 64 * 1024 * 1024;
/** A control side that has not ticked for so long is stuck. */
const STUCK_MS = 15_000;

export interface Part {
  name: string;
  ready: boolean;
  words: string;
}

export interface HealthSources {
  core: Pick<Core, "book" | "data" | "disks">;
  planes(): { name: string; restarts: number; lastWhy?: string }[];
  /** What each thread of ours answers, when it is asked whether it is there. */
  ping: Record<string, () => Promise<unknown>>;
}

/** Is this process of any use? A monitor restarts it where not. */
export const health = (lastTickMs: number, nowMs: number) => {
  const late = nowMs - lastTickMs;
  const alive = late < STUCK_MS;
  return { alive, body: { status: alive ? "ok" : `the control side has not moved for ${late} ms` } };
};

/** Can a board boot from here now? Says what is not ready. */
export async function readiness(sources: HealthSources): Promise<Part[]> {
  const { core } = sources;
  const part = async (name: string, ask: () => Promise<string>): Promise<Part> => {
    try {
      return { name, ready: true, words: await within(ask(), name) };
    } catch (error) {
      return { name, ready: false, words: (error as Error).message };
    }
  };
  return Promise.all([
    part("book", async () => {
      await core.book.selectFrom("setting").select("name").limit(1).execute();
      return "it answers";
    }),
    part("space", async () => {
      const { bavail, bsize } = await statfs(core.data.root);
      const free = bavail * bsize;
      const words = `${(free / 2 ** 30).toFixed(1)} GiB free`;
      if (free < LEAST_FREE) throw new Error(`only ${words}`);
      return words;
    }),
    ...Object.entries(sources.ping).map(([name, ask]) =>
      part(name, async () => {
        await ask();
        const restarts = sources.planes().find((plane) => `${plane.name} plane` === name)?.restarts ?? 0;
        return restarts === 0 ? "it answers" : `it answers, and was started anew ${restarts} times`;
      }),
    ),
  ]);
}

const WITHIN_MS = 2_000;

async function within<T>(work: Promise<T>, name: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${name}: no answer within ${WITHIN_MS} ms`)), WITHIN_MS);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
