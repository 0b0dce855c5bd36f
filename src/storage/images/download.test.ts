import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, type TestContext, test } from "node:test";
import { gzipSync } from "node:zlib";
import { needs, run } from "../../../test/tools.ts";
import type { BrambleError, Code } from "../../base/errors.ts";
import { addImage, listImages } from "../images.ts";
import { imageFile } from "./manifest.ts";

const folder = mkdtempSync(join(tmpdir(), "bramble-download-"));
after(() => rmSync(folder, { recursive: true, force: true }));

let die = 5;
const RAW = Buffer.concat([
  Uint8Array.from({ length: 1 << 20 }, () => {
    die = (Math.imul(die, 1103515245) + 12345) >>> 0;
    return die >>> 16;
  }),
  Buffer.alloc(1 << 20),
]);
const PACKED = gzipSync(RAW);
const sum = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

interface Shop {
  /** What it serves, and the word for its version; "" = no validator at all. */
  bytes: Buffer;
  etag: string;
  modified?: string;
  /** Bytes after which each connection is cut. */
  cutAfter: number;
  ranges: boolean;
  /** "RANGE | -" for each request. */
  log: string[];
  url: string;
}

/** A web server with bad manners. */
async function shop(t: TestContext, start: Partial<Shop> = {}): Promise<Shop> {
  const state: Shop = {
    bytes: PACKED,
    etag: '"v1"',
    cutAfter: Number.POSITIVE_INFINITY,
    ranges: true,
    log: [],
    url: "",
    ...start,
  };
  const server = http.createServer((request, response) => {
    const { range, "if-range": validator } = request.headers;
    state.log.push(range ?? "-");
    const from = Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1] ?? 0);
    const current = state.etag || state.modified;
    const partial = state.ranges && range !== undefined && (validator === undefined || validator === current);
    const headers = {
      ...(state.etag ? { etag: state.etag } : {}),
      ...(state.modified ? { "last-modified": state.modified } : {}),
    };
    if (partial && from >= state.bytes.length) {
      response.writeHead(416, { ...headers, "content-range": `bytes */${state.bytes.length}` }).end();
      return;
    }
    const body = partial ? state.bytes.subarray(from) : state.bytes;
    const all = state.bytes.length;
    response.writeHead(partial ? 206 : 200, {
      ...headers,
      "content-length": body.length,
      ...(partial ? { "content-range": `bytes ${from}-${all - 1}/${all}` } : {}),
    });
    if (body.length <= state.cutAfter) response.end(body);
    else response.write(body.subarray(0, state.cutAfter), () => response.destroy());
  });
  state.url = await listen(t, server, "/2025-10-01-raspios-trixie-arm64-lite.img.gz");
  return state;
}

