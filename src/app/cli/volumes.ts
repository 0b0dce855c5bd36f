import type { Command } from "commander";
import { Option } from "commander";
import pc from "picocolors";
import type { VolumeView } from "../../api/contract.ts";
import { parseSize, VOLUME_FILESYSTEMS } from "../../fleet/disk-settings.ts";
import { ago, bytes, show, table } from "./print.ts";
import { globals, withCommands } from "./session.ts";

/** volume: extra disks, which outlive the roots of their nodes. */
export function volumeCommands(program: Command): void {
  const volume = program
    .command("volume")
    .description("extra disks for nodes; they outlive a reset of the node's own");
  volume
    .command("list")
    .description("all volumes, and whose they are")
    .action(async (_, command: Command) => {
      const options = globals(command);
      const all = await withCommands(options, (commands) => commands.volumes({}));
      show(options.output, all, () =>
        all.length === 0
          ? "No volumes yet: bramble volume create NAME SIZE, or --volume of a profile"
          : table(
              ["VOLUME", "NODE", "LUN", "SIZE", "OWN", "AS", "MOUNTED AT"],
              all.map((one) => [
                one.name,
                one.node ?? "-",
                one.lun === undefined ? "-" : String(one.lun),
                bytes(one.size),
                bytes(one.ownBytes),
                one.fstype,
                one.mountpoint ?? "-",
              ]),
            ),
      );
    });
  volume
    .command("show <volume>")
    .description("one volume")
    .action(async (name: string, _, command: Command) => {
      const options = globals(command);
      const one = await withCommands(options, (commands) => commands.volume({ volume: name }));
      show(options.output, one, () => volumeLines(one));
    });
  volume
    .command("create <name> <size>")
    .description("make a volume: containers 20G; it takes space as it is written")
    .addOption(
      new Option("--fstype <type>", "made at its first boot; none: left blank").choices([
        ...VOLUME_FILESYSTEMS,
      ]),
    )
    .option("--mount <path>", "where the node finds it; default: /srv/NAME")
    .action(
      async (name: string, size: string, given: { fstype?: string; mount?: string }, command: Command) => {
        const options = globals(command);
        const { mount: mountpoint, ...rest } = given;
        const wish = {
          name,
          size: parseSize(size),
          ...rest,
          ...(mountpoint !== undefined && { mountpoint }),
        };
        const one = await withCommands(options, (commands) => commands.createVolume(wish));
        show(options.output, one, () => `${volumeLines(one)}\nNow: bramble volume attach ${one.name} NODE`);
      },
    );
  volume
    .command("attach <volume> <node>")
    .description("give a volume to a node, from its next boot on")
    .option("--mount <path>", "where the node finds it")
    .action(async (name: string, node: string, given: { mount?: string }, command: Command) => {
      const options = globals(command);
      const mount = given.mount === undefined ? {} : { mountpoint: given.mount };
      const one = await withCommands(options, (commands) =>
        commands.attachVolume({ volume: name, node, ...mount }),
      );
      show(
        options.output,
        one,
        () => `${one.name} is LUN ${one.lun} of ${one.node}: it has it from its next boot on.`,
      );
    });
  volume
    .command("detach <volume>")
    .description("take a volume from its node; what is on it stays")
    .option("--force", "also while the node has it open: it loses it at its next login")
    .action(async (name: string, given: { force?: true }, command: Command) => {
      const options = globals(command);
      const one = await withCommands(options, (commands) =>
        commands.detachVolume({ volume: name, ...given }),
      );
      show(options.output, one, () => `${one.name} belongs to no node now; what is on it stays.`);
    });
  volume
    .command("resize <volume> <size>")
    .description("make a volume bigger; the node then grows its file system: resize2fs")
    .action(async (name: string, size: string, _, command: Command) => {
      const options = globals(command);
      const wish = parseSize(size);
      const one = await withCommands(options, (commands) =>
        commands.resizeVolume({ volume: name, size: wish }),
      );
      show(options.output, one, () => volumeLines(one));
    });
  volume
    .command("rm <volume>")
    .description("remove a volume with all that is on it; it must belong to no node")
    .action(async (name: string, _, command: Command) => {
      const options = globals(command);
      const gone = await withCommands(options, (commands) => commands.removeVolume({ volume: name }));
      show(options.output, gone, () => `${gone.name} is removed, with what was on it.`);
    });
}

const volumeLines = (one: VolumeView): string =>
  [
    `${pc.bold(one.name)}  ${bytes(one.size)}, of which ${bytes(one.ownBytes)} are written, made ${ago(one.createdMs)}`,
    `  ${one.fstype}${one.mountpoint ? ` at ${one.mountpoint}` : ""}`,
    one.node === undefined
      ? "  attached to no node"
      : `  LUN ${one.lun} of ${one.node}${one.inUse ? ", open now" : ""}${one.bySettings ? ", as its settings say" : ""}`,
    `  ${one.path}`,
  ].join("\n");
