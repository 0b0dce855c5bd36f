import { confirm, isCancel, select, text } from "@clack/prompts";
import { type Command, Option } from "commander";
import pc from "picocolors";
import type { Calls } from "../../api/contract.ts";
import { parseSubnet } from "../../base/addresses.ts";
import { BrambleError } from "../../base/errors.ts";
import { parseEnrolRule } from "../../fleet/enrol.ts";
import { QUIRKS } from "../../fleet/quirks.ts";
import type { DhcpInterface } from "../../serve/dhcp.ts";
import { openCommands, type Running } from "../commands.ts";
import { dataFolder, dataPath } from "../data.ts";
import { interfaceNamed, onlyWired, type Wired, wiredInterfaces } from "../interfaces.ts";
import { dropRoot, lacking } from "../privileges.ts";
import { type RunningServer, type ServerSettings, startServer } from "../server.ts";
import { type LogOptions, logOptions, logSettings, openedLog } from "./log-options.ts";
import { port, whole } from "./numbers.ts";
import { operatorPlace, operatorTls, pageUrl } from "./operator.ts";
import { globals } from "./session.ts";
import { parseRelayed, quirksOff } from "./up-dhcp.ts";

interface UpOptions extends LogOptions {
  interface?: string[];
  mode: DhcpInterface["mode"];
  pool?: string;
  router?: string;
  dns?: string[];
  leaseSeconds?: string;
  relayed?: string[];
  quirkOff?: string[];
  image?: string;
  enrol?: string;
  keepRoot?: boolean;
  highPorts?: boolean;
  mirror?: string;
  operator: string;
  tls: "auto" | "on" | "off";
  tlsCert?: string;
  tlsKey?: string;
  agentPort: string;
  nbdPort: string;
  iscsiPort: string;
  nfsPort?: string;
  nfsDurability: "durable" | "fast";
  nfsPrivileged?: boolean;
  nfsUdp?: boolean;
  nfsRpcbind?: boolean;
}

/** Ports above 1024 for trying without any privilege; a real board asks on the real ones. */
const HIGH = { dhcp: 6767, dhcpClient: 6868, proxy: 4011, tftp: 6969 };
const STANDARD = { dhcp: 67, dhcpClient: 68, proxy: 4011, tftp: 69 };

export function upCommand(program: Command): void {
  const up = program
    .command("up")
    .description("serve a real network: DHCP beside your router, TFTP, disks, the page")
    .option("-i, --interface <name...>", "where the boards are; default: the only wired interface")
    .addOption(
      new Option(
        "-m, --mode <mode>",
        "proxy: beside a router; full: we are the DHCP server; off: another server points here",
      )
        .choices(["proxy", "full", "off"])
        .default("proxy"),
    )
    .option("--pool <from-to>", "addresses to give in full mode: 10.0.0.100-10.0.0.200")
    .option("--router <ip>", "gateway to tell in full mode")
    .option("--dns <ip...>", "name servers to tell in full mode")
    .option("--lease-seconds <n>", "length of a lease in full mode", whole(10, 31_536_000))
    .option(
      "--relayed <network...>",
      "networks behind DHCP relays, in full mode: 10.1.0.0/24=10.1.0.100-10.1.0.200,10.1.0.1 (addresses, gateway)",
    )
    .option(
      "--quirk-off <name...>",
      `counter-measures against firmware bugs to leave out: ${QUIRKS.map(({ name }) => name).join(", ")}`,
    )
    .option("--image <file-or-url>", "import this image first, if there is none yet")
    .option("--enrol <rule>", "who may boot unasked: auto, ask (the default), or patterns such as model=4B")
    .option("--keep-root", "stay root instead of becoming the person behind sudo")
    .option("--high-ports", `unprivileged: DHCP on ${HIGH.dhcp}, TFTP on ${HIGH.tftp}; for trying only`)
    .option("--mirror <url>", "Debian mirror for the agent's packages")
    .option("--operator <host:port>", "where the page and the API listen", "127.0.0.1:8440")
    .addOption(
      new Option("--tls <when>", "TLS with a certificate of our own making; auto: unless it is loopback only")
        .choices(["auto", "on", "off"])
        .default("auto"),
    )
    .option("--tls-cert <file>", "your own certificate for the page and the API, PEM")
    .option("--tls-key <file>", "its key, PEM")
    .option("--agent-port <port>", "HTTP port for the nodes' agent", port, "8441")
    .option("--nbd-port <port>", "port of the nodes' disks over NBD", port, "10809")
    .option("--iscsi-port <port>", "port of the nodes' disks over iSCSI", port, "3260")
    .option(
      "--nfs-port <port>",
      "port of the nodes' roots over NFS, TCP; default: 2049 if it is free when it is first needed, and the same one ever after",
      port,
    )
    .addOption(
      new Option(
        "--nfs-durability <mode>",
        "durable: a change is on the disk before its reply; fast: a second later",
      )
        .choices(["durable", "fast"])
        .default("durable"),
    )
    .option("--nfs-privileged", "NFS only from ports below 1024, which only root of a machine can have")
    .option("--nfs-udp", "NFS for reading over UDP, too: U-Boot and old initramfs want it")
    .option("--nfs-rpcbind", "answer on port 111 where NFS is, for clients that are not told its port");
  logOptions(up).action(async (given: UpOptions, command: Command) => {
    const data = dataFolder(dataPath(globals(command).data));
    if (!given.keepRoot) await dropRoot(data.root, console.error);
    const settings = await upSettings(data.root, given);
    console.log(`data folder: ${data.root}`);
    for (const words of lacking()) console.log(pc.yellow(words));
    const server = await startCommanded(settings);
    await firstLogin(server);
    await firstImage(server, given);
    await untilStopped(server);
  });
}

