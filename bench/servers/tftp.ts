// The TFTP server over one folder, files in memory, in a process of its own: servers/tftp.ts FOLDER [batched]. Says "ready {port}".
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { FileBytes } from "../../src/base/tree.ts";
import { serveTftp } from "../../src/serve/tftp.ts";

const folder = process.argv[2];
if (folder === undefined) throw new Error("which folder?");
const files = new Map<string, FileBytes | undefined>();

function load(path: string): FileBytes | undefined {
  try {
    const bytes = readFileSync(join(folder ?? "", path));
    return { size: bytes.length, read: (into, at) => into.set(bytes.subarray(at, at + into.length)) };
  } catch {
    return undefined;
  }
}

const server = await serveTftp({
  host: "127.0.0.1",
  port: 0,
  udp: process.argv[3] === "batched" ? "batched" : "dgram",
  async find(path) {
    if (files.has(path)) return files.get(path);
    const file = load(path);
    if (file) files.set(path, file);
    return file;
  },
  on() {},
});
process.once("SIGTERM", async () => {
  await server.close();
  process.exit(); // so that --cpu-prof writes its file
});
console.log(`ready ${JSON.stringify({ port: server.port })}`);
