import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { connectCommands } from "../../src/api/client.ts";
import type { Calls } from "../../src/api/contract.ts";
import type { Stage } from "../scenario.ts";
import { type Running, sh, start } from "./commands.ts";

export interface Ports {
  dhcp: number;
  proxy: number;
  tftp: number;
  agent: number;
  nbd: number;
  iscsi: number;
}
export interface LoopbackOrder {
  data: string;
  /** Of the run before: boards know them. */
  ports?: Ports;
}

/** Call it inside a network namespace of your own. Bramble on loopback in a process of its own, with the demo image, taking every virtual board. */
export interface Loopback {
  ports: Ports;
  commands: Calls;
  server(): Running;
  /** kill -9, and a new start on the same folder and ports. */
  killed(): Promise<void>;
}

const MAIN = fileURLToPath(new URL(`./loopback-main${import.meta.url.slice(-3)}`, import.meta.url));

export async function startLoopback(t: Stage): Promise<Loopback> {
  const data = join(t.folder, "data");
  await sh("ip link set lo up");
  const launch = async (ports?: Ports) => {
    const order: LoopbackOrder = { data, ...(ports && { ports }) };
    const args = [...process.execArgv, MAIN, JSON.stringify(order)];
    const running = start(process.execPath, args, { env: { ...process.env, NO_COLOR: "1" } });
    t.atEnd(() => running.stop());
    const [, told = ""] = await running.saw(/^READY (.*)$/m, 60);
    return { running, ports: JSON.parse(told) as Ports };
  };
  let now = await launch();
  return {
    ports: now.ports,
    commands: connectCommands(join(data, "bramble.sock")),
    server: () => now.running,
    async killed() {
      await now.running.stop("SIGKILL");
      now = await launch(now.ports);
    },
  };
}

/** Asks until there is an answer; fails after `seconds` with what `or` says. */
export async function until<T>(
  seconds: number,
  ask: () => Promise<T | undefined>,
  or: () => Promise<string> | string,
): Promise<T> {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (Date.now() > deadline) throw new Error(`not within ${seconds} s: ${await or()}`);
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}
