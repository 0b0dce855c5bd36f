// Debian's snmpsim over a copy of recorded agents: SNMP that is not ours.
import { type ChildProcess, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { chmodSync, cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { which } from "../../../test/tools.ts";
import { openSnmp } from "../snmp.ts";

export const SIM_USER = "bramble";
export const SIM_AUTH = { protocol: "sha256", key: "authpass123" } as const;
export const SIM_PRIVACY = { protocol: "aes", key: "privpass123" } as const;

/** Communities (and contexts of v3) are the names of the files in `folder`. Gives its port. */
export async function startSnmpsim(t: TestContext, folder: string): Promise<number> {
  const home = mkdtempSync(join(tmpdir(), "snmpsim-"));
  chmodSync(home, 0o777);
  const data = join(home, "data");
  cpSync(folder, data, { recursive: true });
  const port = await freePort();
  const child = spawn(
    which("snmpsimd") ?? "snmpsimd",
    [
      `--data-dir=${data}`,
      `--cache-dir=${join(home, "cache")}`,
      "--process-user=nobody",
      "--process-group=nogroup",
      `--agent-udpv4-endpoint=127.0.0.1:${port}`,
      `--v3-user=${SIM_USER}`,
      "--v3-auth-proto=SHA256",
      `--v3-auth-key=${SIM_AUTH.key}`,
      "--v3-priv-proto=AES",
      `--v3-priv-key=${SIM_PRIVACY.key}`,
    ],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (said += chunk));
  t.after(async () => {
    await stopped(child);
    rmSync(home, { recursive: true, force: true });
  });
  const agent = openSnmp({ host: "127.0.0.1", port, community: "apc-pdu", timeoutMs: 300 });
  for (const end = Date.now() + 30_000; ; ) {
    const answer = await agent.get(["1.3.6.1.2.1.1.1.0"], AbortSignal.timeout(5_000)).catch(() => undefined);
    if (answer) break;
    if (child.exitCode !== null || Date.now() > end) throw new Error(`snmpsimd did not start: ${said}`);
  }
  agent.close();
  return port;
}

async function stopped(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  child.kill("SIGKILL");
  await new Promise((resolve) => child.once("close", resolve));
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = createSocket("udp4");
    socket.once("error", reject);
    socket.bind(0, "127.0.0.1", () => {
      const { port } = socket.address();
      socket.close(() => resolve(port));
    });
  });
}
