// What goes into a node's tree when a boot has shown who it is, where its kernel mounts the root by itself: what the agent would do there.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Node } from "../fleet/node.ts";
import type { SeedFile } from "../fleet/seeds.ts";
import { isSystemd, type Settlement, type SettleStep } from "../fleet/settle.ts";
import {
  type Account,
  settleAccount,
  settleFiles,
  settleNetwork,
  settleReporter,
} from "../fleet/settle-seed.ts";
import type { Core } from "./core.ts";
import { instanceOf, ONCE_FILE, seedFilesOf, tokenInSeed } from "./node-seed.ts";
import { treeByMessage } from "./node-trees.ts";
import { packageFolder } from "./package.ts";

const PLAIN_FILE = "bramble-seed";

/** `base64` lines of fleet/seeds.ts, read back. */
function accountOf({ text }: SeedFile): { hostname: string; account: Account } {
  const said = new Map(
    text.split("\n").map((line) => {
      const at = line.indexOf("=");
      return [line.slice(0, at), Buffer.from(line.slice(at + 1), "base64").toString()] as const;
    }),
  );
  const [user, passwordHash, keys] = [said.get("user"), said.get("password_hash"), said.get("ssh_keys")];
  return {
    hostname: said.get("hostname") ?? "",
    account: {
      ...(user !== undefined && { user }),
      ...(passwordHash !== undefined && { passwordHash }),
      ...(keys !== undefined && { sshKeys: keys.split("\n").filter((key) => key !== "") }),
    },
  };
}

export interface Seeding {
  node: Node;
  bootId: string;
  address: string;
  /** Where it reaches us. */
  serverUrl: string;
  /** Opens what its reporter speaks to us by; only where there will be one. */
  session(): Promise<string>;
}

/** Writes the seeds, the network and the reporter into the node's tree. `reports`: the system will tell that it is up. */
export async function seedTree(
  core: Core,
  { node, bootId, address, serverUrl, session }: Seeding,
): Promise<{ told: string[]; reports: boolean }> {
  const root = treeByMessage(core.trees, node.id);
  const cloudInit =
    (await root.lookup("usr/bin/cloud-init")) !== undefined || (await root.lookup("etc/cloud")) !== undefined;
  const files = seedFilesOf(core, node, {
    ...{ serverUrl, address, cloudInit },
    instance: await instanceOf(core, node),
    frozen: await core.profiles.frozen.of(bootId),
  });
  const given = tokenInSeed(core, node);
  if (given) core.journal.event("cluster", node.id, given);
  const plain = files.find(({ path }) => path === PLAIN_FILE);
  const parts: Settlement[] = [
    settleFiles(files.filter(({ path }) => path !== PLAIN_FILE && path !== ONCE_FILE)),
    await settleNetwork(root, node.mac),
  ];
  if (plain) {
    const { hostname, account } = accountOf(plain);
    parts.push(await settleAccount(root, hostname, account));
  }
  const reports = await isSystemd(root);
  if (reports) parts.push(settleReporter(await reporter(serverUrl, await session())));
  const steps: SettleStep[] = parts.flatMap((part) => part.steps);
  await core.trees.call("settleTree", { id: node.id, steps });
  return { told: parts.flatMap((part) => part.told), reports };
}

async function reporter(serverUrl: string, session: string): Promise<string> {
  const { hostname, port } = new URL(serverUrl);
  const script = await readFile(join(packageFolder("agent"), "booted.sh"), "utf8");
  return `#!/bin/sh
# Tells the boot server that this node is up.
host='${hostname}' port='${port || "80"}' session='${session}'
mkdir -p -m 700 /run/bramble
${script}`;
}
