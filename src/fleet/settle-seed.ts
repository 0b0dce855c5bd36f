// What a root that its kernel mounts by itself must know at each boot: no agent writes it there, so it goes into the tree beforehand.

import { utf8 } from "../base/text.ts";
import { readAll, type Tree } from "../base/tree.ts";
import type { SeedFile } from "./seeds.ts";
import { hasUnit, isSystemd, type Settlement, type SettleStep, settleHost, textOf } from "./settle.ts";

/** What `plainSeed` says, for a system without cloud-init. */
export interface Account {
  user?: string;
  passwordHash?: string;
  sshKeys?: readonly string[];
}

/** As agent/seed.sh has them. */
const GROUPS = [
  ...["sudo", "adm", "dialout", "cdrom", "audio", "video", "plugdev", "games", "users", "input", "render"],
  ...["netdev", "gpio", "i2c", "spi"],
];
const WANTS = "etc/systemd/system/multi-user.target.wants";
const REPORTER = "var/lib/bramble/booted";
const REPORTER_UNIT = "etc/systemd/system/report-boot.service";

/** A table of lines of fields between colons: /etc/passwd and its like. */
class Table {
  readonly path: string;
  readonly mode: number;
  readonly #before: string | undefined;
  rows: string[][];

  constructor(path: string, text: string | undefined, mode: number) {
    this.path = path;
    this.mode = mode;
    this.#before = text;
    this.rows = (text ?? "").split("\n").flatMap((line) => (line === "" ? [] : [line.split(":")]));
  }
  get absent(): boolean {
    return this.#before === undefined;
  }
  row = (name: string): string[] | undefined => this.rows.find(([first]) => first === name);
  step(): SettleStep[] {
    const text = this.rows.map((row) => `${row.join(":")}\n`).join("");
    return text === (this.#before ?? "") ? [] : [{ do: "write", path: this.path, text, mode: this.mode }];
  }
}

/** Host name, user and keys in a system without cloud-init: what agent/seed.sh does in a mounted root. */
export async function settleAccount(root: Tree, hostname: string, account: Account): Promise<Settlement> {
  const { user, sshKeys = [] } = account;
  const host = await settleHost(root, hostname);
  const table = async (path: string, mode: number) => new Table(path, await textOf(root, path), mode);
  const passwd = await table("etc/passwd", 0o644);
  const group = await table("etc/group", 0o644);
  const gshadow = await table("etc/gshadow", 0o640);
  const shadow = await table("etc/shadow", 0o640);
  const steps: SettleStep[] = [...host.steps];
  const told = [...host.told];
  if (user !== undefined) {
    await addAccount(root, { passwd, group, gshadow, shadow }, user, account.passwordHash);
    steps.push(...[passwd, group, ...(gshadow.absent ? [] : [gshadow]), shadow].flatMap((one) => one.step()));
    if ((await root.lookup("etc/sudoers.d"))?.kind === "directory")
      steps.push({
        ...{ do: "write", path: `etc/sudoers.d/010_${user}-nopasswd`, mode: 0o440 },
        text: `${user} ALL=(ALL) NOPASSWD: ALL\n`,
      });
    if (await hasUnit(root, "userconfig.service"))
      steps.push({ do: "link", path: "etc/systemd/system/userconfig.service", target: "/dev/null" });
    steps.push(...(await home(root, passwd.row(user) ?? [])));
    told.push(`user ${user}`);
  }
  const owner = passwd.row(user ?? "root");
  if (sshKeys.length > 0 && owner) {
    steps.push(...(await keys(root, owner, sshKeys)));
    if (await hasUnit(root, "ssh.service"))
      steps.push({ do: "link", path: `${WANTS}/ssh.service`, target: "/usr/lib/systemd/system/ssh.service" });
    told.push(`${sshKeys.length} ssh keys`);
  }
  return { steps, told };
}

async function addAccount(
  root: Tree,
  { passwd, group, gshadow, shadow }: Record<"passwd" | "group" | "gshadow" | "shadow", Table>,
  user: string,
  hash: string | undefined,
): Promise<void> {
  if (!passwd.row(user)) {
    const used = new Set([...passwd.rows, ...group.rows].map((row) => row[2]));
    let id = 1000;
    while (used.has(String(id))) id += 1;
    const shell = (await root.lookup("bin/bash")) ? "/bin/bash" : "/bin/sh";
    passwd.rows.push([user, "x", String(id), String(id), user, `/home/${user}`, shell]);
    group.rows.push([user, "x", String(id), ""]);
    if (!gshadow.absent) gshadow.rows.push([user, "!", "", ""]);
    for (const one of [group, gshadow])
      for (const row of one.rows)
        if (GROUPS.includes(row[0] ?? "")) row[3] = row[3] ? `${row[3]},${user}` : user;
  }
  // 20000: some day when the password was last changed; 0 would ask for a new one at login
  if (!shadow.row(user)) shadow.rows.push([user, "*", "20000", "0", "99999", "7", "", "", ""]);
  const row = shadow.row(user);
  if (row && hash !== undefined) row[1] = hash;
}

const pathOf = (row: readonly string[]): string => (row[5] ?? "/").replace(/^\/+|\/+$/g, "");
const ownerOf = (row: readonly string[]) => ({ uid: Number(row[2] ?? 0), gid: Number(row[3] ?? 0) });

/** A home like useradd's, where there is none. */
async function home(root: Tree, row: readonly string[]): Promise<SettleStep[]> {
  const path = pathOf(row);
  if (path === "" || (await root.lookup(path))) return [];
  const steps: SettleStep[] = [{ do: "folder", path, mode: 0o700, ...ownerOf(row) }];
  for (const { name, kind, mode } of await root.list("etc/skel").catch(() => [])) {
    const file = kind === "file" ? await root.open(`etc/skel/${name}`) : undefined;
    if (!file || file.size > 1 << 20) continue;
    const text = utf8(await readAll(file));
    steps.push({ do: "write", path: `${path}/${name}`, text, mode, ...ownerOf(row) });
  }
  return steps;
}

/** Adds the keys that are not there yet: what a person added stays. */
async function keys(root: Tree, row: readonly string[], wanted: readonly string[]): Promise<SettleStep[]> {
  const folder = `${pathOf(row)}/.ssh`.replace(/^\//, "");
  const before = (await textOf(root, `${folder}/authorized_keys`)) ?? "";
  const there = before.split("\n").filter((line) => line !== "");
  const text = [...there, ...wanted.filter((key) => !there.includes(key)), ""].join("\n");
  if (text === before) return [];
  return [
    { do: "folder", path: folder, mode: 0o700, ...ownerOf(row) },
    { do: "write", path: `${folder}/authorized_keys`, text, mode: 0o600, ...ownerOf(row) },
  ];
}

/** Files of a seed as they are: cloud-init's, and those of a profile. */
export const settleFiles = (files: readonly SeedFile[]): Settlement => ({
  steps: files.map(({ path, mode, text }) => ({ do: "write", path, mode, text })),
  told: files.length > 0 ? [`${files.length} files of its seed`] : [],
});

/**
 * The kernel has set the interface up (ip=dhcp): whoever manages networks in the system must not take it down. systemd-networkd goes on with
 * the same lease; nobody renews it for NetworkManager and dhcpcd, which leave the interface alone.
 */
export async function settleNetwork(root: Tree, mac: string | undefined): Promise<Settlement> {
  if (mac === undefined) return { steps: [], told: [] };
  const steps: SettleStep[] = [];
  const told: string[] = [];
  const file = (path: string, text: string) => steps.push({ do: "write", path, text, mode: 0o644 });
  const has = async (...paths: string[]) =>
    (await Promise.all(paths.map((path) => root.lookup(path)))).some((found) => found !== undefined);
  if (await isSystemd(root)) {
    const match = `[Match]\nMACAddress=${mac}\n`;
    file("etc/systemd/network/00-netroot.link", `${match}\n[Link]\nNamePolicy=keep\nMACAddressPolicy=none\n`);
    file(
      "etc/systemd/network/00-netroot.network",
      `${match}\n[Network]\nDHCP=ipv4\nKeepConfiguration=yes\nLinkLocalAddressing=no\n\n[DHCPv4]\nClientIdentifier=mac\nSendRelease=no\n`,
    );
    told.push("systemd-networkd keeps the root's address");
  }
  const manager = await has("usr/sbin/NetworkManager");
  if (manager) {
    file("etc/NetworkManager/conf.d/netroot.conf", `[device-netroot]\nmatch-device=mac:${mac}\nmanaged=0\n`);
    told.push("NetworkManager leaves the root's interface alone");
  }
  const dhcpcd = await textOf(root, "etc/dhcpcd.conf");
  const deny = "denyinterfaces eth0";
  if (dhcpcd !== undefined && !dhcpcd.startsWith(`${deny}\n`)) {
    file("etc/dhcpcd.conf", `${deny}\n${dhcpcd}`);
    told.push("dhcpcd leaves the root's interface alone");
  }
  const resolved = await has("usr/lib/systemd/systemd-resolved", "lib/systemd/systemd-resolved");
  // the kernel says there what its lease said (Documentation/admin-guide/nfs/nfsroot.rst)
  if (manager || (!resolved && !(await textOf(root, "etc/resolv.conf"))?.trim()))
    steps.push({ do: "link", path: "etc/resolv.conf", target: "/proc/net/pnp" });
  return { steps, told };
}

/** A one-shot unit that tells us that the system is up. `script` begins with who we are and its session: nobody but root reads it. */
export const settleReporter = (script: string): Settlement => ({
  steps: [
    { do: "write", path: REPORTER, text: script, mode: 0o700 },
    {
      ...{ do: "write", path: REPORTER_UNIT, mode: 0o644 },
      text: `[Unit]\nDescription=Report this boot to the boot server\nAfter=multi-user.target\n\n[Service]\nType=oneshot\nExecStart=/bin/sh /${REPORTER}\nTimeoutStartSec=180\n`,
    },
    { do: "link", path: `${WANTS}/report-boot.service`, target: "../report-boot.service" },
  ],
  told: [],
});

/** What boots by the agent must not find from boots by the kernel. */
export async function unsettleReporter(root: Tree): Promise<Settlement> {
  const steps: SettleStep[] = [];
  for (const path of [REPORTER, REPORTER_UNIT, `${WANTS}/report-boot.service`])
    if (await root.lookup(path)) steps.push({ do: "remove", path });
  return { steps, told: [] };
}
