// What watches a running server: metrics, consoles, webhooks, retention. It hears of what happens; nothing waits for it.
import type { Do } from "../../fleet/boots.ts";
import type { Node } from "../../fleet/node.ts";
import type { DhcpEvent } from "../../serve/dhcp.ts";
import { serveNetconsole } from "../../serve/netconsole.ts";
import { serveSyslog } from "../../serve/syslog.ts";
import { VERSION } from "../commands.ts";
import type { Core } from "../core.ts";
import { lastBoots } from "../last-boots.ts";
import type { Counts } from "../planes/tally.ts";
import { bootCounts } from "./boot-counts.ts";
import { type ConsoleBook, consoleBook } from "./console.ts";
import { dhcpCounts } from "./dhcp-counts.ts";
import { type GaugeSources, gauges } from "./gauges.ts";
import { type HealthSources, health, readiness } from "./health.ts";
import { type Metrics, makeMetrics } from "./metrics.ts";
import { addCounts } from "./plane-counts.ts";
import { powerGauges } from "./power-gauges.ts";
import { pruning } from "./retention.ts";
import { transitionCounts } from "./transitions.ts";
import { webhooks } from "./webhooks.ts";

export interface ObservingOptions {
  core: Core;
  warn(words: string): void;
  /** Metrics of each node, where there are at most 1,000. */
  perNode?: boolean;
}

/** What a monitor gets. */
interface Monitored {
  status?: number;
  type?: string;
  body: string;
}

type Sources = Omit<GaugeSources, "core" | "perNode" | "power"> & Pick<HealthSources, "ping">;

export interface LogPorts {
  hosts: readonly string[];
  /** Undefined: not listened for. */
  syslog?: number;
  netconsole?: number;
  /** The node that was last heard at an address. */
  whose(address: string): Node | undefined;
}

export interface Observing {
  metrics: Metrics;
  console: ConsoleBook;
  /** From here on monitors are answered with facts. */
  watch(sources: Sources): void;
  /** Opens the doors for syslog and netconsole; one that cannot be had is told, and is nobody's failure. */
  listen(ports: LogPorts): Promise<{ syslog: number[]; netconsole: number[] }>;
  boot(order: Do): void;
  dhcp(event: DhcpEvent): void;
  counts(counts: Counts): void;
  /** A boot's one-time token was drawn. */
  token(): void;
  /** The second's tick of the control side. */
  tick(): void;
  /** Something is to be sent to a webhook. */
  wake(): void;
  monitors: Record<"/health" | "/ready" | "/metrics", () => Promise<Monitored>>;
  close(): Promise<void>;
}

const TICK_MS = 1_000;

