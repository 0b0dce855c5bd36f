// The agent's scripts about the root's interface, run by busybox in namespaces of their own: what udhcpc calls, and what the new system is left with.
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { needs, run, which } from "./tools.ts";

const MAC = "02:00:00:00:00:01";

/** Runs a script as root of a machine with an empty /run, its own processes and one interface eth0. */
function machine(t: TestContext, script: string): string | undefined {
  for (const [tool, aptPackage] of [
    ["busybox", "busybox-static"],
    ["unshare", "util-linux"],
    ["ip", "iproute2"],
  ] as const)
    if (!needs(t, tool, aptPackage)) return undefined;
  const begin = `set -e; mount -t tmpfs tmpfs /run; mkdir /run/bramble; ip link add eth0 address ${MAC} type veth peer name other; ip link set other up; ip link set eth0 up
lease() { env interface=eth0 mac=${MAC} PATH=/run/bin:$PATH "$@"; }
mkdir /run/bin; for name in sh cat cmp killall mkdir mv rm tr; do ln -s ${which("busybox")} /run/bin/$name; done
`;
  const namespaces = [
    "--map-root-user",
    "--net",
    "--mount",
    "--pid",
    "--fork",
    "--kill-child",
    "--mount-proc",
  ];
  return run("timeout", ["20", "unshare", ...namespaces, "sh", "-c", begin + script]);
}

const HOOK = join(process.cwd(), "agent/lease.sh");

test("lease.sh sets address, route and what tells the system's programs; a renewal without news changes nothing", (t) => {
  const told = machine(
    t,
    `cd /run
     one="ip=10.0.0.5 mask=24 dns='10.0.0.2 10.0.0.3' domain=lab.example"
     eval lease "$one" router=\\"10.0.0.1 10.0.0.9\\" sh ${HOOK} bound
     ip -4 -o addr show eth0; ip route
     find . -type f | grep -v bin/ | sort | while read -r f; do echo "== $f"; cat $f; done
     stamp() { find /run -type f -exec stat -c '%i %n' {} + | sort; }
     stamp > /tmp/before-$$; eval lease "$one" router=10.0.0.1 sh ${HOOK} renew; stamp | cmp - /tmp/before-$$ && echo SAME; rm /tmp/before-$$
     for what in deconfig nak leasefail; do lease sh ${HOOK} $what; done; ip -4 -o addr show eth0`,
  );
  if (told === undefined) return;
  const [state = "", ...files] = told.split("== ");
  assert.match(state, /inet 10\.0\.0\.5\/24 brd 10\.0\.0\.255/);
  assert.match(state, /default via 10\.0\.0\.1 dev eth0/);
  const file = (name: string) => files.find((text) => text.startsWith(`./${name}\n`))?.slice(name.length + 3);
  assert.equal(file("netroot/resolv.conf"), "search lab.example\nnameserver 10.0.0.2\nnameserver 10.0.0.3\n");
  assert.match(
    file("systemd/network/00-netroot.network") ?? "",
    /MACAddress=02:00:00:00:00:01\n\n\[Network\]\nAddress=10\.0\.0\.5\/24\nKeepConfiguration=yes\n[\s\S]*Gateway=10\.0\.0\.1\nDNS=10\.0\.0\.2\nDNS=10\.0\.0\.3\n/,
  );
  assert.match(
    file("NetworkManager/conf.d/netroot.conf") ?? "",
    /match-device=mac:02:00:00:00:00:01\nmanaged=0\n[\s\S]*servers=10\.0\.0\.2,10\.0\.0\.3\n[\s\S]*searches=lab\.example\n/,
  );
  assert.match(told, /\nSAME\n/, "files are left as they are");
  assert.match(
    told.split("SAME")[1] ?? "",
    /inet 10\.0\.0\.5/,
    "no answer, a refusal, an end: the address stays",
  );
});

test("another lease takes the place of the one before, and the system's programs are told", (t) => {
  const told = machine(
    t,
    `printf '#!/bin/sh\\ntrap "echo told >> /run/told" HUP\\necho up > /run/up\\nwhile :; do sleep 0.1; done\\n' > /run/NetworkManager-is
     mkdir /run/programs; mv /run/NetworkManager-is /run/programs/NetworkManager; chmod +x /run/programs/NetworkManager; /run/programs/NetworkManager &
     until [ -e /run/up ]; do sleep 0.05; done
     lease ip=10.0.0.5 mask=24 router=10.0.0.1 dns=10.0.0.2 domain='bad;reboot' sh ${HOOK} bound
     until [ -e /run/told ]; do sleep 0.05; done; rm /run/told
     lease ip=10.0.0.6 mask=16 router=10.0.0.7 dns=10.0.0.8 sh ${HOOK} bound
     until [ -e /run/told ]; do sleep 0.05; done
     ip -4 -o addr show eth0; ip route show default; cat /run/netroot/resolv.conf /run/bramble/lease`,
  );
  if (told === undefined) return;
  assert.match(told, /inet 10\.0\.0\.6\/16/);
  assert.doesNotMatch(told, /10\.0\.0\.5|10\.0\.0\.2|bad/);
  assert.match(told, /default via 10\.0\.0\.7 dev eth0/);
  assert.match(told, /^nameserver 10\.0\.0\.8\naddress='10\.0\.0\.6'\nprefix='16'$/m);
});

