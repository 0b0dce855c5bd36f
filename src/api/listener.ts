// The operator's listener and the Unix socket: the same routes, with HTTP's rules around them.
import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import cookie from "@fastify/cookie";
import rateLimit from "@fastify/rate-limit";
import fastify, { type FastifyError, type FastifyInstance, type FastifyRequest } from "fastify";
import { BrambleError } from "../base/errors.ts";
import { type Caller, callerOf, refuseForeignOrigin } from "./callers.ts";
import { type Calls, ROUTES } from "./contract.ts";
import { oneAtATime } from "./etag.ts";
import { type Handling, handler } from "./handle.ts";
import { addPages, type Pages } from "./pages.ts";
import { problemOf } from "./problem.ts";
import { API, type RouteFacts } from "./route.ts";
import { addSessionRoutes, type SessionOptions } from "./session-routes.ts";

export interface ListenerOptions extends Handling, SessionOptions {
  pages: Pages;
  /** Which names a browser may call us by: a page of somebody's own domain that points here must not read our answers. */
  ownName(name: string): boolean;
  /** What was not foreseen, for the log. */
  warn(words: string): void;
}

const BODY_BYTES = 1 << 20;
/** Logins, setups and links of one address in a minute. */
const TRIES = 10;

/** Makes the application; `listen` opens as many doors to it as are wanted. */
export async function apiListener(options: ListenerOptions) {
  const local = new WeakSet<object>();
  const servers: Server[] = [];
  const serverOf = (listener: RequestListener): Server => {
    const limits = {
      maxHeaderSize: 16_384,
      requestTimeout: 60_000,
      headersTimeout: 15_000,
      keepAliveTimeout: 10_000,
    };
    const server = options.tls
      ? createTlsServer({ ...limits, ...options.tls }, listener)
      : createServer(limits, listener);
    server.maxConnections = 2_048;
    return server;
  };
  const app = fastify({
    bodyLimit: BODY_BYTES,
    genReqId: () => crypto.randomUUID(),
    return503OnClosing: true,
    serverFactory: (listener) => serverOf(listener as RequestListener),
  });
  const isLocal = (request: FastifyRequest) =>
    local.has((request.raw.socket as { server?: object }).server ?? {});
  const callers = new WeakMap<FastifyRequest, Caller>();
  const caller = async (request: FastifyRequest): Promise<Caller> => {
    const known =
      callers.get(request) ??
      (await callerOf(request, options.auth, { isLocal: isLocal(request), cookie: options.cookie }));
    callers.set(request, known);
    return known;
  };

  await app.register(cookie);
  await app.register(rateLimit, { global: false, max: TRIES, timeWindow: 60_000, cache: 5_000 });
  app.addHook("onRequest", async (request, reply) => {
    reply.headers({
      "x-content-type-options": "nosniff",
      "referrer-policy": "no-referrer",
      "x-frame-options": "DENY",
      "cache-control": "no-store",
    });
    const name = (request.headers.host ?? "").replace(/:\d+$/, "");
    if (!isLocal(request) && !options.ownName(name)) {
      return reply.code(421).type("text/plain; charset=utf-8").send("this server is not called that\n");
    }
    refuseForeignOrigin(request);
    return undefined;
  });
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const problem = problemOf(ours(error, request.routeOptions.bodyLimit), request.id);
    if (isLocal(request)) problem.title = ours(error, request.routeOptions.bodyLimit).message;
    const status = error.statusCode === 415 ? 415 : problem.status;
    if (status >= 500 && problem.code === "INTERNAL")
      options.warn(`${request.method} ${request.url.split("?")[0]}: ${error.stack ?? error}`);
    if (status === 401) reply.header("www-authenticate", 'Bearer realm="bramble"');
    if (status === 429 && !reply.hasHeader("retry-after")) reply.header("retry-after", "5");
    return reply
      .code(status)
      .type("application/problem+json")
      .send(JSON.stringify({ ...problem, status }));
  });

  const locked = oneAtATime();
  for (const verb of Object.keys(ROUTES) as (keyof Calls)[]) {
    const { method, path, bodyBytes = BODY_BYTES }: RouteFacts = ROUTES[verb];
    const handle = handler(verb, options, locked);
    app.route({
      method,
      url: API + path,
      bodyLimit: bodyBytes,
      // who calls comes first: strangers' bodies are not read
      onRequest: async (request) => void (await caller(request)),
      async handler(request, reply) {
        const { status, body } = await handle(request, reply, await caller(request));
        return reply.code(status).type("application/json; charset=utf-8").send(body);
      },
    });
  }
  addSessionRoutes(app, options, caller);
  await addPages(app, options.pages, caller);
  await app.ready();

  async function listen(
    server: Server,
    at: { host: string; port: number } | { path: string },
  ): Promise<number> {
    server.listen(at);
    await once(server, "listening");
    servers.push(server);
    const address = server.address();
    return typeof address === "object" && address ? address.port : 0;
  }
  const routing = app.routing.bind(app) as unknown as RequestListener;
  return {
    app: app as FastifyInstance,
    /** A door for the network: whoever comes must say who it is. */
    listen: (at: { host: string; port: number }) => listen(serverOf(routing), at),
    /** The Unix socket: whoever may open the file is the data folder's owner. */
    async listenLocal(path: string): Promise<void> {
      const server = createServer(routing);
      local.add(server);
      await listen(server, { path });
    },
    async close(): Promise<void> {
      options.streams.close();
      for (const server of servers.splice(0)) {
        server.closeAllConnections();
        server.close();
        await once(server, "close");
      }
      await app.close();
    },
  };
}

/** Fastify's own refusals in our words. */
function ours(error: FastifyError, bodyBytes = BODY_BYTES): Error {
  if (error.code === "FST_ERR_CTP_BODY_TOO_LARGE")
    return new BrambleError("BODY_TOO_LONG", "the body is too long", { hint: `at most ${bodyBytes} bytes` });
  if (error.code === "FST_ERR_CTP_INVALID_MEDIA_TYPE")
    return new BrambleError("BAD_INPUT", "a body is JSON here", { hint: "content-type: application/json" });
  if ((error.code as string) === "SQLITE_FULL")
    return new BrambleError("DISK_FULL", "the book cannot be written: the data folder's disk is full", {
      hint: "make room there, or remove an image or a clone that nobody needs",
    });
  if (error.statusCode === 429)
    return new BrambleError("TOO_MANY", "too many tries from your address", { hint: "wait a minute" });
  if (error.statusCode === 400 || error instanceof SyntaxError)
    return new BrambleError("BAD_INPUT", `the request cannot be read: ${error.message}`);
  return error;
}
