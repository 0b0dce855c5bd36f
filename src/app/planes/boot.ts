// The boot plane: one thread that sends files over TFTP. It asks the control side which file a request means.
import { parentPort } from "node:worker_threads";
import { BrambleError } from "../../base/errors.ts";
import { serveTftp, type TftpEvent } from "../../serve/tftp.ts";
import type { Faults } from "./disk-calls.ts";
import { faults } from "./faults.ts";
import { connect } from "./rpc.ts";
import { telling, tftpTally } from "./tally.ts";

export interface FoundFile {
  bytes: SharedArrayBuffer;
  size: number;
}

/** What the control side may ask of the boot plane. */
export interface BootCalls extends Faults {
  /** Is it there? */
  ping(args: object): boolean;
  listen(args: { host: string; port: number }): { port: number; warnings: string[] };
}

const port = parentPort;
if (!port) throw new BrambleError("INTERNAL", "the boot plane runs in a worker thread only");

const tally = tftpTally();
const servers: { close(): Promise<void> | void }[] = [];
const control = connect(port, {
  ...faults(),
  ping: () => true,
  async listen({ host, port: wanted }: { host: string; port: number }) {
    const server = await serveTftp({
      host,
      port: wanted,
      udp: process.env["BRAMBLE_UDP"] === "dgram" ? "dgram" : "batched",
      async find(path, client) {
        const found = await control.call<FoundFile | undefined>("find", { path, client });
        if (!found) return undefined;
        const bytes = new Uint8Array(found.bytes, 0, found.size);
        return {
          size: found.size,
          read: (into, offset) => into.set(bytes.subarray(offset, offset + into.length)),
        };
      },
      on(event: TftpEvent) {
        tally.count(event);
        control.tell("tftp", event);
      },
    });
    servers.push(server);
    return { port: server.port, warnings: server.warnings };
  },
  close: () => Promise.all(servers.map((server) => server.close())),
});
telling(tally.take, (counts) => control.tell("counts", counts));
