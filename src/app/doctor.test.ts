import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { lock } from "./data.ts";
import { examine } from "./doctor.ts";

async function takenPorts(t: TestContext): Promise<{ tcp: number; udp: number }> {
  const server = createServer().listen(0);
  const socket = createSocket("udp4").bind(0);
  await Promise.all([once(server, "listening"), once(socket, "listening")]);
  t.after(() => {
    server.close();
    socket.close();
  });
  return { tcp: (server.address() as { port: number }).port, udp: socket.address().port };
}

const free = { dhcp: 0, tftp: 0, proxy: 0, agent: 0, nbd: 0, iscsi: 0, operator: 0 };

test("doctor says which program holds a port that we need", {
  skip: process.platform !== "linux" && "Linux has /proc",
}, async (t) => {
  const data = mkdtempSync(join(tmpdir(), "doctor-"));
  t.after(() => rmSync(data, { recursive: true }));
  const { tcp, udp } = await takenPorts(t);
  const findings = await examine(data, { ...free, nbd: tcp, tftp: udp });
  const of = (what: string) => findings.find((finding) => finding.what === what);
  for (const what of [`NBD port ${tcp}/tcp`, `TFTP port ${udp}/udp`]) {
    assert.equal(of(what)?.state, "problem", what);
    assert.match(of(what)?.words ?? "", new RegExp(`^taken by .* \\(process ${process.pid}\\)$`));
  }
  assert.equal(of("agent HTTP port 0/tcp")?.state, "ok");
  assert.equal(of("data folder")?.words.startsWith(data), true);
});

test("doctor leaves the ports alone while a Bramble runs on the folder, and says that it does", async (t) => {
  const data = mkdtempSync(join(tmpdir(), "doctor-"));
  t.after(() => rmSync(data, { recursive: true }));
  const held = lock(data);
  t.after(() => held.release());
  const findings = await examine(data, free);
  assert.match(
    findings.find(({ what }) => what === "data folder")?.words ?? "",
    /a Bramble is running on it$/,
  );
  assert.equal(
    findings.some(({ what }) => what.includes(" port ")),
    false,
  );
});
