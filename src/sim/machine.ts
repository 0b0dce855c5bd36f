// A virtual board is a coroutine: it yields orders, and gets facts. It holds no socket, clock or promise; a net drives it.

export interface Endpoint {
  address: string;
  port: number;
}

/** What the board can hear. `broadcast`: the frame went to everybody. */
export type Frame =
  | { kind: "udp"; from: Endpoint; to: Endpoint; bytes: Uint8Array; broadcast: boolean }
  | {
      kind: "arp";
      /** "reply": `sender` has `mac`; "request": who has `target`? */
      what: "request" | "reply";
      sender: string;
      mac: string;
      target: string;
      broadcast: boolean;
    };

export type Order =
  | { do: "send"; port: number; to: Endpoint; bytes: Uint8Array }
  | { do: "arp"; what: "request" | "reply"; target: string; targetMac?: string }
  /** The board takes this address: the net may have to set it up. */
  | { do: "configure"; address: string; mask: string; router: string | undefined }
  /** This source port is not needed any more. */
  | { do: "release"; port: number }
  /** The next fact is a frame that came, or the time `until`. */
  | { do: "receive"; until: number };

export type Fact = { fact: "frame"; frame: Frame } | { fact: "time" } | { fact: "done" };

/** Only "receive" is answered with something else than done. */
export type Run<T> = Generator<Order, T, Fact>;

/** What a net gives a board: ways to act, and the clock. */
export interface Wire {
  now(): number;
  /** Undefined: done at once. */
  act(order: Exclude<Order, { do: "receive" }>): undefined | Promise<void>;
  /** Calls `wake` at that time unless `cancel` was called before. */
  at(time: number, wake: () => void): () => void;
  close(): void | Promise<void>;
}

export interface SimNet {
  /** Plugs a board in. `hear` is called for each frame that reaches it. */
  attach(board: { mac: string; hear(frame: Frame): void }): Promise<Wire> | Wire;
}

/** Drives one coroutine over one net until it ends; frames that come while it acts wait in line. */
export async function drive<T>(
  net: SimNet,
  mac: string,
  start: (now: () => number) => Run<T>,
  signal?: AbortSignal,
): Promise<T> {
  const inbox: Frame[] = [];
  let wake: (() => void) | undefined;
  const wire = await net.attach({
    mac,
    hear(frame) {
      inbox.push(frame);
      wake?.();
    },
  });
  try {
    return await new Promise<T>((done, fail) => {
      const run = start(() => wire.now());
      let cancel: (() => void) | undefined;
      let busy = false;
      const stop = () => {
        cancel?.();
        fail(
          signal?.reason instanceof Error ? signal.reason : new Error("the virtual board was switched off"),
        );
      };
      if (signal?.aborted) return stop();
      signal?.addEventListener("abort", stop, { once: true });
      const advance = (first: Fact) => {
        busy = true;
        let fact = first;
        try {
          while (true) {
            const { done: over, value } = run.next(fact);
            if (over) {
              signal?.removeEventListener("abort", stop);
              return done(value);
            }
            if (value.do === "receive") {
              const frame = inbox.shift();
              if (frame) {
                fact = { fact: "frame", frame };
                continue;
              }
              if (value.until <= wire.now()) {
                fact = { fact: "time" };
                continue;
              }
              busy = false;
              cancel = wire.at(value.until, () => {
                cancel = undefined;
                if (!busy) advance({ fact: "time" });
              });
              return;
            }
            const pending = wire.act(value);
            if (pending) {
              pending.then(() => advance({ fact: "done" }), fail);
              return;
            }
            fact = { fact: "done" };
          }
        } catch (error) {
          fail(error);
        }
      };
      wake = () => {
        const frame = busy ? undefined : inbox.shift();
        if (!frame) return;
        cancel?.();
        cancel = undefined;
        advance({ fact: "frame", frame });
      };
      advance({ fact: "done" });
    });
  } finally {
    await wire.close();
  }
}
