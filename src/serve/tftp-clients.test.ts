import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { needs, which } from "../../test/tools.ts";
import { serveTftp, type TftpEvent } from "./tftp.ts";

const noise = (length: number) => Uint8Array.from({ length }, (_, i) => (i * 2654435761) >>> 13);
const FILES = new Map([
  ["kernel8.img", noise(300_000)],
  ["round", noise(2048)],
  ["from/disk", noise(100_000)],
]);

/** "from/disk" answers in its own time, the others at once. */
async function find(path: string) {
  const bytes = FILES.get(path);
  if (!bytes) return undefined;
  const copy = (into: Uint8Array, at: number) => into.set(bytes.subarray(at, at + into.length));
  const slowly = (into: Uint8Array, at: number) => new Promise(setImmediate).then(() => copy(into, at));
  return { size: bytes.length, read: path === "from/disk" ? slowly : copy };
}

/** Somebody else's clients: the two sides must not agree on one mistake. */
const CLIENTS: [
  tool: string,
  aptPackage: string,
  arguments_: (port: number, path: string, to: string) => string[],
][] = [
  ["curl", "curl", (port, path, to) => ["-sS", "-o", to, `tftp://127.0.0.1:${port}/${path}`]],
  ["atftp", "atftp", (port, path, to) => ["--get", "-r", `/${path}`, "-l", to, "127.0.0.1", String(port)]],
  [
    "atftp",
    "atftp",
    (port, path, to) =>
      ["--option", "blksize 1468", "--option", "windowsize 16", "--option", "tsize 0", "--get"].concat([
        "-r",
        `/${path}`,
        "-l",
        to,
        "127.0.0.1",
        String(port),
      ]),
  ],
  [
    "tftp",
    "tftp-hpa",
    (port, path, to) => ["-m", "binary", "127.0.0.1", String(port), "-c", "get", path, to],
  ],
  [
    "busybox",
    "busybox",
    (port, path, to) => ["tftp", "-g", "-b", "1468", "-r", path, "-l", to, "127.0.0.1", String(port)],
  ],
];
for (const [tool, aptPackage, arguments_] of CLIENTS) {
  const wanted = arguments_(69, "kernel8.img", "FILE").join(" ");
  test(`serveTftp() satisfies ${tool} ${wanted}`, async (t) => {
    if (!needs(t, tool, aptPackage)) return;
    const folder = mkdtempSync(join(tmpdir(), "bramble-tftp-"));
    t.after(() => rmSync(folder, { recursive: true }));
    const events: TftpEvent[] = [];
    const { port, close } = await serveTftp({ host: "127.0.0.1", port: 0, find, on: (e) => events.push(e) });
    t.after(close);
    const program = which(tool) ?? tool;
    for (const [path, bytes] of FILES) {
      const to = join(folder, "got");
      await promisify(execFile)(program, arguments_(port, path, to), { timeout: 20_000 });
      assert.ok(Buffer.from(bytes).equals(readFileSync(to)), path);
      rmSync(to);
    }
    assert.equal(events.filter(({ kind }) => kind === "sent").length, 3);
  });
}
