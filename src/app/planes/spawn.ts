import { Worker } from "node:worker_threads";
import { BrambleError } from "../../base/errors.ts";
import { connect, type Handlers, type Peer } from "./rpc.ts";

export interface Plane extends Peer {
  /** Asks the plane to close its things, then ends the thread. */
  end(): Promise<void>;
}

/** Starts a plane's thread. `died` is told when it ends without having been asked to. */
export function spawnPlane(name: "disk" | "boot", handlers: Handlers, died: (error: Error) => void): Plane {
  const ending = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const worker = new Worker(new URL(`./${name}.${ending}`, import.meta.url), { name });
  const peer = connect(worker, handlers);
  let wanted = false;
  let last = new BrambleError("INTERNAL", `the ${name} plane ended`);
  worker.on("error", (error) => {
    last = new BrambleError("INTERNAL", `the ${name} plane failed: ${error.message}`, { cause: error });
  });
  worker.on("exit", () => {
    peer.broken(last);
    if (!wanted) died(last);
  });
  return {
    ...peer,
    async end() {
      wanted = true;
      try {
        await peer.call("close");
      } finally {
        await worker.terminate();
      }
    },
  };
}
