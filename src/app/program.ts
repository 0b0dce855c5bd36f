import { Command, Option } from "commander";
import { accessCommands } from "./cli/access.ts";
import { bootCommands } from "./cli/boots.ts";
import { cardCommands } from "./cli/card.ts";
import { cloneCommands } from "./cli/clones.ts";
import { completionCommand } from "./cli/completion.ts";
import { demoCommand } from "./cli/demo.ts";
import { doctorCommand } from "./cli/doctor.ts";
import { externalCommand } from "./cli/external.ts";
import { groupCommands } from "./cli/groups.ts";
import { imageCommands } from "./cli/images.ts";
import { lifeCommands } from "./cli/life.ts";
import { nodeCommands } from "./cli/nodes.ts";
import { placeCommands } from "./cli/places.ts";
import { powerCommands } from "./cli/power.ts";
import { profileCommands } from "./cli/profiles.ts";
import { serviceCommand } from "./cli/service.ts";
import { simCommand } from "./cli/sim.ts";
import { statusCommand } from "./cli/status.ts";
import { superviseCommands } from "./cli/supervise.ts";
import { switchCommands } from "./cli/switch.ts";
import { upCommand } from "./cli/up.ts";
import { volumeCommands } from "./cli/volumes.ts";
import { consoleCommand, watchCommands } from "./cli/watch.ts";
import { webhookCommands } from "./cli/webhooks.ts";
import { VERSION } from "./commands.ts";

/** The command line: every command with its options. */
export function makeProgram(): Command {
  const program = new Command("bramble")
    .description(
      "Netboots fleets of Raspberry Pis without SD cards: one image in, every board boots its own clone of it.",
    )
    .version(VERSION)
    .option("--data <folder>", "data folder; default: the caller's own")
    .option("--server <url>", "a Bramble elsewhere; or BRAMBLE_SERVER. `bramble login URL` comes first")
    .option(
      "--token <token>",
      "for --server; better in BRAMBLE_TOKEN, where others of this machine cannot read it",
    )
    .addOption(
      new Option("-o, --output <form>", "for people or for programs")
        .choices(["table", "json", "yaml"])
        .default("table"),
    )
    .option("--verbose", "show where an error comes from")
    .exitOverride();

  upCommand(program);
  demoCommand(program);
  statusCommand(program);
  imageCommands(program);
  cloneCommands(program);
  volumeCommands(program);
  nodeCommands(program);
  consoleCommand(program);
  lifeCommands(program);
  profileCommands(program);
  groupCommands(program);
  placeCommands(program);
  bootCommands(program);
  superviseCommands(program);
  powerCommands(program);
  switchCommands(program);
  simCommand(program);
  doctorCommand(program);
  cardCommands(program);
  externalCommand(program);
  watchCommands(program);
  webhookCommands(program);
  accessCommands(program);
  completionCommand(program);
  serviceCommand(program);
  teach(program, "bramble");
  return program;
}

/** Who writes a command wrongly is told how that one is written. */
function teach(command: Command, path: string): void {
  const isGroup = command.commands.length > 0;
  command.showHelpAfterError(
    isGroup
      ? `hint:  ${path} --help lists its commands`
      : `hint:  ${path} ${command.usage()}\n       ${path} --help tells what each word means`,
  );
  for (const one of command.commands) teach(one, `${path} ${one.name()}`);
}
