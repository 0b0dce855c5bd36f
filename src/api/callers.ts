// Who calls: by the Unix socket, a token, or a browser's session.
import type { FastifyRequest } from "fastify";
import { BrambleError } from "../base/errors.ts";
import { type Actor, LOCAL } from "../fleet/actor.ts";
import type { Role } from "./route.ts";
import type { SessionView } from "./session-contract.ts";

export interface OpenSession {
  by: Actor;
  csrf: string;
  expiresMs: number;
}

/** What the house knows of who may; refusals are AUTH_REFUSED, FORBIDDEN, TOO_MANY. */
export interface Auth {
  token(token: string): Promise<Actor>;
  session(cookie: string): Promise<OpenSession>;
  login(user: string, password: string, from: string): Promise<OpenSession & { cookie: string }>;
  loginByLink(secret: string, from: string): Promise<OpenSession & { cookie: string }>;
  setup(
    secret: string,
    user: string,
    password: string,
    from: string,
  ): Promise<OpenSession & { cookie: string }>;
  waitsForSetup(): Promise<boolean>;
  logout(cookie: string, by: Actor): Promise<void>;
  setPassword(by: Actor, old: string, password: string, cookie: string | undefined): Promise<void>;
}

export interface Caller {
  by: Actor;
  via: SessionView["via"];
  session?: OpenSession & { cookie: string };
}

const UNSAFE = new Set(["POST", "PUT", "PATCH", "DELETE"]);

/** A page of another origin must not make a browser change something here, whatever cookies it sends along. */
export function refuseForeignOrigin(request: FastifyRequest): void {
  const { origin, host } = request.headers;
  if (!UNSAFE.has(request.method) || origin === undefined) return;
  if (URL.canParse(origin) && new URL(origin).host === host) return;
  throw new BrambleError("CSRF_REFUSED", `a page of ${origin} may not change anything here`);
}

/** Throws AUTH_NEEDED, AUTH_REFUSED or CSRF_REFUSED. */
export async function callerOf(
  request: FastifyRequest,
  auth: Auth,
  { isLocal, cookie: name }: { isLocal: boolean; cookie: string },
): Promise<Caller> {
  if (isLocal) return { by: LOCAL, via: "socket" };
  const from = addressOf(request);
  const [scheme, token] = (request.headers.authorization ?? "").split(" ");
  if (scheme?.toLowerCase() === "bearer" && token) {
    return { by: { ...(await auth.token(token)), from }, via: "token" };
  }
  const cookie = request.cookies[name];
  if (cookie) {
    const session = await auth.session(cookie);
    if (UNSAFE.has(request.method) && request.headers["x-bramble-csrf"] !== session.csrf) {
      throw new BrambleError("CSRF_REFUSED", "this call does not prove that our own page made it", {
        hint: "send x-bramble-csrf as GET /api/v1/me tells it",
      });
    }
    return { by: { ...session.by, from }, via: "session", session: { ...session, cookie } };
  }
  throw new BrambleError("AUTH_NEEDED", "say who calls", {
    hint: "log in, or send Authorization: Bearer TOKEN (bramble token add)",
  });
}

export const addressOf = (request: FastifyRequest): string =>
  (request.raw.socket.remoteAddress ?? "").replace(/^::ffff:/, "");

export const sessionView = (caller: Caller): SessionView => ({
  name: caller.by.name,
  role: caller.by.kind as Role,
  via: caller.via,
  ...(caller.session && { csrf: caller.session.csrf, expiresMs: caller.session.expiresMs }),
});
