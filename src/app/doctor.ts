import { createSocket } from "node:dgram";
import { accessSync, constants, existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { createServer } from "node:net";
import { delimiter, join } from "node:path";
import { tryLock } from "./data.ts";
import { wiredInterfaces } from "./interfaces.ts";
import { linkFinding } from "./observe/link-findings.ts";
import { clockFinding, firewallFindings, spaceFinding } from "./observe/machine-findings.ts";
import { lacking } from "./privileges.ts";

export interface Finding {
  what: string;
  state: "ok" | "warning" | "problem";
  words: string;
  hint?: string;
  /** The node that it concerns. */
  node?: string;
}

export interface Ports {
  dhcp: number;
  tftp: number;
  proxy: number;
  agent: number;
  nbd: number;
  iscsi: number;
  operator: number;
  /** Where there are roots over NFS. */
  nfs?: number;
}

/** Everything that may keep boards from booting and that can be seen from here without changing anything. */
export async function examine(data: string, ports: Ports): Promise<Finding[]> {
  const running = lockHolder(data);
  const used = hasTrees(data) ? { ...ports, nfs: NFS_PORT } : ports;
  return [
    node(),
    dataFolderFinding(data, running),
    ...(running ? [] : await portFindings(ports)),
    ...lacking().map(
      (words): Finding => ({
        what: "privileges",
        state: "warning",
        words,
        hint: "start with: sudo ./bramble up",
      }),
    ),
    ...interfaceFindings(),
    ...programs(),
    ...wiredInterfaces().flatMap(({ name }) => firewallFindings(used, name)),
    await clockFinding(Date.now()),
    await spaceFinding(data),
  ];
}

/** Its usual one: which other one it may be, the book of a folder in use does not tell. */
const NFS_PORT = 2049;
const hasTrees = (data: string): boolean => {
  const trees = join(data, "trees");
  return existsSync(trees) && readdirSync(trees, { withFileTypes: true }).some((one) => one.isDirectory());
};

const node = (): Finding => ({ what: "node", state: "ok", words: `Node.js ${process.version}` });

function lockHolder(data: string): boolean {
  const held = tryLock(data);
  held?.release();
  return held === undefined;
}

function dataFolderFinding(data: string, running: boolean): Finding {
  try {
    accessSync(data, constants.W_OK);
  } catch {
    return {
      what: "data folder",
      state: "problem",
      words: `${data} cannot be written`,
      hint: `whose is it? ls -ld ${data}`,
    };
  }
  return {
    what: "data folder",
    state: "ok",
    words: `${data}${running ? "; a Bramble is running on it" : ""}`,
  };
}

async function portFindings(ports: Ports): Promise<Finding[]> {
  const out: Finding[] = [];
  const udp = { DHCP: ports.dhcp, TFTP: ports.tftp, "proxy DHCP": ports.proxy };
  for (const [what, port] of Object.entries(udp))
    out.push(portFinding(what, "udp", port, await tryUdp(port)));
  const tcp = { "agent HTTP": ports.agent, NBD: ports.nbd, iSCSI: ports.iscsi, page: ports.operator };
  for (const [what, port] of Object.entries(tcp))
    out.push(portFinding(what, "tcp", port, await tryTcp(port)));
  return out;
}

function portFinding(what: string, protocol: "udp" | "tcp", port: number, code: string | undefined): Finding {
  const name = `${what} port ${port}/${protocol}`;
  if (!code) return { what: name, state: "ok", words: "free" };
  if (code === "EACCES")
    return {
      what: name,
      state: "warning",
      words: "not allowed without privileges",
      hint: "sudo ./bramble up",
    };
  const holder = holderOf(protocol, port);
  return {
    what: name,
    state: "problem",
    words: code === "EADDRINUSE" ? `taken by ${holder ?? "another program"}` : code,
    hint: holder?.includes("dnsmasq")
      ? "stop dnsmasq, or let it serve this: see docs/beside-another-server.md"
      : `who has it: sudo ss -${protocol === "udp" ? "u" : "t"}lpn sport = :${port}`,
  };
}

const tryUdp = (port: number): Promise<string | undefined> =>
  new Promise((resolve) => {
    const socket = createSocket("udp4");
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code));
    socket.bind(port, () => socket.close(() => resolve(undefined)));
  });

const tryTcp = (port: number): Promise<string | undefined> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) => resolve(error.code));
    server.listen(port, () => server.close(() => resolve(undefined)));
  });

/** The program that holds a port, as far as /proc shows it to us: "dnsmasq (process 812)". */
function holderOf(protocol: "udp" | "tcp", port: number): string | undefined {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const inodes = new Set(
    ["", "6"].flatMap((suffix) => {
      const path = `/proc/net/${protocol}${suffix}`;
      if (!existsSync(path)) return [];
      return readFileSync(path, "latin1")
        .split("\n")
        .map((line) => line.trim().split(/\s+/))
        .flatMap((fields) => (fields[1]?.endsWith(wanted) && fields[9] ? [`socket:[${fields[9]}]`] : []));
    }),
  );
  if (inodes.size === 0) return undefined;
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const held = readdirSync(`/proc/${pid}/fd`).some((fd) =>
        inodes.has(readlinkSync(`/proc/${pid}/fd/${fd}`)),
      );
      if (held) return `${readFileSync(`/proc/${pid}/comm`, "utf8").trim()} (process ${pid})`;
    } catch (error) {
      // somebody else's process, or one that has just ended: then nobody can be named
      if (!["EACCES", "EPERM", "ENOENT", "ESRCH"].includes((error as NodeJS.ErrnoException).code ?? ""))
        throw error;
    }
  }
  return undefined;
}

function interfaceFindings(): Finding[] {
  const wired = wiredInterfaces();
  if (wired.length === 0) {
    return [
      {
        what: "network",
        state: "problem",
        words: "no wired interface has an IPv4 address",
        hint: "plug the cable in, or: sudo ip addr add 10.44.0.1/24 dev eth0",
      },
    ];
  }
  return wired.flatMap(({ name, subnet }) => {
    const file = (path: string) => (existsSync(path) ? readFileSync(path, "latin1").trim() : "");
    const state = file(`/sys/class/net/${name}/operstate`);
    const words = `${name} ${subnet}${state ? `, ${state}` : ""}`;
    const link = linkFinding(name);
    return state === "down"
      ? [{ what: "network", state: "warning", words, hint: "no link: cable, switch port" }]
      : [{ what: "network", state: "ok", words }, ...(link ? [link] : [])];
  });
}

const TOOLS: { name: string; for: string; apt: string }[] = [
  { name: "xz", for: "unpacks .xz images several times faster than we can", apt: "xz-utils" },
  { name: "fallocate", for: "gives the space of trimmed clusters back", apt: "util-linux" },
  { name: "setpriv", for: "drops root", apt: "util-linux" },
];

const programs = (): Finding[] =>
  TOOLS.map(({ name, for: use, apt }) =>
    onPath(name)
      ? { what: name, state: "ok", words: "there" }
      : { what: name, state: "warning", words: `not there: it ${use}`, hint: `apt install ${apt}` },
  );

const onPath = (name: string): boolean =>
  (process.env["PATH"] ?? "").split(delimiter).some((folder) => existsSync(join(folder, name)));
