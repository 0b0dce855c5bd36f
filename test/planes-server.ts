import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CommandedServer, startCommanded } from "../src/app/cli/up.ts";
import { LOCAL } from "../src/fleet/actor.ts";
import type { Node } from "../src/fleet/node.ts";
import { runFleet } from "../src/sim/run-fleet.ts";
import { makeDemoImage } from "../src/storage/demo-image.ts";
import { FREE_PORTS, onLoopback } from "./loopback.ts";

export interface LoopbackOptions {
  data?: string;
  /** Of the nodes' disks; 0 takes free ones. */
  nbd?: number;
  iscsi?: number;
  say?(words: string): void;
}

/** A whole Bramble on loopback with the demo image and one enrolled node. Threads run from the build only. */
export async function loopback(options: LoopbackOptions = {}) {
  const data = options.data ?? mkdtempSync(join(tmpdir(), "planes-"));
  const server: CommandedServer = await startCommanded(
    onLoopback(data, {
      pool: { from: "127.80.0.10", to: "127.80.0.99" },
      ports: { ...FREE_PORTS, nbd: options.nbd ?? 0, iscsi: options.iscsi ?? 0 },
      ...(options.say && { say: options.say }),
    }),
  );
  const { core, commands } = server;
  if ((await commands.images({})).length === 0) {
    const source = join(data, "demo-1.img");
    await makeDemoImage(source);
    await commands.addImage({ source });
  }
  const sighting = { serial: "10000001", mac: "dc:a6:32:00:00:01" };
  const node = core.registry.see(sighting, Date.now())?.node as Node;
  if (node.state === "discovered") await core.life.apply(node.id, ["enrol", "adopt"], LOCAL);
  await core.ensureClone(node);
  const path = core.data.clone(node.id);
  const boot = async () => {
    const { boots } = await runFleet({
      count: 1,
      models: ["4B"],
      server: "127.0.0.1",
      dhcpPort: server.ports.dhcp[0]?.dhcp ?? 0,
      tftpPort: server.ports.tftp[0] ?? 0,
    });
    return boots[0]?.boot;
  };
  const bootId = () => server.desk.current(node.id)?.id ?? "of-tests";
  /** Opens the node's disk to a boot of it on loopback; the name is the secret. */
  const giveNbd = async () => {
    const { port, name } = await server.desk.agentHooks.exportNbd(node, bootId(), "127.0.0.1");
    return `nbd://127.0.0.1:${port}/${name}`;
  };
  const giveIscsi = async () =>
    iscsiDisk(await server.desk.agentHooks.exportIscsi(node, bootId(), "127.0.0.1"));
  /** All events, when one of them says this: threads tell of things a moment later. */
  const events = async (what = /^/) => {
    const until = Date.now() + 60_000;
    for (;;) {
      const words = (await commands.events({})).map((one) => one.words).join("\n");
      if (what.test(words)) return words;
      if (Date.now() > until) throw new Error(`no event says ${what}: ${words}`);
      await new Promise(setImmediate);
    }
  };
  return { data, server, commands, disks: core.disks, node, path, boot, giveNbd, giveIscsi, events };
}
export type Loopback = Awaited<ReturnType<typeof loopback>>;

/** What qemu's programs need to open a target on loopback; the secret goes by a file or the environment, here in the words. */
export function iscsiDisk({
  port,
  target,
  initiator,
  chap,
}: {
  port: number;
  target: string;
  initiator: string;
  chap: { user: string; secret: string };
}) {
  return {
    object: ["--object", `secret,id=chap,data=${chap.secret}`],
    options: [
      `driver=iscsi,transport=tcp,portal=127.0.0.1:${port},target=${target},lun=0`,
      `user=${chap.user},password-secret=chap,initiator-name=${initiator}`,
    ].join(","),
    initiator,
    uri: `iscsi://${chap.user}%${chap.secret}@127.0.0.1:${port}/${target}/0`,
  };
}
