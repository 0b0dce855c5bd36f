import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Stage } from "../scenario.ts";

/** What somebody on a guest has posted. */
export interface Report {
  from: string;
  path: string;
  /** Lines `name=value` of its body. */
  said: Map<string, string>;
}

export interface Reports {
  url: string;
  all: readonly Report[];
  /** Waits until `enough` is content with what has come; says what has when it never is. */
  until<T>(enough: (all: readonly Report[]) => T | undefined, seconds: number): Promise<T>;
}

/** A web server that writes down what is posted to it: for what runs on a guest to speak for itself. */
export async function collectReports(t: Stage, address: string): Promise<Reports> {
  const all: Report[] = [];
  const waiting = new Set<() => void>();
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += (chunk as Buffer).toString();
    const said = new Map(
      body.split("\n").map((line): [string, string] => {
        const [name = "", value = ""] = line.split(/=(.*)/s);
        return [name, value];
      }),
    );
    all.push({ from: request.socket.remoteAddress ?? "", path: request.url ?? "", said });
    for (const look of waiting) look();
    response.end();
  });
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  t.atEnd(() => {
    server.closeAllConnections();
    server.close();
  });
  const until: Reports["until"] = (enough, seconds) =>
    new Promise((resolve, reject) => {
      const look = () => {
        const found = enough(all);
        if (found === undefined) return;
        clearTimeout(timer);
        waiting.delete(look);
        resolve(found);
      };
      const timer = setTimeout(() => {
        waiting.delete(look);
        const came = all.map(({ from, path, said }) => `${from} ${path} ${JSON.stringify([...said])}`);
        reject(new Error(`not within ${seconds} s; what came:\n${came.join("\n") || "nothing"}`));
      }, seconds * 1000);
      waiting.add(look);
      look();
    });
  return { url: `http://${address}:${(server.address() as AddressInfo).port}`, all, until };
}