async function upSettings(data: string, given: UpOptions): Promise<Omit<ServerSettings, "failed">> {
  const wired = given.interface ? given.interface.map(interfaceNamed) : [await chooseInterface()];
  const [from, to] = (given.pool ?? "").split("-");
  if (given.pool && !(from && to)) {
    throw new BrambleError("BAD_INPUT", `${given.pool} is no pool`, {
      hint: "write it as 10.0.0.100-10.0.0.200",
    });
  }
  if (given.mode === "full" && !given.pool) {
    throw new BrambleError("BAD_INPUT", "full mode needs addresses to give", {
      hint: `--pool ${wired[0]?.address.replace(/\d+$/, "100")}-${wired[0]?.address.replace(/\d+$/, "200")}`,
    });
  }
  const operator = operatorPlace(given.operator);
  return {
    data,
    interfaces: wired.map((one) => ({
      name: one.name,
      address: one.address,
      subnet: networkOf(one),
      mode: given.mode,
      ...(from && to && { pool: { from, to } }),
      ...(given.router && { router: given.router }),
      ...(given.dns && { dns: given.dns }),
      ...(given.relayed && { relayed: given.relayed.map(parseRelayed) }),
      ...(given.leaseSeconds && { leaseSeconds: Number(given.leaseSeconds) }),
    })),
    ports: {
      ...(given.highPorts ? HIGH : STANDARD),
      agent: Number(given.agentPort),
      nbd: Number(given.nbdPort),
      iscsi: Number(given.iscsiPort),
    },
    hosts: wired.map((one) => one.address),
    operator: { ...operator, ...operatorTls(data, operator.host, given) },
    nfs: {
      durability: given.nfsDurability,
      privileged: given.nfsPrivileged ?? false,
      udp: given.nfsUdp ?? false,
      rpcbind: given.nfsRpcbind ?? false,
      ...(given.nfsPort !== undefined && { port: Number(given.nfsPort) }),
    },
    ...(given.quirkOff && { quirks: quirksOff(given.quirkOff) }),
    ...(given.enrol !== undefined && { enrol: given.enrol }),
    ...(given.mirror !== undefined && { mirror: given.mirror }),
    ...logSettings(given, await openedLog(given)),
  };
}

function networkOf(one: Wired): string {
  const { network, prefix } = parseSubnet(one.subnet);
  return `${[24, 16, 8, 0].map((shift) => (network >>> shift) & 255).join(".")}/${prefix}`;
}

/** The only wired interface; on a terminal the person chooses among several. */
async function chooseInterface(): Promise<Wired> {
  const all = wiredInterfaces();
  if (all.length > 1 && process.stdin.isTTY) {
    const chosen = await select({
      message: "Which network are the boards on?",
      options: all.map((one) => ({ value: one.name, label: `${one.name}  ${one.subnet}` })),
    });
    if (isCancel(chosen)) process.exit(130);
    return interfaceNamed(String(chosen));
  }
  return onlyWired();
}

