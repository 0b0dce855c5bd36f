// The agent's own words for the kernel's netconsole, in a namespace with a neighbour that it knows.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { needs, which } from "./tools.ts";

const ROOT = process.platform === "linux" && process.getuid?.() === 0;

/** What the agent would do, with the server at `server`. */
function loaded(
  server: string,
  kernelLog: string,
  { loglevel = "", modprobe = 'echo "$@"' }: { loglevel?: string; modprobe?: string } = {},
): string {
  const busybox = which("busybox");
  const script = `
    set -e
    ip link add eth0 type veth peer name far
    ip addr add 10.79.0.1/24 dev eth0
    ip link set eth0 up; ip link set far up
    ip route add default via 10.79.0.254
    ip neigh add 10.79.0.9 lladdr aa:bb:cc:00:00:09 dev eth0 nud permanent
    ip neigh add 10.79.0.254 lladdr aa:bb:cc:00:00:fe dev eth0 nud permanent
    exec ${busybox} sh -c '
      say() { echo "say $*"; }
      report() { echo "report $*"; }
      modprobe() { ${modprobe}; }
      dmesg() { [ $# = 0 ] || echo "dmesg $@"; }
      interface=eth0 server=${server} kernel_log=${kernelLog} loglevel=${loglevel}
      . ./agent/network.sh
      netconsole_up
      echo "$kernel_log"'`;
  return execFileSync("unshare", ["-n", "sh", "-c", script], { encoding: "utf8" }).trim();
}

test("the agent sends the kernel's words, also of a quiet one, to the server's MAC, or to the router's where the server is behind one", {
  skip: !ROOT && "needs root on Linux",
}, (t) => {
  if (!needs(t, "busybox", "busybox-static") || !needs(t, "ip", "iproute2")) return;
  assert.equal(
    loaded("http://10.79.0.9:8441", "netconsole"),
    "dmesg -n 7\n-q netconsole netconsole=6665@/eth0,6666@10.79.0.9/aa:bb:cc:00:00:09\nnetconsole-up",
  );
  assert.equal(
    loaded("http://192.168.7.7:8441", "netconsole"),
    "dmesg -n 7\n-q netconsole netconsole=6665@/eth0,6666@192.168.7.7/aa:bb:cc:00:00:fe\nnetconsole-up",
  );
  assert.equal(
    loaded("http://10.79.0.9:8441", "netconsole", { loglevel: "4" }),
    "-q netconsole netconsole=6665@/eth0,6666@10.79.0.9/aa:bb:cc:00:00:09\nnetconsole-up",
    "what a loglevel= leaves out is left out",
  );
  assert.equal(
    loaded("http://10.79.0.9:8441", "netconsole", { loglevel: "4", modprobe: "false" }),
    "report unheard it has no netconsole\nnetconsole",
    "what it says goes to its own console, as before",
  );
  assert.equal(loaded("http://10.79.0.9:8441", ""), "", "nobody asked for it");
});
