import { randomBytes } from "node:crypto";
import type { EventView } from "../api/contract.ts";
import type { AgentFile } from "../fleet/boot-tree.ts";
import { parseEnrolRule } from "../fleet/enrol.ts";
import type { QuirkSwitches } from "../fleet/quirks.ts";
import { type DhcpInterface, type DhcpServer, serveDhcp } from "../serve/dhcp.ts";
import { serveHttp } from "../serve/http.ts";
import { openLeases } from "../storage/leases.ts";
import { agentError, agentRoutes } from "./agent-api.ts";
import { type AgentShelf, agentShelf } from "./agent-shelf.ts";
import { bootDesk } from "./boot-desk.ts";
import { openCore } from "./core.ts";
import { endLease } from "./life/revoke.ts";
import { addressNews } from "./model-dhcp.ts";
import { type NfsSettings, nfsDoor } from "./nfs-door.ts";
import { agentCounts } from "./observe/agent-counts.ts";
import { leasePools } from "./observe/lease-gauges.ts";
import type { Observing } from "./observe/observing.ts";
import type { Behind, OperatorSettings } from "./operator.ts";
import type { BootCalls } from "./planes/boot.ts";
import type { DiskEvent } from "./planes/disk.ts";
import { BOOT_LASTING, BOOT_REPEATABLE } from "./planes/lasting.ts";
import { type Plane, spawnPlane } from "./planes/spawn.ts";
import { startRounds } from "./power/rounds.ts";
import { ramRoots } from "./ram-root.ts";
import { readSetting, writeSetting } from "./settings.ts";

export interface ServerSettings {
  data: string;
  interfaces: DhcpInterface[];
  /** Port 0 takes a free one. */
  ports: {
    dhcp: number;
    dhcpClient: number;
    proxy: number;
    tftp: number;
    agent: number;
    nbd: number;
    iscsi: number;
  };
  /** UDP ports for what nodes print; absent: not listened for. */
  logs?: { syslog?: number; netconsole?: number };
  /** Roots over NFS. */
  nfs?: NfsSettings;
  /** Metrics of single nodes, where there are at most 1,000. */
  perNodeMetrics?: boolean;
  /** Where nodes reach us, one listener for each: TFTP, agent, NBD, iSCSI. */
  hosts: string[];
  /** The operator's page and API; loopback unless told otherwise. */
  operator: OperatorSettings;
  /** Changes to the counter-measures against firmware bugs. */
  quirks?: QuirkSwitches;
  /** `auto`, `ask` or patterns; kept in the book. */
  enrol?: string;
  /** An agent that needs no build: the demo's dummy. */
  agent?: AgentFile;
  /** Debian mirror for the agent's packages. */
  mirror?: string;
  /** A line for the person at the terminal. */
  say(words: string): void;
  /** A door that opens when it is first needed. */
  opened?(words: string): void;
  /** Each event as it stands in the book. */
  told?(event: EventView): void;
  /** A part of us failed for good: the process should end, systemd starts it anew. */
  failed(error: Error): void;
}

export interface RunningServer {
  core: Awaited<ReturnType<typeof openCore>>;
  /** The thread of TFTP; that of the disks is the core's. */
  boot: Plane<BootCalls>;
  desk: ReturnType<typeof bootDesk>;
  agents: AgentShelf;
  observing: Observing;
  /** The port of NFS roots; undefined while no node has one. */
  nfsPort(): number | undefined;
  ports: {
    tftp: number[];
    agent: number;
    nbd: number;
    iscsi: number;
    operator: number;
    dhcp: DhcpServer["ports"];
    syslog: number[];
    netconsole: number[];
  };
  close(): Promise<void>;
}

/** How often the book looks for boots that make no progress. */
const TICK_MS = 1_000;

