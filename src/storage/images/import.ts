import { createHash, type Hash, randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { BrambleError } from "../../base/errors.ts";
import { peek } from "./detect.ts";
import { Changed } from "./download.ts";
import { asDiskFull, publish } from "./durable.ts";
import { diskOfTar, FROM_TAR_WORK, isTarFile } from "./from-tar.ts";
import { claim, claimed, incomingFolder, sweep } from "./incoming.ts";
import { inspectImage } from "./inspect.ts";
import { type ImageManifest, imageFile, readManifests, writeManifest } from "./manifest.ts";
import { type ImageName, nameOfFile, parseImageName } from "./name.ts";
import { RawFile } from "./raw-file.ts";
import { openSource, type Source } from "./source.ts";
import { SparseFile } from "./sparse.ts";
import { unpack } from "./unpack.ts";
import { openZip } from "./zip.ts";

export interface ImportProgress {
  phase: "read" | "inspect" | "done";
  /** Bytes of the source, packed. */
  bytesRead: number;
  /** Undefined where the web server did not say. */
  bytesTotal: number | undefined;
  /** Bytes of the disk image so far. */
  rawBytes: number;
}

export interface AddOptions {
  /** The data folder; this process owns it. */
  data: string;
  /** Path or http(s) URL. */
  source: string;
  /** "name" or "name:version"; else the file's name decides. */
  name?: string | undefined;
  /** Of the file as it is, or of the raw disk image. */
  sha256?: string | undefined;
  /** What the manifest says of where it comes from, instead of the path. */
  label?: string | undefined;
  onProgress?: ((progress: ImportProgress) => void) | undefined;
  signal?: AbortSignal | undefined;
  /** First pause between tries of a download; tests shorten it. */
  retryMs?: number | undefined;
}

const ROUNDS = 3;
/** Beside the raw file, where a disk is made of a tar file. */
const TAR_WORKS = [".tar", ".made", `.made${FROM_TAR_WORK}`];

/** See addImage. */
export async function importImage(options: AddOptions): Promise<ImageManifest> {
  const wanted = options.name === undefined ? undefined : parseImageName(options.name);
  const sum = parseSum(options.sha256);
  await mkdir(incomingFolder(options.data), { recursive: true });
  const { data, source: from, signal, retryMs } = options;
  const source = await openSource({ data, source: from, verified: sum !== undefined, signal, retryMs });
  if (source.works.some(claimed)) {
    throw new BrambleError("BAD_INPUT", `${source.label} is being added already`, {
      hint: "wait for that import",
    });
  }
  const raw = join(incomingFolder(data), `${randomUUID()}.raw`);
  const release = claim(raw, ...source.works, ...TAR_WORKS.map((ending) => raw + ending));
  try {
    await sweep(data);
    for (let round = 1; ; round++) {
      try {
        const work = new Import(options, source, raw, sum);
        const manifest = await work.run(wanted);
        await source.discard();
        return manifest;
      } catch (error) {
        const again = error instanceof Changed || (source.resumed() && isBroken(error));
        if (again || isBroken(error) || isFull(error)) await source.discard();
        if (again && round < ROUNDS) continue;
        throw error instanceof Changed ? unsteady(source, error) : error;
      } finally {
        for (const ending of ["", ...TAR_WORKS]) await rm(raw + ending, { recursive: true, force: true });
      }
    }
  } catch (error) {
    if (signal?.aborted) {
      throw new BrambleError("CANCELLED", `the import of ${source.label} was stopped`, { cause: error });
    }
    throw error;
  } finally {
    release();
  }
}

const isCode = (error: unknown, ...codes: string[]) =>
  error instanceof BrambleError && codes.includes(error.code);
/** Bytes that are wrong: worth nothing, and once more from the start if some of them were old. */
const isBroken = (error: unknown) => isCode(error, "IMAGE_DAMAGED", "IMAGE_CHECKSUM");
const isFull = (error: unknown) => isCode(error, "DISK_FULL");

const unsteady = (source: Source, cause: Changed) =>
  new BrambleError(
    "DOWNLOAD_FAILED",
    `${source.label} changed, or could not be resumed, ${ROUNDS} times: ${cause.message}`,
    {
      hint: "fetch the file by other means and add it as a file",
      cause,
    },
  );

function parseSum(text: string | undefined): string | undefined {
  const sum = text
    ?.trim()
    .toLowerCase()
    .replace(/^sha256:/, "");
  if (sum !== undefined && !/^[0-9a-f]{64}$/.test(sum)) {
    throw new BrambleError("BAD_INPUT", `"${text}" is no SHA-256`, {
      hint: "64 hex digits, as sha256sum prints them",
    });
  }
  return sum;
}

/** One pass over a source. */
class Import {
  readonly #options: AddOptions;
  readonly #source: Source;
  readonly #raw: string;
  readonly #sum: string | undefined;
  readonly #progress: ImportProgress = { phase: "read", bytesRead: 0, bytesTotal: undefined, rawBytes: 0 };
  readonly #sourceHash: Hash = createHash("sha256");
  /** Not so: the source is the disk image, one hash does for both. */
  #packed = true;

  constructor(options: AddOptions, source: Source, raw: string, sum: string | undefined) {
    this.#options = options;
    this.#source = source;
    this.#raw = raw;
    this.#sum = sum;
  }

  async run(wanted: ImageName | undefined): Promise<ImageManifest> {
    const unpacked = await this.#write();
    const sourceSha256 = this.#sourceHash.digest("hex");
    const sum = this.#sum;
    if (sum !== undefined && sum !== sourceSha256 && sum !== unpacked.sha256) {
      throw new BrambleError(
        "IMAGE_CHECKSUM",
        `${this.#source.label} is not what was asked for: its SHA-256 is ${sourceSha256}, unpacked ${unpacked.sha256}`,
        { hint: `asked for was ${sum}: is it the right file, and the right line of the checksum list?` },
      );
    }
    const made = (await isTarFile(this.#raw)) ? await this.#makeDisk() : undefined;
    const written = made ?? unpacked;
    const { data } = this.#options;
    const all = await readManifests(data);
    const same = all.find((image) => image.sha256 === written.sha256);
    const { name, version } = this.#name(wanted, written.sha256, same);
    const label = `${name}:${version}`;
    const owner = all.find(
      (image) => `${image.name}:${image.version}` === label || image.aliases.includes(label),
    );
    if (owner && owner !== same) {
      throw new BrambleError(
        "IMAGE_NAME_TAKEN",
        `${label} is another image already (${owner.sha256.slice(0, 12)})`,
        {
          hint: "give this one a name or version of its own: --name name:version",
        },
      );
    }
    if (same) {
      if (owner === same) return same;
      const renamed = { ...same, aliases: [...same.aliases, label] };
      await writeManifest(data, renamed);
      return renamed;
    }
    this.#report("inspect");
    const disk = await RawFile.open(this.#raw);
    const facts = await inspectImage(disk).finally(() => disk.close());
    if (made) facts.notes.unshift(...made.notes);
    this.#options.signal?.throwIfAborted();
    const manifest: ImageManifest = {
      sha256: written.sha256,
      sourceSha256,
      name,
      version,
      aliases: [],
      size: disk.size,
      allocated: written.allocated,
      source: this.#options.label ?? this.#source.label,
      addedAt: new Date().toISOString(),
      facts,
    };
    const place = imageFile(data, written.sha256);
    const release = claim(place);
    try {
      await publish(this.#raw, place);
      await writeManifest(data, manifest);
    } catch (error) {
      throw asDiskFull(error, `publishing ${label}`);
    } finally {
      release();
    }
    this.#report("done");
    return manifest;
  }

  /** A user's word counts; without one, the same bytes keep the name they have. */
  #name(wanted: ImageName | undefined, sha256: string, same: ImageManifest | undefined) {
    if (!wanted && same) return same;
    const derived = nameOfFile(this.#source.fileName);
    const { name, version = derived.version } = wanted ?? derived;
    return { name, version: version ?? sha256.slice(0, 12) };
  }

  /** Source → raw file, durable when it ends. */
  async #write(): Promise<{ sha256: string; allocated: number }> {
    const { signal } = this.#options;
    const rawHash = createHash("sha256");
    let out: SparseFile | undefined;
    try {
      out = await SparseFile.create(this.#raw);
      for await (const bytes of this.#unpacked()) {
        signal?.throwIfAborted();
        if (this.#packed) rawHash.update(bytes);
        await out.write(bytes);
        this.#progress.rawBytes = out.size;
      }
      if (out.size === 0 || out.size % 512 !== 0) throw this.#noDisk(out.size);
      const allocated = await out.finish(0o444);
      const hash = this.#packed ? rawHash : this.#sourceHash.copy();
      return { sha256: hash.digest("hex"), allocated };
    } catch (error) {
      const known = asDiskFull(error, `importing ${this.#source.label}`);
      if (known instanceof BrambleError || known instanceof Changed || signal?.aborted || isHost(known))
        throw known;
      throw this.#damaged(known);
    } finally {
      await out?.close();
    }
  }

  /** A system packed as a tar file becomes a disk, durable when it ends. */
  async #makeDisk(): Promise<{ sha256: string; allocated: number; notes: string[] }> {
    const [tar, made] = [`${this.#raw}.tar`, `${this.#raw}.made`];
    await rename(this.#raw, tar);
    const signal = this.#options.signal ?? new AbortController().signal;
    const { notes } = await diskOfTar({ tar, to: made, signal });
    await rm(tar, { force: true });
    const hash = createHash("sha256");
    const out = await SparseFile.create(this.#raw);
    try {
      for await (const bytes of createReadStream(made, {
        highWaterMark: 1 << 20,
      }) as AsyncIterable<Uint8Array>) {
        signal.throwIfAborted();
        hash.update(bytes);
        await out.write(bytes);
      }
      return { sha256: hash.digest("hex"), allocated: await out.finish(0o444), notes };
    } catch (error) {
      throw asDiskFull(error, `importing ${this.#source.label}`);
    } finally {
      await out.close();
    }
  }

  async *#unpacked(): AsyncGenerator<Uint8Array> {
    const { packing, chunks } = await peek(this.#read());
    this.#packed = packing !== "raw";
    if (packing === "zip") {
      for await (const bytes of chunks) void bytes; // its table of contents is at the end: the file must be whole first
      const inner = await peek(openZip(this.#source.file));
      if (inner.packing === "zip") throw new Error("zip: a .zip inside a .zip");
      yield* unpack(inner.packing, inner.chunks);
      return;
    }
    yield* unpack(packing, chunks);
  }

  async *#read(): AsyncGenerator<Uint8Array> {
    for await (const bytes of this.#source.chunks()) {
      this.#options.signal?.throwIfAborted();
      this.#sourceHash.update(bytes);
      this.#progress.bytesRead += bytes.length;
      this.#report("read");
      yield bytes;
    }
  }

  #report(phase: ImportProgress["phase"]): void {
    this.#progress.phase = phase;
    this.#progress.bytesTotal = this.#source.total();
    this.#options.onProgress?.({ ...this.#progress });
  }

  #noDisk(size: number): BrambleError {
    return new BrambleError(
      "IMAGE_DAMAGED",
      `${this.#source.label} holds no disk image: ${size} bytes are no whole sectors`,
      {
        hint: "a disk image is a multiple of 512 bytes: is this the right file, and is it complete?",
      },
    );
  }

  #damaged(error: unknown): BrambleError {
    const why = error instanceof Error ? error.message : String(error);
    const total = this.#source.total();
    const where = `after ${this.#progress.bytesRead}${total === undefined ? "" : ` of ${total}`} bytes read`;
    return new BrambleError(
      "IMAGE_DAMAGED",
      `${this.#source.label} is damaged or cut short: ${why} (${where})`,
      {
        hint: "fetch it again and compare its SHA-256 with the one on the download page",
        cause: error,
      },
    );
  }
}

/** Our own disk or network said no: not the image's fault. */
const isHost = (error: unknown): boolean =>
  error instanceof Error && "syscall" in error && typeof error.syscall === "string";
