import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { api, BRAMBLE } from "../bed/cli.ts";
import { pi4, standUp } from "../bed/fleet.ts";
import { type Host, makeHost } from "../bed/host.ts";
import { netboot } from "../bed/pi.ts";
import type { Scenario } from "../scenario.ts";

const MB = 1 << 20;
const GARBAGE = fileURLToPath(new URL(`../bed/nfs-garbage${import.meta.url.slice(-3)}`, import.meta.url));

/** A node whose NFS client sends handles, fragments, cookies, names and paths that nobody gave it: the server goes on, and so do the others. */
export const scenario: Scenario = {
  name: "nfs-bad-input",
  tier: "full",
  budgetSeconds: 150,
  needs: [{ tool: "curl", package: "curl" }],
  assets: ["mini-image", "agent-packages"],
  async run(t) {
    const fleet = await standUp(t, "mini-image");
    const { network, bramble } = fleet;
    const calls = api(bramble.data);
    await bramble.cli("profile", "set", "default", "--root", "nfs");
    const roots: Root[] = [];
    for (const number of [1, 2]) {
      const { boot, cmdline } = await netboot(t, network, pi4(number));
      const host = await makeHost(t);
      await host.plug(network, "eth0", { address: `${boot.address}/24` });
      roots.push({ host, ...(await hello(host, Buffer.from(cmdline).toString())) });
    }
    const [bad, good] = roots;
    assert.ok(bad && good);
    const count = async () => (await calls.events({ limit: 1 })).at(-1)?.id ?? 0;
    const before = { rss: (await calls.status({})).rssBytes, events: await count() };
    const run = async ({ host, server: at, port }: Root, ...paths: string[]) => {
      const [program = "", ...words] = BRAMBLE.slice(0, -1);
      const running = host.start(program, ...words, GARBAGE, at, port, ...paths);
      assert.equal(await running.ended, 0, running.text());
      return running.text();
    };
    // the other one has mounted first: its tree is bound to its own address
    await run(good, good.path, good.path);
    const mad = await run(bad, bad.path, good.path);
    const said = JSON.parse(mad) as {
      turnedAway: number;
      other: string;
      wrongToken: string;
      paths: string[];
      forged: string[];
      namesMade: string[];
      gigabyte: string;
      gigabyteOpen: string;
      empty: string;
      noise: string;
      answers: Record<string, number>;
      left: string[];
    };
    assert.match(said.other, /ACCES/, "the other node's path, with its token");
    assert.match(said.wrongToken, /ACCES|NOENT/);
    for (const words of said.paths) assert.match(words, /ACCES|NOENT|INVAL|accepted, but 4|NAMETOOLONG/);
    for (const words of said.forged) assert.match(words, /^(STALE|BADHANDLE|ACCES|accepted, but 4)$/);
    assert.deepEqual([said.namesMade, said.left], [[], []]);
    assert.deepEqual([said.gigabyte, said.gigabyteOpen, said.noise], ["hung up", "hung up", "hung up"]);
    assert.equal(said.answers["good"], 1, "its own tree, afterwards");

    const { rssBytes, pid } = await calls.status({});
    assert.equal(pid, bramble.server.process.pid, "it is alive");
    const grown = (rssBytes - before.rss) / MB;
    const events = (await count()) - before.events;
    const answered = Object.entries(said.answers).map(([words, n]) => `${n} ${words}`);
    t.say(`${said.turnedAway} of 100 silent connections turned away`);
    t.say(`forged handles: ${said.forged.join(", ")}; other calls: ${answered.join(", ")}`);
    t.say(`${grown.toFixed(1)} MiB more, ${events} events`);
    assert.ok(grown < 96, `the server grew by ${grown} MiB`);
    assert.ok(events < 300, `${events} events`);
    assert.equal((await netboot(t, network, pi4(3))).boot.outcome, "kernel", "and boards boot");
  },
};

interface Root {
  host: Host;
  server: string;
  path: string;
  port: string;
}

/** What the agent of a board with this command line is told of its root. */
async function hello(host: Host, line: string): Promise<Omit<Root, "host">> {
  const parameter = (name: string) => new RegExp(`bramble\\.${name}=(\\S+)`).exec(line)?.[1] ?? "";
  const body = `boot=${parameter("boot")}\ntoken=${parameter("token")}\n`;
  const told = await host.run("curl", "-sS", "--data-binary", body, `${parameter("server")}/agent/hello`);
  const value = (name: string) => new RegExp(`^${name}=(.*)$`, "m").exec(told)?.[1] ?? "";
  const [, port = ""] = /(?:^|,)port=(\d+)/.exec(value("nfs_options")) ?? [];
  assert.match(value("nfs_path"), /^\/nodes\/\w+\/\w+$/, told);
  return { server: value("nfs_host"), path: value("nfs_path"), port };
}
