// Who may do what, and who did: users, tokens, the audit log.
import Type, { type Static } from "typebox";
import { type CommandsOf, type Role, route } from "./route.ts";
import { args, LIMIT, MS, NAME, NamedView, NO_ARGS, oneOf, view } from "./schema.ts";

const RoleName = Type.Unsafe<Role>(oneOf("viewer", "tenant", "operator", "admin"));
const USER = Type.String({
  pattern: "^[a-z][a-z0-9._-]{0,31}$",
  description: "lower-case letters, digits, dot, - and _",
});
const PASSWORD = Type.String({ minLength: 10, maxLength: 256, description: "write-only" });

export const UserView = view("UserView", {
  name: Type.String(),
  role: RoleName,
  hasPassword: Type.Boolean(),
  createdMs: MS,
  lastLoginMs: Type.Optional(MS),
});
export type UserView = Static<typeof UserView>;

const TOKEN = {
  id: Type.String(),
  name: Type.String(),
  user: Type.Optional(
    Type.String({ description: "whose rights it has, at most; absent: it stands for itself" }),
  ),
  role: RoleName,
  scopes: Type.Array(Type.String(), {
    description: "areas of the API, such as nodes or images:read; empty: all",
  }),
  createdMs: MS,
  expiresMs: Type.Optional(MS),
  lastUsedMs: Type.Optional(MS),
};
export const TokenView = view("TokenView", TOKEN);
export type TokenView = Static<typeof TokenView>;
const NewToken = view("NewToken", { ...TOKEN, token: Type.String({ description: "shown this once" }) });

const AuditView = view("AuditView", {
  id: Type.Integer(),
  atMs: MS,
  role: Type.String(),
  by: Type.String(),
  from: Type.Optional(Type.String()),
  action: Type.String(),
  target: Type.Optional(Type.String()),
  args: Type.Optional(Type.Unknown()),
  before: Type.Optional(Type.Unknown({ description: "of what changed" })),
  after: Type.Optional(Type.Unknown()),
  result: Type.String({ description: "ok, or the code of an error" }),
  request: Type.Optional(Type.String()),
});
export type AuditView = Static<typeof AuditView>;

const AuditCheck = view("AuditCheck", {
  records: Type.Integer(),
  firstId: Type.Optional(Type.Integer()),
  lastId: Type.Optional(Type.Integer()),
  head: Type.Optional(Type.String({ description: "the newest record's hash" })),
  brokenAt: Type.Optional(
    Type.Integer({ description: "the first record that does not follow from the one before" }),
  ),
});

export const ACCESS_ROUTES = {
  users: route({
    method: "GET",
    path: "/users",
    summary: "Users",
    role: "admin",
    args: NO_ARGS,
    result: Type.Array(UserView),
  }),
  addUser: route({
    method: "POST",
    path: "/users",
    summary: "Make a user",
    role: "admin",
    args: args({ name: USER, role: RoleName, password: Type.Optional(PASSWORD) }),
    result: UserView,
  }),
  setUser: route({
    method: "PATCH",
    path: "/users/:user",
    summary: "Change a user's role or password; a new password ends its sessions",
    role: "admin",
    args: args({ user: NAME, role: Type.Optional(RoleName), password: Type.Optional(PASSWORD) }),
    result: UserView,
  }),
  removeUser: route({
    method: "DELETE",
    path: "/users/:user",
    summary: "Remove a user with its sessions and tokens",
    role: "admin",
    args: args({ user: NAME }),
    result: NamedView,
  }),
  tokens: route({
    method: "GET",
    path: "/tokens",
    summary: "Tokens: an admin sees all, others their own",
    role: "viewer",
    tenant: "shared",
    args: NO_ARGS,
    result: Type.Array(TokenView),
  }),
  addToken: route({
    method: "POST",
    path: "/tokens",
    summary: "Make a token for programs; it is shown once and cannot do more than its maker",
    role: "viewer",
    tenant: "shared",
    args: args({
      name: NAME,
      role: Type.Optional(RoleName),
      scopes: Type.Optional(Type.Array(Type.String({ pattern: "^[a-z-]+(:read)?$" }), { maxItems: 32 })),
      days: Type.Optional(Type.Number({ exclusiveMinimum: 0, maximum: 3650, description: "30 unless told" })),
      user: Type.Optional(Type.String({ maxLength: 64, description: "for somebody else: admins only" })),
    }),
    result: NewToken,
  }),
  removeToken: route({
    method: "DELETE",
    path: "/tokens/:token",
    summary: "Revoke a token by its id or name",
    role: "viewer",
    tenant: "shared",
    args: args({ token: NAME }),
    result: NamedView,
  }),
  makeLoginLink: route({
    method: "POST",
    path: "/users/:user/login-link",
    summary: "A secret that opens a session of this user once, within five minutes",
    role: "admin",
    args: args({ user: NAME }),
    result: view("LoginLink", { secret: Type.String(), expiresMs: MS }),
  }),
  audit: route({
    method: "GET",
    path: "/audit",
    summary: "Who did what, newest first",
    role: "admin",
    cursor: "id",
    args: args({
      target: Type.Optional(NAME),
      by: Type.Optional(NAME),
      action: Type.Optional(NAME),
      sinceMs: Type.Optional(MS),
      untilMs: Type.Optional(MS),
      limit: Type.Optional(LIMIT),
      after: Type.Optional(Type.Integer({ description: "go on behind the record of this id" })),
    }),
    result: Type.Array(AuditView),
  }),
  checkAudit: route({
    method: "GET",
    path: "/audit/check",
    summary: "Does every record of the log follow from the one before",
    role: "admin",
    args: NO_ARGS,
    result: AuditCheck,
  }),
};
export type AccessCommands = CommandsOf<typeof ACCESS_ROUTES>;
