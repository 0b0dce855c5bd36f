// A device with an HTTP door, as its manual has it, for tests of drivers.
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import type { PowerDriver } from "./driver.ts";

export interface Asked {
  /** METHOD and path with query. */
  what: string;
  headers: IncomingHttpHeaders;
  body: string;
}
interface Said {
  status?: number;
  headers?: Record<string, string | string[]>;
  json?: unknown;
}

/** Answers by `METHOD path`; what it does not know is a 404. Everything asked is kept. */
export async function device(t: TestContext, answers: Record<string, Said | ((asked: Asked) => Said)>) {
  const asked: Asked[] = [];
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    const one = { what: `${request.method} ${request.url}`, headers: request.headers, body };
    asked.push(one);
    const answer = answers[one.what] ?? { status: 404, json: { error: "no such path" } };
    const { status = 200, headers = {}, json } = typeof answer === "function" ? answer(one) : answer;
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(json === undefined ? "" : JSON.stringify(json));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => new Promise((resolve) => server.close(resolve)));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  /** What was asked since the last time, with JSON bodies read. */
  const since = () =>
    asked
      .splice(0)
      .map(({ what, body }) => (body === "" ? what : [what, body[0] === "{" ? JSON.parse(body) : body]));
  return { url, asked, since };
}
export const now = () => 1_700_000_000_000;
export const soon = () => AbortSignal.timeout(10_000);
export const on = (driver: PowerDriver, port: string) => driver.set({ port }, true, soon());
export const off = (driver: PowerDriver, port: string) => driver.set({ port }, false, soon());
export const basic = (user: string, password: string) =>
  `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
