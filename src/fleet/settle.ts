// What makes a fresh tree over an image this node's root: decided here, done by whoever owns the tree.
import { utf8 } from "../base/text.ts";
import { readAll, type Tree } from "../base/tree.ts";

/** One change of a tree. Folders above a path are made where they lack, 0755; what stands at a path is replaced. */
export type SettleStep =
  | { do: "write"; path: string; text: string; mode: number; uid?: number; gid?: number }
  | { do: "link"; path: string; target: string }
  | { do: "remove"; path: string }
  /** Nothing where there is one. */
  | { do: "folder"; path: string; mode: number; uid: number; gid: number };

export interface Settlement {
  steps: SettleStep[];
  /** What was done, in words: for one event. */
  told: string[];
}

export interface Settler {
  /** Host name. */
  name: string;
  /** What the agent calls the board, so that it finds its own work done: eight digits of its serial, else its MAC. */
  board?: string;
  /** 32 random hex digits. */
  machineId: string;
}

const UNITS = ["etc/systemd/system", "usr/lib/systemd/system", "lib/systemd/system"];
/** They grow a card's partition, make a swap file on it, or wait for it (spec nfs-root.md 2, pi-boot.md 5.2). */
const CARD_UNITS = [
  ...["dphys-swapfile", "resize2fs_once", "rpi-resize", "rpi-resize-swap-file"],
  ...["systemd-growfs-root", "raspi-config-firstboot"],
];
/** Files of one machine alone: whoever has them next makes its own. */
const OF_ONE_MACHINE = ["var/lib/systemd/random-seed", "var/lib/systemd/credential.secret"];

/** A small text file; undefined where there is none. */
export async function textOf(root: Tree, path: string): Promise<string | undefined> {
  const file = await root.open(path);
  return file && file.size <= 1 << 20 ? utf8(await readAll(file)) : undefined;
}

export const hasUnit = async (root: Tree, unit: string): Promise<boolean> =>
  (await Promise.all(UNITS.map((folder) => root.lookup(`${folder}/${unit}`)))).some(
    (found) => found !== undefined,
  );

export const isSystemd = async (root: Tree): Promise<boolean> =>
  (await root.lookup("usr/lib/systemd/systemd")) !== undefined ||
  (await root.lookup("lib/systemd/systemd")) !== undefined;

/**
 * All that is changed in a fresh tree. Root and boot partition leave /etc/fstab, since they come over NFS: systemd-remount-fs would fail
 * at the card's `/`, and its boot partition would be waited for.
 */
export async function settle(root: Tree, who: Settler): Promise<Settlement> {
  const parts = [
    await settleFstab(root),
    await settleIdentity(root, who),
    await settleHost(root, who.name),
    await settleHostKeys(root),
    await settleUnits(root),
  ];
  return {
    steps: parts.flatMap(({ steps }) => steps),
    told: parts.flatMap(({ told }) => told),
  };
}

async function settleFstab(root: Tree): Promise<Settlement> {
  const text = await textOf(root, "etc/fstab");
  if (text === undefined) return { steps: [], told: [] };
  const out: string[] = [];
  const lines = text.split("\n").map((line) => {
    const [source = "", place = "", type = ""] = line.trim().split(/\s+/);
    if (source === "" || source.startsWith("#")) return line;
    const ofCard = place === "/" || /^\/boot(\/|$)/.test(place) || (type === "swap" && !/zram/.test(source));
    if (!ofCard) return line;
    out.push(place.startsWith("/") ? place : type);
    return `# comes over NFS, or was the card's: ${line}`;
  });
  if (out.length === 0) return { steps: [], told: [] };
  return {
    steps: [{ do: "write", path: "etc/fstab", text: lines.join("\n"), mode: 0o644 }],
    told: [`/etc/fstab without ${out.join(", ")}`],
  };
}

/** As the agent does it on disks (agent/seed.sh): an image that leaves its id to its first boot keeps that. */
async function settleIdentity(root: Tree, { machineId, board }: Settler): Promise<Settlement> {
  const steps: SettleStep[] = [];
  const told: string[] = [];
  if (/^[0-9a-f]{32}\s*$/.test((await textOf(root, "etc/machine-id")) ?? "")) {
    steps.push({ do: "write", path: "etc/machine-id", text: `${machineId}\n`, mode: 0o444 });
    if ((await root.lookup("var/lib/dbus/machine-id"))?.kind === "file")
      steps.push({ do: "remove", path: "var/lib/dbus/machine-id" });
    told.push("a machine-id of its own");
  }
  for (const path of OF_ONE_MACHINE) if (await root.lookup(path)) steps.push({ do: "remove", path });
  if (board !== undefined && (await root.lookup("var/lib"))?.kind === "directory")
    steps.push({ do: "write", path: "var/lib/bramble/board", text: `${board}\n`, mode: 0o644 });
  return { steps, told };
}

/** Host name, and the line of /etc/hosts that Debian has for it. */
export async function settleHost(root: Tree, name: string): Promise<Settlement> {
  const before = (await textOf(root, "etc/hosts")) ?? "";
  const others = before.split("\n").filter((line) => line !== "" && !/^127\.0\.1\.1\s/.test(line));
  const hosts = [...others, `127.0.1.1\t${name}`, ""].join("\n");
  const steps: SettleStep[] = [];
  if ((await textOf(root, "etc/hostname"))?.trim() !== name)
    steps.push({ do: "write", path: "etc/hostname", text: `${name}\n`, mode: 0o644 });
  if (hosts !== before) steps.push({ do: "write", path: "etc/hosts", text: hosts, mode: 0o644 });
  return { steps, told: steps.length > 0 ? [`host name ${name}`] : [] };
}

/** Keys that came with the image would be all its nodes' keys. Without any, sshd does not start: it makes them before it does. */
async function settleHostKeys(root: Tree): Promise<Settlement> {
  const makes = (await root.lookup("usr/bin/ssh-keygen")) !== undefined;
  if (!makes || !(await hasUnit(root, "ssh.service"))) return { steps: [], told: [] };
  const names = (await root.list("etc/ssh").catch(() => [])).map(({ name }) => name);
  const keys = names.filter((name) => /^ssh_host_.*_key(\.pub)?$/.test(name));
  return {
    steps: [
      ...keys.map((name): SettleStep => ({ do: "remove", path: `etc/ssh/${name}` })),
      {
        ...{ do: "write", path: "etc/systemd/system/ssh.service.d/host-keys.conf", mode: 0o644 },
        text: "[Service]\nExecStartPre=\nExecStartPre=/bin/sh -c 'ls /etc/ssh/ssh_host_*_key > /dev/null 2>&1 || ssh-keygen -A'\nExecStartPre=/usr/sbin/sshd -t\n",
      },
    ],
    told: [
      keys.length > 0
        ? "the image's ssh host keys gone, new ones made at its first start"
        : "ssh host keys made at its first start",
    ],
  };
}

async function settleUnits(root: Tree): Promise<Settlement> {
  if (!(await isSystemd(root))) return { steps: [], told: [] };
  const found: string[] = [];
  for (const name of CARD_UNITS)
    if ((await hasUnit(root, `${name}.service`)) || (await root.lookup(`etc/init.d/${name}`)))
      found.push(name);
  return {
    steps: found.map((name) => ({
      ...{ do: "link" as const, path: `etc/systemd/system/${name}.service`, target: "/dev/null" },
    })),
    told: found.length > 0 ? [`not started: ${found.join(", ")}`] : [],
  };
}
