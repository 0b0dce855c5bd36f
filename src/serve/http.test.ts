import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { request } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { type TestContext, test } from "node:test";
import { type Route, serveHttp } from "./http.ts";

async function server(t: TestContext, routes: Route[]) {
  const { port, close } = await serveHttp({
    listen: { host: "127.0.0.1", port: 0 },
    routes,
    failed: (error) => ({ status: 500, body: (error as Error).message }),
  });
  t.after(close);
  return { base: `http://127.0.0.1:${port}`, port };
}

const echo: Route = {
  method: "POST",
  path: "/nodes/:node/say",
  limit: 8,
  handle: ({ params, query, body }) => ({ body: `${params["node"]} ${query.get("q")} ${body}` }),
};

test("a route gets its decoded parts, query and body", async (t) => {
  const { base } = await server(t, [echo]);
  const answer = await fetch(`${base}/nodes/a%2Fb/say?q=1`, { method: "POST", body: "hi" });
  assert.equal(await answer.text(), "a/b 1 hi");
});

test("what is not there is 404, another method 405 with what would do, a long body 413", async (t) => {
  const { base } = await server(t, [echo]);
  assert.equal((await fetch(`${base}/nothing`)).status, 404);
  const wrong = await fetch(`${base}/nodes/a/say`);
  assert.equal(wrong.status, 405);
  assert.equal(wrong.headers.get("allow"), "POST");
  assert.equal((await fetch(`${base}/nodes/a/say`, { method: "POST", body: "123456789" })).status, 413);
});

test("a handler that throws is answered, bad percent-encoding too, and the server goes on", async (t) => {
  const { base } = await server(t, [
    { method: "GET", path: "/boom/:x", handle: () => Promise.reject(new Error("no")) },
  ]);
  assert.equal(await (await fetch(`${base}/boom/1`)).text(), "no");
  assert.equal((await fetch(`${base}/boom/%E0%A4%A`)).status, 500);
  assert.equal((await fetch(`${base}/boom/1`)).status, 500);
});

test("a stream is sent whole; a client that leaves ends it", async (t) => {
  let ended = false;
  const forever = () =>
    Readable.from(
      (async function* () {
        try {
          for (;;) yield Buffer.alloc(65536);
        } finally {
          ended = true;
        }
      })(),
    );
  const { base, port } = await server(t, [
    {
      method: "GET",
      path: "/some",
      handle: () => ({ body: Readable.from([Buffer.from("a"), Buffer.from("b")]) }),
    },
    { method: "GET", path: "/all", handle: () => ({ body: forever() }) },
  ]);
  assert.equal(await (await fetch(`${base}/some`)).text(), "ab");
  await new Promise<void>((resolve) => {
    request({ port, path: "/all" }, (answer) => answer.once("data", () => answer.destroy()))
      .end()
      .on("close", resolve);
  });
  while (!ended) await new Promise(setImmediate);
});

test("garbage instead of HTTP is answered with 400 or nothing, and harms nobody", async (t) => {
  const { base, port } = await server(t, [echo]);
  await new Promise<void>((resolve) => {
    const socket = connect(port, "127.0.0.1", () => socket.end("\u0000\u0001 garbage\r\n\r\n"));
    socket
      .on("close", () => resolve())
      .on("error", () => {})
      .resume();
  });
  assert.equal((await fetch(`${base}/nothing`)).status, 404);
});

test("a Unix socket serves as well", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "http-"));
  const path = join(folder, "s");
  const { close } = await serveHttp({ listen: { path }, routes: [echo], failed: () => ({ status: 500 }) });
  t.after(async () => {
    await close();
    rmSync(folder, { recursive: true });
  });
  const status = await new Promise((resolve) =>
    request({ socketPath: path, path: "/" }, (answer) => resolve(answer.resume().statusCode)).end(),
  );
  assert.equal(status, 404);
});
