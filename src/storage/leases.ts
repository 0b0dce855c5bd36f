// The lease book: in memory, and in an append-only journal that is on the disk before a client hears of its lease.
import { type FileHandle, open, readFile, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { crc32 } from "node:zlib";
import { parseIpv4, parseMac } from "../base/addresses.ts";
import { BrambleError } from "../base/errors.ts";
import type { Lease, LeaseView } from "../fleet/pool.ts";

export interface LeaseStore extends LeaseView {
  /** Durable when it resolves; visible at once. DISK_IO or DISK_FULL when it cannot be written. */
  put(lease: Lease): Promise<void>;
  all(): Iterable<Lease>;
  /** What reading the journal found and what writing it cost. */
  readonly stats: {
    skippedLines: number;
    tornBytes: number;
    commits: number;
    records: number;
    compactions: number;
  };
  /** Waits for what was put. */
  close(): Promise<void>;
}

/** Rewritten once it has this many lines more than there are leases, twice over. */
const SLACK_LINES = 4096;

/**
 * Opens or makes the journal: one line a lease, `mac address expiresMs crc32`, later lines win. A torn last line is cut
 * off, a damaged one before is skipped and counted. All that is put while a commit runs goes into the next one.
 */
export async function openLeases(path: string): Promise<LeaseStore> {
  const journal = new LeaseJournal(path);
  await journal.open();
  return journal;
}

class LeaseJournal implements LeaseStore {
  readonly stats = { skippedLines: 0, tornBytes: 0, commits: 0, records: 0, compactions: 0 };
  readonly #path: string;
  readonly #byMac = new Map<string, Lease>();
  readonly #byAddress = new Map<string, Lease>();
  #file: FileHandle | undefined;
  #lines = 0;
  /** The file's end may hold half a record, or its pages may be lost: write it anew before anything else. */
  #suspect = false;
  #queue: { line: string; done(error?: Error): void }[] = [];
  #pump: Promise<void> | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  async open(): Promise<void> {
    const bytes = await readFile(this.#path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return Buffer.alloc(0);
      throw failed(this.#path, error);
    });
    const end = bytes.lastIndexOf(10) + 1;
    this.stats.tornBytes = bytes.length - end;
    for (const line of bytes.toString("latin1", 0, end).split("\n").slice(0, -1)) {
      this.#lines++;
      const lease = parse(line);
      if (lease) this.#remember(lease);
      else this.stats.skippedLines++;
    }
    try {
      this.#file = await open(this.#path, "a", 0o644);
      if (this.stats.tornBytes > 0) await this.#file.truncate(end);
      if (end === 0) await syncFolder(this.#path);
    } catch (error) {
      throw failed(this.#path, error);
    }
    if (this.#tooLong()) await this.#compact();
  }

  get(mac: string): Lease | undefined {
    return this.#byMac.get(mac);
  }
  byAddress(address: string): Lease | undefined {
    return this.#byAddress.get(address);
  }
  all(): Iterable<Lease> {
    return this.#byMac.values();
  }

  put(lease: Lease): Promise<void> {
    if (!this.#file) return Promise.reject(new BrambleError("DISK_IO", "the lease journal is closed"));
    this.#remember({ ...lease });
    return new Promise((resolve, reject) => {
      this.#queue.push({ line: format(lease), done: (error) => (error ? reject(error) : resolve()) });
      this.#pump ??= this.#commitAll();
    });
  }

  async close(): Promise<void> {
    while (this.#pump) await this.#pump;
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }

  /** One owner for an address, one address for a MAC: whoever had it before has lost it. */
  #remember(lease: Lease): void {
    const before = this.#byMac.get(lease.mac);
    if (before) this.#byAddress.delete(before.address);
    const owner = this.#byAddress.get(lease.address);
    if (owner) this.#byMac.delete(owner.mac);
    this.#byMac.set(lease.mac, lease);
    this.#byAddress.set(lease.address, lease);
  }

  async #commitAll(): Promise<void> {
    // First let everything in that arrived in this turn of the event loop.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#queue.length > 0) {
      const batch = this.#queue;
      this.#queue = [];
      const error = await this.#commit(batch.map((entry) => entry.line).join("")).then(
        () => undefined,
        (cause: unknown) => failed(this.#path, cause),
      );
      if (error) this.#suspect = true;
      else this.#lines += batch.length;
      this.stats.commits++;
      this.stats.records += batch.length;
      for (const entry of batch) entry.done(error);
    }
    this.#pump = undefined;
  }

  async #commit(lines: string): Promise<void> {
    // A rewrite holds what is in memory, and with it these lines.
    if (this.#suspect || this.#tooLong()) return this.#compact();
    const { bytesWritten } = (await this.#file?.write(lines)) ?? { bytesWritten: 0 };
    if (bytesWritten !== lines.length) throw new Error(`${bytesWritten} of ${lines.length} bytes written`);
    await this.#file?.datasync();
  }

  #tooLong = (): boolean => this.#lines > 2 * this.#byMac.size + SLACK_LINES;

  /** A new file beside the old one, synced, then renamed over it: a crash leaves one or the other whole. */
  async #compact(): Promise<void> {
    const leases = [...this.#byMac.values()];
    const fresh = await open(`${this.#path}.new`, "w", 0o644);
    try {
      await fresh.writeFile(leases.map(format).join(""));
      await fresh.datasync();
      await rename(`${this.#path}.new`, this.#path);
      await syncFolder(this.#path);
    } catch (error) {
      await fresh.close();
      throw error;
    }
    await this.#file?.close();
    this.#file = fresh;
    this.#lines = leases.length;
    this.#suspect = false;
    this.stats.compactions++;
  }
}

function format({ mac, address, expiresMs }: Lease): string {
  const text = `${mac} ${address} ${expiresMs}`;
  return `${text} ${crc32(text).toString(16).padStart(8, "0")}\n`;
}

function parse(line: string): Lease | undefined {
  const [, text = "", mac = "", address = "", expires = "", crc = ""] =
    /^((\S+) (\S+) (\d+)) ([0-9a-f]{8})$/.exec(line) ?? [];
  if (text === "" || crc32(text) !== Number.parseInt(crc, 16)) return undefined;
  parseIpv4(address);
  return { mac: parseMac(mac), address, expiresMs: Number(expires) };
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(dirname(path), "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function failed(path: string, cause: unknown): BrambleError {
  if ((cause as { name?: string }).name === "BrambleError") return cause as BrambleError;
  const { code, message } = cause as NodeJS.ErrnoException;
  return new BrambleError(
    code === "ENOSPC" || code === "EDQUOT" ? "DISK_FULL" : "DISK_IO",
    `cannot keep the leases in ${path}: ${message}`,
    { cause, hint: "no new address is given out until this works again: is the disk full or read-only?" },
  );
}
