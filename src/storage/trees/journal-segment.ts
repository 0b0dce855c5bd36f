import { join } from "node:path";
import type { Host, TreeFile } from "./host.ts";
import { type Segment, segmentPath } from "./journal-scan.ts";

export interface SegmentPlace {
  host: Host;
  folder: string;
  /** Number of the next segment. */
  next: number;
  /** Room is taken in pieces of so many bytes. */
  step: number;
  spare: Spare;
}

/** Room is taken ahead: a full disk is met before an op and not by the reply to it, and fdatasync has no sizes to write. */
export const STEP = 256 * 1024;
const ZEROS = new Uint8Array(STEP);
/** Longer ones are not used again. */
const MOST_SPARE = 64 << 20;

/**
 * A segment that nobody needs any more, kept for the next one: its room is there already. Its old name must be off the disk before it is written to, else
 * a power cut could give back an old segment with new batches in it.
 */
export class Spare {
  readonly #host: Host;
  readonly #folder: string;
  #isUsable = false;

  constructor(host: Host, folder: string) {
    this.#host = host;
    this.#folder = folder;
  }
  get #path(): string {
    return join(this.#folder, "journal.spare");
  }

  /** What is there may be used, if names are durable now. */
  async open(): Promise<void> {
    await this.#host.syncNames(this.#folder);
    this.#isUsable = this.#host.exists(this.#path);
  }

  put(path: string): void {
    const file = this.#host.open(path, "read");
    const isLarge = file.size() > MOST_SPARE;
    file.close();
    if (isLarge || this.#host.exists(this.#path)) {
      this.#host.remove(path);
      return;
    }
    this.#host.rename(path, this.#path);
    this.open().catch(() => undefined); // it is not used, then: the next one asks again
  }

  take(to: string): void {
    if (!this.#isUsable) return;
    this.#isUsable = false;
    this.#host.rename(this.#path, to);
  }
}

/** A segment of the journal that is written to. */
export class OpenSegment {
  readonly number: number;
  readonly path: string;
  readonly #place: SegmentPlace;
  readonly #file: TreeFile;
  #end = 0;
  /** Bytes of the file that are there. */
  #room: number;
  #last = 0;
  #isNamed = false;

  private constructor(place: SegmentPlace, number: number, path: string) {
    this.#place = place;
    this.number = number;
    this.path = path;
    this.#file = place.host.open(path, "create");
    this.#room = this.#file.size();
  }

  /** A new one with room for `bytes`, made of a spare one where there is one. */
  static begin(place: SegmentPlace, bytes: number): OpenSegment {
    const path = segmentPath(place.folder, place.next);
    place.spare.take(path);
    const segment = new OpenSegment(place, place.next, path);
    try {
      segment.reserve(bytes);
    } catch (error) {
      segment.close();
      place.host.remove(path);
      throw error;
    }
    place.next += 1;
    return segment;
  }

  get end(): number {
    return this.#end;
  }
  /** Bytes that can be written without asking the file system for more. */
  get room(): number {
    return this.#room - this.#end;
  }
  facts(): Segment {
    return { number: this.number, path: this.path, last: this.#last, bytes: this.#end };
  }

  /** DISK_FULL where there is no room for that much more. */
  reserve(bytes: number): void {
    while (this.room < bytes) {
      this.#file.write(ZEROS.subarray(0, this.#place.step), this.#room);
      this.#room += this.#place.step;
    }
  }

  append(bytes: Uint8Array, sequence: number): void {
    this.#file.write(bytes, this.#end);
    this.#end += bytes.length;
    this.#room = Math.max(this.#room, this.#end);
    this.#last = sequence;
  }

  async sync(): Promise<void> {
    if (this.#isNamed) return this.#file.sync("mapping");
    await Promise.all([this.#file.sync("mapping"), this.#place.host.syncNames(this.#place.folder)]);
    this.#isNamed = true;
  }

  close(): void {
    this.#file.close();
  }
}
