import { randomBytes } from "node:crypto";
import type { Selectable } from "kysely";
import type { Context, Progress } from "../api/route.ts";
import type { TaskView } from "../api/task-contract.ts";
import { BrambleError } from "../base/errors.ts";
import type { Actor } from "../fleet/actor.ts";
import type { Book, Tables } from "../storage/book.ts";
import type { NewsDesk } from "./news.ts";

const KEEP_MS = 7 * 86_400_000;
const MOST_AT_ONCE = 64;
/** The news of one task's progress are told so often at most. */
const TOLD_MS = 250;

interface Work {
  view: TaskView;
  stop: AbortController;
  /** Who waits to hear more. */
  waiting: Set<() => void>;
  toldMs: number;
}

export interface Tasks {
  /** Begins what takes long; in the book before it begins. */
  start(
    wish: { verb: string; target?: string | undefined; by: Actor },
    work: (context: Pick<Context, "progress" | "signal">) => Promise<unknown>,
  ): Promise<TaskView>;
  list(limit: number): Promise<TaskView[]>;
  /** Waits for something newer than version `seen`, for `waitMs` at most. Throws TASK_UNKNOWN. */
  find(id: string, seen?: number, waitMs?: number): Promise<TaskView>;
  cancel(id: string): Promise<TaskView>;
  /** Stops all that run and waits for their ends. */
  close(): Promise<void>;
}

const view = (row: Selectable<Tables["task"]>): TaskView => ({
  id: row.id,
  verb: row.verb,
  by: row.by,
  state: row.state as TaskView["state"],
  version: 1_000_000, // ended: nothing newer will come
  startedMs: row.startedMs,
  ...(row.target !== null && { target: row.target }),
  ...(row.result !== null && { result: JSON.parse(row.result) as unknown }),
  ...(row.error !== null && { error: JSON.parse(row.error) as NonNullable<TaskView["error"]> }),
  ...(row.endedMs !== null && { endedMs: row.endedMs }),
});

/** What takes long, with its progress. What ran when the process ended before is `interrupted` from here on. */
export async function openTasks(book: Book, news: NewsDesk, now: () => number): Promise<Tasks> {
  const running = new Map<string, Work>();
  const ends = new Set<Promise<void>>();
  await book
    .updateTable("task")
    .set({ state: "interrupted", endedMs: now() })
    .where("state", "=", "running")
    .execute();
  await book
    .deleteFrom("task")
    .where("startedMs", "<", now() - KEEP_MS)
    .execute();

  function told(work: Work, more: Partial<TaskView>, isLast = false): void {
    work.view = { ...work.view, ...more, version: work.view.version + 1 };
    for (const wake of work.waiting) wake();
    if (!isLast && now() - work.toldMs < TOLD_MS) return;
    work.toldMs = now();
    news.tell({ about: "task", id: work.view.id });
  }

  async function finish(work: Work, more: Partial<TaskView>): Promise<void> {
    const { id } = work.view;
    const ended = { ...more, endedMs: now() };
    await book
      .updateTable("task")
      .set({
        state: ended.state ?? "failed",
        endedMs: ended.endedMs,
        result: ended.result === undefined ? null : JSON.stringify(ended.result),
        error: ended.error ? JSON.stringify(ended.error) : null,
      })
      .where("id", "=", id)
      .execute();
    running.delete(id);
    told(work, ended, true);
  }

  const failure = (error: unknown, aborted: boolean): Partial<TaskView> => {
    const { code = "INTERNAL", message, hint } = error as Partial<BrambleError>;
    return {
      state: aborted || code === "CANCELLED" ? "cancelled" : "failed",
      error: { code, title: message ?? String(error), ...(hint !== undefined && { hint }) },
    };
  };

  async function find(id: string): Promise<TaskView> {
    const work = running.get(id);
    if (work) return work.view;
    const row = await book.selectFrom("task").selectAll().where("id", "=", id).executeTakeFirst();
    if (row) return view(row);
    throw new BrambleError("TASK_UNKNOWN", `there is no task ${id}`, {
      hint: "ended tasks are kept for a week",
    });
  }

  return {
    async start({ verb, target, by }, work) {
      if (running.size >= MOST_AT_ONCE)
        throw new BrambleError("TOO_MANY", `${MOST_AT_ONCE} tasks are at work already`);
      const id = randomBytes(8).toString("hex");
      const startedMs = now();
      const first: TaskView = {
        id,
        verb,
        by: by.name,
        state: "running",
        version: 0,
        startedMs,
        ...(target !== undefined && { target }),
      };
      const one: Work = { view: first, stop: new AbortController(), waiting: new Set(), toldMs: 0 };
      running.set(id, one);
      await book
        .insertInto("task")
        .values({
          id,
          verb,
          target: target ?? null,
          by: by.name,
          state: "running",
          result: null,
          error: null,
          startedMs,
          endedMs: null,
        })
        .execute();
      const progress = (now: Progress) => told(one, { progress: now });
      const end = work({ progress, signal: one.stop.signal })
        .then(
          (result) => finish(one, { state: "done", result }),
          (error) => finish(one, failure(error, one.stop.signal.aborted)),
        )
        .finally(() => ends.delete(end));
      ends.add(end);
      news.tell({ about: "task", id });
      return one.view;
    },
    async list(limit) {
      const rows = await book
        .selectFrom("task")
        .selectAll()
        .orderBy("startedMs", "desc")
        .limit(limit)
        .execute();
      return rows.map((row) => running.get(row.id)?.view ?? view(row));
    },
    async find(id, seen, waitMs = 0) {
      const work = running.get(id);
      if (work && seen !== undefined && work.view.version <= seen && waitMs > 0) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(wake, waitMs);
          function wake() {
            clearTimeout(timer);
            work?.waiting.delete(wake);
            resolve();
          }
          work.waiting.add(wake);
        });
      }
      return find(id);
    },
    async cancel(id) {
      const work = running.get(id);
      if (!work) {
        const { state } = await find(id);
        throw new BrambleError("TASK_OVER", `this task is ${state}`);
      }
      work.stop.abort();
      return work.view;
    },
    async close() {
      for (const { stop, waiting } of running.values()) {
        stop.abort();
        for (const wake of waiting) wake();
      }
      await Promise.all(ends);
    },
  };
}
