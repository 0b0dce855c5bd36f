import { resolve } from "node:path";
import { type Command, Option } from "commander";
import pc from "picocolors";
import type { CloneView, DiffView, ExportFormat, PromotedView } from "../../api/contract.ts";
import { parseSize } from "../../fleet/disk-settings.ts";
import { ago, bytes, clock, show, table } from "./print.ts";
import { long } from "./progress.ts";
import { type GlobalOptions, globals, withCommands } from "./session.ts";

const FORCE = ["--force", "also while the node runs: it loses its disk at once"] as const;

/** clone: the nodes' own disks. */
export function cloneCommands(program: Command): void {
  const clone = program.command("clone").description("the nodes' own disks");
  looking(clone);
  snapshots(clone);
  changing(clone);
  longOnes(clone);
}

function looking(clone: Command): void {
  clone
    .command("list")
    .description("all clones: what they hold of their own, what their snapshots hold, what they may hold")
    .action(async (_, command: Command) => {
      const options = globals(command);
      const clones = await withCommands(options, (commands) => commands.clones({}));
      show(options.output, clones, () =>
        clones.length === 0
          ? "No clones yet: a node gets its own when it first boots."
          : table(
              ["NODE", "IMAGE", "SIZE", "OWN", "SHARED", "QUOTA", "SNAPSHOTS", "MADE"],
              clones.map((c) => [
                c.node,
                c.image,
                bytes(c.size),
                bytes(c.ownBytes),
                bytes(c.sharedBytes),
                quotaWords(c),
                String(c.snapshots),
                `${clock(c.createdMs)}${c.ephemeral ? ", for one boot" : ""}`,
              ]),
            ),
      );
    });
  clone
    .command("show <node>")
    .description("one clone: over which image, how big, where its file is")
    .action(async (name: string, _, command: Command) => {
      const options = globals(command);
      const one = await withCommands(options, (commands) => commands.clone({ node: name }));
      show(options.output, one, () => cloneLines(one));
    });
  clone
    .command("serve <node>")
    .description("open a node's disk over NBD on loopback, for tools; without a server, until Ctrl-C")
    .action(async (name: string, _, command: Command) => {
      const options = globals(command);
      await withCommands(options, async (commands, running) => {
        const { uri } = await commands.serveClone({ node: name });
        show(options.output, { uri }, () => uri);
        if (!running) await new Promise((ended) => process.once("SIGINT", ended).once("SIGTERM", ended));
      });
    });
}

function snapshots(clone: Command): void {
  clone
    .command("snapshot <node> <name>")
    .description("keep a node's disk as it is now, also while it runs (as a power cut would leave it)")
    .action(async (node: string, name: string, _, command: Command) => {
      const options = globals(command);
      const one = await withCommands(options, (commands) => commands.snapshotClone({ node, name }));
      show(options.output, one, () => `${one.name} is kept: bramble clone rollback ${node} ${one.name}`);
    });
  clone
    .command("snapshots <node>")
    .description("what a node's disk may go back to")
    .action(async (node: string, _, command: Command) => {
      const options = globals(command);
      const all = await withCommands(options, (commands) => commands.snapshots({ node }));
      show(options.output, all, () =>
        all.length === 0
          ? `No snapshots: bramble clone snapshot ${node} NAME`
          : table(
              ["SNAPSHOT", "TAKEN", "HOLDS"],
              all.map((one) => [one.name, clock(one.createdMs), bytes(one.ownBytes)]),
            ),
      );
    });
  clone
    .command("diff <node>")
    .description("what a node with an NFS root has changed of its image: files, sizes")
    .option("--snapshot <name>", "as it was then")
    .action(async (node: string, given: { snapshot?: string }, command: Command) => {
      const options = globals(command);
      const diff = await withCommands(options, (commands) => commands.diffClone({ node, ...given }));
      show(options.output, diff, () => diffLines(diff));
    });
  clone
    .command("drop <node> <snapshot>")
    .description("forget a snapshot; the node's disk stays as it is")
    .action(async (node: string, snapshot: string, _, command: Command) => {
      const options = globals(command);
      const gone = await withCommands(options, (commands) => commands.dropSnapshot({ node, snapshot }));
      show(options.output, gone, () => `${gone.name} is dropped.`);
    });
  clone
    .command("rollback <node> <snapshot>")
    .description("a node's disk becomes what the snapshot holds; what came after is gone")
    .option(...FORCE)
    .action(async (node: string, snapshot: string, given: { force?: true }, command: Command) => {
      const options = globals(command);
      const one = await withCommands(options, (commands) =>
        commands.rollbackClone({ node, snapshot, ...given }),
      );
      show(options.output, one, () => `${one.node} boots from ${snapshot} the next time.`);
    });
}

