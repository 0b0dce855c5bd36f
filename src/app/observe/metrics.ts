// What Prometheus reads. Names and labels are those of docs/observability.md; no label is a node's, but where somebody asked for it.
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import { BLOCK_MS, TRANSFER_MS } from "../planes/tally.ts";
import { bucketHistogram } from "./bucket-histogram.ts";

const BOOT = [1, 2, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600];
const SETTLE = [0.5, 1, 2, 5, 10, 20, 30, 60, 120];
const DATABASE = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1];
const SNMP = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 3, 6];
const LAG = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5];

/** Everything that is counted as it happens. What is measured at the moment of asking: gauges.ts. */
export function makeMetrics(facts: { version: string }) {
  const registry = new Registry();
  const registers = [registry];
  const counter = <L extends string>(name: string, help: string, ...labelNames: L[]) =>
    new Counter({ name: `bramble_${name}`, help, labelNames, registers });
  const gauge = <L extends string>(name: string, help: string, ...labelNames: L[]) =>
    new Gauge({ name: `bramble_${name}`, help, labelNames, registers });
  const histogram = <L extends string>(
    name: string,
    help: string,
    buckets: readonly number[],
    ...labelNames: L[]
  ) => new Histogram({ name: `bramble_${name}`, help, labelNames, buckets: [...buckets], registers });

  /** One whose observations come in bunches from a plane. */
  const counted = (name: string, help: string, boundsMs: readonly number[]) =>
    bucketHistogram(registry, { name: `bramble_${name}`, help, bounds: boundsMs.map((ms) => ms / 1000) });

  collectDefaultMetrics({ register: registry, prefix: "bramble_" });
  // gauges that are named like counters
  for (const name of ["handles", "requests", "resources"])
    registry.removeSingleMetric(`bramble_nodejs_active_${name}_total`);
  gauge("exporter_build_info", "1; version and runtime are labels", "version", "node").set(
    { version: facts.version, node: process.version },
    1,
  );

  return {
    registry,
    dhcp: counter("dhcp_packets_total", "DHCP messages heard, by what they got", "type", "result", "server"),
    foreignOffers: counter(
      "dhcp_foreign_offers_total",
      "Messages of other DHCP servers that were heard",
      "vlan",
    ),
    tftpRequests: counter("tftp_requests_total", "TFTP requests, by how they ended", "result"),
    tftpBytes: counter("tftp_bytes_total", "Bytes of boot files that clients have confirmed"),
    tftpRetransmits: counter("tftp_retransmits_total", "TFTP packets that were sent again"),
    tftpSeconds: counted("tftp_transfer_seconds", "From a request to its last confirmed block", TRANSFER_MS),
    http: counter("http_boot_requests_total", "Requests of nodes' agents and seeds", "code"),
    boots: counter("boots_total", "Boots that have ended", "result", "image", "model"),
    bootStage: counter("boot_stage_total", "How often a boot reached a stage", "stage"),
    bootStageSeconds: histogram("boot_stage_seconds", "Time in a stage until the next one", BOOT, "stage"),
    bootSeconds: histogram(
      "boot_duration_seconds",
      "From a boot's start until the kernel was read, the root attached, the system ready",
      BOOT,
      "to",
      "image",
    ),
    blockSeconds: counted("block_io_seconds", "Requests of nodes to their disks and NFS trees", BLOCK_MS),
    blockBytes: counter("block_io_bytes_total", "Bytes that nodes read and wrote", "proto", "op"),
    tokensIssued: counter("tokens_issued_total", "One-time boot tokens drawn"),
    tokenRejects: counter("token_rejects_total", "Tokens and sessions of nodes that were refused", "reason"),
    transitions: counter(
      "lifecycle_transitions_total",
      "Changes of nodes' states",
      "from",
      "to",
      "actor_kind",
    ),
    powerOps: counter("power_ops_total", "Power operations, by what was observed", "driver", "op", "result"),
    powerSettle: histogram(
      "power_settle_seconds",
      "From a power request until the wanted state was observed",
      SETTLE,
      "driver",
    ),
    snmpSeconds: histogram("snmp_request_seconds", "Questions to a switch by SNMP", SNMP, "switch"),
    eventsDropped: counter("events_dropped_total", "What was not kept or not sent on", "what"),
    consoleLines: counter("console_lines_total", "Lines that nodes have printed", "source"),
    webhooks: counter("webhook_deliveries_total", "Attempts to tell webhooks of events", "result"),
    databaseSeconds: histogram("db_tx_seconds", "Transactions of the book, begin to commit", DATABASE),
    jobLag: histogram("job_lag_seconds", "How late the second's tick of the control side came", LAG),
    nodes: gauge("nodes", "Nodes by state and profile", "state", "pool"),
    bootsInFlight: gauge("boots_in_flight", "Boots that are on their way"),
    bootTickets: gauge(
      "boot_tickets_free",
      "Boots that could begin now before the limit holds others back",
      "pod",
    ),
    leases: gauge("leases", "Addresses that are leased", "pool"),
    leaseFree: gauge("lease_free", "Addresses that a pool can still give", "pool"),
    volumeFree: gauge("volume_free_bytes", "Free space of the data folder's file system"),
    volumeSize: gauge("volume_size_bytes", "Size of the data folder's file system"),
    poolDelta: gauge("pool_delta_bytes", "Bytes that clones of a profile's nodes have of their own", "pool"),
    cloneDelta: gauge(
      "clone_delta_bytes",
      "Bytes that a node's clone has of its own; only where asked for",
      "node",
    ),
    watts: gauge("node_power_watts", "What a node draws, as its switch says; only where asked for", "node"),
    pseBudget: gauge("pse_budget_watts", "Power that a switch can give", "switch"),
    pseUsed: gauge("pse_used_watts", "Power that a switch gives", "switch"),
    switchUp: gauge("switch_up", "1: the switch answered the last time that it was asked", "switch"),
    nodesFailed: gauge("nodes_failed", "Nodes whose boots failed until supervision gave up"),
    powerAlarms: gauge("power_alarms", "Nodes whose power could not be brought to what was wanted"),
    clockSynchronised: gauge("clock_synchronised", "1: the kernel says that its clock is synchronised"),
    planeRestarts: gauge("plane_restarts", "How often a thread was started anew after a failure", "plane"),
  };
}
export type Metrics = ReturnType<typeof makeMetrics>;
