// What a listener answers itself: logins, who you are, the stream, the document.
import type { CookieSerializeOptions } from "@fastify/cookie";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { BrambleError } from "../base/errors.ts";
import type { Actor } from "../fleet/actor.ts";
import { type Auth, addressOf, type Caller, type OpenSession, sessionView } from "./callers.ts";
import { apiDocument } from "./document.ts";
import { argsOf } from "./handle.ts";
import { API } from "./route.ts";
import { mustBeInScope } from "./scope.ts";
import { SESSION_ROUTES } from "./session-contract.ts";
import type { Reader, Streams } from "./stream.ts";

export interface SessionOptions {
  auth: Auth;
  version: string;
  /** Of the session: its own for each Bramble, since browsers share cookies among the ports of a host. */
  cookie: string;
  streams: Streams;
  readerFor(by: Actor): Reader;
  /** PEM; without, plain HTTP. */
  tls?: { cert: string; key: string };
}

type Name = keyof typeof SESSION_ROUTES;
type Asked = (request: FastifyRequest, reply: FastifyReply, args: Record<string, string>) => unknown;

export function addSessionRoutes(
  app: FastifyInstance,
  options: SessionOptions,
  caller: (request: FastifyRequest) => Promise<Caller>,
): void {
  const { auth, cookie, streams } = options;
  const jar: CookieSerializeOptions = {
    httpOnly: true,
    sameSite: "strict",
    path: "/",
    secure: options.tls !== undefined,
  };
  const opened = (reply: FastifyReply, session: OpenSession & { cookie: string }) => {
    reply.setCookie(cookie, session.cookie, { ...jar, expires: new Date(session.expiresMs) });
    return sessionView({ by: session.by, via: "session", session });
  };
  const document = apiDocument(options.version);

  const answers: { [N in string]: Asked } = {
    start: async () => ({ setup: await auth.waitsForSetup() }),
    login: async (request, reply, { user = "", password = "" }) =>
      opened(reply, await auth.login(user, password, addressOf(request))),
    loginByLink: async (request, reply, { secret = "" }) =>
      opened(reply, await auth.loginByLink(secret, addressOf(request))),
    setup: async (request, reply, { secret = "", user = "", password = "" }) =>
      opened(reply, await auth.setup(secret, user, password, addressOf(request))),
    async logout(request, reply) {
      const { by, session } = await caller(request);
      if (session) await auth.logout(session.cookie, by);
      reply.clearCookie(cookie, jar);
      return { ok: true };
    },
    me: async (request) => sessionView(await caller(request)),
    async setPassword(request, _, { old = "", password = "" }) {
      const { by, session } = await caller(request);
      await auth.setPassword(by, old, password, session?.cookie);
      return { ok: true };
    },
    async stream(request, reply, args) {
      const { by } = await caller(request);
      mustBeInScope(by, "stream");
      const last = request.headers["last-event-id"] ?? args["after"];
      const after = last === undefined ? undefined : Number(last);
      if (after !== undefined && !Number.isSafeInteger(after))
        throw new BrambleError("BAD_INPUT", `${last} is no id of an event`);
      streams.mustHaveRoom();
      reply.hijack();
      await streams.open(reply.raw, options.readerFor(by), after);
      return reply;
    },
    openapi: () => document,
  };

  for (const [name, route] of Object.entries(SESSION_ROUTES)) {
    const isGuess = route.open === true && route.method === "POST";
    app.route({
      method: route.method,
      url: API + route.path,
      ...(isGuess && { config: { rateLimit: {} } }),
      async handler(request, reply) {
        if (!route.open) await caller(request);
        const args = argsOf(route, request) as Record<string, string>;
        const value = await answers[name as Name]?.(request, reply, args);
        return value === reply
          ? reply
          : reply.type("application/json; charset=utf-8").send(JSON.stringify(value));
      },
    });
  }
}
