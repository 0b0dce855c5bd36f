import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { needs, which } from "../../test/tools.ts";
import { type Incoming, nftVerdict } from "./firewall.ts";
import { iptablesVerdict } from "./iptables.ts";

const DHCP: Incoming = { proto: "udp", port: 67, from: "eth0" };
const AGENT: Incoming = { proto: "tcp", port: 8441, from: "eth0" };

/** A shell script in a network namespace that ends with it. */
const inside = (script: string): string =>
  execFileSync("unshare", ["-n", "sh", "-ec", script], { encoding: "utf8" });

const NFT: [name: string, rules: string, dhcp: string, agent: string][] = [
  ["no rule at all", "", "yes", "yes"],
  ["a chain that only counts", "add rule inet f in counter", "yes", "yes"],
  ["policy drop", "add chain inet f in { policy drop ; }", "no", "no"],
  [
    "policy drop and the ports that we need, in a set",
    "add chain inet f in { policy drop ; }; add rule inet f in ct state vmap { established : accept, invalid : drop }; add rule inet f in udp dport { 67, 69, 30000-65535 } accept",
    "yes",
    "no",
  ],
  ["a drop on this interface only", "add rule inet f in iifname eth0 tcp dport 8441 drop", "yes", "no"],
  ["a drop on all interfaces but this one", "add rule inet f in iifname != eth0 drop", "yes", "yes"],
  [
    "a drop of all ports but one",
    "add rule inet f in udp dport != 67 drop; add rule inet f in tcp dport != 22 drop",
    "yes",
    "no",
  ],
  ["a drop on another interface", "add rule inet f in iifname eth1 drop", "yes", "yes"],
  [
    "a reject of everything else at the end",
    "add rule inet f in udp dport 67 accept; add rule inet f in reject",
    "yes",
    "no",
  ],
  [
    "a jump by interface",
    "add chain inet f lan; add rule inet f lan meta l4proto udp accept; add chain inet f in { policy drop ; }; add rule inet f in iifname vmap { eth0 : jump lan, lo : accept }",
    "yes",
    "no",
  ],
  [
    "a named set",
    "add set inet f ok { type inet_service ; elements = { 67, 8441 } ; }; add chain inet f in { policy drop ; }; add rule inet f in udp dport @ok accept",
    "yes",
    "no",
  ],
  [
    "an address that decides",
    "add chain inet f in { policy drop ; }; add rule inet f in ip saddr 10.0.0.0/8 accept",
    "maybe",
    "maybe",
  ],
];
const BASE = "add table inet f; add chain inet f in { type filter hook input priority 0 ; }";

for (const [name, rules, dhcp, agent] of NFT) {
  test(`nftVerdict() follows nft's own rules: ${name}`, {
    skip: process.getuid?.() !== 0 && "needs root",
  }, (t) => {
    if (!needs(t, "nft", "nftables")) return;
    const nft = which("nft") ?? "nft";
    const json = inside(
      `${nft} '${rules === "" ? "list ruleset" : `${BASE}; ${rules}`}'; ${nft} -j list ruleset`,
    );
    const text = json.slice(json.indexOf('{"nftables"'));
    assert.equal(nftVerdict(text, DHCP).passes, dhcp);
    assert.equal(nftVerdict(text, AGENT).passes, agent);
  });
}

const SAVED = (rules: string, policy = "ACCEPT") =>
  `*filter\n:INPUT ${policy} [0:0]\n:lan - [0:0]\n${rules}\nCOMMIT\n`;
for (const [name, text, dhcp, agent] of [
  ["nothing", "", "yes", "yes"],
  ["policy drop", SAVED("", "DROP"), "no", "no"],
  [
    "ports, by multiport",
    SAVED(
      "-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT\n-A INPUT -p udp -m multiport --dports 67,69 -j ACCEPT",
      "DROP",
    ),
    "yes",
    "no",
  ],
  [
    "a chain of an interface",
    SAVED(
      '-A INPUT -i eth+ -j lan\n-A lan -p tcp -m tcp --dport 8000:9000 -m comment --comment "the agent" -j ACCEPT\n-A lan -j REJECT --reject-with icmp-port-unreachable',
    ),
    "no",
    "yes",
  ],
  ["another interface", SAVED("-A INPUT ! -i eth0 -j DROP"), "yes", "yes"],
  ["a limit", SAVED("-A INPUT -p udp -m limit --limit 5/sec -j ACCEPT\n-A INPUT -j DROP"), "maybe", "no"],
] as const) {
  test(`iptablesVerdict() follows iptables-save: ${name}`, () => {
    assert.equal(iptablesVerdict(text, DHCP).passes, dhcp);
    assert.equal(iptablesVerdict(text, AGENT).passes, agent);
  });
}

test("iptablesVerdict() reads what iptables itself saves", {
  skip: process.getuid?.() !== 0 && "needs root",
}, (t) => {
  if (!needs(t, "iptables", "iptables")) return;
  const text = inside(
    "PATH=$PATH:/usr/sbin; iptables -A INPUT -i eth0 -p udp --dport 67 -j ACCEPT; iptables -A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT; iptables -P INPUT DROP; iptables-save",
  );
  assert.equal(iptablesVerdict(text, DHCP).passes, "yes");
  assert.equal(iptablesVerdict(text, AGENT).passes, "no");
});