function changing(clone: Command): void {
  const changed = (options: GlobalOptions, one: CloneView) =>
    show(options.output, one, () => cloneLines(one));
  clone
    .command("reset <node>")
    .description("throw away what a node has written: its next boot begins with the image as it is")
    .option(...FORCE)
    .action(async (name: string, given: { force?: true }, command: Command) => {
      const options = globals(command);
      const reset = await withCommands(options, (commands) => commands.resetClone({ node: name, ...given }));
      show(options.output, reset, () => `${reset.node} begins anew at its next boot.`);
    });
  clone
    .command("rebase <node>")
    .description("put a stateless node's clone over another image; its own changes are discarded")
    .option("--image <name:version>", "the image; default: the one that the node is set to")
    .option("--discard-changes", "also where the root keeps a state: all of it is thrown away")
    .option(...FORCE)
    .action(async (node: string, given: { image?: string; discardChanges?: true; force?: true }, command) => {
      const options = globals(command);
      changed(options, await withCommands(options, (commands) => commands.rebaseClone({ node, ...given })));
    });
  clone
    .command("resize <node> <size>")
    .description("make a node's disk bigger: 16G; its own system then grows its partitions")
    .action(async (node: string, size: string, _, command: Command) => {
      const options = globals(command);
      const wish = parseSize(size);
      changed(options, await withCommands(options, (commands) => commands.resizeClone({ node, size: wish })));
    });
  clone
    .command("quota <node> <size>")
    .description("how much a node's disk and its snapshots may hold of their own: 8G; - as its profile says")
    .action(async (node: string, size: string, _, command: Command) => {
      const options = globals(command);
      const quota = size === "-" ? null : parseSize(size);
      changed(options, await withCommands(options, (commands) => commands.setCloneQuota({ node, quota })));
    });
}

function longOnes(clone: Command): void {
  clone
    .command("export <node> <file>")
    .description("a node's disk as one file, while it runs or not; of an NFS root a tar file")
    .addOption(
      new Option("--format <format>", "default: by the file's ending, else raw").choices([
        "raw",
        "qcow2",
        "xz",
        "tar",
      ]),
    )
    .option("--snapshot <name>", "as it was then")
    .option("--force", "replace the file if it is there")
    .action(
      async (
        node: string,
        file: string,
        given: { format?: ExportFormat; snapshot?: string; force?: true },
        command: Command,
      ) => {
        const options = globals(command);
        const wish = { ...given, node, to: resolve(file), format: given.format ?? formatOf(file) };
        const done = await long((progress, signal) =>
          withCommands(options, (commands) => commands.exportClone(wish, { progress, signal })),
        );
        show(options.output, done, () => `${done.path}: ${bytes(done.bytes)}`);
      },
    );
  clone
    .command("promote <node>")
    .description("a node's disk becomes a new image, cleaned of what makes it this node's")
    .option("--name <name:version>", "default: its image's name, and the next version")
    .option("--snapshot <name>", "as it was then; of a node that runs it is what a power cut would leave")
    .option(
      "--keep <what...>",
      "leave something uncleaned: machine-id, ssh-host-keys, logs, … (docs/volumes.md)",
    )
    .option("--no-clean", "take the disk byte for byte, with the node's keys")
    .action(
      async (
        node: string,
        given: { name?: string; snapshot?: string; keep?: string[]; clean: boolean },
        command: Command,
      ) => {
        const options = globals(command);
        const keep = given.keep?.flatMap((one) => one.split(","));
        const wish = { ...given, node, ...(keep && { keep }) };
        const done = await long((progress, signal) =>
          withCommands(options, (commands) => commands.promoteClone(wish, { progress, signal })),
        );
        show(options.output, done, () => promotedLines(node, done));
      },
    );
  clone
    .command("merge <node>")
    .description("write the files of dropped snapshots together now (it is done in the background anyway)")
    .action(async (node: string, _, command: Command) => {
      const options = globals(command);
      const one = await long((progress, signal) =>
        withCommands(options, (commands) => commands.mergeClone({ node }, { progress, signal })),
      );
      show(options.output, one, () => cloneLines(one));
    });
}

