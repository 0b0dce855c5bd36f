import { request as httpRequest } from "node:http";
import { createInterface } from "node:readline";
import { BrambleError, type Code } from "../base/errors.ts";
import { type Calls, ROUTES } from "./contract.ts";
import type { Context, Progress } from "./route.ts";
import { API } from "./routes.ts";

/** The commands of a running Bramble, through its Unix socket. Errors there are the same errors here. */
export function connectCommands(socketPath: string): Calls {
  const call = (
    name: keyof Calls,
    args: Record<string, unknown>,
    { progress, signal }: Partial<Context> = {},
  ) => {
    const route = ROUTES[name];
    const rest = { ...args };
    const path = route.path.replace(/:(\w+)/g, (_, key: string) => {
      const value = String(rest[key] ?? "");
      delete rest[key];
      return encodeURIComponent(value);
    });
    const inQuery = route.method === "GET" || route.method === "DELETE";
    const given = Object.entries(rest).filter(([, value]) => value !== undefined);
    const query =
      inQuery && given.length > 0
        ? `?${new URLSearchParams(given.map(([k, v]): [string, string] => [k, String(v)]))}`
        : "";
    const body = inQuery ? "" : JSON.stringify(Object.fromEntries(given));
    return new Promise<unknown>((resolve, reject) => {
      const request = httpRequest(
        {
          socketPath,
          method: route.method,
          path: API + path + query,
          headers: { "content-type": "application/json", "content-length": Buffer.byteLength(body) },
          ...(signal && { signal }),
        },
        async (response) => {
          let last: { result?: unknown; error?: Problem } | undefined;
          let text = "";
          for await (const line of createInterface({ input: response })) {
            if (!route.long || response.statusCode !== 200) text += line;
            else {
              const value = JSON.parse(line) as { progress?: Progress; result?: unknown; error?: Problem };
              if (value.progress !== undefined) progress?.(value.progress);
              else last = value;
            }
          }
          if (response.statusCode !== 200) reject(asError(JSON.parse(text) as Problem));
          else if (!route.long) resolve(JSON.parse(text));
          else if (last?.error) reject(asError(last.error));
          else if (last) resolve(last.result);
          else reject(new BrambleError("SERVER_GONE", "Bramble ended in the middle of its answer"));
        },
      );
      request.on("error", (cause) =>
        reject(
          new BrambleError("SERVER_GONE", `the running Bramble does not answer: ${cause.message}`, { cause }),
        ),
      );
      request.end(body);
    });
  };
  return Object.fromEntries(
    (Object.keys(ROUTES) as (keyof Calls)[]).map((name) => [
      name,
      (args: Record<string, unknown>, context?: Partial<Context>) => call(name, args, context),
    ]),
  ) as unknown as Calls;
}

interface Problem {
  title: string;
  code: string;
  hint?: string;
}

const asError = ({ title, code, hint }: Problem): BrambleError =>
  new BrambleError(code as Code, title, hint === undefined ? {} : { hint });
