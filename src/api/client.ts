import { createHash } from "node:crypto";
import { request as httpRequest, type RequestOptions } from "node:http";
import { request as httpsRequest } from "node:https";
import type { TLSSocket } from "node:tls";
import { BrambleError, type Code } from "../base/errors.ts";
import { type Calls, ROUTES } from "./contract.ts";
import { API, type Context, type DescribedRoute, type RouteFacts } from "./route.ts";
import type { SessionView } from "./session-contract.ts";
import type { TaskView } from "./task-contract.ts";

export interface Server {
  /** `https://bramble.example:8440`. */
  url: string;
  token: string;
  /** sha256 of the key that was trusted at the login; absent: the system's authorities decide. */
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

/** Who a server takes us for. Throws what it answers. */
export async function whoAmI(to: string | Server): Promise<SessionView> {
  return JSON.parse((await asking(to)("GET", `${API}/me`, undefined)).text) as SessionView;
}

/** A person's name and password become a token of this machine's; the session that it takes ends with it. */
export async function tokenByPassword(
  server: Omit<Server, "token">,
  person: { user: string; password: string },
  wish: { name: string; days: number },
): Promise<string> {
  const to = { ...server, token: "" };
  const opened = await asking(to)("POST", `${API}/login`, person);
  const { csrf = "" } = JSON.parse(opened.text) as SessionView;
  const cookie = [opened.headers["set-cookie"] ?? []].flat()[0]?.split(";")[0] ?? "";
  const ask = asking(to, { cookie, "x-bramble-csrf": csrf });
  try {
    return (JSON.parse((await ask("POST", `${API}/tokens`, wish)).text) as { token: string }).token;
  } finally {
    await ask("POST", `${API}/logout`, {}).catch(() => {}); // it ends by itself in hours
  }
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

function asking(to: string | Server, more: Record<string, string> = {}): Ask {
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
            ...more,
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
      if (pinned === undefined) request.end(bytes);
      else
        request.once("socket", (socket) =>
          socket.once("secureConnect", () => {
            // nothing, and no token, is sent before the key is seen to be the one that was trusted
            if (keyFingerprint(socket as TLSSocket) === pinned) request.end(bytes);
            else request.destroy(strange(url?.host ?? ""));
          }),
        );
    });
}

/** sha256 of the public key that a server shows, in hex: it stays when its certificate is renewed. */
export function keyFingerprint(socket: TLSSocket): string | undefined {
  const shown = socket.getPeerX509Certificate();
  const key = shown?.publicKey.export({ type: "spki", format: "der" });
  return key && createHash("sha256").update(key).digest("hex");
}
const strange = (host: string): BrambleError =>
  new BrambleError("CERTIFICATE_BAD", `${host} shows another key than the one that was trusted`, {
    hint: "if that is right, log in anew: bramble login URL",
  });

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
