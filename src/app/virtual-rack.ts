// What the demo and the sim command do with virtual Pis beyond booting them.
import { request } from "node:http";
import { BrambleError } from "../base/errors.ts";
import { utf8 } from "../base/text.ts";
import { MODELS, type Model, modelNamed } from "../formats/boards.ts";
import type { SimBoot } from "../sim/board.ts";

/** "4b,5,3b" → models; every one is named that is not known. */
export function parseModels(text: string): Model[] {
  return text.split(",").map((name) => {
    const model = modelNamed(name);
    if (model) return model;
    throw new BrambleError("BAD_INPUT", `${name} is no model that boots from a network`, {
      hint: `one of ${MODELS.join(", ")}`,
    });
  });
}

const WORDS = "It reached its kernel. This is a virtual board: a real one would start that kernel now.";

/**
 * Ends a virtual board's boot as its agent would: hello with the token of its cmdline.txt, then a last report. Without it
 * the timeline would wait for an agent that never comes. Needs a boot whose bytes were kept.
 */
export async function stopVirtualBoard(boot: SimBoot, address: string): Promise<void> {
  const cmdline = utf8(boot.cmdline?.bytes ?? new Uint8Array());
  const value = (name: string) => new RegExp(`bramble\\.${name}=(\\S+)`).exec(cmdline)?.[1] ?? "";
  const server = value("server");
  if (server === "") return; // an image that boots without our agent
  const hello = await post(
    `${server}/agent/hello`,
    address,
    `boot=${value("boot")}\ntoken=${value("token")}\n`,
  );
  const session = /^session=(.*)$/m.exec(hello)?.[1] ?? "";
  const body = `step=stopped\ndetail=${encodeURIComponent(WORDS)}\n`;
  await post(`${server}/agent/report`, address, body, { "x-bramble-session": session });
}

function post(url: string, localAddress: string, body: string, headers = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { method: "POST", localAddress, headers }, async (response) => {
      let text = "";
      for await (const chunk of response) text += chunk;
      if ((response.statusCode ?? 500) < 300) resolve(text);
      else reject(new BrambleError("TOKEN_REFUSED", `the server refused the virtual board: ${text.trim()}`));
    });
    asked.on("error", reject);
    asked.end(body);
  });
}
