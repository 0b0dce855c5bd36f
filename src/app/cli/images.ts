import { resolve } from "node:path";
import type { Command } from "commander";
import pc from "picocolors";
import type { ImageView } from "../../api/contract.ts";
import { ago, bytes, show, table } from "./print.ts";
import { long } from "./progress.ts";
import { globals, withCommands } from "./session.ts";

const isUrl = (source: string): boolean => /^https?:\/\//i.test(source);
const absolute = (source: string): string => (isUrl(source) ? source : resolve(source));

export function imageCommands(program: Command): void {
  const image = program
    .command("image")
    .description("SD-card images: each goes in once, every node gets its own clone");

  image
    .command("add <file-or-url>")
    .description(
      "import .img, .img.xz, .zst, .gz or .zip, or a system as .tar or folder; an interrupted download goes on where it stopped",
    )
    .option("--name <name:version>", "how to call it; default: from the file's name")
    .option("--sha256 <hash>", "of the file or of the raw image: anything else is refused")
    .action(async (source: string, given: { name?: string; sha256?: string }, command: Command) => {
      const options = globals(command);
      const added = await long((progress, signal) =>
        withCommands(options, (commands) =>
          commands.addImage({ source: absolute(source), ...given }, { progress, signal }),
        ),
      );
      show(options.output, added, () => imageLines(added));
    });

  image
    .command("list")
    .description("all images")
    .action(async (_, command: Command) => {
      const options = globals(command);
      const images = await withCommands(options, (commands) => commands.images({}));
      show(options.output, images, () =>
        images.length === 0
          ? "No images yet: bramble image add FILE|URL"
          : table(
              ["IMAGE", "SYSTEM", "BOOTS", "SIZE", "ON DISK", "SHA256", "ADDED"],
              images.map((one) => [
                `${one.name}:${one.version}`,
                one.facts.distribution?.prettyName ?? "?",
                one.facts.models.flatMap((m) => (m.boots ? [m.model] : [])).join(" ") || pc.red("none"),
                bytes(one.size),
                bytes(one.allocated),
                one.sha256.slice(0, 12),
                ago(Date.parse(one.addedAt)),
              ]),
            ),
      );
    });

  image
    .command("show <image>")
    .description("what is in an image: partitions, system, kernels, which models it boots and what they lack")
    .action(async (name: string, _, command: Command) => {
      const options = globals(command);
      const one = await withCommands(options, (commands) => commands.image({ image: name }));
      show(options.output, one, () => imageLines(one));
    });

  image
    .command("rm <image>")
    .description("remove an image; refused while clones stand on it")
    .action(async (name: string, _, command: Command) => {
      const options = globals(command);
      const gone = await withCommands(options, (commands) => commands.removeImage({ image: name }));
      show(options.output, gone, () => `${gone.name} is removed.`);
    });

  const firmware = program
    .command("firmware")
    .description("boot files laid under an image's own where it lacks them");
  firmware
    .command("add <source>")
    .description(
      "a folder, an archive or a .deb with boot files (raspberrypi/firmware's boot/, Debian's raspi-firmware)",
    )
    .option("--name <name:version>", "how to call it")
    .action(async (source: string, given: { name?: string }, command: Command) => {
      const options = globals(command);
      const set = await withCommands(options, (commands) =>
        commands.addFirmware({ source: absolute(source), ...given }),
      );
      show(options.output, set, () => `${set.name}:${set.version}: ${set.files} files, ${bytes(set.size)}`);
    });
  firmware.command("list").action(async (_, command: Command) => {
    const options = globals(command);
    const sets = await withCommands(options, (commands) => commands.firmwares({}));
    show(options.output, sets, () =>
      sets.length === 0
        ? "No boot files beside the images, and none are needed where an image has its own: bramble firmware add SOURCE"
        : table(
            ["FIRMWARE", "FILES", "SIZE", "FROM", "ADDED"],
            sets.map((s) => [
              `${s.name}:${s.version}`,
              String(s.files),
              bytes(s.size),
              s.source,
              ago(Date.parse(s.addedAt)),
            ]),
          ),
    );
  });
  firmware.command("rm <firmware>").action(async (name: string, _, command: Command) => {
    const options = globals(command);
    const gone = await withCommands(options, (commands) => commands.removeFirmware({ firmware: name }));
    show(options.output, gone, () => `${gone.name} is removed.`);
  });
}

function imageLines(one: ImageView): string {
  const { facts } = one;
  const partitions = facts.partitions.map((p) => [
    String(p.number),
    p.filesystem,
    bytes(p.size),
    p.label ?? "",
    p.number === facts.bootPartition ? "boot files" : p.number === facts.rootPartition ? "root" : "",
  ]);
  const models = facts.models.map((m) => [
    m.model,
    m.boots ? pc.green("boots") : pc.red("does not boot"),
    m.missing.length > 0 ? `lacks ${m.missing.join(", ")}` : "",
  ]);
  return [
    `${pc.bold(`${one.name}:${one.version}`)}  ${facts.distribution?.prettyName ?? "unknown system"}`,
    `${pc.dim("sha256")} ${one.sha256}`,
    `${pc.dim("from")} ${one.source}, ${bytes(one.size)}, ${bytes(one.allocated)} on disk`,
    table(["#", "FILE SYSTEM", "SIZE", "LABEL", ""], partitions),
    ...facts.kernels.map(
      (k) => `${pc.dim("kernel")} ${k.file} ${k.version ?? "?"}${k.modulesPath ? "" : ", no modules for it"}`,
    ),
    ...(facts.cmdline ? [`${pc.dim("cmdline")} ${facts.cmdline}`] : []),
    table(["MODEL", "", ""], models),
    ...facts.notes.map((note) => pc.yellow(`· ${note}`)),
  ].join("\n");
}