const formatOf = (file: string): ExportFormat =>
  file.endsWith(".qcow2") ? "qcow2" : file.endsWith(".xz") ? "xz" : file.endsWith(".tar") ? "tar" : "raw";

const quotaWords = ({ quota, ownBytes, sharedBytes }: CloneView): string => {
  if (quota === undefined) return "-";
  const part = Math.floor(((ownBytes + sharedBytes) / quota) * 100);
  const words = `${bytes(quota)} (${part} %)`;
  return part >= 100 ? pc.red(words) : part >= 90 ? pc.yellow(words) : words;
};

function cloneLines(one: CloneView): string {
  const { snapshots: count } = one;
  return [
    `${pc.bold(one.node)} over ${one.image}, made ${ago(one.createdMs)}${one.ephemeral ? ", for one boot" : ""}`,
    one.kind === "tree"
      ? `  files over NFS; ${bytes(one.ownBytes)} are its own`
      : `  ${bytes(one.size)}, of which ${bytes(one.ownBytes)} are its own`,
    ...(count > 0
      ? [`  ${count} ${count === 1 ? "snapshot holds" : "snapshots hold"} ${bytes(one.sharedBytes)}`]
      : []),
    ...(one.quota === undefined ? [] : [`  quota ${quotaWords(one)}`]),
    `  ${one.path}`,
    pc.dim(
      one.kind === "tree"
        ? "  what it has changed: bramble clone diff; a copy: bramble clone export NODE FILE.tar"
        : one.inUse
          ? "  open now; for a copy: bramble clone export"
          : "  qemu-img reads it while the node is off; for other tools: bramble clone serve",
    ),
  ].join("\n");
}

const SIGNS: Record<DiffView["entries"][number]["what"], string> = {
  ...{ added: "+", changed: "~", attributes: "=", removed: "-" },
};

function diffLines({ node, image, entries, totals }: DiffView): string {
  const { added, changed, attributes, removed } = totals;
  const all = added + changed + attributes + removed;
  if (all === 0) return `${node} has changed nothing of ${image}.`;
  const sizes = ({ what, kind, size, before }: DiffView["entries"][number]) => {
    if (kind !== "file") return [kind, ""];
    if (what === "removed") return ["", bytes(before)];
    return [bytes(size), what === "changed" ? bytes(before) : ""];
  };
  const rows = entries.map((one) => [SIGNS[one.what], one.path, ...sizes(one)]);
  return [
    table(["", "FILE", "SIZE", "IN THE IMAGE"], rows),
    ...(all > entries.length ? [pc.yellow(`… and ${all - entries.length} more`)] : []),
    `${node} over ${image}: ${added} added, ${changed} changed (${bytes(totals.bytes)} in both), ${attributes} with another owner, mode or target, ${removed} removed`,
  ].join("\n");
}

const promotedLines = (node: string, { image, cleaned, notes }: PromotedView): string =>
  [
    `The disk of ${node} is now the image ${pc.bold(`${image.name}:${image.version}`)}, ${bytes(image.allocated)} on disk.`,
    ...cleaned.map((words) => pc.dim(`· cleaned: ${words}`)),
    ...notes.map((words) => pc.yellow(`· ${words}`)),
    `For another node: bramble node set NODE --image ${image.name}:${image.version}, then bramble clone reset NODE`,
  ].join("\n");
