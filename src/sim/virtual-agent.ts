// What the agent and the reporter of a virtual board say: the requests of agent/talk.sh, from the board's own address.
import { request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { utf8 } from "../base/text.ts";
import type { Fate } from "./behaviour.ts";
import type { BootFile } from "./board.ts";

export interface AgentRun {
  /** As the firmware read it: the bytes must have been kept. */
  cmdline: BootFile | undefined;
  /** The board's own address. */
  address: string;
  fate: Fate;
  /** The power is cut: the promise ends at once. */
  signal: AbortSignal;
}

/** What talk.sh waits before it asks again. */
const AGAIN_MS = 3_000;
const HELLOS = 12;

/** How far it came. `none`: this boot has no agent of ours. */
export type AgentEnd = "none" | "refused" | "failed" | "agent" | "root" | "os" | "up";

/** From hello to `booted`, or to where its fate lets it stand still. Ends early when the power is cut. */
export async function virtualAgent({ cmdline, address, fate, signal }: AgentRun): Promise<AgentEnd> {
  const text = utf8(cmdline?.bytes ?? new Uint8Array());
  const value = (name: string) => new RegExp(`bramble\\.${name}=(\\S+)`).exec(text)?.[1] ?? "";
  const server = value("server");
  if (server === "") return "none";
  const post = (path: string, body: string, headers = {}) =>
    ask(`${server}${path}`, { body, headers, address, signal });
  const orders = await hello(
    () => post("/agent/hello", `boot=${value("boot")}\ntoken=${value("token")}\n`),
    signal,
  );
  const session = /^session=(.*)$/m.exec(orders ?? "")?.[1];
  if (session === undefined) return "refused";
  /** As booted.sh and talk.sh: once, and a lost report is lost. */
  const report = (step: string, detail: string) =>
    post("/agent/report", `step=${step}\ndetail=${encodeURIComponent(detail)}\nuptime=1.0\n`, {
      "x-bramble-session": session,
    });
  const hangs = (at: string) => fate.end === "hang" && fate.at === at;
  await report("network", `eth0 ${address}`);
  if (fate.end === "agent-fails") {
    await report("failed", fate.words);
    return "failed";
  }
  if (hangs("agent")) return "agent";
  await report("root-attached", `/dev/sda2, ${/^root=(.*)$/m.exec(orders ?? "")?.[1] ?? "no"} root`);
  await report("seeded", "nothing: a virtual board");
  if (hangs("root")) return "root";
  await report("switch-root", "/sbin/init");
  if (hangs("os")) return "os";
  await report("booted", "a virtual board");
  return "up";
}

/** Asks until there is an answer, as patiently as talk.sh. Undefined: refused, or the power was cut. */
async function hello(
  ask: () => Promise<Answer | undefined>,
  signal: AbortSignal,
): Promise<string | undefined> {
  for (let tries = 0; tries < HELLOS && !signal.aborted; tries++) {
    const answer = await ask();
    if (answer && answer.status < 300) return answer.text;
    if (answer && answer.status < 500) return undefined;
    await sleep(AGAIN_MS, undefined, { signal }).catch(() => {}); // power is cut: the loop ends
  }
  return undefined;
}

interface Answer {
  status: number;
  text: string;
}

/** Undefined: nobody answered. */
function ask(
  url: string,
  { body, headers, address, signal }: { body: string; headers: object; address: string; signal: AbortSignal },
): Promise<Answer | undefined> {
  return new Promise((resolve) => {
    const local = address.startsWith("127.") ? { localAddress: address } : {};
    const type = { "content-type": "text/plain" };
    const asked = request(
      url,
      { method: "POST", ...local, headers: { ...type, ...headers }, signal, agent: false, timeout: 10_000 },
      async (response) => {
        let text = "";
        try {
          for await (const chunk of response) text += chunk;
          resolve({ status: response.statusCode ?? 500, text });
        } catch {
          resolve(undefined); // cut in the middle: as if nobody had answered
        }
      },
    );
    asked.on("timeout", () => asked.destroy());
    asked.on("error", () => resolve(undefined)); // refused, reset, or the power is cut
    asked.end(body);
  });
}
