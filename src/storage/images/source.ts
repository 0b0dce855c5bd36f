import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { BrambleError } from "../../base/errors.ts";
import { Download } from "./download.ts";
import { errorCode } from "./durable.ts";
import { incomingFolder } from "./incoming.ts";
import { publicUrl } from "./request.ts";

/** Where an image comes from. */
export interface Source {
  /** As the manifest keeps it and messages say it. */
  readonly label: string;
  /** The file's name, from which the image's may be derived. */
  readonly fileName: string;
  /** Holds all bytes once `chunks()` has ended. */
  readonly file: string;
  chunks(): AsyncIterable<Uint8Array>;
  /** Bytes in all, where that is known. */
  total(): number | undefined;
  /** Bytes were taken over from an earlier, broken download. */
  resumed(): boolean;
  /** Throws kept bytes away; a local file stays. */
  discard(): Promise<void>;
  /** Paths in incoming/ that it works on. */
  readonly works: string[];
}

interface SourceOptions {
  data: string;
  source: string;
  verified: boolean;
  signal?: AbortSignal | undefined;
  retryMs?: number | undefined;
}

/** A path or an http(s) URL. Throws FILE_UNKNOWN or BAD_INPUT before anything is read. */
export async function openSource({
  data,
  source,
  verified,
  signal,
  retryMs,
}: SourceOptions): Promise<Source> {
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(source) && !source.toLowerCase().startsWith("file://")) {
    return fromWeb(data, source, { verified, signal, ...(retryMs === undefined ? {} : { retryMs }) });
  }
  const file = resolve(source.replace(/^file:\/\//i, ""));
  const size = await sizeOf(file, source);
  return {
    label: file,
    fileName: basename(file),
    file,
    chunks: () => createReadStream(file, { highWaterMark: 1 << 18 }),
    total: () => size,
    resumed: () => false,
    discard: async () => {},
    works: [],
  };
}

async function sizeOf(file: string, source: string): Promise<number> {
  try {
    const found = await stat(file);
    if (found.isFile()) return found.size;
  } catch (error) {
    if (errorCode(error) !== "ENOENT" && errorCode(error) !== "ENOTDIR") throw error;
    throw new BrambleError("FILE_UNKNOWN", `there is no file ${source}`, {
      hint: "give the path of a disk image (.img, .img.xz, .zst, .gz, .zip), of a system as .tar or folder, or an http(s) address",
    });
  }
  throw new BrambleError("BAD_INPUT", `${source} is no regular file`, {
    hint: "to import an SD card, copy it into a file first: dd if=/dev/mmcblk0 of=card.img bs=4M",
  });
}

function fromWeb(
  data: string,
  source: string,
  options: { verified: boolean; signal?: AbortSignal | undefined; retryMs?: number },
): Source {
  const url = URL.canParse(source) ? new URL(source) : undefined;
  if (!url || !/^https?:$/.test(url.protocol)) {
    throw new BrambleError("BAD_INPUT", `${source} is no address that can be fetched`, {
      hint: "http:// and https:// work; fetch others by hand and add the file",
    });
  }
  const key = createHash("sha256").update(url.href).digest("hex").slice(0, 32);
  const part = join(incomingFolder(data), `${key}.part`);
  const download = new Download({ url, part, ...options });
  return {
    label: publicUrl(url),
    fileName: lastPart(url),
    file: part,
    chunks: () => download.chunks(),
    total: () => download.total,
    resumed: () => download.resumedFrom > 0,
    discard: () => download.discard(),
    works: [part, `${part}.json`],
  };
}

function lastPart(url: URL): string {
  const part = url.pathname.split("/").at(-1) || url.hostname;
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
