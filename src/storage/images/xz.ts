import { createRequire } from "node:module";
import type { Duplex } from "node:stream";
import { concat } from "../../base/bytes.ts";
import { BrambleError } from "../../base/errors.ts";
import { program, throughProgram } from "./through.ts";

/** Who unpacks xz: Debian's program (all cores), liblzma inside Node, or WebAssembly, which works everywhere. */
export type XzBy = "program" | "native" | "wasm";

/**
 * Unpacks xz: several blocks, several streams and padding between them. Damaged or cut input throws.
 * @param by for tests; by default the fastest that this machine has.
 */
export async function* openXz(chunks: AsyncIterable<Uint8Array>, by?: XzBy): AsyncGenerator<Uint8Array> {
  const xz = program("xz");
  if (by === "program" || (by === undefined && xz)) {
    yield* throughProgram(chunks, xz ?? "xz", ["-dc", "-T0", "-q"]);
    return;
  }
  const lzma = by === "wasm" ? undefined : await native();
  if (lzma) yield* throughLzma(chunks, lzma.createDecompressor());
  else yield* wasm(chunks);
}

/** Packs as xz, with Debian's program (all cores) or liblzma inside Node; TOOL_MISSING where there is neither. */
export async function* packXz(
  chunks: AsyncIterable<Uint8Array>,
  by?: Exclude<XzBy, "wasm">,
): AsyncGenerator<Uint8Array> {
  const xz = program("xz");
  if (by === "program" || (by === undefined && xz)) {
    yield* throughProgram(chunks, xz ?? "xz", ["-zc", "-T0", "-q"]);
    return;
  }
  const lzma = await native();
  if (!lzma) {
    throw new BrambleError("TOOL_MISSING", "nothing here packs xz", {
      hint: "sudo apt install xz-utils; or another format",
    });
  }
  yield* throughLzma(chunks, lzma.createCompressor());
}

const PIECE = 4096;
const Y = 0x59;

/**
 * lzma-native 8 as it is: it knows no back-pressure on its output (so: small pieces, 4 KiB become 28 MB at worst), its streams end
 * by events only, and it sees the end of an xz stream only where the footer's "YZ" is not cut in two.
 */
async function* throughLzma(chunks: AsyncIterable<Uint8Array>, lzma: Duplex): AsyncGenerator<Uint8Array> {
  const out: Uint8Array[] = [];
  let failure: unknown;
  let wake = () => {};
  lzma.on("data", (bytes: Uint8Array) => out.push(bytes));
  lzma.on("error", (error: unknown) => {
    failure ??= error;
    wake();
  });
  const step = async (start: (done: () => void) => void) => {
    if (failure === undefined) {
      await new Promise<void>((resolve) => {
        wake = resolve;
        start(resolve);
      });
    }
    if (failure !== undefined) throw failure;
  };
  let held: Uint8Array = new Uint8Array(0);
  try {
    for await (const chunk of chunks) {
      let bytes: Uint8Array = held.length > 0 ? concat([held, chunk]) : chunk;
      for (let size = PIECE; bytes.length > 0; size = PIECE) {
        while (size < bytes.length && bytes[size - 1] === Y) size++;
        if (size >= bytes.length && bytes.at(-1) === Y) break;
        const piece = Buffer.from(bytes.slice(0, size));
        await step((done) => lzma.write(piece, () => done()));
        bytes = bytes.subarray(piece.length);
        yield* out.splice(0);
      }
      held = bytes.slice();
    }
    await step((done) => lzma.once("end", done).end(Buffer.from(held)));
    yield* out.splice(0);
  } finally {
    lzma.destroy();
  }
}

/** lzma-native has binaries for the usual platforms only; elsewhere loading it throws. */
async function native() {
  try {
    return (await import("lzma-native")).default;
  } catch {
    return undefined;
  }
}

async function* wasm(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const { XzReadableStream } = createRequire(import.meta.url)(
    "xz-decompress",
  ) as typeof import("xz-decompress"); // CommonJS whose names `import` does not see
  const source = chunks[Symbol.asyncIterator]();
  const packed = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const next = await source.next();
        if (next.done) controller.close();
        else controller.enqueue(next.value);
      } catch (error) {
        controller.error(error);
      }
    },
    async cancel() {
      await source.return?.();
    },
  });
  yield* new XzReadableStream(packed) as unknown as AsyncIterable<Uint8Array>;
}
