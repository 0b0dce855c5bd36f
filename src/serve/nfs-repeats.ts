// Requests that come twice: a client that lost its connection asks again, with the same xid (RFC 1813 4.5).
import { crc32c } from "../base/crc32c.ts";
import type { Line } from "./nfs-line.ts";

/** What makes two calls one: export, client's address (its port may change), xid, and what was asked for. */
export function repeatKey(
  exportNumber: number,
  { client, head }: Line,
  asked: { bytes: Uint8Array; from: number; to: number },
): string {
  const crc = crc32c(asked.bytes.subarray(asked.from, asked.to), head.procedure);
  return `${exportNumber.toString(36)} ${client.address} ${head.xid.toString(36)} ${crc.toString(36)}`;
}

/** Calls that are being done, and who else waits for their replies. */
export class UnderWay {
  readonly #calls = new Map<string, Line[]>();

  begin(key: string): void {
    this.#calls.set(key, []);
  }
  /** Is it being done already? Then this line will get the reply too. */
  join(key: string, line: Line): boolean {
    const waiting = this.#calls.get(key);
    if (!waiting) return false;
    if (!waiting.includes(line)) {
      waiting.push(line);
      line.begun(0);
    }
    return true;
  }
  /** It is done: who waits. */
  end(key: string): readonly Line[] {
    const waiting = this.#calls.get(key) ?? [];
    this.#calls.delete(key);
    return waiting;
  }
}
