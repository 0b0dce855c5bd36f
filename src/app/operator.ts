import { chmod, rm } from "node:fs/promises";
import { isIP } from "node:net";
import { hostname } from "node:os";
import type { Calls } from "../api/contract.ts";
import { apiListener } from "../api/listener.ts";
import type { Pages } from "../api/pages.ts";
import { streams } from "../api/stream.ts";
import { authOf } from "./access/auth.ts";
import type { Gate } from "./access/gate.ts";
import { onceOf } from "./access/once.ts";
import { readerFor, streamSource } from "./access/readers.ts";
import { digest } from "./access/secrets.ts";
import { VERSION } from "./commands.ts";
import type { Core } from "./core.ts";
import { operatorPage } from "./page.ts";

export interface OperatorSettings {
  host: string;
  port: number;
  /** PEM; without, plain HTTP. */
  tls?: { cert: string; key: string };
}
/** What stands behind the operator's door. */
export interface Behind {
  calls: Calls;
  mayCall: Gate["mayCall"];
  monitors?: Partial<Pages["monitors"]>;
}

/** Addresses and this machine's own names: what DNS says of other names is not ours to trust (DNS rebinding). */
const ownName = (name: string): boolean =>
  isIP(name.replace(/^\[|\]$/g, "")) !== 0 || ["localhost", hostname(), `${hostname()}.local`].includes(name);

const fine = () => ({ body: '{"status":"ok"}\n' });

/** What nobody is called is refused where it is looked for. */
function nodeId({ registry }: Pick<Core, "registry">, reference: string): string | undefined {
  try {
    return registry.need(reference).id;
  } catch {
    return undefined;
  }
}

/** The operator's page and API on the network, and the same API on the Unix socket in the data folder. */
export async function openOperator(
  core: Core,
  { calls, mayCall, monitors }: Behind,
  settings: OperatorSettings & { warn(words: string): void },
): Promise<{ port: number; close(): Promise<void> }> {
  const { tls, warn } = settings;
  const listener = await apiListener({
    calls,
    mayCall,
    startTask: core.tasks.start,
    once: onceOf(core.book, Date.now),
    nodeId: (reference) => nodeId(core, reference),
    auth: authOf(core),
    version: VERSION,
    cookie: `bramble_${digest(core.data.root).slice(0, 8)}`,
    streams: streams(streamSource(core)),
    readerFor: (by) => readerFor(core, by),
    pages: {
      ui: operatorPage(),
      version: VERSION,
      monitors: {
        "/health": fine,
        "/ready": fine,
        "/metrics": () => ({ type: "text/plain", body: "" }),
        ...monitors,
      },
    },
    ownName,
    warn,
    ...(tls && { tls }),
  });
  try {
    await rm(core.data.socket, { force: true }); // of a process that was killed: we hold the lock
    await listener.listenLocal(core.data.socket);
    await chmod(core.data.socket, 0o600);
    return { port: await listener.listen(settings), close: listener.close };
  } catch (error) {
    await listener.close();
    throw error;
  }
}