export function observing({ core, warn, perNode = false }: ObservingOptions): Observing {
  const { book, registry, journal, news } = core;
  const now = Date.now;
  const failed = (what: string) => (error: unknown) => warn(`${what}: ${(error as Error).message}`);
  const metrics = makeMetrics({ version: VERSION });
  const console = consoleBook(book, failed("what nodes print could not be kept"));
  const sender = webhooks({
    book,
    news,
    now,
    nameOf: (id) => registry.byId(id)?.name ?? id,
    sent: (result) => metrics.webhooks.inc({ result }),
    failed: failed("webhooks"),
  });
  const forgetting = pruning(book, now, failed("what is old could not be forgotten"));
  const power = powerGauges(core);
  const transitions = transitionCounts(book, metrics);
  const unheard = core.power.onEnded(({ driver, op, result, ms }) => {
    metrics.powerOps.inc({ driver, op, result });
    if (result === "ok") metrics.powerSettle.observe({ driver }, ms / 1000);
  });
  const closers: (() => Promise<unknown> | unknown)[] = [
    () => forgetting.close(),
    () => sender.close(),
    () => console.close(),
    () => power.close(),
    unheard,
  ];
  let measure: (() => Promise<void>) | undefined;
  let ping: HealthSources["ping"] = {};
  let planes: HealthSources["planes"] = () => [];
  let lastTickMs = now();
  let dueMs = performance.now();
  const strangers = new Set<string>();
  /** The boot that a node is in, or had last; where it was in boots before a restart of ours. */
  const latest = new Map<string, string>();
  const before = new Map<string, string>();
  void transitions();
  const counted = bootCounts(metrics, {
    node: registry.byId,
    imageOf: (node) => registry.resolve(node).image,
    now,
  });

  const dropped = (what: string) => () => metrics.eventsDropped.inc({ what });
  const stranger = (address: string) => {
    metrics.eventsDropped.inc({ what: "stranger" });
    if (strangers.size >= 256 || strangers.has(address)) return;
    strangers.add(address);
    journal.event(
      "console",
      undefined,
      `${address} sends logs, and no node of ours is there: they are not kept`,
    );
  };

  async function open(
    what: string,
    serve: () => Promise<{ port: number; close(): Promise<void> }>,
  ): Promise<number[]> {
    try {
      const door = await serve();
      closers.unshift(() => door.close());
      return [door.port];
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      const why = code === "EADDRINUSE" ? "another program has the port" : message;
      warn(`${what} of nodes is not listened for: ${why}`);
      return [];
    }
  }

  return {
    metrics,
    console,
    watch(sources) {
      measure = gauges(metrics, { core, perNode, power: power.read, ...sources });
      ({ ping, planes } = sources);
    },
    async listen({ hosts, syslog, netconsole, whose }) {
      const ids = registry.all().map(({ id }) => id);
      for (const [nodeId, { id, address }] of await lastBoots(book, ids)) {
        if (!latest.has(nodeId)) latest.set(nodeId, id);
        if (address) before.set(address, nodeId);
      }
      const ports = { syslog: [] as number[], netconsole: [] as number[] };
      const take = (
        source: "syslog" | "netconsole",
        line: { text: string; severity?: number; app?: string },
        address: string,
      ) => {
        const node = whose(address) ?? registry.byId(before.get(address) ?? "");
        if (!node) return stranger(address);
        metrics.consoleLines.inc({ source });
        const { text, severity, app } = line;
        const more = { ...(severity !== undefined && { severity }), ...(app && { app }) };
        console.hear(node, latest.get(node.id), { source, text, ...more }, now());
      };
      for (const host of hosts) {
        if (syslog !== undefined)
          ports.syslog.push(
            ...(await open("syslog", () =>
              serveSyslog({
                ...{ host, port: syslog, dropped: dropped("syslog") },
                heard: (message, { address }) => take("syslog", message, address),
              }),
            )),
          );
        if (netconsole !== undefined)
          ports.netconsole.push(
            ...(await open("netconsole", () =>
              serveNetconsole({
                ...{ host, port: netconsole, dropped: dropped("netconsole") },
                heard: (line, { address }) => take("netconsole", line, address),
              }),
            )),
          );
      }
      return ports;
    },
    boot(order) {
      latest.set(order.boot.nodeId, order.boot.id);
      counted(order);
    },
    dhcp: dhcpCounts(metrics),
    token: () => metrics.tokensIssued.inc(),
    counts: (counts) => addCounts(metrics, counts),
    tick() {
      const at = performance.now();
      metrics.jobLag.observe(Math.max(0, at - dueMs) / 1000);
      dueMs = at + TICK_MS;
      lastTickMs = now();
    },
    wake: sender.wake,
    monitors: {
      "/health": async () => {
        const { alive, body } = health(lastTickMs, now());
        return { status: alive ? 200 : 503, body: `${JSON.stringify(body)}\n` };
      },
      "/ready": async () => {
        const parts = await readiness({ core, planes, ping });
        const ready = measure !== undefined && parts.every((part) => part.ready);
        return { status: ready ? 200 : 503, body: `${JSON.stringify({ ready, parts })}\n` };
      },
      "/metrics": async () => {
        await Promise.all([measure?.(), transitions()]);
        return { type: metrics.registry.contentType, body: await metrics.registry.metrics() };
      },
    },
    async close() {
      for (const end of closers) await end();
    },
  };
}
