import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import { readAtRate } from "./reads.ts";

async function served(t: TestContext, listener: RequestListener): Promise<number> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}
const wish = { token: "secret", perSecond: 200, seconds: 1, sockets: 4, pathOf: (n: number) => `/${n}` };

test("every read is asked once, with the token, and has its time", async (t) => {
  const asked: string[] = [];
  const port = await served(t, (request, answer) => {
    asked.push(`${request.url} ${request.headers.authorization}`);
    answer.end("x".repeat(100_000));
  });
  const { took, failed } = await readAtRate({ ...wish, port });
  assert.deepEqual([took.length, failed], [200, 0]);
  assert.deepEqual(
    [...new Set(asked)].sort(),
    Array.from({ length: 200 }, (_, n) => `/${n} Bearer secret`).sort(),
  );
});

test("a server that stands still counts against all reads that were due meanwhile, also those that no connection is free for", async (t) => {
  const held: (() => void)[] = [];
  let isOpen = false;
  const port = await served(t, (_, answer) => {
    if (isOpen) return void answer.end("ok");
    held.push(() => answer.end("ok"));
    if (held.length > 1) return;
    setTimeout(() => {
      isOpen = true;
      for (const go of held) go();
    }, 300);
  });
  const { took } = await readAtRate({ ...wish, port });
  assert.ok(
    took.filter((ms) => ms >= 100).length >= 30,
    `${took.filter((ms) => ms >= 100).length} of 200 waited`,
  );
  assert.ok((took.at(-1) ?? 0) >= 290);
});

test("refusals and cut connections are failures, not times", async (t) => {
  const port = await served(t, (request, answer) => {
    const n = Number(request.url?.slice(1));
    if (n === 7) return void request.socket.destroy();
    answer.statusCode = n % 10 === 3 ? 500 : 200;
    answer.end("ok");
  });
  const { took, failed } = await readAtRate({ ...wish, port, sockets: 64 });
  assert.ok(failed >= 21, `${failed} failed`);
  assert.equal(took.length + failed, 200);
});
