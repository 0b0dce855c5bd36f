import { BrambleError } from "../../base/errors.ts";
import type { Node } from "../../fleet/node.ts";
import { runArgv } from "../../power/exec.ts";
import type { Core } from "../core.ts";
import { readSetting } from "../settings.ts";

/** The setting that says how a node's system is asked to end: JSON, an argument list with {address}, {name} and {serial}. */
export const SHUTDOWN_SETTING = "powerShutdown";
/** Bramble's user must be let in by its SSH key: `bramble profile set … --ssh-key`. */
const SSH = ["-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "StrictHostKeyChecking=accept-new"];
export const SHUTDOWN = ["ssh", ...SSH, "root@{address}", "poweroff"];
const PATIENCE_MS = 30_000;

/** Asks a node's system to end, by the operator's own program or by SSH. Fails where it could not be asked. */
export async function shutdownNode(core: Pick<Core, "book">, node: Node, signal: AbortSignal): Promise<void> {
  const set = await readSetting(core.book, SHUTDOWN_SETTING);
  const argv = set === undefined ? SHUTDOWN : (JSON.parse(set) as string[]);
  const address = node.address ?? (await lastAddress(core, node));
  if (address === undefined && argv.some((part) => part.includes("{address}")))
    throw new BrambleError("POWER_UNREACHABLE", `no address of ${node.name} is known`);
  const values = { address: address ?? "", name: node.name, serial: node.serial ?? "" };
  await runArgv(argv, values, AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]));
}

async function lastAddress({ book }: Pick<Core, "book">, node: Node): Promise<string | undefined> {
  const row = await book
    .selectFrom("boot")
    .select("address")
    .where("nodeId", "=", node.id)
    .where("address", "is not", null)
    .orderBy("startedMs", "desc")
    .limit(1)
    .executeTakeFirst();
  return row?.address ?? undefined;
}
