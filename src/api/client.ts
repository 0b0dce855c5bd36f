import { request as httpRequest, type RequestOptions } from "node:http";
import { request as httpsRequest } from "node:https";
import { BrambleError, type Code } from "../base/errors.ts";
import { type Calls, ROUTES } from "./contract.ts";
import { API, type Context, type DescribedRoute, type RouteFacts } from "./route.ts";
import type { TaskView } from "./task-contract.ts";

export interface Server {
  /** `https://bramble.example:8440`. */
  url: string;
  token: string;
  /** sha256 of the certificate that was trusted at the login; absent: the system's authorities decide. */
  fingerprint?: string;
}

interface Answered {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  text: string;
}
type Ask = (
  method: string,
  path: string,
  body: object | undefined,
  signal?: AbortSignal,
) => Promise<Answered>;

/** The commands of a running Bramble: through its Unix socket, or from afar. Errors there are the same errors here. */
export function connectCommands(to: string | Server): Calls {
  const ask = asking(to);
  const calls = (Object.keys(ROUTES) as (keyof Calls)[]).map((name) => {
    const route: RouteFacts & Partial<DescribedRoute> = ROUTES[name];
    return [
      name,
      async (args: Record<string, unknown>, context: Partial<Context> = {}) => {
        const { path, body } = placed(route, args);
        const answered = await ask(route.method, API + path, body, route.long ? undefined : context.signal);
        if (route.long) return follow(ask, JSON.parse(answered.text) as TaskView, context);
        const value = JSON.parse(answered.text) as unknown;
        return route.whole && args["limit"] === undefined
          ? allPages(ask, value as unknown[], answered)
          : value;
      },
    ];
  });
  return Object.fromEntries(calls) as Calls;
}

/** One call that is no command: who am I, a login. */
export async function askServer(
  to: string | Server,
  method: string,
  path: string,
  body?: object,
): Promise<unknown> {
  return JSON.parse((await asking(to)(method, API + path, body)).text) as unknown;
}

/** Where arguments travel: `:name` parts, the query of GET and DELETE, the body of the rest. */
function placed(route: RouteFacts, args: Record<string, unknown>) {
  const rest = { ...args };
  const path = route.path.replace(/:(\w+)/g, (_, key: string) => {
    const value = String(rest[key] ?? "");
    delete rest[key];
    return encodeURIComponent(value);
  });
  const given = Object.entries(rest).filter(([, value]) => value !== undefined);
  if (route.method !== "GET" && route.method !== "DELETE") return { path, body: Object.fromEntries(given) };
  const query = new URLSearchParams(given.map(([key, value]): [string, string] => [key, String(value)]));
  return { path: given.length > 0 ? `${path}?${query}` : path, body: undefined };
}

async function allPages(ask: Ask, first: unknown[], answered: Answered): Promise<unknown[]> {
  const all = first;
  let next = nextOf(answered);
  while (next !== undefined) {
    const page = await ask("GET", next, undefined);
    all.push(...(JSON.parse(page.text) as unknown[]));
    next = nextOf(page);
  }
  return all;
}
const nextOf = ({ headers: { link } }: Answered): string | undefined =>
  /<([^>]+)>; rel="next"/.exec(String(link ?? ""))?.[1];

/** Waits for a task and tells how far it is; an abort here stops it there. */
async function follow(ask: Ask, begun: TaskView, { progress, signal }: Partial<Context>): Promise<unknown> {
  const at = `${API}/tasks/${begun.id}`;
  const stop = () => void ask("DELETE", at, undefined).catch(() => {}); // what became of it, the task itself says
  signal?.addEventListener("abort", stop);
  if (signal?.aborted) stop();
  try {
    for (let task = begun; ; ) {
      if (task.progress) progress?.(task.progress);
      if (task.state === "done") return task.result;
      if (task.error) throw refusal(task.error);
      if (task.state !== "running") throw new BrambleError("CANCELLED", `the task was ${task.state}`);
      task = JSON.parse((await ask("GET", `${at}?seen=${task.version}`, undefined)).text) as TaskView;
    }
  } finally {
    signal?.removeEventListener("abort", stop);
  }
}

function asking(to: string | Server): Ask {
  const isLocal = typeof to === "string";
  const url = isLocal ? undefined : new URL(to.url);
  const isTls = url?.protocol === "https:";
  const pinned = isLocal ? undefined : to.fingerprint;
  const where: RequestOptions = url
    ? { hostname: url.hostname.replace(/^\[|\]$/g, ""), port: url.port || (isTls ? 443 : 80) }
    : { socketPath: to as string };
  return (method, path, body, signal) =>
    new Promise((resolve, reject) => {
      const bytes = body === undefined ? undefined : JSON.stringify(body);
      const request = (isTls ? httpsRequest : httpRequest)(
        {
          ...where,
          method,
          path,
          agent: false,
          headers: {
            ...(bytes !== undefined && {
              "content-type": "application/json",
              "content-length": Buffer.byteLength(bytes),
            }),
            ...(!isLocal && to.token && { authorization: `Bearer ${to.token}` }),
          },
          ...(signal && { signal }),
          ...(pinned !== undefined && { rejectUnauthorized: false }),
        },
        (response) => {
          const parts: Buffer[] = [];
          response.on("data", (part: Buffer) => parts.push(part));
          response.on("error", (cause) => reject(gone(cause)));
          response.on("end", () => {
            const text = Buffer.concat(parts).toString("utf8");
            const status = response.statusCode ?? 0;
            if (status < 400) resolve({ status, headers: response.headers, text });
            else reject(problemIn(text, status));
          });
        },
      );
      request.on("error", (cause) => reject(cause.name === "BrambleError" ? cause : gone(cause)));
      // nothing is sent before the certificate is seen to be the one that was trusted
      if (pinned !== undefined)
        request.on("socket", (socket) =>
          socket.once("secureConnect", () => {
            const shown = (socket as import("node:tls").TLSSocket).getPeerCertificate().fingerprint256;
            if (shown !== pinned)
              request.destroy(
                new BrambleError(
                  "CERTIFICATE_BAD",
                  `${url?.host} shows another certificate than the one that was trusted`,
                  { hint: "if that is right, log in anew: bramble login URL" },
                ),
              );
          }),
        );
      request.end(bytes);
    });
}

const gone = (cause: Error): BrambleError =>
  new BrambleError("SERVER_GONE", `the running Bramble does not answer: ${cause.message}`, { cause });

function problemIn(text: string, status: number): BrambleError {
  try {
    return refusal(JSON.parse(text) as { title: string; code: string; hint?: string });
  } catch {
    return new BrambleError("SERVER_GONE", `what answers is no Bramble: HTTP ${status}`);
  }
}
const refusal = ({ title, code, hint }: { title: string; code: string; hint?: string }): BrambleError =>
  new BrambleError(code as Code, title, hint === undefined ? {} : { hint });
