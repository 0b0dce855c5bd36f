// Everything that helps somebody else to find out what is wrong, and no secret: each text is cleaned before it is packed.
import { arch, cpus, freemem, loadavg, platform, release, totalmem, uptime } from "node:os";
import { Readable } from "node:stream";
import { createGzip } from "node:zlib";
import { pack } from "tar-stream";
import type { Calls } from "../../api/contract.ts";
import type { SupportView } from "../../api/observe-contract.ts";
import type { Core } from "../core.ts";
import { readRetention } from "./retention.ts";
import { scrubber } from "./secrets.ts";

/** Boots whose every step is in the bundle: the newest, the failed ones first. */
const DETAILED = 40;
const MOST_FILE = 4 * 1024 * 1024;
/** Consoles of so many of these boots. */
const CONSOLES = 20;

export interface SupportSources {
  core: Core;
  commands: Pick<
    Calls,
    | "status"
    | "nodes"
    | "boots"
    | "boot"
    | "events"
    | "images"
    | "profiles"
    | "clones"
    | "volumes"
    | "doctor"
    | "nodeConsole"
  >;
  /** As Prometheus would get it; absent where no server runs. */
  metrics?(): Promise<string>;
}

/** A tar.gz with one folder. What cannot be read is said in its place, so that one trouble does not hide all others. */
export async function supportBundle(
  { core, commands, metrics }: SupportSources,
  nowMs: number,
): Promise<SupportView> {
  const name = `bramble-support-${new Date(nowMs).toISOString().slice(0, 19).replace(/[:T]/g, "")}`;
  const scrub = await scrubber(core.book);
  const files = new Map<string, string>();
  const add = async (file: string, make: () => unknown) => {
    let value: unknown;
    try {
      value = await make();
    } catch (error) {
      value = `could not be had: ${(error as Error).message}`;
    }
    const text = typeof value === "string" ? value : JSON.stringify(value, undefined, 1);
    files.set(file, scrub.clean(text).slice(0, MOST_FILE));
  };
  await core.journal.flush();
  await add("machine.json", machine);
  await add("status.json", () => commands.status({}));
  await add("doctor.json", () => commands.doctor({}));
  await add("settings.json", () => settingsOf(core));
  await add("nodes.json", () => commands.nodes({}));
  await add("profiles.json", () => commands.profiles({}));
  await add("images.json", () => commands.images({}));
  await add("clones.json", () => commands.clones({}));
  await add("volumes.json", () => commands.volumes({}));
  await add("events.json", () => commands.events({ limit: 1_000 }));
  if (metrics) await add("metrics.txt", metrics);
  const boots = await commands.boots({ limit: 500 }).catch(() => []);
  await add("boots.json", () => boots);
  const telling = [...boots].sort((a, b) => Number(b.outcome === "failed") - Number(a.outcome === "failed"));
  for (const [i, { id, node }] of telling.slice(0, DETAILED).entries()) {
    await add(`boots/${id}.json`, () => commands.boot({ boot: id }));
    if (i >= CONSOLES) continue;
    const { lines } = await commands.nodeConsole({ node, boot: id }).catch(() => ({ lines: [] }));
    if (lines.length > 0)
      await add(`boots/${id}-console.txt`, () => lines.map(({ text }) => text).join("\n"));
  }
  const tar = pack();
  for (const [file, text] of files) tar.entry({ name: `${name}/${file}`, mtime: new Date(nowMs) }, text);
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of Readable.from(tar).pipe(createGzip())) chunks.push(chunk as Buffer);
  return {
    name: `${name}.tar.gz`,
    base64: Buffer.concat(chunks).toString("base64"),
    files: [...files.keys()],
    removed: scrub.removed(),
  };
}

const machine = () => ({
  node: process.version,
  platform: `${platform()} ${release()} ${arch()}`,
  cpus: cpus().length,
  load: loadavg(),
  memory: { total: totalmem(), free: freemem(), ours: process.memoryUsage() },
  uptimeS: Math.round(uptime()),
  oursS: Math.round(process.uptime()),
});

async function settingsOf(core: Core): Promise<object> {
  const rows = await core.book.selectFrom("setting").selectAll().execute();
  return {
    retention: await readRetention(core.book),
    ...Object.fromEntries(rows.map((row) => [row.name, row.value])),
  };
}