/** Opens the data folder and starts every server. `behind` makes what stands behind the operator's door once all is up. */
export async function startServer(
  settings: ServerSettings,
  behind: (server: Pick<RunningServer, "core" | "boot" | "desk" | "agents" | "observing">) => Behind,
): Promise<RunningServer> {
  const closers: (() => Promise<unknown> | unknown)[] = [];
  const close = async () => {
    for (const end of closers.reverse().splice(0)) await end();
  };
  try {
    let onDisk: (event: DiskEvent) => void = () => {};
    let roots: Pick<ReturnType<typeof bootDesk>, "nfs" | "mount"> | undefined;
    let watch: Observing | undefined;
    const core = await openCore({
      data: settings.data,
      warn: settings.say,
      failed: settings.failed,
      onDisk: (event) => onDisk(event as DiskEvent),
      onNfs: (news) => roots?.nfs(news),
      mount: async (wish) => (await roots?.mount(wish)) ?? { refused: "no-such" },
      ...(settings.nfs?.durability && { nfsDurability: settings.nfs.durability }),
      onCounts: (counts) => watch?.counts(counts),
      onTransaction: (ms) => watch?.metrics.databaseSeconds.observe(ms / 1000),
      onSnmp: (name, ms) => watch?.metrics.snmpSeconds.observe({ switch: name }, ms / 1000),
    });
    closers.push(() => core.close());
    const { observing } = await import("./observe/observing.ts"); // its packages are no other command's to load
    const watching = observing({
      core,
      warn: settings.say,
      perNode: settings.perNodeMetrics ?? false,
    });
    watch = watching;
    core.news.listen((told) => {
      if (told.about === "event") settings.told?.(told.event);
    });
    closers.push(() => watching.close());
    if (settings.enrol !== undefined) {
      parseEnrolRule(settings.enrol);
      await writeSetting(core.book, "enrol", settings.enrol);
    }

    const leases = await openLeases(core.data.leases);
    closers.push(() => leases.close());
    const agents = agentShelf(core, { dummy: settings.agent, mirror: settings.mirror, say: settings.say });
    const ports = { nbd: 0, iscsi: 0, agent: 0 };
    const door = nfsDoor(
      core,
      settings.hosts,
      settings.nfs ?? {},
      settings.say,
      settings.opened ?? settings.say,
    );
    const desk = bootDesk({
      core,
      agents,
      newId: () => randomBytes(8).toString("hex"),
      now: Date.now,
      rule: parseEnrolRule((await readSetting(core.book, "enrol")) ?? "ask"),
      agentUrl: (address) => `http://${address}:${ports.agent}`,
      diskPorts: { nbd: () => ports.nbd, iscsi: () => ports.iscsi },
      nfsDoor: door.open,
      addressOf: (name) =>
        settings.interfaces.find((one) => one.name === name || one.address === name)?.address ??
        settings.hosts[0] ??
        name,
      defaultHost: settings.hosts[0] ?? "127.0.0.1",
      endLease: (node) => endLease(leases, node, Date.now()),
      dhcpMode: (server) =>
        (settings.interfaces.find(({ address }) => address === server) ?? settings.interfaces[0])?.mode,
      say: settings.say,
      watch: watching,
    });
    closers.push(() => desk.supervisor.close());
    onDisk = desk.disk;
    roots = desk;
    await desk.restore();
    // Nodes wait for their disks: these doors open first, on the ports that they know.
    for (const host of settings.hosts) {
      const listen = (call: "listen" | "listenIscsi", port: number) => core.disks.call(call, { host, port });
      ports.nbd = (await listen("listen", ports.nbd || settings.ports.nbd)).port;
      ports.iscsi = (await listen("listenIscsi", ports.iscsi || settings.ports.iscsi)).port;
    }
    await door.openIfNeeded();
    await core.life.resume();
    const ticking = setInterval(() => {
      desk.tick();
      core.life.tick();
      watching.tick();
    }, TICK_MS);
    closers.push(() => clearInterval(ticking));

    const boot = spawnPlane<BootCalls>("boot", {
      handlers: { find: desk.find, tftp: desk.tftp, counts: watching.counts } as never,
      lasting: BOOT_LASTING,
      repeatable: BOOT_REPEATABLE,
      told(words) {
        core.journal.event("server", undefined, words);
        settings.say(words);
      },
      failed: settings.failed,
    });
    closers.push(() => boot.end());
    const tftp: number[] = [];
    const ram = ramRoots(core);
    const counted = agentCounts(watching.metrics);
    const agentApi = counted.routes(agentRoutes({ core, ...desk.agentHooks, ramRoot: ram, now: Date.now }));
    for (const host of settings.hosts) {
      const files = await boot.call("listen", {
        host,
        port: settings.ports.tftp,
      });
      tftp.push(files.port);
      for (const words of files.warnings) settings.say(`TFTP ${host}: ${words}`);
      const http = await serveHttp({
        listen: { host, port: ports.agent || settings.ports.agent },
        routes: agentApi,
        failed: counted.failed(agentError),
      });
      ports.agent = http.port;
      closers.push(() => http.close());
    }

    const addresses = addressNews(core, settings.interfaces);
    const dhcp = await serveDhcp({
      interfaces: settings.interfaces,
      port: settings.ports.dhcp,
      clientPort: settings.ports.dhcpClient,
      proxyPort: settings.ports.proxy,
      ask: desk.ask,
      leases,
      on(told) {
        desk.dhcp(told);
        addresses(told);
        watching.dhcp(told);
      },
      ...(settings.quirks && { quirks: settings.quirks }),
      isReserved: (address) => core.registry.addresses.ownerOf(address) !== undefined,
    });
    for (const { interface: name, lost } of dhcp.lost) {
      for (const { why, costs } of lost) settings.say(`${name}: ${why}: ${costs}`);
    }
    closers.push(() => dhcp.close());
    desk.supervisor.useDhcp(dhcp.again);

    const networks = settings.interfaces.flatMap((on) =>
      on.mode === "full" ? [on, ...(on.relayed ?? [])] : [],
    );
    watching.watch({
      bootsInFlight: desk.inFlight,
      supervision: () => ({
        limit: desk.supervisor.limit(),
        fetching: desk.supervisor.fetching(),
        failed: desk.supervisor.sights().filter(({ phase }) => phase === "failed").length,
      }),
      pools: () => leasePools(networks, leases, Date.now()),
      planes: () => [core.disks.state(), boot.state(), core.trees.state()],
      ping: {
        "disk plane": () => core.disks.call("ping", {}),
        "boot plane": () => boot.call("ping", {}),
      },
    });
    const logs = await watching.listen({ hosts: settings.hosts, ...settings.logs, whose: desk.whose });

    const { openOperator } = await import("./operator.ts"); // its packages are no other command's to load
    const page = await openOperator(core, behind({ core, boot, desk, agents, observing: watching }), {
      ...settings.operator,
      warn: settings.say,
    });
    closers.push(() => page.close());
    core.power.resume();
    const rounds = startRounds({ desk: core.power, journal: core.journal, news: core.news, now: Date.now });
    closers.push(() => rounds.close());
    void agents.prebuild();

    return {
      core,
      boot,
      desk,
      agents,
      observing: watching,
      nfsPort: door.port,
      ports: {
        ...logs,
        tftp,
        agent: ports.agent,
        nbd: ports.nbd,
        iscsi: ports.iscsi,
        operator: page.port,
        dhcp: dhcp.ports,
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
