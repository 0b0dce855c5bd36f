// Beside the API: the UI's files, the API's page, what monitors ask.
import fastifyStatic from "@fastify/static";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { BrambleError } from "../base/errors.ts";
import type { Caller } from "./callers.ts";
import { docsPage } from "./docs-page.ts";
import { apiDocument } from "./document.ts";
import { API } from "./route.ts";
import { mustBeInScope } from "./scope.ts";

export interface Pages {
  /** A folder of built files, or one page. */
  ui: { folder: string } | { html: string };
  version: string;
  /** Plain answers for monitors. `/metrics` is for viewers; the others are for anybody who may reach us. */
  monitors: Record<"/health" | "/ready" | "/metrics", () => Promise<Monitored> | Monitored>;
}
export interface Monitored {
  status?: number;
  type?: string;
  body: string;
}

const BASE =
  "default-src 'none'; img-src 'self' data:; connect-src 'self'; font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
/** Pages of one file have their style inside, and no script. */
const POLICY = `${BASE}; style-src 'unsafe-inline'`;
const SCRIPTS = `${BASE}; style-src 'self'; script-src 'self'`;
const YEAR_S = 31_536_000;

/** Measures are of all nodes. */
function mayMeasure(by: Caller["by"]): void {
  mustBeInScope(by, "metrics");
  if (by.kind === "tenant") throw new BrambleError("FORBIDDEN", "measures are not for tenants");
}

export async function addPages(
  app: FastifyInstance,
  { ui, version, monitors }: Pages,
  caller: (request: FastifyRequest) => Promise<Caller>,
): Promise<void> {
  const docs = docsPage(apiDocument(version));
  app.get("/api/docs", (_, reply) =>
    reply.type("text/html; charset=utf-8").header("content-security-policy", POLICY).send(docs),
  );
  for (const [path, answer] of Object.entries(monitors)) {
    app.get(path, async (request, reply) => {
      if (path === "/metrics") mayMeasure((await caller(request)).by);
      const { status = 200, type = "application/json", body } = await answer();
      return reply.code(status).type(type).send(body);
    });
  }
  if ("html" in ui) {
    app.get("/", (_, reply) =>
      reply.type("text/html; charset=utf-8").header("content-security-policy", POLICY).send(ui.html),
    );
  } else {
    await app.register(fastifyStatic, {
      root: ui.folder,
      cacheControl: false,
      setHeaders(reply, path) {
        reply.header("content-security-policy", SCRIPTS);
        if (path.includes("/assets/")) reply.header("cache-control", `public, max-age=${YEAR_S}, immutable`);
      },
    });
  }
  app.setNotFoundHandler((request, reply) => {
    const [path = ""] = request.url.split("?");
    const isPage = request.method === "GET" && (request.headers.accept ?? "").includes("text/html");
    if ("folder" in ui && isPage && !path.startsWith("/api/")) {
      return reply.header("content-security-policy", SCRIPTS).sendFile("index.html");
    }
    const others = (["GET", "POST", "PUT", "PATCH", "DELETE"] as const).filter(
      (method) => method !== request.method && app.findRoute({ method, url: path }) !== null,
    );
    if (others.length > 0) {
      reply.header("allow", others.join(", "));
      throw new BrambleError("METHOD_REFUSED", `${path} takes ${others.join(", ")}`);
    }
    throw new BrambleError("ROUTE_UNKNOWN", `there is nothing at ${path}`, {
      hint: `${API}/openapi.json lists all`,
    });
  });
}
