import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { after, type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { needs, run, which } from "../../test/tools.ts";
import type { BrambleError, Code } from "../base/errors.ts";
import { imageFile } from "./images/manifest.ts";
import { addImage, findImage, listImages, removeImage } from "./images.ts";

const CHILD = process.env["BRAMBLE_TEST_IMPORT"];
if (CHILD) {
  // This file as a child process: imports and says how it ended.
  const [data = "", source = ""] = CHILD.split("\n");
  try {
    console.log(`listed ${(await addImage({ data, source })).sha256}`);
  } catch (error) {
    console.log(`${(error as BrambleError).code} ${(error as Error).message}`);
  }
  process.exit(0);
}

const folder = mkdtempSync(join(tmpdir(), "bramble-images-"));
const card = join(folder, "2026-01-01-demo-os.img");
after(() => rmSync(folder, { recursive: true, force: true }));

const sum = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

// Noise, a long hole, words: what packs badly, what becomes a hole, what packs well.
let die = 1;
const noise = Uint8Array.from({ length: 200_000 }, () => {
  die = (Math.imul(die, 1103515245) + 12345) >>> 0;
  return die >>> 16;
});
const cardBytes = Buffer.concat([noise, Buffer.alloc(7_600_000), Buffer.alloc(588_608, "words ")]);
writeFileSync(card, cardBytes);
const cardSha = sum(cardBytes);

let count = 0;
const freshData = () => join(folder, `data${++count}`);
const file = (name: string, bytes: Uint8Array | string) => {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
};
const fails = (code: Code, words: RegExp) => (error: BrambleError) => {
  assert.equal(error.code, code, error.message);
  assert.match(error.message, words);
  assert.ok(error.hint || code === "CANCELLED", "an error without a hint");
  return true;
};
/** Nothing but folders and published pairs; gives the number of images. */
function leftovers(data: string): string[] {
  const images = existsSync(join(data, "images"))
    ? readdirSync(join(data, "images"), { recursive: true })
    : [];
  return images.map(String).filter((name) => name !== "incoming" && !/^[0-9a-f]{64}\.(img|json)$/.test(name));
}

function packed(t: TestContext, tool: string, args: string[], to: string): string | undefined {
  if (!needs(t, tool, { xz: "xz-utils" }[tool] ?? tool)) return undefined;
  const path = join(folder, to);
  if (tool === "zip") run("zip", ["-qj", path, card]);
  else run("sh", ["-c", `"$0" ${args.join(" ")} < "$1" > "$2"`, which(tool) ?? tool, card, path]);
  return path;
}

for (const [tool, args, name] of [
  ["cat", [], "2026-01-01-demo-os.img.copy"],
  ["xz", ["-0", "--block-size=4MiB"], "2026-01-01-demo-os.img.xz"],
  ["zstd", ["-q"], "2026-01-01-demo-os.img.zst"],
  ["gzip", ["-1"], "gzipped-whatever-its-name.bin"],
  ["zip", [], "2026-01-01-demo-os.zip"],
] as const) {
  test(`addImage() takes ${name}: raw, sparse, read-only, with both hashes`, async (t) => {
    const source = packed(t, tool, [...args], name);
    if (!source) return;
    const data = freshData();
    const phases = new Set<string>();
    let rawBytes = 0;
    const image = await addImage({
      data,
      source,
      onProgress: (at) => {
        phases.add(at.phase);
        rawBytes = at.rawBytes;
        assert.equal(at.bytesTotal, statSync(source).size);
        assert.ok(at.bytesRead <= statSync(source).size);
      },
    });
    const raw = imageFile(data, cardSha);
    assert.equal(image.sha256, cardSha);
    assert.equal(image.sourceSha256, sum(readFileSync(source)));
    assert.ok(readFileSync(raw).equals(readFileSync(card)));
    assert.equal(statSync(raw).mode & 0o777, 0o444);
    assert.equal(image.size, statSync(card).size);
    assert.equal(image.allocated, statSync(raw).blocks * 512);
    assert.ok(image.allocated < image.size / 8, `${image.allocated} bytes on the disk`);
    assert.deepEqual([...phases], ["read", "inspect", "done"]);
    assert.equal(rawBytes, image.size);
    assert.deepEqual(await listImages(data), [image]);
    assert.deepEqual(leftovers(data), []);
  });
}

test("addImage() gives the same bytes again as the same image, under a new name too when one is asked for", async () => {
  const data = freshData();
  const first = await addImage({ data, source: card });
  assert.equal(`${first.name}:${first.version}`, "demo-os:2026-01-01");
  assert.deepEqual(await addImage({ data, source: card }), first);
  const renamed = await addImage({
    data,
    source: file("again.gz", gzipSync(readFileSync(card))),
    name: "pi:1",
  });
  assert.deepEqual(renamed, { ...first, aliases: ["pi:1"] });
  assert.deepEqual(await addImage({ data, source: card, name: "pi:1" }), renamed);
  assert.equal((await listImages(data)).length, 1);
  assert.equal((await findImage(data, "pi:1")).sha256, cardSha);
  assert.deepEqual(leftovers(data), []);
});

test("addImage() refuses another image under a name that is taken", async () => {
  const data = freshData();
  await addImage({ data, source: card, name: "pi:1" });
  const other = file("other.img", Buffer.alloc(1 << 20, "other"));
  await assert.rejects(
    addImage({ data, source: other, name: "pi:1" }),
    fails("IMAGE_NAME_TAKEN", /pi:1 is another/),
  );
  assert.equal((await addImage({ data, source: other, name: "pi" })).version.length, 12);
  assert.deepEqual(leftovers(data), []);
});

test("addImage() takes the hash of the file or of the raw image, and no other", async () => {
  const source = file("summed.img.gz", gzipSync(readFileSync(card)));
  const data = freshData();
  await addImage({ data, source, sha256: sum(readFileSync(source)) });
  await addImage({ data, source, sha256: `SHA256:${cardSha.toUpperCase()}` });
  const empty = freshData();
  await assert.rejects(
    addImage({ data: empty, source, sha256: "0".repeat(64) }),
    fails("IMAGE_CHECKSUM", new RegExp(cardSha)),
  );
  await assert.rejects(addImage({ data: empty, source, sha256: "abc" }), fails("BAD_INPUT", /abc/));
  assert.deepEqual(await listImages(empty), []);
  assert.deepEqual(leftovers(empty), []);
});

test("addImage() names a damaged file and how far it got, and leaves nothing", async (t) => {
  const bad: Record<string, Buffer> = {
    "cut.img.gz": gzipSync(readFileSync(card)).subarray(0, 50_000),
    "text.img": Buffer.from("<html>404 not found</html>"),
    "empty.img": Buffer.alloc(0),
    "odd.img": Buffer.alloc(1025),
  };
  for (const [tool, name] of [
    ["xz", "cut.img.xz"],
    ["zstd", "cut.img.zst"],
    ["zip", "cut.zip"],
  ] as const) {
    const good = packed(t, tool, tool === "zip" ? [] : ["-1"], `good-${name}`);
    if (!good) return;
    const flipped = readFileSync(good);
    bad[name] = Buffer.from(flipped.subarray(0, flipped.length / 2));
    const middle = flipped.length >> 1;
    flipped[middle] = (flipped[middle] ?? 0) ^ 1;
    bad[`flipped-${name}`] = flipped;
  }
  const data = freshData();
  for (const [name, bytes] of Object.entries(bad)) {
    const source = file(name, bytes);
    await assert.rejects(
      addImage({ data, source }),
      fails("IMAGE_DAMAGED", new RegExp(`${name}.* bytes`)),
      name,
    );
    assert.deepEqual(await listImages(data), []);
    assert.deepEqual(leftovers(data), [], name);
  }
});

test("addImage() says what is wrong with a source or a name before it reads anything", async () => {
  const data = freshData();
  await assert.rejects(
    addImage({ data, source: join(folder, "none.img") }),
    fails("FILE_UNKNOWN", /none.img/),
  );
  const nothing = join(folder, "nothing");
  mkdirSync(nothing);
  await assert.rejects(addImage({ data, source: nothing }), fails("IMAGE_DAMAGED", /no system/));
  await assert.rejects(addImage({ data, source: "/dev/null" }), fails("BAD_INPUT", /no regular file/));
  await assert.rejects(addImage({ data, source: "ftp://host/x.img" }), fails("BAD_INPUT", /ftp/));
  for (const name of ["Big:1", "a b", "x:", ":1", "../x:1", "x:../1", ""]) {
    await assert.rejects(addImage({ data, source: card, name }), fails("BAD_INPUT", /no image name/));
  }
});

test("addImage() stops when asked to, and leaves nothing", async () => {
  const data = freshData();
  const stop = new AbortController();
  const adding = addImage({
    data,
    source: card,
    signal: stop.signal,
    onProgress: ({ rawBytes }) => rawBytes > 1 << 18 && stop.abort(),
  });
  await assert.rejects(adding, fails("CANCELLED", /demo-os/));
  assert.deepEqual(await listImages(data), []);
  assert.deepEqual(leftovers(data), []);
});

test("findImage() takes a name, a version or the start of a hash, and lists what it may have meant", async () => {
  const data = freshData();
  await assert.rejects(findImage(data, "x"), (error: BrambleError) => /image add/.test(error.hint ?? ""));
  const one = await addImage({ data, source: card, name: "pi:1" });
  const two = await addImage({ data, source: file("two.img", Buffer.alloc(4096, 2)), name: "pi:2" });
  const deb = await addImage({ data, source: file("three.img", Buffer.alloc(4096, 3)), name: "debian:13" });
  assert.deepEqual(await findImage(data, "pi:1"), one);
  assert.deepEqual(await findImage(data, two.sha256.slice(0, 8)), two);
  assert.deepEqual(await findImage(data, `sha256:${two.sha256}`), two);
  assert.deepEqual(await findImage(data, "debian"), deb);
  await assert.rejects(findImage(data, "pi"), (error: BrambleError) => {
    assert.equal(error.code, "IMAGE_UNKNOWN");
    return /pi:1/.test(error.hint ?? "") && /pi:2/.test(error.hint ?? "");
  });
  await assert.rejects(findImage(data, "pi:3"), fails("IMAGE_UNKNOWN", /pi:3/));
  await assert.rejects(findImage(data, one.sha256.slice(0, 3)), fails("IMAGE_UNKNOWN", /./));
});

test("removeImage() names the nodes whose clones stand on it; without any it removes all of it", async () => {
  const data = freshData();
  const image = await addImage({ data, source: card, name: "pi:1" });
  const inUse = (sha: string) => (sha === cardSha ? ["node-a", "node-b"] : []);
  await assert.rejects(removeImage(data, "pi:1", { inUse }), fails("IMAGE_IN_USE", /node-a, node-b/));
  assert.equal((await listImages(data)).length, 1);
  assert.deepEqual(await removeImage(data, "pi:1", { inUse: () => [] }), image);
  assert.deepEqual(readdirSync(join(data, "images")), ["incoming"]);
});

test("listImages() of a folder that was never used is empty", async () => {
  assert.deepEqual(await listImages(freshData()), []);
});

/** The import in a process of its own. */
function child(data: string, source: string, shell = 'exec "$0" "$@"') {
  const self = fileURLToPath(import.meta.url);
  const args = [
    "-c",
    shell,
    process.execPath,
    ...process.execArgv.filter((arg) => !arg.startsWith("--test")),
    self,
  ];
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const process_ = spawn("sh", args, {
    env: { ...env, BRAMBLE_TEST_IMPORT: `${data}\n${source}` },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let said = "";
  process_.stdout.on("data", (text: Buffer) => {
    said += text;
  });
  const ended = new Promise<string>((resolve) => process_.on("close", () => resolve(said)));
  return { process: process_, ended };
}

test("a process that is killed during its import leaves no half image listed, and the next one clears up", async () => {
  const data = freshData();
  const source = file(
    "kill.img.gz",
    gzipSync(Buffer.concat([readFileSync(card), Buffer.alloc(16 << 20, "kill me ")]), { level: 1 }),
  );
  let killed = 0;
  let seed = 7;
  for (let round = 0; round < 4; round++) {
    const { process: victim, ended } = child(data, source);
    seed = (seed * 16807) % 2147483647;
    // At another moment each time: at once, or when the half image has grown so large.
    const size = round === 0 ? 0 : (seed % 25) * (1 << 20);
    await new Promise<void>((resolve) => {
      const watch = setInterval(() => {
        const incoming = join(data, "images", "incoming");
        const raw = existsSync(incoming)
          ? readdirSync(incoming).find((name) => name.endsWith(".raw"))
          : undefined;
        let grown = -1;
        try {
          if (raw) grown = statSync(join(incoming, raw)).size;
        } catch {
          grown = Number.MAX_SAFE_INTEGER; // it was published between the two calls
        }
        if (grown < size && victim.exitCode === null) return;
        clearInterval(watch);
        resolve();
      }, 2);
    });
    victim.kill("SIGKILL");
    if (!(await ended).startsWith("listed")) killed++;
    for (const image of await listImages(data)) {
      assert.equal(sum(readFileSync(imageFile(data, image.sha256))), image.sha256);
    }
  }
  assert.ok(killed > 0, "no import was killed: this test looked at nothing");
  const image = await addImage({ data, source });
  assert.equal(sum(readFileSync(imageFile(data, image.sha256))), image.sha256);
  assert.deepEqual(leftovers(data), []);
  assert.equal(readdirSync(join(data, "images")).length, 3);
});

test("a disk image whose manifest was never written is not listed, and cleared by the next import", async () => {
  const data = freshData();
  const image = await addImage({ data, source: card });
  rmSync(join(data, "images", `${image.sha256}.json`));
  assert.deepEqual(await listImages(data), []);
  await addImage({ data, source: file("next.img", Buffer.alloc(4096, 9)) });
  assert.equal(existsSync(imageFile(data, image.sha256)), false);
});

test("a full disk stops the import with DISK_FULL and leaves nothing", async (t) => {
  if (!needs(t, "sh", "dash")) return;
  const data = freshData();
  const source = file("big.img.gz", gzipSync(Buffer.alloc(8 << 20, "full"), { level: 1 }));
  // 2 MiB is the largest file that the child may write: EFBIG, which we take for the same.
  const said = await child(data, source, 'ulimit -f 4096; exec "$0" "$@"').ended;
  assert.match(said, new RegExp(`^DISK_FULL .*${basename(source)}`));
  assert.deepEqual(await listImages(data), []);
  assert.deepEqual(leftovers(data), []);
});
