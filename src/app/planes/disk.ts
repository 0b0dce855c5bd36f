// The disk plane: one thread that owns every open clone and serves them over NBD. Others read clones through it, by message.
import { rmSync } from "node:fs";
import { parentPort } from "node:worker_threads";
import { BrambleError } from "../../base/errors.ts";
import { serveNbd } from "../../serve/nbd.ts";
import { type Clone, createClone, openClone } from "../../storage/clones/clone.ts";
import { connect, Transfer } from "./rpc.ts";

/** What the control side may ask of the disk plane. Paths are whole; an export is asked for by a secret of one boot, and talked about by its name. */
export interface DiskPlane {
  createClone(args: { path: string; image: { path: string; size: number; sha256: string } }): void;
  removeClone(args: { path: string }): void;
  read(args: { path: string; offset: number; length: number }): Uint8Array;
  /** Has the clone bytes of its own in this range, so that the image no longer speaks for it? */
  owns(args: { path: string; offset: number; length: number }): boolean;
  facts(args: { path: string }): { size: number; ownBytes: number; generation: number };
  flush(args: { path: string }): void;
  listen(args: { host: string; port: number }): { port: number };
  export(args: { secret: string; name: string; path: string; address: string; readOnly?: boolean }): void;
  drop(args: { name: string; why: string }): void;
  close(): void;
}

export type DiskEvent =
  | { kind: "opened" | "closed"; name: string; address: string; why?: string }
  | { kind: "refused"; address: string; why: string };

const port = parentPort;
if (!port) throw new BrambleError("INTERNAL", "the disk plane runs in a worker thread only");

/** A clone that only the control side reads is closed after this long without a question. */
const IDLE_MS = 30_000;
const open = new Map<string, { clone: Promise<Clone>; exports: number; idle?: NodeJS.Timeout }>();
/** By secret. */
const exports = new Map<string, { name: string; path: string; address: string; readOnly: boolean }>();
const servers: Awaited<ReturnType<typeof serveNbd>>[] = [];

function hold(path: string) {
  let held = open.get(path);
  if (!held) {
    held = { clone: openClone(path), exports: 0 };
    open.set(path, held);
    held.clone.catch(() => open.delete(path)); // whoever asked gets the error; the next one tries anew
  }
  clearTimeout(held.idle);
  held.idle = setTimeout(() => void release(path), IDLE_MS).unref();
  return held;
}

/** Closes a clone that nobody has exported. */
async function release(path: string): Promise<void> {
  const held = open.get(path);
  if (!held || held.exports > 0) return;
  clearTimeout(held.idle);
  open.delete(path);
  await (await held.clone).close();
}

async function drop(name: string, why: string): Promise<void> {
  for (const [secret, known] of exports) if (known.name === name) exports.delete(secret);
  await Promise.all(servers.map((server) => server.drop(name, why)));
}

const control = connect(port, {
  createClone: (args: Parameters<DiskPlane["createClone"]>[0]) => createClone(args),
  async removeClone({ path }: { path: string }) {
    if ((open.get(path)?.exports ?? 0) > 0) {
      throw new BrambleError("CLONE_BUSY", "the node is running from this clone", {
        hint: "switch the node off first",
      });
    }
    await release(path);
    for (const suffix of ["", ".ja", ".jb", ".lock"]) rmSync(path + suffix, { force: true });
  },
  async read({ path, offset, length }: Parameters<DiskPlane["read"]>[0]) {
    const bytes = new Uint8Array(length);
    await (await hold(path).clone).read(bytes, offset);
    return new Transfer(bytes, [bytes.buffer]);
  },
  owns: async ({ path, offset, length }: Parameters<DiskPlane["owns"]>[0]) =>
    (await hold(path).clone).ownExtents(offset, length),
  async facts({ path }: { path: string }) {
    const clone = await hold(path).clone;
    return { size: clone.size, ownBytes: clone.ownBytes(), generation: clone.generation };
  },
  flush: async ({ path }: { path: string }) => (await hold(path).clone).flush(),
  async listen({ host, port: wanted }: Parameters<DiskPlane["listen"]>[0]) {
    const server = await serveNbd({
      host,
      port: wanted,
      async find(secret, client) {
        const known = exports.get(secret);
        if (!known || known.address !== client.address) {
          const why = known
            ? `${client.address} is not the node that this disk belongs to`
            : "no such export";
          control.tell("disk", { kind: "refused", address: client.address, why } satisfies DiskEvent);
          return undefined;
        }
        const { name } = known;
        const held = hold(known.path);
        const disk = await held.clone;
        return {
          disk,
          name,
          readOnly: known.readOnly,
          session: {
            opened() {
              held.exports += 1;
              control.tell("disk", { kind: "opened", name, address: client.address } satisfies DiskEvent);
            },
            closed() {
              held.exports -= 1;
              control.tell("disk", { kind: "closed", name, address: client.address } satisfies DiskEvent);
              if (held.exports === 0) hold(known.path); // starts the idle clock
            },
          },
        };
      },
    });
    servers.push(server);
    return { port: server.port };
  },
  export: ({ secret, name, path, address, readOnly = false }: Parameters<DiskPlane["export"]>[0]) => {
    exports.set(secret, { name, path, address, readOnly });
  },
  drop: ({ name, why }: { name: string; why: string }) => drop(name, why),
  async close() {
    await Promise.all(servers.map((server) => server.close()));
    const clones = [...open.values()];
    open.clear();
    for (const held of clones) {
      clearTimeout(held.idle);
      await (await held.clone).close();
    }
  },
});
