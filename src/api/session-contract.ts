// What a listener answers itself: who calls, sessions of browsers, the stream, the document, health.
import Type, { type Static } from "typebox";
import { type DescribedRoute, type Role, route } from "./route.ts";
import { args, MS, NO_ARGS, oneOf, view } from "./schema.ts";

export const SessionView = view("SessionView", {
  name: Type.String(),
  role: Type.Unsafe<Role>(oneOf("viewer", "tenant", "operator", "admin")),
  via: oneOf("socket", "token", "session"),
  csrf: Type.Optional(
    Type.String({ description: "for the header x-bramble-csrf of every call that changes something" }),
  ),
  expiresMs: Type.Optional(MS),
});
export type SessionView = Static<typeof SessionView>;

const secret = Type.String({ minLength: 1, maxLength: 256 });
const NAME_AND_PASSWORD = { user: Type.String({ minLength: 1, maxLength: 64 }), password: secret };
const Ok = view("Ok", { ok: Type.Boolean() });
const START = view("StartView", {
  setup: Type.Boolean({
    description: "nobody can log in yet: the link that was printed at the start makes the first admin",
  }),
});

/** `open`: without a login. */
export type SessionRoute = DescribedRoute & { open?: boolean; type?: string };
const at = (described: SessionRoute): SessionRoute => described;

export const SESSION_ROUTES = {
  start: at({
    ...route({
      method: "GET",
      path: "/start",
      summary: "What a browser must know before a login",
      role: "viewer",
      args: NO_ARGS,
      result: START,
    }),
    open: true,
  }),
  login: at({
    ...route({
      method: "POST",
      path: "/login",
      summary: "Open a session; its cookie is HttpOnly",
      role: "viewer",
      args: args(NAME_AND_PASSWORD),
      result: SessionView,
    }),
    open: true,
  }),
  loginByLink: at({
    ...route({
      method: "POST",
      path: "/login/link",
      summary: "Open a session with the secret of a link, once",
      role: "viewer",
      args: args({ secret }),
      result: SessionView,
    }),
    open: true,
  }),
  setup: at({
    ...route({
      method: "POST",
      path: "/setup",
      summary: "Make the first admin, with the secret of the link that was printed at the first start",
      role: "viewer",
      args: args({ secret, ...NAME_AND_PASSWORD, password: Type.String({ minLength: 10, maxLength: 256 }) }),
      result: SessionView,
    }),
    open: true,
  }),
  logout: at(
    route({
      method: "POST",
      path: "/logout",
      summary: "End this session",
      role: "viewer",
      args: NO_ARGS,
      result: Ok,
    }),
  ),
  me: at(
    route({
      method: "GET",
      path: "/me",
      summary: "Who you are here",
      role: "viewer",
      args: NO_ARGS,
      result: SessionView,
    }),
  ),
  setPassword: at(
    route({
      method: "POST",
      path: "/me/password",
      summary: "Change your own password; your other sessions end",
      role: "viewer",
      args: args({ old: secret, password: Type.String({ minLength: 10, maxLength: 256 }) }),
      result: Ok,
    }),
  ),
  stream: at({
    ...route({
      method: "GET",
      path: "/stream",
      summary:
        "Server-sent events: `event` (an EventView, with its id) and `change` ({about, id}, a boot with its node); goes on behind `after` or Last-Event-ID; `reset` says that older ones are no longer kept",
      role: "viewer",
      args: args({ after: Type.Optional(Type.Integer({ minimum: 0 })) }),
      result: Type.String(),
    }),
    type: "text/event-stream",
  }),
  openapi: at({
    ...route({
      method: "GET",
      path: "/openapi.json",
      summary: "This document",
      role: "viewer",
      args: NO_ARGS,
      result: Type.Object({}),
    }),
    open: true,
  }),
};
