// Calls between the control side and a plane's thread: numbered requests, one answer each, and events without an answer.
import type { MessagePort, TransferListItem, Worker } from "node:worker_threads";
import { BrambleError, type Code } from "../../base/errors.ts";

type Message =
  | { call: number; name: string; args: unknown }
  | { answer: number; value: unknown }
  | { answer: number; error: { code: Code | undefined; message: string; hint: string | undefined } }
  | { progress: number; done: number; total: number }
  | { event: string; args: unknown };

/** A value that is handed over, not copied: the giver cannot use these buffers afterwards. */
export class Transfer {
  readonly value: unknown;
  readonly list: TransferListItem[];
  constructor(value: unknown, list: TransferListItem[]) {
    this.value = value;
    this.list = list;
  }
}

/** How far a long job has come, in its own units (bytes). */
export type Progress = (done: number, total: number) => void;

export interface Peer {
  /** Asks the other side; an error there is a BrambleError here, with its code. `progress` hears of long jobs. */
  call<T>(name: string, args?: unknown, progress?: Progress): Promise<T>;
  tell(event: string, args: unknown): void;
  /** Fails every open call: the other side has ended. */
  broken(error: Error): void;
}

/** By name: what is done for the other side. A long job may say how far it is, as often as it likes: about ten words a second leave. */
export type Handlers = Record<string, (args: never, progress: Progress) => unknown>;

const PROGRESS_MS = 100;

interface OpenCall {
  resolve(value: unknown): void;
  reject(error: Error): void;
  progress: Progress | undefined;
}

export function connect(port: Worker | MessagePort, handlers: Handlers): Peer {
  const open = new Map<number, OpenCall>();
  let next = 0;

  const reply = (id: number, value: unknown) => {
    if (value instanceof Transfer) port.postMessage({ answer: id, value: value.value }, value.list);
    else port.postMessage({ answer: id, value });
  };
  const refuse = (id: number, thrown: unknown) => {
    const error = thrown as Partial<BrambleError>;
    port.postMessage({
      answer: id,
      error: { code: error.code, message: error.message ?? String(thrown), hint: error.hint },
    });
  };
  const progressOf = (id: number): Progress => {
    let last = 0;
    return (done, total) => {
      const now = performance.now();
      if (now - last < PROGRESS_MS && done < total) return;
      last = now;
      port.postMessage({ progress: id, done, total });
    };
  };

  async function handle(id: number, name: string, args: unknown): Promise<void> {
    try {
      const handler = handlers[name];
      if (!handler) throw new BrambleError("INTERNAL", `no handler for ${name}`);
      reply(id, await handler(args as never, progressOf(id)));
    } catch (error) {
      refuse(id, error);
    }
  }

  function answered(message: Extract<Message, { answer: number }>): void {
    const call = open.get(message.answer);
    open.delete(message.answer);
    if (!("error" in message)) call?.resolve(message.value);
    else {
      const { code, message: words, hint } = message.error;
      call?.reject(new BrambleError(code ?? "INTERNAL", words, hint === undefined ? {} : { hint }));
    }
  }

  port.on("message", (message: Message) => {
    if ("call" in message) void handle(message.call, message.name, message.args);
    else if ("event" in message) handlers[message.event]?.(message.args as never, () => {});
    else if ("progress" in message) open.get(message.progress)?.progress?.(message.done, message.total);
    else answered(message);
  });

  return {
    call: <T>(name: string, args?: unknown, progress?: Progress) =>
      new Promise<T>((resolve, reject) => {
        const id = next++;
        open.set(id, { resolve: resolve as (value: unknown) => void, reject, progress });
        port.postMessage({ call: id, name, args });
      }),
    tell: (event, args) => port.postMessage({ event, args }),
    broken(error) {
      for (const call of open.values()) call.reject(error);
      open.clear();
    },
  };
}
