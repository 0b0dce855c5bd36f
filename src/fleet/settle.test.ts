import assert from "node:assert/strict";
import { test } from "node:test";
import { toUtf8 } from "../base/text.ts";
import type { Entry, EntryKind, Tree } from "../base/tree.ts";
import { memoryFile } from "./boot-tree.ts";
import { type Settlement, settle } from "./settle.ts";
import {
  settleAccount,
  settleFiles,
  settleNetwork,
  settleReporter,
  unsettleReporter,
} from "./settle-seed.ts";

/** A root of texts (a text that begins with "-> " is a symlink) that settlements can be done in. */
class Root implements Tree {
  readonly files = new Map<string, { text: string; mode: number; owner: string }>();
  constructor(files: Record<string, string>) {
    for (const [path, text] of Object.entries(files))
      this.files.set(path, { text, mode: 0o644, owner: "0:0" });
  }
  #entry(path: string): Entry | undefined {
    const found = this.files.get(path);
    const inside = path === "" || [...this.files.keys()].some((name) => name.startsWith(`${path}/`));
    if (!found && !inside) return undefined;
    const kind: EntryKind =
      !found || found.text === "/" ? "directory" : found.text.startsWith("-> ") ? "symlink" : "file";
    const name = path.split("/").at(-1) ?? "";
    return {
      name,
      kind,
      size: found?.text.length ?? 0,
      mode: found?.mode ?? 0o755,
      uid: 0,
      gid: 0,
      mtimeMs: 0,
    };
  }
  lookup = async (path: string) => this.#entry(path);
  async list(path: string): Promise<Entry[]> {
    if (this.#entry(path)?.kind !== "directory") throw new Error(`no folder ${path}`);
    const names = [...this.files.keys()].flatMap((name) =>
      name.startsWith(`${path}/`) ? [name.slice(path.length + 1).split("/")[0] ?? ""] : [],
    );
    return [...new Set(names)].flatMap((name) => this.#entry(`${path}/${name}`) ?? []);
  }
  async open(path: string) {
    const found = this.files.get(path);
    return found && this.#entry(path)?.kind === "file" ? memoryFile(toUtf8(found.text)) : undefined;
  }
  do({ steps }: Settlement): this {
    for (const step of steps) {
      const { path } = step;
      if (step.do === "remove") this.files.delete(path);
      else if (step.do === "link")
        this.files.set(path, { text: `-> ${step.target}`, mode: 0o777, owner: "0:0" });
      else if (step.do === "folder") {
        if (!this.#entry(path))
          this.files.set(path, { text: "/", mode: step.mode, owner: `${step.uid}:${step.gid}` });
      } else
        this.files.set(path, {
          text: step.text,
          mode: step.mode,
          owner: `${step.uid ?? 0}:${step.gid ?? 0}`,
        });
    }
    return this;
  }
  text = (path: string) => this.files.get(path)?.text;
}

const DEBIAN = {
  "etc/fstab":
    "proc /proc proc defaults 0 0\nPARTUUID=5eed0001-01  /boot/firmware  vfat  defaults 0 2\nPARTUUID=5eed0001-02  /  ext4  defaults,noatime 0 1\n# a comment\n/swapfile none swap sw 0 0\ntmpfs /tmp tmpfs size=1g 0 0\n",
  "etc/machine-id": "0123456789abcdef0123456789abcdef\n",
  "etc/hostname": "raspberrypi\n",
  "etc/hosts": "127.0.0.1\tlocalhost\n127.0.1.1\traspberrypi\n",
  "etc/passwd": "root:x:0:0:root:/root:/bin/bash\nold:x:1000:1000::/home/old:/bin/sh\n",
  "etc/group": "root:x:0:\nsudo:x:27:old\nold:x:1000:\nother:x:1001:\n",
  "etc/gshadow": "sudo:*::old\n",
  "etc/shadow": "root:*:20000:0:99999:7:::\n",
  "etc/skel/.bashrc": "# bash\n",
  "etc/sudoers.d/README": "",
  "etc/ssh/ssh_host_ed25519_key": "PRIVATE",
  "etc/ssh/ssh_host_ed25519_key.pub": "PUBLIC",
  "etc/ssh/sshd_config": "",
  "bin/bash": "",
  "usr/bin/ssh-keygen": "",
  "usr/lib/systemd/systemd": "",
  "usr/lib/systemd/system/ssh.service": "",
  "usr/lib/systemd/system/dphys-swapfile.service": "",
  "usr/lib/systemd/system/rpi-resize.service": "",
  "var/lib/systemd/random-seed": "SEED",
  "var/lib/dbus/machine-id": "0123456789abcdef0123456789abcdef\n",
};
const who = { name: "rack1-pi7", board: "10000001", machineId: "f".repeat(32) };

test("settle() makes a card's system a node's: what is mounted, who it is, what starts", async () => {
  const root = new Root(DEBIAN);
  const settlement = await settle(root, who);
  root.do(settlement);
  const fstab = (root.text("etc/fstab") ?? "")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"));
  assert.deepEqual(fstab, ["proc /proc proc defaults 0 0", "tmpfs /tmp tmpfs size=1g 0 0"]);
  assert.equal(root.text("etc/machine-id"), `${who.machineId}\n`);
  assert.equal(root.text("var/lib/dbus/machine-id"), undefined);
  assert.equal(root.text("var/lib/systemd/random-seed"), undefined);
  assert.equal(root.text("etc/hostname"), "rack1-pi7\n");
  assert.equal(root.text("etc/hosts"), "127.0.0.1\tlocalhost\n127.0.1.1\track1-pi7\n");
  assert.equal(root.text("etc/ssh/ssh_host_ed25519_key"), undefined);
  assert.equal(root.text("etc/ssh/ssh_host_ed25519_key.pub"), undefined);
  assert.equal(root.text("etc/ssh/sshd_config"), "");
  assert.match(root.text("etc/systemd/system/ssh.service.d/host-keys.conf") ?? "", /ssh-keygen -A/);
  assert.equal(root.text("etc/systemd/system/rpi-resize.service"), "-> /dev/null");
  assert.equal(root.text("var/lib/bramble/board"), "10000001\n");
  assert.deepEqual(settlement.told, [
    "/etc/fstab without /boot/firmware, /, swap",
    "a machine-id of its own",
    "host name rack1-pi7",
    "the image's ssh host keys gone, new ones made at its first start",
    "not started: dphys-swapfile, rpi-resize",
  ]);
});

test("settle() leaves alone what an image has not, and what it leaves to its own first boot", async () => {
  const bare = await settle(new Root({ "etc/passwd": "" }), { name: "n", machineId: "0" });
  assert.deepEqual(
    bare.steps.map(({ path }) => path),
    ["etc/hostname", "etc/hosts"],
  );
  const first = new Root({ ...DEBIAN, "etc/machine-id": "uninitialized\n" });
  first.do(await settle(first, who));
  assert.equal(first.text("etc/machine-id"), "uninitialized\n");
});

test("settle() done twice changes no line a second time", async () => {
  const root = new Root(DEBIAN);
  root.do(await settle(root, who));
  const once = new Map(root.files);
  root.do(await settle(root, who));
  assert.deepEqual(new Map(root.files), once);
});

test("settleAccount() makes a user like the agent does: groups, password, home, keys", async () => {
  const account = { user: "ada", passwordHash: "$6$a$b", sshKeys: ["ssh-ed25519 AAAA one"] };
  const root = new Root(DEBIAN);
  root.do(await settleAccount(root, "pi-1", account));
  assert.match(root.text("etc/passwd") ?? "", /\nada:x:1002:1002:ada:\/home\/ada:\/bin\/bash\n$/);
  assert.match(
    root.text("etc/group") ?? "",
    /^root:x:0:\nsudo:x:27:old,ada\nold:x:1000:\nother:x:1001:\nada:x:1002:\n$/,
  );
  assert.equal(root.text("etc/gshadow"), "sudo:*::old,ada\nada:!::\n");
  assert.match(root.text("etc/shadow") ?? "", /\nada:\$6\$a\$b:20000:0:99999:7:::\n$/);
  assert.deepEqual(root.files.get("home/ada"), { text: "/", mode: 0o700, owner: "1002:1002" });
  assert.deepEqual(root.files.get("home/ada/.bashrc"), { text: "# bash\n", mode: 0o644, owner: "1002:1002" });
  assert.deepEqual(root.files.get("home/ada/.ssh/authorized_keys"), {
    ...{ text: "ssh-ed25519 AAAA one\n", mode: 0o600, owner: "1002:1002" },
  });
  assert.equal(
    root.text("etc/systemd/system/multi-user.target.wants/ssh.service"),
    "-> /usr/lib/systemd/system/ssh.service",
  );

  const mine = "home/ada/.ssh/authorized_keys";
  root.files.set(mine, { text: "ssh-rsa MINE me\n", mode: 0o600, owner: "1002:1002" });
  const before = root.text("etc/group");
  root.do(await settleAccount(root, "pi-1", { ...account, passwordHash: "$6$c$d" }));
  assert.equal(root.text(mine), "ssh-rsa MINE me\nssh-ed25519 AAAA one\n", "a person's key stays");
  assert.equal(root.text("etc/group"), before, "nobody joins twice");
  assert.match(root.text("etc/shadow") ?? "", /\nada:\$6\$c\$d:/);
});

test("settleNetwork() keeps every manager of networks from the root's interface", async () => {
  const root = new Root({ ...DEBIAN, "usr/sbin/NetworkManager": "", "etc/dhcpcd.conf": "hostname\n" });
  root.do(await settleNetwork(root, "dc:a6:32:00:00:01"));
  assert.match(
    root.text("etc/systemd/network/00-netroot.network") ?? "",
    /MACAddress=dc:a6:32:00:00:01[\s\S]*KeepConfiguration=yes/,
  );
  assert.match(root.text("etc/NetworkManager/conf.d/netroot.conf") ?? "", /mac:dc:a6:32:00:00:01\nmanaged=0/);
  assert.equal(root.text("etc/dhcpcd.conf"), "denyinterfaces eth0\nhostname\n");
  assert.equal(root.text("etc/resolv.conf"), "-> /proc/net/pnp");
  root.do(await settleNetwork(root, "dc:a6:32:00:00:01"));
  assert.equal(root.text("etc/dhcpcd.conf"), "denyinterfaces eth0\nhostname\n");
  assert.deepEqual((await settleNetwork(root, undefined)).steps, []);
});

test("a reporter that was left for the kernel's boots is gone for the agent's", async () => {
  const root = new Root(DEBIAN);
  assert.deepEqual((await unsettleReporter(root)).steps, []);
  root.do(settleReporter("#!/bin/sh\nsession=secret\n"));
  assert.deepEqual(root.files.get("var/lib/bramble/booted"), {
    ...{ text: "#!/bin/sh\nsession=secret\n", mode: 0o700, owner: "0:0" },
  });
  root.do(await unsettleReporter(root));
  assert.deepEqual([...root.files.keys()], Object.keys(DEBIAN));
});

test("settleFiles() lays a seed's files with their modes", () => {
  const { steps } = settleFiles([
    { path: "var/lib/cloud/seed/nocloud/user-data", mode: 0o600, text: "#cloud-config\n" },
  ]);
  assert.deepEqual(steps, [
    { do: "write", path: "var/lib/cloud/seed/nocloud/user-data", mode: 0o600, text: "#cloud-config\n" },
  ]);
});
