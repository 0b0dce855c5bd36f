import { readFileSync } from "node:fs";
import type { Die } from "../../testing/die.ts";
import { HostFile, type HostMode } from "../host-file.ts";

const SECTOR = 512;

/**
 * A host file that remembers what a power cut would leave: all that an ended fdatasync covered, and of the rest any part.
 * Syncs take some turns of the event loop, so that writes go on meanwhile.
 */
export class CutFile extends HostFile {
  readonly #start: Buffer;
  readonly #die: Die;
  readonly #lies: (what: string) => boolean;
  readonly #log: { offset: number; bytes: Uint8Array }[] = [];
  #durable = 0;
  #broken = false;
  #closed = false;

  /** `lies` names the syncs that say they are done and did nothing: for tests of the tests. */
  constructor(path: string, mode: HostMode, how: { die: Die; lies?: (what: string) => boolean }) {
    super(path, mode);
    this.#start = readFileSync(path);
    this.#die = how.die;
    this.#lies = how.lies ?? (() => false);
  }

  override write(from: Uint8Array, offset: number): void {
    if (this.#broken) return; // what was about to run goes nowhere
    super.write(from, offset);
    this.#log.push({ offset, bytes: from.slice() });
  }

  override async writeApart(from: Uint8Array, offset: number): Promise<void> {
    await this.#pass();
    this.write(from, offset);
  }

  override async sync(what: "contents" | "mapping"): Promise<void> {
    const covered = this.#log.length;
    await this.#pass();
    if (!this.#lies(what)) this.#durable = covered;
  }

  /** The disk takes its time; when the power is off it never ends. */
  async #pass(): Promise<void> {
    for (let turns = this.#die.below(6); turns > 0; turns--) await new Promise((next) => setImmediate(next));
    if (this.#broken) await new Promise(() => undefined);
  }

  /** As the disk punches: zeros, and no promise when they are there. */
  override async punch(offset: number, length: number): Promise<boolean> {
    this.write(new Uint8Array(length), offset);
    return true;
  }

  /** What the disk may hold if the power went now. */
  cut(die: Die): Buffer {
    const end = this.#log.reduce((most, { offset, bytes }) => Math.max(most, offset + bytes.length), 0);
    const disk = Buffer.alloc(Math.max(end, this.#start.length));
    disk.set(this.#start);
    let size = this.#start.length;
    const put = (offset: number, bytes: Uint8Array) => {
      disk.set(bytes, offset);
      size = Math.max(size, offset + bytes.length);
    };
    for (const { offset, bytes } of this.#log.slice(0, this.#durable)) put(offset, bytes);
    const rest = this.#log.slice(this.#durable);
    const sectors = rest.flatMap(({ offset, bytes }) =>
      Array.from({ length: Math.ceil(bytes.length / SECTOR) }, (_, i) => ({
        offset: offset + i * SECTOR,
        bytes: bytes.subarray(i * SECTOR, (i + 1) * SECTOR),
      })),
    );
    const mode = die.below(4);
    const kept =
      mode === 0
        ? rest.filter(() => die.oneIn(2))
        : mode === 1
          ? sectors.slice(0, die.below(sectors.length + 1))
          : mode === 2
            ? sectors.filter(() => die.oneIn(2))
            : sectors.filter(() => !die.oneIn(20));
    for (const { offset, bytes } of kept) put(offset, bytes);
    return disk.subarray(0, size);
  }

  /** Close it much later: what still runs would write to whatever file gets its number. */
  powerOff(): void {
    this.#broken = true;
  }
  override truncate(size: number): void {
    if (!this.#broken) super.truncate(size);
  }
  override close(): void {
    if (!this.#closed) super.close();
    this.#closed = true;
  }
}
