import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { signedHeaders } from "./signature.ts";

const TIMEOUT_MS = 10_000;
const MOST_ANSWER = 300;

export interface Posted {
  /** Any 2xx. */
  ok: boolean;
  /** "204", or what went wrong; without the address, which may hold a secret. */
  answer: string;
  tookMs: number;
}

/** Sends one body; never throws, follows no redirect. */
export function postSigned(
  { url, secret, id, body }: { url: string; secret: string; id: string; body: string },
  nowMs: number,
): Promise<Posted> {
  const started = performance.now();
  const to = new URL(url);
  return new Promise((resolve) => {
    const end = (ok: boolean, answer: string) =>
      resolve({ ok, answer: answer.slice(0, MOST_ANSWER), tookMs: Math.round(performance.now() - started) });
    const asked = (to.protocol === "https:" ? httpsRequest : httpRequest)(
      to,
      {
        method: "POST",
        signal: AbortSignal.timeout(TIMEOUT_MS),
        headers: {
          "content-type": "application/json",
          "content-length": Buffer.byteLength(body),
          "user-agent": "bramble",
          ...signedHeaders(secret, id, Math.floor(nowMs / 1000), body),
        },
      },
      (response) => {
        const { statusCode = 0, statusMessage = "" } = response;
        response.destroy(); // what it says is nobody's to read
        end(statusCode >= 200 && statusCode < 300, `${statusCode} ${statusMessage}`.trim());
      },
    );
    asked.on("error", (error: NodeJS.ErrnoException) =>
      end(
        false,
        error.name === "TimeoutError" || error.code === "ABORT_ERR" ? "no answer in 10 s" : error.message,
      ),
    );
    asked.end(body);
  });
}