/** Without an image no board can boot: asks for one on a terminal, else says the two commands. */
async function firstImage(server: CommandedServer, given: UpOptions): Promise<void> {
  const { commands } = server;
  if ((await commands.images({})).length > 0) return;
  let source = given.image;
  if (!source && process.stdin.isTTY) {
    const typed = await text({ message: "An image to boot from (file or URL; empty for later):" });
    source = isCancel(typed) ? undefined : typed || undefined;
    if (
      source &&
      !server.enrolAuto &&
      (await confirm({ message: "Let every Pi on this network boot from it?" })) === true
    ) {
      await commands.setEnrol({ rule: "auto" });
    }
  }
  if (!source) {
    console.log(
      "There is no image yet. In another terminal:\n  ./bramble image add FILE|URL\n  ./bramble node enrol NODE     (or: ./bramble enrol auto)",
    );
    return;
  }
  console.log(`importing ${source} …`);
  const image = await commands.addImage({ source });
  console.log(`${image.name}:${image.version} is in: it becomes every node's image unless told otherwise.`);
}

/** Where nobody can log in yet: says once where the first admin is made. */
async function firstLogin(server: CommandedServer): Promise<void> {
  const secret = await server.core.access.links.firstStart();
  if (secret === undefined) return;
  console.log(
    `Nobody can log in yet. This link makes the first admin, once, within a day:\n  ${pc.bold(`${server.page}/#setup=${secret}`)}`,
  );
}

export interface CommandedServer extends RunningServer {
  commands: Calls;
  /** Where a browser finds it. */
  page: string;
  enrolAuto: boolean;
}

/** A server with the commands behind its socket and, for reading, behind its page. */
export async function startCommanded(settings: Omit<ServerSettings, "failed">): Promise<CommandedServer> {
  const startedMs = Date.now();
  let commands: Calls | undefined;
  const listening: string[] = [];
  let started = false;
  const server = await startServer(
    {
      ...settings,
      opened(words) {
        listening.push(words);
        if (started) settings.say(words);
      },
      failed: (error) => {
        console.error(`${pc.red("error:")} ${error.message}: Bramble ends; what was acknowledged is safe`);
        process.exit(70);
      },
    },
    ({ core, boot, desk, agents, observing }) => {
      const running: Running = {
        startedMs,
        listening,
        capabilities: lacking(),
        bootsInFlight: desk.inFlight,
        planes: () => [core.disks.state(), boot.state(), core.trees.state()],
        imagesChanged: desk.imagesChanged,
        dhcpModes: () => settings.interfaces.map(({ mode }) => mode),
        ruleChanged: (rule) => desk.setRule(parseEnrolRule(rule)),
        dropDisk: desk.dropDisk,
        volumesChanged: desk.lunsChanged,
        agentOf: agents.forClone,
        supervisor: desk.supervisor,
        observing,
      };
      const behind = openCommands(core, running);
      commands = behind.calls;
      return { ...behind, monitors: observing.monitors };
    },
  );
  const { ports } = server;
  for (const [i, host] of settings.hosts.entries()) {
    listening.push(
      `TFTP ${host}:${ports.tftp[i]}`,
      `agent http://${host}:${ports.agent}`,
      `NBD ${host}:${ports.nbd}`,
      `iSCSI ${host}:${ports.iscsi}`,
    );
  }
  for (const one of ports.dhcp) listening.push(`DHCP ${one.address}:${one.dhcp}`);
  const page = pageUrl(settings.operator, ports.operator);
  listening.push(`page ${page}`);
  for (const words of listening) settings.say(words);
  started = true;
  if (!commands) throw new BrambleError("INTERNAL", "the server started without its commands");
  return { ...server, page, commands, enrolAuto: settings.enrol === "auto" };
}

/** Ends when SIGINT or SIGTERM comes, after everything was closed. */
export async function untilStopped(server: { close(): Promise<void> }): Promise<void> {
  await new Promise<void>((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve());
  });
  console.log("stopping…");
  await server.close();
}
