// How a stage asks for a file: options and ports by stage, requests again every 2 s, silence counted as absence.
import { createHash } from "node:crypto";
import { Fetch, type FetchEnd } from "../wire/tftp/fetching.ts";
import { type Bench, type BootFile, listen, type SimRequest, say } from "./board.ts";
import type { Run } from "./machine.ts";

const LISTENER = 69;
/** Seen at 2.000 s in rpi-eeprom issue 74; for lost blocks no record exists, the same is taken. */
const RESEND_MS = 2000;

export interface Fetched extends BootFile {
  bytes: Uint8Array;
  damaged: boolean;
}

interface FetchWish {
  probe?: boolean;
  uncertain?: boolean;
}

/** Asks whether `path` is there: any answer but an error ends in ERROR 0 "Early terminate". */
export function* probe(bench: Bench, path: string, wish: FetchWish = {}): Run<boolean> {
  const { how } = yield* transfer(bench, path, { ...wish, probe: true });
  return how.end === "probed";
}

/** The whole file; undefined where the answer was an error or silence. */
export function* read(bench: Bench, path: string, wish: FetchWish = {}): Run<Fetched | undefined> {
  const { how, bytes, sha256 } = yield* transfer(bench, path, wish);
  if (how.end !== "read") return undefined;
  const file: BootFile = { path, size: bytes.length, sha256, ...(bench.keepBytes && { bytes }) };
  bench.boot.files.set(withoutPrefix(bench, path), file);
  return { ...file, bytes, damaged: how.damaged };
}

/** start*.elf's way: first whether it is there, then the file. */
export function* probeAndRead(bench: Bench, path: string, wish: FetchWish = {}): Run<Fetched | undefined> {
  return (yield* probe(bench, path, wish)) ? yield* read(bench, path, wish) : undefined;
}

/** Did the last request end in silence, and not in "not there"? */
export const timedOut = (bench: Bench): boolean => bench.boot.requests.at(-1)?.result === "timeout";

function withoutPrefix(bench: Bench, path: string): string {
  const clean = path.replace(/\/+/g, "/").replace(/^\//, "");
  return clean.startsWith(`${bench.pi.serial}/`) ? clean.slice(9) : clean;
}

function* transfer(
  bench: Bench,
  path: string,
  { probe: probing = false, uncertain }: FetchWish,
): Run<{ how: FetchEnd; bytes: Uint8Array; sha256: string }> {
  const { habits, server } = bench;
  const started = bench.now();
  const options = new Map<string, string>();
  if (habits.options) options.set("tsize", "0");
  if (habits.options && habits.blockSize) options.set("blksize", `${habits.blockSize}`);
  const fetch = new Fetch(path, {
    options,
    probe: probing,
    resendMs: RESEND_MS,
    ackResendMs: RESEND_MS,
    timeoutMs: habits.fileTimeoutMs,
    wraps: habits.wraps,
    acksDuplicates: habits.acksDuplicates,
    duplicateOackHarms: bench.pi.bugs?.duplicateOack === true && bench.stage === "bootcode.bin",
  });
  const port = bench.nextPort;
  if (bench.countsPorts) bench.nextPort = port === 65535 ? 49152 : port + 1;
  const hash = createHash("sha256");
  const chunks: Uint8Array[] = [];
  let size = 0;
  let how: FetchEnd | undefined;
  let orders = fetch.start(started);
  while (true) {
    for (const order of orders) {
      if (order.do === "end") how = order.how;
      else if (order.do === "data") {
        hash.update(order.bytes);
        chunks.push(order.bytes.slice());
        size += order.bytes.length;
      } else {
        const toPort = order.to === "listener" ? LISTENER : (fetch.transferPort ?? LISTENER);
        yield { do: "send", port, to: { address: server, port: toPort }, bytes: order.bytes };
      }
    }
    if (how) break;
    const frame = yield* listen(bench, fetch.deadline);
    if (!frame) orders = fetch.tick(bench.now());
    else if (frame.kind === "udp" && frame.to.port === port)
      orders = fetch.receive(frame.bytes, frame.from.port, bench.now());
    else orders = [];
  }
  if (bench.countsPorts) yield { do: "release", port };
  const sha256 = hash.digest("hex");
  const request: SimRequest = {
    path,
    result: resultOf(how),
    bytes: how.end === "probed" ? (how.size ?? 0) : size,
    ...(how.end === "read" && { sha256 }),
    stage: bench.stage,
    at: started,
    ms: bench.now() - started,
    ...(uncertain && { uncertain }),
  };
  bench.boot.requests.push(request);
  bench.onRequest(request);
  say(bench, `TFTP ${path}: ${request.result}${how.end === "read" ? ` ${size}` : ""}`);
  return { how, bytes: join(chunks, size), sha256 };
}

function join(chunks: Uint8Array[], size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

/** Any error is "absent" to the firmware, whatever its code. */
function resultOf(how: FetchEnd): SimRequest["result"] {
  switch (how.end) {
    case "read":
      return "read";
    case "probed":
      return "probe";
    case "refused":
      return "missing";
    default:
      return how.end;
  }
}
