// A whole Bramble with a fleet in its book, for the browser: a few nodes in every standing that the page knows, or thousands.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startCommanded } from "../src/app/cli/up.ts";
import { nodeRow } from "../src/app/registry-rows.ts";
import type { Node } from "../src/fleet/node.ts";
import type { Model } from "../src/formats/boards.ts";
import { openBook } from "../src/storage/book.ts";
import { makeDemoImage } from "../src/storage/demo-image.ts";
import { onLoopback } from "./loopback.ts";

const MODELS: readonly Model[] = ["4B", "5", "3B+", "CM4"];
const HOUR_MS = 3_600_000;
/** Rows in one statement: SQLite takes so many values at the least. */
const CHUNK = 20;

/** How the boot of the n-th node went; `undefined`: it has not booted. */
function bootOf(n: number) {
  const kind = n % 20;
  if (kind === 2) {
    const verdict =
      "The kernel was fetched and then nothing was heard: a wrong kernel or device tree for this model, or its console is off.";
    return { stage: "kernel", outcome: "failed", verdict };
  }
  if (kind === 5) return undefined;
  return { stage: "booted", outcome: "booted", verdict: "It came up in 31 s." };
}

const NAMES = { few: (n: number) => `pi-${n}`, many: (n: number) => `pi-${String(n).padStart(4, "0")}` };

/** Nodes with places, labels, boots with their files, and events; what a fleet of that age would have. */
export async function fillBook(path: string, count: number, image: string): Promise<string[]> {
  const book = await openBook(path);
  const now = Date.now();
  const nodes: Node[] = [];
  for (let n = 1; n <= count; n++) {
    const serial = (0x10000000 + n * 7919).toString(16);
    const model = MODELS[n % MODELS.length] ?? "4B";
    nodes.push({
      id: serial,
      serial,
      mac: `2c:cf:67:${[n >> 16, n >> 8, n].map((byte) => (byte & 255).toString(16).padStart(2, "0")).join(":")}`,
      model,
      name: count < 100 ? NAMES.few(n) : NAMES.many(n),
      state: n % 20 === 3 ? "discovered" : "deployed",
      version: 1,
      stateSinceMs: now - 50 * HOUR_MS,
      attempt: 0,
      profile: "default",
      address: `127.80.${n >> 8}.${n & 255}`,
      seed: {},
      labels: { role: ["web", "db", "ci"][n % 3] ?? "web" },
      place: {
        site: "hall-1",
        rack: String(Math.floor((n - 1) / 200) + 1),
        unit: String((Math.floor((n - 1) / 12) % 17) + 1),
        slot: String(((n - 1) % 12) + 1),
      },
      firstSeenMs: now - 60 * HOUR_MS,
      lastSeenMs: now - (n % 50) * 1_000,
    });
  }
  const boots = nodes.flatMap((node, i) => {
    const boot = node.state === "discovered" ? undefined : bootOf(i + 1);
    const startedMs = now - ((i * 37) % 1_300) * 60_000 - 40_000;
    return boot
      ? [
          {
            ...boot,
            id: `b${i}`,
            nodeId: node.id,
            startedMs,
            endedMs: startedMs + 31_000,
            root: "iscsi",
            image,
          },
        ]
      : [];
  });
  await book.transaction().execute(async (trx) => {
    for (let at = 0; at < nodes.length; at += CHUNK)
      await trx
        .insertInto("node")
        .values(nodes.slice(at, at + CHUNK).map(nodeRow))
        .execute();
    for (let at = 0; at < boots.length; at += CHUNK)
      await trx
        .insertInto("boot")
        .values(boots.slice(at, at + CHUNK) as never)
        .execute();
    for (const boot of boots.slice(0, 20))
      await trx
        .insertInto("step")
        .values(stepsOf(boot) as never)
        .execute();
    for (let n = 0; n < Math.min(300, count * 10); n++) {
      const node = nodes[n % nodes.length];
      const words = "DISCOVER from the boot ROM: answered, it is enrolled and its image is here";
      await trx
        .insertInto("event")
        .values({ atMs: now - (300 - n) * 9_000, nodeId: node?.id ?? null, kind: "dhcp", words } as never)
        .execute();
    }
  });
  await book.destroy();
  return nodes.map(({ name }) => name);
}

const FILES: readonly (readonly [string, number, number])[] = [
  ["config.txt", 1_400, 12],
  ["start4.elf", 2_260_000, 640],
  ["fixup4.dat", 5_400, 9],
  ["bcm2711-rpi-4-b.dtb", 56_000, 22],
  ["overlays/overlay_map.dtb", 5_000, 8],
  ["cmdline.txt", 320, 6],
  ["kernel8.img", 9_700_000, 2_650],
  ["agent.img", 6_100_000, 1_700],
];

function stepsOf(boot: { id: string; startedMs: number; outcome: string }) {
  const failed = boot.outcome === "failed";
  let atMs = boot.startedMs;
  const told: { kind: string; words: string; more?: object; afterMs: number }[] = [
    { kind: "dhcp", words: "DISCOVER from the EEPROM of a Pi 4B: OFFER 127.80.0.1", afterMs: 0 },
    { kind: "dhcp", words: "REQUEST: ACK", afterMs: 900 },
    { kind: "tftp", words: "pieeprom.upd", more: { path: "pieeprom.upd", result: "missing" }, afterMs: 700 },
    ...FILES.map(([path, bytes, tookMs]) => ({
      kind: "tftp",
      words: path,
      more: { path, bytes, tookMs, result: "sent", origin: "clone" },
      afterMs: tookMs + 40,
    })),
    ...(failed
      ? []
      : [
          { kind: "agent", words: "network up, 1000 Mbit/s", afterMs: 5_200 },
          { kind: "disk", words: "iSCSI login", afterMs: 900 },
          { kind: "agent", words: "root attached, switch_root", afterMs: 1_100 },
          { kind: "agent", words: "booted", afterMs: 14_000 },
        ]),
  ];
  return told.map(({ kind, words, more, afterMs }, seq) => {
    atMs += afterMs;
    return { bootId: boot.id, seq, atMs, kind, words, ...more };
  });
}

export const PASSWORD = "a long password";

/** Starts it on loopback, with the demo image in. */
export async function uiWorld({
  nodes,
  users = true,
  data = mkdtempSync(join(tmpdir(), "ui-")),
}: {
  nodes: number;
  /** Without, nobody can sign in yet. */
  users?: boolean;
  data?: string;
}) {
  const start = () => startCommanded(onLoopback(data, { enrol: "ask" }));
  if (nodes > 0) {
    const first = await start();
    await makeDemoImage(join(data, "demo-1.img"));
    const image = await first.commands.addImage({ source: join(data, "demo-1.img") });
    await first.close();
    await fillBook(join(data, "book.db"), nodes, `${image.name}:${image.version}`);
  }
  const server = await start();
  if (users) {
    await server.commands.addUser({ name: "ada", role: "admin", password: PASSWORD });
    await server.commands.addUser({ name: "vera", role: "viewer", password: PASSWORD });
  }
  if (nodes > 0) {
    await server.commands.addSwitch({ name: "sw-1", driver: "virtual" });
    const [first] = await server.commands.nodes({ limit: 1 });
    if (first) await server.commands.bindPower({ node: first.name, switch: "sw-1", port: "1" });
  }
  return {
    data,
    server,
    url: `http://127.0.0.1:${server.ports.operator}/`,
    async close() {
      await server.close();
      rmSync(data, { recursive: true, force: true });
    },
  };
}
