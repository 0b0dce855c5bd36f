import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

export interface Heard {
  path: string;
  fields: Map<string, string>;
  body: string;
}

/**
 * The server's side of the agent's talk in its plainest form: orders are handed out as told, everything heard is kept. For scenarios about the
 * agent alone; the others use Bramble itself.
 */
export interface Orders {
  url: string;
  heard: Heard[];
  /** Details of the reported steps, by step; waits until `step` was reported. */
  step(name: string, seconds: number): Promise<string>;
  close(): void;
}

export interface OrdersOptions {
  address: string;
  /** Answers to GET by path. */
  files: Record<string, Uint8Array>;
  /** Lines of the answer to hello; undefined: refused. */
  hello: Record<string, string | number> | undefined;
}

const SESSION = "0123456789abcdef";

export async function giveOrders(options: OrdersOptions): Promise<Orders> {
  const heard: Heard[] = [];
  const watchers = new Set<() => void>();
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const body = Buffer.concat(parts).toString();
    const path = request.url ?? "";
    const fields = new Map(
      body
        .split("\n")
        .map((line) => [line.split("=")[0] ?? "", decodeURIComponent(line.replace(/^[^=]*=/, ""))]),
    );
    heard.push({ path, fields, body });
    for (const look of watchers) look();
    const file = options.files[path];
    if (path === "/agent/hello") {
      const lines = Object.entries({ session: SESSION, ...options.hello }).map(
        ([name, value]) => `${name}=${value}\n`,
      );
      response
        .writeHead(options.hello ? 200 : 403)
        .end(options.hello ? lines.join("") : "error=the token was used\n");
    } else if (request.headers["x-bramble-session"] !== SESSION) response.writeHead(403).end();
    else if (file) response.writeHead(200, { "content-length": file.length }).end(file);
    else response.writeHead(request.method === "POST" ? 204 : 404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, options.address, resolve));
  const step = (name: string, seconds: number) =>
    new Promise<string>((resolve, reject) => {
      const look = () => {
        const found = heard.find(
          ({ path, fields }) => path === "/agent/report" && fields.get("step") === name,
        );
        const failed = heard.find(
          ({ path, fields }) => path === "/agent/report" && fields.get("step") === "failed",
        );
        if (!found && !(failed && name !== "failed")) return;
        clearTimeout(timer);
        watchers.delete(look);
        if (found) resolve(found.fields.get("detail") ?? "");
        else reject(new Error(`the agent failed: ${failed?.fields.get("detail")}`));
      };
      const timer = setTimeout(
        () => reject(new Error(`no report of ${name} in ${seconds} s`)),
        seconds * 1000,
      );
      watchers.add(look);
      look();
    });
  const { port } = server.address() as AddressInfo;
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { url: `http://${options.address}:${port}`, heard, step, close };
}
