import { join } from "node:path";
import type { Stage } from "../scenario.ts";
import type { Bramble } from "./bramble.ts";
import { output, type Running, start } from "./commands.ts";

export const SSH = { tool: "ssh", package: "openssh-client" };

/** A shell on a node, as user ada, who may do everything. */
export interface Shell {
  ask(command: string): Promise<string>;
  /** Copies a file of this machine to the node. */
  put(file: string, to: string): Promise<void>;
  /** A command that goes on beside the scenario. */
  start(command: string): Running;
}

/** Ada's key, for every node of the default profile; the function gives a shell on a node. */
export async function ada(t: Stage, bramble: Bramble): Promise<(address: string) => Shell> {
  const key = join(t.folder, "key");
  await output("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", key]);
  await bramble.cli("profile", "set", "--user", "ada", "--ssh-key", `${key}.pub`);
  return (address) => {
    // one connection for all commands: a new one costs this machine seconds. Where the scenario has a short path of its own
    const shared = ["ControlMaster=auto", "ControlPath=/run/netns/ssh-%h", "ControlPersist=600"];
    const known = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", ...shared];
    const options = ["-i", key, ...known.flatMap((one) => ["-o", one]), `ada@${address}`];
    return {
      ask: (command) => output("ssh", [...options, command]),
      async put(file, to) {
        const line = ["ssh", ...options, `cat > ${to}`].map((word) => `'${word}'`).join(" ");
        await output("sh", ["-c", `${line} < '${file}'`]);
      },
      start(command) {
        const running = start("ssh", [...options, command]);
        t.atEnd(() => running.stop());
        return running;
      },
    };
  };
}