/** What keep_network leaves on a root of these files ("-> target" is a symlink), and what it tells. */
function kept(t: TestContext, files: Record<string, string>, after = ""): string | undefined {
  const root = mkdtempSync(join(tmpdir(), "newroot-"));
  t.after(() => rmSync(root, { recursive: true }));
  for (const [name, text] of Object.entries(files)) {
    const path = join(root, name);
    mkdirSync(dirname(path), { recursive: true });
    if (text.startsWith("-> ")) symlinkSync(text.slice(3), path);
    else writeFileSync(path, text);
    if (name.startsWith("usr/")) chmodSync(path, 0o755);
  }
  mkdirSync(join(root, "etc"), { recursive: true });
  const scripts = ["handover.sh", "system-network.sh"].map((name) =>
    readFileSync(join("agent", name), "utf8"),
  );
  const agent = join(root, "agent.sh");
  const here = (text: string) => text.replaceAll("/newroot", root);
  const stubs = `etc=${root}/etc interface=eth0 mac=${MAC}\nreport() { echo "REPORT $*"; }\n`;
  writeFileSync(agent, `${here(scripts.join("\n"))}\n${stubs}`);
  const lease = `lease ip=10.0.0.5 mask=24 router=10.0.0.1 dns=10.0.0.2 sh ${HOOK} bound`;
  return machine(t, `${lease}\nbusybox sh -ec '. ${agent}; keep_network'\n${here(after)}`);
}

const RESOLV =
  'echo "RESOLV $(readlink /newroot/etc/resolv.conf) $(cat /newroot/etc/resolv.conf 2>/dev/null)"';

test("each network program of a root is told in its own way", (t) => {
  const told = kept(
    t,
    {
      "usr/lib/systemd/systemd": "",
      "usr/lib/systemd/systemd-resolved": "",
      "usr/sbin/NetworkManager": "",
      "usr/sbin/ifup": "",
      "usr/sbin/dhcpcd": "",
      "etc/dhcpcd.conf": "hostname\n",
    },
    `cat /run/network/ifstate /run/ifstate /run/netroot/dhcpcd.conf /run/systemd/system/dhcpcd.service.d/netroot.conf
     echo "[$(cat /newroot/etc/dhcpcd.conf)]"
     for unit in ifup@eth0 dhcpcd@eth0; do readlink /run/systemd/system/$unit.service; done; ${RESOLV}`,
  );
  if (told === undefined) return;
  const [report = "", ...rest] = told.split("\n");
  for (const path of report.split(" ").slice(2)) assert.match(path, /^\/run\/\S+$/);
  for (const part of [
    "00-netroot.link",
    "00-netroot.network",
    "resolved.conf.d",
    "NetworkManager/conf.d",
    "ifstate",
    "dhcpcd",
  ])
    assert.ok(report.includes(part), `${part} in ${report}`);
  assert.equal(
    rest.join("\n").trim(),
    [
      ...["eth0=eth0", "eth0=eth0", "denyinterfaces eth0", "hostname", "[Service]"],
      "BindReadOnlyPaths=/run/netroot/dhcpcd.conf:/etc/dhcpcd.conf",
      ...["[hostname]", "/dev/null", "/dev/null", "RESOLV"],
    ].join("\n"),
    "NetworkManager writes resolv.conf itself",
  );
});

test("Debian's ifup finds the interface configured, whatever its file says", (t) => {
  if (!needs(t, "ifup", "ifupdown")) return;
  const told = kept(
    t,
    { "usr/sbin/ifup": "" },
    `printf 'auto eth0\niface eth0 inet static\n  address 10.9.9.9/24\n' > /run/interfaces
     ifup -a -i /run/interfaces; ifup -i /run/interfaces eth0 2>&1; ip -4 -o addr show eth0`,
  );
  assert.match(told ?? "", /interface eth0 already configured/);
  assert.match(told ?? "", /inet 10\.0\.0\.5/);
  assert.doesNotMatch(told ?? "", /10\.9\.9\.9/);
});

test("where nobody writes resolv.conf it shows the lease's name servers; what a person wrote stays", (t) => {
  const rows: [files: Record<string, string>, target: string, left: string][] = [
    [{}, "/run/netroot/resolv.conf", "nameserver 10.0.0.2"],
    [{ "etc/resolv.conf": "" }, "/run/netroot/resolv.conf", "nameserver 10.0.0.2"],
    [
      { "etc/resolv.conf": "# Generated by resolvconf\nnameserver 9.9.9.9\n" },
      "/run/netroot/resolv.conf",
      "nameserver 10.0.0.2",
    ],
    [{ "etc/resolv.conf": "-> /run/netroot/resolv.conf" }, "/run/netroot/resolv.conf", "nameserver 10.0.0.2"],
    [
      { "etc/resolv.conf": "-> ../run/systemd/resolve/stub-resolv.conf" },
      "/run/netroot/resolv.conf",
      "nameserver 10.0.0.2",
    ],
    [
      {
        "etc/resolv.conf": "-> ../run/systemd/resolve/stub-resolv.conf",
        "usr/lib/systemd/systemd-resolved": "",
      },
      "../run/systemd/resolve/stub-resolv.conf",
      "",
    ],
    [{ "etc/resolv.conf": "nameserver 1.1.1.1\n" }, "", "nameserver 1.1.1.1"],
    [{ "etc/resolv.conf": "-> /etc/other" }, "/etc/other", ""],
  ];
  for (const [files, target, left] of rows) {
    const told = kept(t, files, RESOLV);
    if (told === undefined) return;
    assert.equal(/RESOLV (.*)/.exec(told)?.[1]?.trim(), `${target} ${left}`.trim(), JSON.stringify(files));
  }
});
