// The operator's door over a real book, without threads: commands that are real, or that only say that they were reached.
import { readFileSync } from "node:fs";
import { request } from "node:http";
import type { TestContext } from "node:test";
import { callsThrough } from "../src/api/calls.ts";
import { type Commands, ROUTES } from "../src/api/contract.ts";
import type { DescribedRoute, Role } from "../src/api/route.ts";
import { SESSION_ROUTES } from "../src/api/session-contract.ts";
import { accessOf } from "../src/app/access/access.ts";
import { gateOf, type Perform } from "../src/app/access/gate.ts";
import { accessCommands } from "../src/app/access-commands.ts";
import { openCommands } from "../src/app/commands.ts";
import type { Core } from "../src/app/core.ts";
import { lifeHearing } from "../src/app/life/hear.ts";
import { openLife } from "../src/app/life/life.ts";
import { openOperator } from "../src/app/operator.ts";
import { ProfileStore } from "../src/app/profile-store.ts";
import { openTasks } from "../src/app/tasks.ts";
import { fakeCore } from "../src/app/testing/fake-core.ts";
import type { Node } from "../src/fleet/node.ts";

export const PASSWORD = "correct horse battery";
export type Verb = keyof Commands;
/** Every route that a listener answers, those of sessions too. */
export const ALL_ROUTES = { ...ROUTES, ...SESSION_ROUTES } as unknown as Record<
  string,
  DescribedRoute & { open?: boolean }
>;

export interface Asked {
  token?: string;
  body?: unknown;
  headers?: Record<string, string>;
}
export interface Told {
  status: number;
  headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: an answer, whose shape the test itself looks at
  body: any;
}

export interface ApiBedOptions {
  /** Every command says its name and does nothing; users and tokens are real. */
  reached?: string[];
  now?: () => number;
  tls?: { cert: string; key: string };
}

