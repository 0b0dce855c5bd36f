// Reads over HTTP at a fixed rate, open loop: a late answer delays no other request, and counts from when it was due. By hand over plain
// sockets: a client library costs more than many a server, and what asks must not take the CPU from what is asked.
import { once } from "node:events";
import { connect, type Socket } from "node:net";

export interface ReadsWish {
  port: number;
  token: string;
  perSecond: number;
  seconds: number;
  /** Connections, one request on each at a time; more wait in line, and their time runs. */
  sockets: number;
  pathOf(n: number): string;
}
export interface Reads {
  /** From when each was due to its last byte, ms, sorted. */
  took: number[];
  /** Answers that were not 200, and connections that ended. */
  failed: number;
}

const HEAD_END = Buffer.from("\r\n\r\n");

/** Ends when every read has its answer. Throws where the server cannot be reached. */
export async function readAtRate({
  port,
  token,
  perSecond,
  seconds,
  sockets,
  pathOf,
}: ReadsWish): Promise<Reads> {
  const took: number[] = [];
  let failed = 0;
  const total = perSecond * seconds;
  const dueOf = (n: number) => started + (n * 1_000) / perSecond;
  const waiting: number[] = [];
  const head = `Host: 127.0.0.1:${port}\r\nAuthorization: Bearer ${token}\r\n\r\n`;
  let finish: () => void = () => {};
  let giveUp: (why: Error) => void = () => {};
  const finished = new Promise<void>((resolve, reject) => {
    finish = resolve;
    giveUp = reject;
  });
  finished.catch(() => {}); // who waits for it hears of it
  let alive = sockets;
  const ended = (n: number, line: Line, good: boolean) => {
    if (good) took.push(performance.now() - dueOf(n));
    else failed += 1;
    if (took.length + failed === total) return finish();
    if (line.isGone) return;
    const next = waiting.shift();
    if (next === undefined) idle.push(line);
    else line.ask(next);
  };

  class Line {
    readonly #socket: Socket;
    #asked: number | undefined;
    #bytes: Buffer = Buffer.alloc(0);
    constructor(socket: Socket) {
      this.#socket = socket;
      socket.on("data", (data: Buffer) => this.#heard(data));
      socket.on("error", () => {}); // "close" follows
      socket.on("close", () => {
        this.#over(false);
        if (idle.includes(this)) idle.splice(idle.indexOf(this), 1);
        alive -= 1;
        if (alive === 0) giveUp(new Error("the server has ended every connection"));
      });
    }
    get isGone(): boolean {
      return this.#socket.destroyed;
    }
    ask(n: number): void {
      this.#asked = n;
      this.#socket.write(`GET ${pathOf(n)} HTTP/1.1\r\n${head}`, "latin1");
    }
    #heard(data: Buffer): void {
      this.#bytes = this.#bytes.length === 0 ? data : Buffer.concat([this.#bytes, data]);
      const at = this.#bytes.indexOf(HEAD_END);
      if (at < 0) return;
      const text = this.#bytes.toString("latin1", 0, at);
      const length = /\r\ncontent-length: (\d+)/i.exec(text)?.[1];
      if (length === undefined) return void this.#socket.destroy(new Error("an answer without its length"));
      if (this.#bytes.length < at + HEAD_END.length + Number(length)) return;
      this.#bytes = Buffer.alloc(0);
      this.#over(text.startsWith("HTTP/1.1 200 "));
    }
    #over(good: boolean): void {
      const n = this.#asked;
      this.#asked = undefined;
      if (n !== undefined) ended(n, this, good);
    }
    close(): void {
      this.#socket.destroy();
    }
  }

  const lines = await Promise.all(
    Array.from({ length: sockets }, async () => {
      const socket = connect({ port, host: "127.0.0.1", noDelay: true });
      await once(socket, "connect");
      return new Line(socket);
    }),
  );
  const idle = [...lines];
  const started = performance.now();
  for (let n = 0; n < total; ) {
    for (; n < total && dueOf(n) <= performance.now(); n++) {
      const line = idle.shift(); // in turn: one that is never used would be closed by the server
      if (line) line.ask(n);
      else waiting.push(n);
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await finished;
  for (const line of lines) line.close();
  return { took: took.sort((a, b) => a - b), failed };
}
