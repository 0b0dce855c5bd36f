// One request to one command: arguments, version, once only, then the answer with its headers.
import type { FastifyReply, FastifyRequest } from "fastify";
import type { TObject } from "typebox";
import { BrambleError } from "../base/errors.ts";
import type { Actor } from "../fleet/actor.ts";
import type { Caller } from "./callers.ts";
import { checkArgs, fromText } from "./check.ts";
import { type Calls, ROUTES } from "./contract.ts";
import { etagOf, mustMatch, type oneAtATime } from "./etag.ts";
import { pathNames, resourceOf } from "./resource.ts";
import { API, type Context, type DescribedRoute, type RouteFacts } from "./route.ts";
import type { TaskView } from "./task-contract.ts";

type Verb = keyof Calls;
type Args = Record<string, unknown>;
type Call = (args: Args, context: Partial<Context>) => Promise<unknown>;

export interface Answer {
  status: number;
  body: string;
}
/** Answers kept by Idempotency-Key; throws KEY_REUSED, KEY_BUSY. */
export type Once = (
  asked: { key: string; who: string; request: string },
  work: () => Promise<Answer>,
) => Promise<Answer & { again: boolean }>;

export interface Handling {
  calls: Calls;
  /** Throws what the command itself would refuse for its caller's sake: a task is not begun for nothing. */
  mayCall(verb: Verb, args: Args, by: Actor): void;
  startTask(
    wish: { verb: string; target?: string; by: Actor },
    work: (context: Pick<Context, "progress" | "signal">) => Promise<unknown>,
  ): Promise<TaskView>;
  once: Once;
  /** The node that a reference means: it has many names, and one line of changes. */
  nodeId(reference: string): string | undefined;
}

/** Lists without a limit come in pages of so many over HTTP. */
const PAGE = 1_000;

const inUrl = ({ method }: RouteFacts) => method === "GET" || method === "DELETE";

export function argsOf(route: RouteFacts | DescribedRoute, request: FastifyRequest): Args {
  const text = {
    ...(request.query as Record<string, string>),
    ...(request.params as Record<string, string>),
  };
  const schema = "args" in route ? route.args : ({ properties: {} } as unknown as TObject);
  const body = inUrl(route) ? {} : (request.body ?? {});
  if (typeof body !== "object" || Array.isArray(body))
    throw new BrambleError("BAD_INPUT", "the body must be a JSON object");
  const args = { ...body, ...fromText(schema, text) };
  checkArgs(route, args);
  return args;
}

export function handler(
  verb: Verb,
  { calls, mayCall, startTask, once, nodeId }: Handling,
  locked: ReturnType<typeof oneAtATime>,
) {
  const route: RouteFacts & Partial<DescribedRoute> = ROUTES[verb];
  const shows = resourceOf(ROUTES, route.path);
  const call = calls[verb] as unknown as Call;
  const isEdit = route.method === "PATCH" || route.method === "PUT" || route.method === "DELETE";

  async function answer(
    request: FastifyRequest,
    reply: FastifyReply,
    caller: Caller,
    args: Args,
  ): Promise<Answer> {
    const { by } = caller;
    const gone = new AbortController();
    reply.raw.once("close", () => {
      if (!reply.raw.writableFinished) gone.abort();
    });
    const context = { by, requestId: request.id };
    if (route.long) {
      mayCall(verb, args, by);
      const target = pathNames(route.path).map((name) => String(args[name]))[0];
      const task = await startTask({ verb, by, ...(target !== undefined && { target }) }, (more) =>
        call(args, { ...context, ...more }),
      );
      reply.header("location", `${API}/tasks/${task.id}`);
      return { status: 202, body: JSON.stringify(task) };
    }
    if (route.whole && args["limit"] === undefined) args["limit"] = PAGE;
    const value = await call(args, { ...context, signal: gone.signal });
    if (shows === verb || (shows && sameView(shows, route))) {
      reply.header("etag", etagOf(value));
    }
    const next = nextPage(route, request, args, value);
    if (next) reply.header("link", `<${next}>; rel="next"`);
    return { status: 200, body: JSON.stringify(value) };
  }

  /** Looks at If-Match and changes the thing with nobody in between. */
  async function edited(request: FastifyRequest, reply: FastifyReply, caller: Caller, args: Args) {
    const wanted = request.headers["if-match"];
    if (!isEdit || !shows) return answer(request, reply, caller, args);
    const names = pathNames(ROUTES[shows].path);
    const only = Object.fromEntries(names.map((name) => [name, args[name]]));
    const one = names[0] === "node" ? nodeId(String(args["node"])) : undefined;
    return locked(`${shows} ${one ?? JSON.stringify(only)}`, async () => {
      if (wanted !== undefined) {
        mayCall(verb, args, caller.by);
        mustMatch(wanted, await (calls[shows] as unknown as Call)(only, { by: caller.by }));
      }
      return answer(request, reply, caller, args);
    });
  }

  return async (request: FastifyRequest, reply: FastifyReply, caller: Caller): Promise<Answer> => {
    const args = argsOf(route, request);
    const key = request.headers["idempotency-key"];
    if (route.method === "GET" || typeof key !== "string") return edited(request, reply, caller, args);
    const { again, ...kept } = await once(
      { key, who: `${caller.by.kind} ${caller.by.name}`, request: JSON.stringify([verb, args]) },
      () => edited(request, reply, caller, args),
    );
    if (again) reply.header("idempotency-replayed", "true");
    return kept;
  };
}

/** The answer to a change is the thing itself: its new version goes along. */
const sameView = (shows: string, route: Partial<DescribedRoute>): boolean =>
  route.result !== undefined && (ROUTES[shows as Verb] as Partial<DescribedRoute>).result === route.result;

function nextPage(
  { cursor }: Partial<DescribedRoute>,
  request: FastifyRequest,
  args: Args,
  value: unknown,
): string | undefined {
  const limit = Number(args["limit"]);
  if (!cursor || !Array.isArray(value) || !(value.length >= limit)) return undefined;
  const last = (value.at(-1) as Args | undefined)?.[cursor];
  const [path = "", query] = request.url.split("?");
  const next = new URLSearchParams(query);
  next.set("limit", String(limit));
  next.set("after", String(last));
  return `${path}?${next}`;
}
