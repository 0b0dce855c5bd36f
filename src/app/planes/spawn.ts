// Starts a plane's thread, and starts it anew when it dies of an error or of its heap limit.
import { totalmem } from "node:os";
import { type ResourceLimits, Worker } from "node:worker_threads";
import { BrambleError } from "../../base/errors.ts";
import { restartAfter } from "./back-off.ts";
import { faultLimits } from "./faults.ts";
import { Kept, type Lasting } from "./kept.ts";
import { connect, type Handlers, type Peer, type Progress } from "./rpc.ts";

type PlaneName = "disk" | "boot" | "nfs";

export interface PlaneState {
  name: PlaneName;
  /** How often its thread was started anew, and why it was the last time. */
  restarts: number;
  lastMs?: number;
  lastWhy?: string;
}

/** What a plane can be asked, by name: one argument each, or none. */
// biome-ignore lint/suspicious/noExplicitAny: what a handler takes, whatever that is
export type Calls<C> = { [N in keyof C]: (args: any, progress: any) => unknown };

export interface Plane<C extends Calls<C>> {
  /** An error there is a BrambleError here, with its code. `progress` hears of long jobs. */
  call<N extends keyof C & string>(
    name: N,
    args: Parameters<C[N]>[0],
    progress?: Progress,
  ): Promise<Awaited<ReturnType<C[N]>>>;
  state(): PlaneState;
  /** Asks the plane to close its things, then ends the thread. */
  end(): Promise<void>;
}

interface PlaneOptions {
  handlers: Handlers;
  /** What a new thread is told again. */
  lasting: Lasting;
  /** Calls that may be done twice: one that was open when the thread died is asked once more. */
  repeatable: ReadonlySet<string>;
  /** What its thread knows from its start. */
  given?: object;
  /** The thread died and a new one has taken its place; or it is dead and the next attempt comes in `afterMs`. */
  told(words: string): void;
  /** It dies again and again: nothing answers any more. */
  failed(error: Error): void;
}

interface Life {
  worker: Worker;
  peer: Peer;
  /** `ready`: it has been told again what lasts, and may be asked. */
  stage: "starting" | "ready" | "over";
}

const MIB = 2 ** 20;
/** A share of the machine's memory, within bounds. Buffers and mappings lie outside of the heap. */
const heapMb = (share: number, most: number) =>
  Math.round(Math.min(most, Math.max(512, (totalmem() / MIB) * share)));
/**
 * At the limit V8 lets a thread have 16 MiB more, to end by itself; what does not fit there ends the process. So what one
 * collection of the young generation may move at once, a third of it, must be less.
 */
const YOUNG = { maxYoungGenerationSizeMb: 24 };
const LIMITS: Record<PlaneName, ResourceLimits> = {
  disk: { ...YOUNG, maxOldGenerationSizeMb: heapMb(0.5, 4096) },
  nfs: { ...YOUNG, maxOldGenerationSizeMb: heapMb(0.5, 4096) },
  boot: { ...YOUNG, maxOldGenerationSizeMb: heapMb(0.25, 1024) },
};

export function spawnPlane<C extends Calls<C>>(name: PlaneName, options: PlaneOptions): Plane<C> {
  const kept = new Kept(options.lasting);
  const deaths: number[] = [];
  const ended: number[] = []; // threads of this plane that are no more
  const state: PlaneState = { name, restarts: 0 };
  let life: Life;
  let wanted = false;
  let over: Error | undefined;
  /** Those that wait for a new thread. */
  const waiting: { go(): void; stop(error: Error): void }[] = [];
  let timer: NodeJS.Timeout | undefined;

  function start(): Life {
    const ending = import.meta.url.endsWith(".ts") ? "ts" : "js";
    const worker = new Worker(new URL(`./${name}.${ending}`, import.meta.url), {
      name,
      resourceLimits: { ...LIMITS[name], ...faultLimits() },
      workerData: { ...options.given, ended },
    });
    const { threadId } = worker;
    const peer = connect(worker, options.handlers);
    const born: Life = { worker, peer, stage: "starting" };
    let why = "it ended";
    worker.on("error", (error) => {
      why = reason(error);
    });
    worker.on("exit", () => {
      ended.push(threadId);
      born.stage = "over";
      if (!wanted) died(why);
      peer.broken(gone(name));
    });
    return born;
  }

  function died(why: string): void {
    const now = Date.now();
    deaths.push(now);
    Object.assign(state, { lastMs: now, lastWhy: why });
    const afterMs = restartAfter(deaths);
    if (afterMs === undefined) {
      over = new BrambleError("INTERNAL", `the ${name} plane failed again and again, the last time: ${why}`);
      for (const one of waiting.splice(0)) one.stop(over);
      options.failed(over);
      return;
    }
    timer = setTimeout(() => void again(now, why), afterMs);
  }

  async function again(diedMs: number, why: string): Promise<void> {
    timer = undefined;
    state.restarts += 1;
    const next = start();
    life = next;
    try {
      for (const told of kept.again()) await next.peer.call(told.name, told.args);
    } catch (error) {
      if (wanted) return;
      if ((error as BrambleError).code === "PLANE_DIED") return; // its exit is on its way to died()
      options.told(`the ${name} plane could not take up its work: ${(error as Error).message}`);
      await next.worker.terminate();
      return;
    }
    // Its last answers may reach us together with its end.
    if ((next.stage as Life["stage"]) === "over") return;
    next.stage = "ready";
    options.told(
      `the ${name} plane failed (${why}) and was started anew after ${Date.now() - diedMs} ms; nothing that was acknowledged is lost`,
    );
    for (const one of waiting.splice(0)) one.go();
  }

  /** May the thread be asked now? Throws where no other one will come. */
  function standing(): boolean {
    if (over) throw over;
    if (wanted) throw gone(name);
    return life.stage === "ready";
  }

  async function ask<T>(what: string, args: unknown, progress: Progress | undefined): Promise<T> {
    for (let tries = 1; ; tries++) {
      while (!standing()) await new Promise<void>((go, stop) => waiting.push({ go, stop }));
      try {
        const answer = await life.peer.call<T>(what, args, progress);
        kept.answered(what, args, answer);
        return answer;
      } catch (error) {
        const died = (error as BrambleError).code === "PLANE_DIED";
        if (!died || tries > 1 || wanted || !options.repeatable.has(what)) throw error;
      }
    }
  }

  life = start();
  life.stage = "ready"; // it reads its messages when it has started
  return {
    call: ask,
    state: () => ({ ...state }),
    async end() {
      wanted = true;
      clearTimeout(timer);
      for (const one of waiting.splice(0)) one.stop(gone(name));
      const { peer, worker } = life;
      try {
        if (life.stage === "ready") await peer.call("close");
      } finally {
        await worker.terminate();
      }
    },
  };
}

const gone = (name: PlaneName) =>
  new BrambleError("PLANE_DIED", `the ${name} plane failed while it was at this`, {
    hint: "it has been started anew: look whether this was done, and if not, ask again",
  });

function reason(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === "ERR_WORKER_OUT_OF_MEMORY") return "it reached its heap limit";
  return message ?? String(error);
}
