// The OpenAPI 3.1 document, made from the routes.
import type { TObject, TSchema } from "typebox";
import { pathNames } from "./resource.ts";
import type { DescribedRoute, RouteFacts } from "./route.ts";
import type { SessionRoute } from "./session-contract.ts";

type Json = Record<string, unknown>;
const PROBLEM = {
  title: "Problem",
  type: "object",
  required: ["type", "title", "status", "code"],
  properties: {
    type: { type: "string" },
    title: { type: "string", description: "what is wrong, for people" },
    status: { type: "integer" },
    code: { type: "string", description: "what is wrong, for programs: docs/errors.md has them all" },
    hint: { type: "string", description: "what to do about it" },
    line: { type: "integer" },
    column: { type: "integer" },
    request: { type: "string", description: "stands in the audit log, too" },
  },
};
const WORDS: Record<string, string> = {
  "400": "The arguments do not fit",
  "401": "Nobody said who calls, or what was shown is not valid",
  "403": "The role or the scopes of the caller do not reach so far",
  "404": "There is no such thing",
  "409": "Not in the state that it is in",
  "412": "If-Match: it was changed in between",
  "413": "The body is too long",
  "429": "Too many",
  "500": "Our own fault",
};

export const isDescribed = (route: RouteFacts | DescribedRoute): route is DescribedRoute =>
  "summary" in route;

/** Schemas with a title stand once, under components. */
function hoisted(schema: unknown, components: Json): unknown {
  if (Array.isArray(schema)) return schema.map((one) => hoisted(one, components));
  if (typeof schema !== "object" || schema === null) return schema;
  const copy = Object.fromEntries(
    Object.entries(schema).map(([key, value]) => [key, hoisted(value, components)]),
  ) as Json;
  const { title } = copy;
  if (typeof title !== "string" || copy["type"] !== "object") return copy;
  components[title] = copy;
  return { $ref: `#/components/schemas/${title}` };
}

/** The part of the arguments that travels in the body or, for GET and DELETE, in the query. */
function without(args: TObject, names: readonly string[]): TObject {
  const properties = Object.fromEntries(
    Object.entries(args.properties).filter(([name]) => !names.includes(name)),
  );
  const required = ((args as { required?: string[] }).required ?? []).filter((name) => !names.includes(name));
  const { required: _, ...rest } = args as TObject & { required?: string[] };
  return { ...rest, properties, ...(required.length > 0 && { required }) } as unknown as TObject;
}

function operation(name: string, route: SessionRoute, components: Json): Json {
  const { method, path, summary, role, args, result, long, cursor, tenant, open, type } = route;
  const inPath = pathNames(path);
  const rest = without(args, inPath);
  const names = Object.keys(rest.properties);
  const required = new Set((rest as { required?: string[] }).required ?? []);
  const inQuery = method === "GET" || method === "DELETE";
  const parameter = (where: string, one: string, schema: TSchema | undefined, needed: boolean) => ({
    name: one,
    in: where,
    required: needed,
    schema: hoisted(schema ?? {}, components),
  });
  const header = (one: string, description: string) => ({
    name: one,
    in: "header",
    required: false,
    schema: { type: "string" },
    description,
  });
  const parameters = [
    ...inPath.map((one) => parameter("path", one, args.properties[one], true)),
    ...(inQuery ? names.map((one) => parameter("query", one, rest.properties[one], required.has(one))) : []),
    ...(method === "GET" || open
      ? []
      : [
          header(
            "Idempotency-Key",
            "the same key and request again: the same answer, done once; kept for a day",
          ),
        ]),
    ...(method === "PATCH" || method === "PUT" || method === "DELETE"
      ? [header("If-Match", "do it only if this ETag is still the thing's")]
      : []),
  ];
  const answer = long ? { $ref: "#/components/schemas/TaskView" } : hoisted(result, components);
  if (long) hoisted(result, components);
  const errors = Object.entries(WORDS).filter(
    ([status]) => !(status === "401" && open && name !== "login") && !(status === "412" && method === "GET"),
  );
  return {
    operationId: name,
    summary,
    tags: [path.split("/")[1] ?? ""],
    "x-role": open ? "nobody" : role,
    ...(tenant && { "x-tenant": tenant }),
    ...(long && { "x-result": hoisted(result, components) }),
    ...(open ? { security: [] } : {}),
    ...(parameters.length > 0 && { parameters }),
    ...(!inQuery &&
      names.length > 0 && {
        requestBody: {
          required: required.size > 0,
          content: { "application/json": { schema: hoisted(rest, components) } },
        },
      }),
    responses: {
      [long ? "202" : "200"]: {
        description: long ? "A task: its progress and end are at /tasks/{task}" : "Done",
        ...(cursor && {
          headers: { link: { schema: { type: "string" }, description: "the next page, rel=next" } },
        }),
        content: { [type ?? "application/json"]: { schema: answer } },
      },
      ...Object.fromEntries(
        errors.map(([status]) => [status, { $ref: `#/components/responses/Problem${status}` }]),
      ),
    },
  };
}

/** The document; the same routes give the same text. */
export function openApi(
  routes: Record<string, RouteFacts | DescribedRoute>,
  about: { version: string; prefix: string },
): Json {
  const schemas: Json = {};
  const paths: Record<string, Json> = {};
  hoisted(PROBLEM, schemas);
  const sorted = Object.entries(routes).sort(([, a], [, b]) =>
    a.path < b.path ? -1 : a.path > b.path ? 1 : 0,
  );
  for (const [name, route] of sorted) {
    if (!isDescribed(route)) continue;
    const path = about.prefix + route.path.replace(/:(\w+)/g, "{$1}");
    paths[path] ??= {};
    paths[path][route.method.toLowerCase()] = operation(name, route, schemas);
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Bramble",
      version: about.version,
      description:
        "Netboots fleets of Raspberry Pis without SD cards. docs/api.md tells how to log in, page, stream and wait.",
    },
    security: [{ token: [] }, { session: [] }],
    paths,
    components: {
      schemas: Object.fromEntries(Object.entries(schemas).sort(([a], [b]) => (a < b ? -1 : 1))),
      responses: Object.fromEntries(
        Object.entries(WORDS).map(([status, description]) => [
          `Problem${status}`,
          {
            description,
            content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } },
          },
        ]),
      ),
      securitySchemes: {
        token: { type: "http", scheme: "bearer" },
        session: { type: "apiKey", in: "cookie", name: "bramble" },
      },
    },
  };
}
