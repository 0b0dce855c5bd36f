import type { ChainEvent } from "./chain.ts";
import type { OpenClone } from "./engine.ts";
import { FrozenWriter } from "./frozen.ts";
import { repoint } from "./header-edit.ts";
import { hostError } from "./host-file.ts";
import type { Host } from "./layers-index.ts";
import { pull, push } from "./merge.ts";
import { type MergeStep, nextStep, type PlannedLayer } from "./merge-plan.ts";
import { layerPath, openLayer, type QcowLayer } from "./open-layers.ts";
import type { Quota } from "./quota.ts";

export interface MergingParts {
  clone: OpenClone;
  path: string;
  host: Host;
  quota: Quota;
  on: (event: ChainEvent) => void;
  /** What there is now. */
  look: () => { top: { on: number | undefined; bytes: number }; layers: PlannedLayer[] };
  freeze: () => Promise<void>;
  /** Forgets a layer in the very moment when its name goes: whoever lists layers must not look for it. */
  forget: (number: number) => void;
  /** Makes durable what was forgotten. */
  save: () => Promise<void>;
}

/** The background work on a clone's layers: one step after the other until the plan has no more. */
export class Merging {
  readonly #parts: MergingParts;
  #running: { done: Promise<"done" | "interrupted">; stop: AbortController } | undefined;
  /** Of layers that the clone has open: what a full disk kept from the file is in memory, and goes there with the next try. */
  readonly #unfinished = new Map<QcowLayer, FrozenWriter>();
  readonly #listeners = new Set<(done: number, total: number) => void>();
  #ended = false;

  constructor(parts: MergingParts) {
    this.#parts = parts;
  }

  /** In the background; what goes wrong is told, and tried again at the next start. */
  start(): void {
    this.run().catch((error) => {
      this.#parts.on({ kind: "mergeFailed", why: hostError(error, `merge layers of ${this.#parts.path}`) });
    });
  }

