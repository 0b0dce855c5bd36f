// Plain HTTP/1.1 listeners: a table of routes, small bodies, no framework between a busybox wget and the answer.
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { BrambleError } from "../base/errors.ts";

export interface HttpRequest {
  method: string;
  /** Decoded parts of the path that the route's `:name` parts took. */
  params: Record<string, string>;
  query: URLSearchParams;
  headers: IncomingMessage["headers"];
  body: string;
  /** The peer's IPv4 address, "" on a Unix socket. */
  address: string;
  /** Our own address that the peer reached. */
  localAddress: string;
  /** Aborted when the peer goes away. */
  signal: AbortSignal;
}

export interface HttpAnswer {
  status?: number;
  type?: string;
  headers?: Record<string, string>;
  body?: string | Uint8Array | Readable;
}

export interface Route {
  method: string;
  /** `/agent/hello`, `/api/v1/nodes/:node` */
  path: string;
  /** Largest body in bytes; larger ones are 413. */
  limit?: number;
  handle(request: HttpRequest): HttpAnswer | Promise<HttpAnswer>;
}

const LIMIT = 64 * 1024;

/**
 * Serves routes on a TCP address or a Unix socket. `failed` says what a thrown error becomes for this listener's
 * readers. Slow and silent clients are cut off by Node's own time-outs; headers are at most 8 KiB.
 */
export async function serveHttp(options: {
  listen: { host: string; port: number } | { path: string };
  routes: readonly Route[];
  failed(error: unknown, request: HttpRequest): HttpAnswer;
  /** Which names a browser may call us by. A page of somebody's own domain that points here must not read our answers. */
  host?(name: string): boolean;
}): Promise<{ port: number; close(): Promise<void> }> {
  const routes = options.routes.map((route) => ({ ...route, parts: route.path.split("/") }));
  const server = createServer(
    { maxHeaderSize: 8192, requestTimeout: 60_000, headersTimeout: 15_000, keepAliveTimeout: 5_000 },
    (request, response) => {
      answer(request, response).catch(() => response.destroy()); // the peer went away in the middle of its answer
    },
  );
  server.maxConnections = 4096;

  async function answer(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new AbortController();
    response.once("close", () => gone.abort());
    const request: HttpRequest = {
      method: incoming.method ?? "GET",
      params: {},
      query: new URLSearchParams(),
      headers: incoming.headers,
      body: "",
      address: (incoming.socket.remoteAddress ?? "").replace(/^::ffff:/, ""),
      localAddress: (incoming.socket.localAddress ?? "").replace(/^::ffff:/, ""),
      signal: gone.signal,
    };
    let result: HttpAnswer;
    const name = (incoming.headers.host ?? "").replace(/:\d+$/, "");
    if (options.host && !options.host(name)) {
      await send(response, { status: 421, body: "this server is not called that\n" });
      return;
    }
    try {
      const url = new URL(incoming.url ?? "/", "http://here");
      request.query = url.searchParams;
      const here = routes.flatMap((route) => {
        const params = match(route.parts, url.pathname.split("/"));
        return params ? [{ route, params }] : [];
      });
      const found = here.find(({ route }) => route.method === request.method);
      if (found) {
        request.params = found.params;
        const body = await readBody(incoming, found.route.limit ?? LIMIT);
        if (body === undefined) result = { status: 413, body: "too long\n" };
        else {
          request.body = body;
          result = await found.route.handle(request);
        }
      } else if (here.length > 0) {
        result = {
          status: 405,
          headers: { allow: here.map(({ route }) => route.method).join(", ") },
          body: "",
        };
      } else result = { status: 404, body: `there is nothing at ${url.pathname}\n` };
    } catch (error) {
      result = options.failed(error, request);
    }
    await send(response, result);
  }

  server.listen("path" in options.listen ? options.listen : { ...options.listen });
  await once(server, "listening");
  const at = server.address();
  return {
    port: typeof at === "object" && at ? at.port : 0,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

async function send(
  response: ServerResponse,
  { status = 200, type = "text/plain; charset=utf-8", headers, body = "" }: HttpAnswer,
) {
  response.writeHead(status, { "content-type": type, "cache-control": "no-store", ...headers });
  if (typeof body === "string" || body instanceof Uint8Array) response.end(body);
  else await pipeline(body, response);
}

function match(route: string[], path: string[]): Record<string, string> | undefined {
  if (route.length !== path.length) return undefined;
  const params: Record<string, string> = {};
  for (const [i, part] of route.entries()) {
    const given = path[i] ?? "";
    if (part.startsWith(":")) {
      try {
        params[part.slice(1)] = decodeURIComponent(given);
      } catch (cause) {
        throw new BrambleError("BAD_INPUT", `${given} is not percent-encoded as it should be`, { cause });
      }
    } else if (part !== given) return undefined;
  }
  return params;
}

async function readBody(incoming: IncomingMessage, limit: number): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of incoming) {
    length += (chunk as Buffer).length;
    if (length > limit) return undefined;
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString("utf8");
}