export async function apiBed(t: TestContext, options: ApiBedOptions = {}) {
  const fake = await fakeCore(t);
  const core = fake.core as Core;
  const { book, registry, journal, news } = core;
  const now = options.now ?? Date.now;
  const warnings: string[] = [];
  const warn = (words: string) => void warnings.push(words);
  const life = await openLife({ book, registry, journal, news, now, warn });
  Object.assign(core, {
    access: accessOf(book, warn, now),
    tasks: await openTasks(book, news, now),
    profiles: await ProfileStore.open(book),
    life,
    hear: lifeHearing({ book, registry, life, now }),
  });
  const behind = options.reached ? reaching(core, options.reached) : openCommands(core, fake.running);
  const door = await openOperator(core, behind, {
    host: "127.0.0.1",
    port: 0,
    warn,
    ...(options.tls && { tls: options.tls }),
  });
  t.after(async () => {
    await door.close();
    await core.tasks.close();
    await life.close();
    await registry.settled();
  });
  const base = `${options.tls ? "https" : "http"}://127.0.0.1:${door.port}`;

  async function ask(method: string, path: string, { token, body, headers = {} }: Asked = {}): Promise<Told> {
    const answer = await fetch(`${base}/api/v1${path}`, {
      method,
      headers: {
        ...(body !== undefined && { "content-type": "application/json" }),
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    const text = await answer.text();
    const isJson = /json/.test(answer.headers.get("content-type") ?? "");
    return { status: answer.status, headers: answer.headers, body: isJson ? JSON.parse(text) : text };
  }
  /** A token of this role; a tenant's stands for the tenant of that name. */
  const tokenOf = async (role: Role, name: string = role, more: { scopes?: string[]; days?: number } = {}) =>
    (await core.access.tokens.make({ name, role, ...more })).token;
  async function node(serial: string, owner?: string): Promise<Node> {
    const made = await fake.node(serial);
    if (owner !== undefined) {
      made.owner = owner;
      await registry.save(made);
      await book.updateTable("node").set({ owner }).where("id", "=", made.id).execute();
    }
    return made;
  }
  /** Through the Unix socket. */
  const askLocal = (method: string, path: string): Promise<{ status: number; body: string }> =>
    new Promise((resolve, reject) => {
      const asked = request({ socketPath: core.data.socket, method, path: `/api/v1${path}` }, (answer) => {
        let body = "";
        answer.on("data", (part) => {
          body += part;
        });
        answer.on("end", () => resolve({ status: answer.statusCode ?? 0, body }));
      });
      asked.on("error", reject).end();
    });
  return { ...fake, core, base, port: door.port, ask, askLocal, tokenOf, node, warnings };
}

/** The gate and the door are real; what stands behind only says that it was reached. */
function reaching(core: Core, reached: string[]) {
  const stubs = Object.fromEntries(
    (Object.keys(ROUTES) as Verb[]).map((verb) => [
      verb,
      async () => {
        reached.push(verb);
        return ((ROUTES[verb] as DescribedRoute).result as Schema).type === "array"
          ? []
          : { node: "pi-mine", id: "mine" };
      },
    ]),
  ) as unknown as Commands;
  const all: Commands = { ...stubs, tokens: accessCommands(core).tokens };
  const gate = gateOf(core, all, core.access.audit);
  const perform: Perform = (verb, args, context) => gate.perform(verb, args, context);
  return { calls: callsThrough(all, perform), mayCall: gate.mayCall };
}

interface Schema {
  type?: string;
  enum?: unknown[];
  const?: unknown;
  anyOf?: Schema[];
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  minimum?: number;
  exclusiveMinimum?: number;
  minLength?: number;
  minItems?: number;
  pattern?: string;
  format?: string;
}

/** A small value that fits a schema. */
export function sample(schema: Schema): unknown {
  if (schema.const !== undefined) return schema.const;
  if (schema.enum) return schema.enum[0];
  if (schema.anyOf) return sample(schema.anyOf[0] ?? {});
  if (schema.type === "object") {
    const needed = schema.required ?? [];
    return Object.fromEntries(needed.map((name) => [name, sample(schema.properties?.[name] ?? {})]));
  }
  if (schema.type === "array")
    return Array.from({ length: schema.minItems ?? 0 }, () => sample(schema.items ?? {}));
  if (schema.type === "integer" || schema.type === "number")
    return schema.minimum ?? (schema.exclusiveMinimum ?? 0) + 1;
  if (schema.type === "boolean") return false;
  if (schema.type === "null") return null;
  return schema.pattern ? matching(schema.pattern) : "x".repeat(Math.max(1, schema.minLength ?? 1));
}
const CANDIDATES = [
  "a",
  "x1",
  "name",
  "nodes",
  "pi-1",
  "10.0.0.1",
  "10.0.0.0/24",
  "dc:a6:32:00:00:01",
  "aaaaaaaaaaaa",
  "http://h/",
  "https://h/",
  "1h",
  "30d",
  "demo:1",
  "A1",
];
function matching(pattern: string): string {
  const found = CANDIDATES.find((one) => new RegExp(pattern, "u").test(one));
  if (found === undefined) throw new Error(`no sample for ${pattern}`);
  return found;
}

/** Method, path and body of a call of this route with these arguments. */
export function requestOf(route: DescribedRoute, args: Record<string, unknown>) {
  const rest = { ...args };
  const path = route.path.replace(/:(\w+)/g, (_, name: string) => {
    const value = String(rest[name] ?? "x");
    delete rest[name];
    return encodeURIComponent(value);
  });
  const inUrl = route.method === "GET" || route.method === "DELETE";
  const query = new URLSearchParams(
    Object.entries(rest).map(([key, value]): [string, string] => [key, String(value)]),
  );
  return {
    method: route.method,
    path: inUrl && query.size > 0 ? `${path}?${query}` : path,
    ...(!inUrl && { body: rest }),
  };
}

export const textOf = (path: string): string => readFileSync(new URL(`../${path}`, import.meta.url), "utf8");