async function listen(t: TestContext, server: http.Server, path: string): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`;
}

let count = 0;
const freshData = () => join(folder, `data${++count}`);
const incoming = (data: string) => readdirSync(join(data, "images", "incoming"));
const kept = (data: string) => incoming(data).filter((name) => name.endsWith(".part"));
const fails =
  (code: Code, words: RegExp, hint = /./) =>
  (error: BrambleError) => {
    assert.equal(error.code, code, error.message);
    assert.match(error.message, words);
    assert.match(error.hint ?? "", hint);
    return true;
  };
const add = (data: string, source: string, more: { sha256?: string; signal?: AbortSignal } = {}) =>
  addImage({ data, source, retryMs: 1, ...more });

test("a download becomes an image with the name of its file, and nothing is kept of it", async (t) => {
  const web = await shop(t);
  const data = freshData();
  const totals: (number | undefined)[] = [];
  const image = await addImage({
    data,
    source: web.url.replace("http://", "http://user:secret@").concat("?token=secret"),
    onProgress: ({ bytesTotal }) => totals.push(bytesTotal),
  });
  assert.equal(`${image.name}:${image.version}`, "raspios-trixie-arm64-lite:2025-10-01");
  assert.equal(image.source, web.url, "no password, no query");
  assert.equal(image.sourceSha256, sum(PACKED));
  assert.equal(image.sha256, sum(RAW));
  assert.equal(totals.at(-1), PACKED.length);
  assert.deepEqual(incoming(data), []);
});

test("a connection that is cut goes on where it stopped, as often as needed", async (t) => {
  const web = await shop(t, { cutAfter: 200_000 });
  const data = freshData();
  const image = await add(data, web.url);
  assert.equal(image.sha256, sum(RAW));
  assert.equal(image.sourceSha256, sum(PACKED));
  const from = web.log.map((range) => Number(/\d+/.exec(range)?.[0] ?? 0));
  assert.equal(from[0], 0);
  assert.deepEqual(
    from,
    [...new Set(from)].sort((a, b) => a - b),
    "asked twice for the same bytes",
  );
  assert.ok(from.length <= 10 && from.length > 5, `${from.length} requests`);
});

test("what a stopped run has brought is not fetched again; not even one byte more than is missing", async (t) => {
  const web = await shop(t);
  const data = freshData();
  const stop = new AbortController();
  const adding = addImage({
    data,
    source: web.url,
    signal: stop.signal,
    onProgress: ({ bytesRead }) => bytesRead > 300_000 && stop.abort(),
  });
  await assert.rejects(adding, (error: BrambleError) => error.code === "CANCELLED");
  const [part = ""] = kept(data);
  const have = statSync(join(data, "images", "incoming", part)).size;
  assert.ok(have > 300_000 && have <= PACKED.length);
  await addImage({ data, source: imageSource(data) });
  assert.deepEqual(kept(data), [part], "another import threw the download away");
  web.log = [];
  assert.equal((await add(data, web.url)).sha256, sum(RAW));
  assert.deepEqual(web.log, [`bytes=${have}-`]);
  assert.deepEqual(incoming(data), []);
});

/** Some other image, to be added in between. */
function imageSource(data: string): string {
  const path = `${data}-other.img`;
  writeFileSync(path, Buffer.alloc(4096, 1));
  return path;
}

test("a file that is here whole already is only asked about", async (t) => {
  const web = await shop(t);
  const data = freshData();
  await addImage({ data, source: web.url });
  // The name is taken by other bytes: the import fails at its end, and the download is kept.
  web.bytes = gzipSync(Buffer.concat([RAW, RAW]));
  web.etag = '"v2"';
  await assert.rejects(add(data, web.url), fails("IMAGE_NAME_TAKEN", /2025-10-01/, /--name/));
  assert.equal(kept(data).length, 1);
  web.log = [];
  const image = await addImage({ data, source: web.url, name: "two:1" });
  assert.equal(image.sha256, sum(Buffer.concat([RAW, RAW])));
  assert.deepEqual(web.log, [`bytes=${web.bytes.length}-`]);
});

for (const [what, change] of [
  ["with another ETag", { etag: '"v2"' }],
  ["without an ETag but a later date", { etag: "", modified: "Fri, 02 Jan 2026 00:00:00 GMT" }],
] as const) {
  test(`a file that changed on the server between two runs, ${what}, is fetched from its start`, async (t) => {
    const web = await shop(t, {
      ...("modified" in change ? { etag: "", modified: "Thu, 01 Jan 2026 00:00:00 GMT" } : {}),
      cutAfter: 300_000,
    });
    const data = freshData();
    const stop = new AbortController();
    const adding = addImage({
      data,
      source: web.url,
      retryMs: 1,
      signal: stop.signal,
      onProgress: ({ bytesRead }) => bytesRead > 200_000 && stop.abort(), // the first pieces are on the disk by then
    });
    await assert.rejects(adding);
    assert.equal(kept(data).length, 1);
    const newer = Buffer.concat([Buffer.alloc(512, 7), RAW]);
    Object.assign(web, change, { bytes: gzipSync(newer), cutAfter: Number.POSITIVE_INFINITY, log: [] });
    assert.equal((await add(data, web.url)).sha256, sum(newer));
    assert.match(web.log[0] ?? "", /^bytes=/);
    assert.equal(web.log.length, 1, "the server's answer to If-Range is the whole new file");
  });
}

test("a file that changes while it comes is started again, not glued together", async (t) => {
  const web = await shop(t, { cutAfter: 300_000 });
  const newer = Buffer.concat([Buffer.alloc(512, 7), RAW]);
  const data = freshData();
  const image = await addImage({
    data,
    source: web.url,
    retryMs: 1,
    onProgress: ({ bytesRead }) => {
      if (bytesRead > 200_000)
        Object.assign(web, { etag: '"v2"', bytes: gzipSync(newer), cutAfter: Number.POSITIVE_INFINITY });
    },
  });
  assert.equal(image.sha256, sum(newer));
});

test("a server that knows no ranges is asked for everything again", async (t) => {
  const web = await shop(t, { cutAfter: 300_000, ranges: false });
  const data = freshData();
  const image = await addImage({
    data,
    source: web.url,
    retryMs: 1,
    onProgress: ({ bytesRead }) => {
      if (bytesRead > 200_000) web.cutAfter = Number.POSITIVE_INFINITY;
    },
  });
  assert.equal(image.sha256, sum(RAW));
  assert.equal(web.log.length, 3);
  assert.match(web.log.join(), /^-,bytes=\d+-,-$/);
});

test("a kept part that went bad is noticed, thrown away and fetched anew", async (t) => {
  const web = await shop(t);
  const data = freshData();
  const stop = new AbortController();
  const options = { data, source: web.url, signal: stop.signal };
  await assert.rejects(
    addImage({ ...options, onProgress: ({ bytesRead }) => bytesRead > 300_000 && stop.abort() }),
  );
  const path = join(data, "images", "incoming", kept(data)[0] ?? "");
  writeFileSync(path, Buffer.alloc(statSync(path).size)); // as a power cut may leave it
  assert.equal((await add(data, web.url, { sha256: sum(PACKED) })).sha256, sum(RAW));
});

test("a wrong checksum leaves nothing, not even the download", async (t) => {
  const web = await shop(t);
  const data = freshData();
  await assert.rejects(
    add(data, web.url, { sha256: "0".repeat(64) }),
    fails("IMAGE_CHECKSUM", new RegExp(sum(PACKED))),
  );
  assert.deepEqual(incoming(data), []);
  assert.deepEqual(await listImages(data), []);
  assert.equal(web.log.length, 1, "fetched again though nothing was resumed");
});

test("a server that goes on failing ends in DOWNLOAD_FAILED, and what came is kept for the next try", async (t) => {
  const web = await shop(t, { cutAfter: 0 });
  const data = freshData();
  await assert.rejects(
    add(data, web.url),
    fails("DOWNLOAD_FAILED", /could not be fetched/, /goes on where it stopped/),
  );
  assert.equal(web.log.length, 5);
  web.cutAfter = Number.POSITIVE_INFINITY;
  assert.equal((await add(data, web.url)).sha256, sum(RAW));
});

test("each answer of a web server that is no file has its own words", async (t) => {
  let status = 0;
  let asked = 0;
  const server = http.createServer((_, response) => {
    asked++;
    response.writeHead(status).end("sorry");
  });
  const url = await listen(t, server, "/x.img");
  for (const [code, times, hint] of [
    [404, 1, /newer release/],
    [401, 1, /login/],
    [403, 1, /browser/],
    [503, 5, /later/],
    [429, 5, /wait/],
  ] as const) {
    status = code;
    asked = 0;
    const data = freshData();
    await assert.rejects(add(data, url), fails("DOWNLOAD_FAILED", new RegExp(`answered ${code}`), hint));
    assert.equal(asked, times, `status ${code}`);
    assert.equal(existsSync(join(data, "images")) && (await listImages(data)).length > 0, false);
  }
});

test("redirects are followed a few times, never in a circle, never to a file of ours", async (t) => {
  const web = await shop(t);
  let to = "";
  const server = http.createServer((request, response) => {
    const hops = Number(new URL(request.url ?? "/", "http://x").searchParams.get("hops") ?? 0);
    response.writeHead(302, { location: hops > 0 ? `/x?hops=${hops - 1}` : to }).end();
  });
  const url = await listen(t, server, "/x");
  to = web.url;
  assert.equal((await add(freshData(), `${url}?hops=3`)).sha256, sum(RAW));
  await assert.rejects(add(freshData(), `${url}?hops=9`), fails("DOWNLOAD_FAILED", /more than 5 times/, /^/));
  to = "file:///etc/passwd";
  await assert.rejects(add(freshData(), url), fails("DOWNLOAD_FAILED", /file:\/\/\/etc\/passwd/, /^/));
});

test("a .zip from the web is read once it is whole", async (t) => {
  if (!needs(t, "zip", "zip")) return;
  const path = join(folder, "card.img");
  writeFileSync(path, RAW);
  run("zip", ["-qj", join(folder, "card.zip"), path]);
  const web = await shop(t, { bytes: readFileSync(join(folder, "card.zip")), cutAfter: 500_000 });
  const data = freshData();
  const image = await add(data, web.url);
  assert.equal(image.sha256, sum(RAW));
  assert.equal(image.sourceSha256, sum(web.bytes));
  assert.ok(readFileSync(imageFile(data, image.sha256)).equals(RAW));
});

test("the same address twice at once is refused, not mixed up", async (t) => {
  const web = await shop(t);
  const data = freshData();
  const both = await Promise.allSettled([add(data, web.url), add(data, web.url)]);
  assert.deepEqual(both.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
  const refused = both.find((one) => one.status === "rejected");
  assert.match(String(refused?.reason), /already/);
});

test("a server that cuts and cannot resume ends in DOWNLOAD_FAILED", async (t) => {
  const web = await shop(t, { cutAfter: 300_000, ranges: false });
  await assert.rejects(
    add(freshData(), web.url),
    fails("DOWNLOAD_FAILED", /could not be resumed, 3 times/, /other means/),
  );
});