  /** Resolves when nothing is left to do, or something else comes first; joins what runs. */
  async run(onStep?: (done: number, total: number) => void): Promise<"done" | "interrupted"> {
    if (this.#ended) return "done";
    if (!this.#running) {
      const stop = new AbortController();
      const done = this.#work(stop.signal).finally(() => {
        this.#running = undefined;
      });
      this.#running = { done, stop };
    }
    if (onStep) this.#listeners.add(onStep);
    try {
      return await this.#running.done;
    } finally {
      if (onStep) this.#listeners.delete(onStep);
    }
  }

  /** Stops between two pieces. What was copied stays copied. */
  async pause(): Promise<void> {
    this.#running?.stop.abort();
    await this.#running?.done.catch(() => undefined); // told to whoever started it
  }
  /** No step begins any more. */
  end(): void {
    this.#ended = true;
    this.#running?.stop.abort();
  }

  async #work(signal: AbortSignal): Promise<"done" | "interrupted"> {
    for (;;) {
      await new Promise((resolve) => setImmediate(resolve)); // whoever asked for a snapshot is answered first
      if (signal.aborted) return "interrupted";
      const { top, layers } = this.#parts.look();
      const step = nextStep(top, layers);
      if (!step) return "done";
      try {
        await this.#do(step, signal);
      } catch (error) {
        if (!signal.aborted) throw error;
        return "interrupted"; // what failed for another reason fails again
      }
    }
  }

  async #do(step: MergeStep, signal: AbortSignal): Promise<void> {
    const { host, path, clone, forget, save, freeze } = this.#parts;
    if (step.do === "freeze") return freeze();
    if (step.do === "remove") {
      forget(step.layer);
      host.folder.remove(layerPath(path, step.layer));
      await host.folder.sync(path);
      return save();
    }
    const onStep = (done: number, total: number) => {
      for (const listener of this.#listeners) listener(done, total);
    };
    const options = { signal, onStep };
    if (step.do === "pull" && step.into === "top") return this.#pullIntoTop(step.from, options);
    const upper = layerPath(path, step.do === "pull" ? (step.into as number) : step.from);
    const open = clone.layers();
    const shared = open.find((layer) => layer.path === upper);
    const reading = shared ?? openLayer(upper, host.open);
    try {
      if (step.do === "pull") await this.#pullInto(reading, options, shared !== undefined);
      else await this.#pushDown(step, reading, options, shared && open[open.indexOf(shared) - 1]);
    } finally {
      if (!shared) {
        for (const layer of [reading, reading.below as QcowLayer]) {
          await this.#unfinished.get(layer)?.close();
          this.#unfinished.delete(layer);
        }
        reading.close();
      }
    }
  }

  /** While the node writes there. */
  async #pullIntoTop(from: number, options: Parameters<typeof pull>[3]): Promise<void> {
    const { clone, quota, path } = this.#parts;
    const [top, lower] = clone.layers() as [QcowLayer, QcowLayer];
    if (lower.path !== layerPath(path, from)) return;
    const fill: FrozenWriter["fill"] = (act) =>
      clone.fill((writing) => {
        quota.off = true;
        try {
          act(writing);
        } finally {
          quota.off = false;
        }
      });
    await pull(top, lower, { fill, wait: () => clone.wait() }, options);
    await clone.exclusive(async ({ writer }) => {
      await writer.commits.flush();
      await this.#stepOver(top, lower, () => repoint(writer.file, lower.header.backing));
      return undefined;
    });
    quota.forget();
  }

  async #pullInto(upper: QcowLayer, options: Parameters<typeof pull>[3], live: boolean): Promise<void> {
    const lower = upper.below as QcowLayer;
    await this.#writeTo(upper, async (writer) => {
      await pull(upper, lower, writer, options);
      await writer.finish();
      const change = () => repoint(writer.layer.own.file, lower.header.backing);
      if (live) await this.#stepOver(upper, lower, change);
      else await change();
    });
  }

  async #writeTo(layer: QcowLayer, act: (writer: FrozenWriter) => Promise<void>): Promise<void> {
    const writer = this.#unfinished.get(layer) ?? (await FrozenWriter.open(layer, this.#parts.host));
    this.#unfinished.set(layer, writer);
    try {
      await act(writer);
    } finally {
      await writer.flush(); // where that fails, the next try goes on with the same writer
      this.#unfinished.delete(layer);
      await writer.close();
    }
  }

  /** The clone is being closed: what is not in the files is begun anew at the next open. */
  async close(): Promise<void> {
    this.#ended = true;
    await this.pause();
    for (const writer of this.#unfinished.values()) await writer.close();
    this.#unfinished.clear();
  }

  /** `upper` holds all that it needs of `lower`, durable: it may stand on what `lower` stands on. */
  async #stepOver(upper: QcowLayer, lower: QcowLayer, change: () => Promise<void>): Promise<void> {
    await change();
    if (lower.header.backing) upper.header.backing = lower.header.backing;
    else delete upper.header.backing;
    upper.below = lower.below;
    this.#parts.clone.retire(() => lower.own.file.close());
  }

  /** `above`: what stands on the upper one in the clone that is open. */
  async #pushDown(
    step: { from: number; into: number },
    upper: QcowLayer,
    options: Parameters<typeof pull>[3],
    above: QcowLayer | undefined,
  ): Promise<void> {
    const { host, path, clone, forget, save } = this.#parts;
    const lower = upper.below as QcowLayer;
    await this.#writeTo(lower, async (writer) => {
      await writer.grow(upper.size);
      await push(upper, writer, options);
      await writer.finish();
    });
    const place = layerPath(path, step.from);
    host.folder.rename(layerPath(path, step.into), place);
    forget(step.into);
    lower.path = place;
    if (above) {
      above.below = lower;
      clone.retire(() => upper.own.file.close());
    }
    await host.folder.sync(path);
    await save();
  }
}
