import assert from "node:assert/strict";
import { lstat, mkdir, open, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { api, bramble, type Said } from "../bed/cli.ts";
import { output, type Running, sh, start } from "../bed/commands.ts";
import { makeNetwork, type Network } from "../bed/network.ts";
import { boardOf, makeRack } from "../bed/rack.ts";
import { rightFiles, smallData } from "../bed/small.ts";
import { canBecomeOthers, PERSON, processStatus, publicPlace } from "../bed/sudo.ts";
import type { Scenario, Stage } from "../scenario.ts";

/** The data folder and its copy; volumes have a name of their own in there. */
const PLACES = /\/mnt\/data(-copy)?(\/volumes\/[0-9a-f-]+)?/g;

/** CAP_NET_BIND_SERVICE, CAP_NET_ADMIN, CAP_NET_RAW (linux/capability.h) */
const THREE = ((1n << 10n) | (1n << 12n) | (1n << 13n)).toString(16).padStart(16, "0");

/** Bramble under sudo, killed and started anew; and every command of the CLI beside it and without it. */
export const scenario: Scenario = {
  name: "cli-beside",
  tier: "ci",
  budgetSeconds: 150,
  needs: [
    { tool: "setpriv", package: "util-linux" },
    { tool: "qemu-img", package: "qemu-utils" },
  ],
  assets: ["agent-packages"],
  async run(t) {
    const network = await makeNetwork();
    const place = await publicPlace();
    const { data } = place;
    const image = await smallData(t, data);
    const { server, pid } = await startBySudo(t, network, place, ["--image", image]);
    const gone = await bootTwo(t, network, data);

    const refused = await bramble(data, "up", "--keep-root", "-i", network.interface);
    assert.notEqual(refused.code, 0);
    assert.match(refused.err, /another Bramble is at work/);
    assert.equal((await api(data).status({})).pid, pid, "the first one goes on");

    const [node] = await api(data).nodes({});
    const kept = async () => {
      const commands = api(data);
      const nodes = (await commands.nodes({})).map(({ boot: _, lastSeenMs: __, ...rest }) => rest);
      return [nodes, await commands.images({}), await commands.clones({}), await commands.profiles({})];
    };
    const before = await kept();
    process.kill(pid, "SIGKILL");
    await server.ended;
    const again = await startBySudo(t, network, place, []);
    assert.deepEqual(await kept(), before, "nodes, images, clones and profiles survive kill -9");
    t.say(
      `killed and started anew: ${before.map((list) => list.length).join(", ")} nodes, images, clones, profiles`,
    );

    const extra = await extras(data, image);
    const boot = (await api(data).boots({ node: node?.id ?? "" }))[0]?.id ?? "";
    const subjects = { ...extra, node: node?.name ?? "", boot, gone };
    await again.server.stop();
    const copy = { ...place, data: `${data}-copy` };
    await sh(`cp -a --sparse=always ${data} ${copy.data}`);
    const without = await everyCommand(t, copy, { ...subjects, running: false });
    const third = await startBySudo(t, network, place, []);
    const beside = await everyCommand(t, place, { ...subjects, running: true });
    await third.server.stop();
    for (const [words, said] of beside) assert.deepEqual(without.get(words), said, words);
    t.say(`${beside.size} commands say the same beside a server and without one`);
    await allOwned(data);
    await allOwned(copy.data);
  },
};

interface Place {
  data: string;
  bramble: readonly string[];
}

/** As `sudo bramble up` by a person; without the power to become somebody else, as root. */
async function startBySudo(t: Stage, network: Network, { data, bramble: words }: Place, more: string[]) {
  const sudo = canBecomeOthers();
  const person = { SUDO_UID: String(PERSON), SUDO_GID: String(PERSON), SUDO_USER: "nobody" };
  const [node = "", ...rest] = words;
  const pool = `${network.host(100)}-${network.host(199)}`;
  const up = [
    "--data",
    data,
    "up",
    "-i",
    network.interface,
    "--mode",
    "full",
    "--pool",
    pool,
    "--enrol",
    "auto",
  ];
  const server = start(node, [...rest, ...up, ...(sudo ? [] : ["--keep-root"]), ...more], {
    env: { ...process.env, NO_COLOR: "1", ...(sudo && person) },
    cwd: "/",
  });
  t.atEnd(() => server.stop());
  await server.saw(/page http:/, 60);
  if (more.length > 0) await server.saw(/becomes every node's image/, 60);
  const { pid, capabilities } = await api(data).status({});
  assert.deepEqual(capabilities, [], "no capability is missing");
  if (!sudo) t.say("this root cannot become somebody else: what sudo does is not tried");
  else {
    assert.equal(pid, server.process.pid, "signals reach the server itself");
    const kernel = processStatus(pid);
    for (const ids of ["Uid", "Gid"]) assert.equal(kernel.get(ids), Array(4).fill(PERSON).join("\t"));
    for (const set of ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"])
      assert.equal(kernel.get(set), THREE, set);
    assert.equal(kernel.get("NoNewPrivs"), "1");
    await allOwned(data);
  }
  return { server, pid };
}

/** Nothing in the data folder is root's. */
async function allOwned(data: string): Promise<void> {
  if (!canBecomeOthers()) return;
  for (const name of ["", ...(await readdir(data, { recursive: true }))]) {
    const { uid } = await lstat(join(data, name));
    assert.equal(uid, PERSON, `${join(data, name)} is the person's`);
  }
}

/** Two boards, each with a clone: the MAC of the second. */
async function bootTwo(t: Stage, network: Network, data: string): Promise<string> {
  const rack = await makeRack(t, network);
  const pis = [boardOf("4B", 1), boardOf("3B", 2)];
  const boots = await Promise.all(pis.map((pi) => rack.boot(pi)));
  for (const [i, boot] of boots.entries()) {
    const pi = pis[i];
    if (pi) await rightFiles(api(data), pi, boot);
  }
  return pis[1]?.mac ?? "";
}

interface Subjects {
  node: string;
  /** A boot of its. */
  boot: string;
  /** A board that may be forgotten. */
  gone: string;
  running: boolean;
  /** Another image, and a folder with boot files. */
  image: string;
  firmware: string;
}

async function extras(data: string, image: string): Promise<Pick<Subjects, "image" | "firmware">> {
  const folder = join(data, "..");
  const other = join(folder, "other-2.img");
  await sh(`cp --sparse=always ${image} ${other}`);
  const file = await open(other, "r+");
  await file.write("another image", 1 << 20);
  await file.close();
  const firmware = join(folder, "firmware");
  await mkdir(firmware);
  for (const name of ["start4.elf", "fixup4.dat", "bootcode.bin"])
    await writeFile(join(firmware, name), name);
  await sh(`chmod -R a+rX ${other} ${firmware}`);
  return { image: other, firmware };
}

/** Runs them all; what they say, by their words, without what must differ. */
async function everyCommand(t: Stage, place: Place, subjects: Subjects): Promise<Map<string, unknown>> {
  const { data } = place;
  const { node, boot, gone, running, image, firmware } = subjects;
  const key = "ssh-ed25519 AAAA me@here";
  const plan: [words: string[], refused?: RegExp][] = [
    [["image", "list"]],
    [["image", "show", "small-1"]],
    [["node", "list"]],
    [["node", "show", node]],
    [["node", "tree", node]],
    [["node", "tree", node, "--model", "5"]],
    [["node", "tree", node, "--file", "config.txt"]],
    [["boot", "list"]],
    [["boot", "list", node, "--limit", "1"]],
    [["boot", "show", boot]],
    [["explain", node]],
    [["clone", "list"]],
    [["clone", "show", node]],
    [["clone", "snapshot", node, "one"]],
    [["clone", "snapshot", node, "one"], /one/],
    [["clone", "snapshots", node]],
    [["clone", "rollback", node, "two"], /one/],
    [["clone", "rollback", node, "one"]],
    [["clone", "reset", node]],
    [["clone", "drop", node, "one"]],
    [["clone", "merge", node]],
    [["clone", "quota", node, "1G"]],
    [["clone", "quota", node, "-"]],
    [["clone", "resize", node, "1M"], /./],
    [["clone", "rebase", node]],
    [["clone", "export", node, join(data, "../nowhere/disk.img")], /nowhere/],
    [["volume", "create", "extra", "16M"]],
    [["volume", "create", "extra", "16M"], /extra/],
    [["volume", "attach", "extra", node, "--mount", "/srv/more"]],
    [["volume", "list"]],
    [["volume", "rm", "extra"], /detach/],
    [["volume", "detach", "extra"]],
    [["volume", "resize", "extra", "32M"]],
    [["volume", "show", "extra"]],
    [["volume", "rm", "extra"]],
    [["volume", "show", "extra"], /extra/],
    [["node", "set", node, "--ephemeral", "on", "--guard", "60,0", "--volume", "d:16M:ext4:/srv/d"]],
    [["node", "set", node, "--volume", "d:16M:ext4:/etc"], /mount point/],
    [["node", "set", node, "--ephemeral", "-", "--quota", "-", "--guard", "-", "--volume", "-"]],
    [["node", "show", "nobody"], /nobody/],
    [["image", "rm", "small-1"], /clone/],
    [["image", "add", image, "--name", "other:2"]],
    [["node", "set", node, "--image", "other:2", "--user", "pi", "--ssh-key", key]],
    [["node", "set", node, "--image", "no:1"], /no:1/],
    [["node", "set", node, "--image", "-", "--user", "-"]],
    [["image", "rm", "other:2"]],
    [["firmware", "add", firmware, "--name", "mine:1"]],
    [["firmware", "list"]],
    [["profile", "set", "--root", "ram", "--firmware", "mine:1"]],
    [["firmware", "rm", "mine:1"], /mine/],
    [["profile", "set", "--root", "-", "--firmware", "-"]],
    [["firmware", "rm", "mine:1"]],
    [["enrol", "model=4B"]],
    [["enrol", "colour=red"], /colour/],
    [["enrol", "auto"]],
    [["node", "enrol", node]],
    [["clone", "reset", gone]],
    [["clone", "show", gone], /no clone/],
    [["node", "forget", gone]],
    [["node", "forget", gone], /./],
    [["event", "list", "--limit", "5"]],
    [["completion"]],
    [["status"]],
    [["doctor", "--seconds", "0"]],
  ];
  const started = Date.now();
  const all = await many(
    t,
    place,
    plan.map(([words]) => words),
  );
  const said = new Map<string, unknown>();
  for (const [i, { code, out, err }] of all.entries()) {
    const [words = [], refused] = plan[i] ?? [];
    const what = words.join(" ");
    if (words[0] === "status") {
      const { listening, data: folder } = JSON.parse(out) as { listening: string[]; data: string };
      assert.deepEqual([listening.length > 0, folder], [running, data]);
    } else if (words[0] === "doctor") assert.ok((JSON.parse(out) as unknown[]).length > 3);
    else {
      assert.equal(code === 0, refused === undefined, `${what}: ${err}`);
      assert.match(err, refused ?? /^$/, what);
      said.set(what, {
        code,
        err: err.replaceAll(PLACES, "DATA"),
        out: normal(out),
      });
    }
  }
  await cloneServe(data, node, running);
  const took = ((Date.now() - started) / 1000).toFixed(1);
  t.say(`${plan.length} commands ${running ? "beside" : "without"} a server in ${took} s`);
  return said;
}

async function many(t: Stage, { data, bramble: words }: Place, commands: string[][]): Promise<Said[]> {
  const [list, answers] = [join(data, "../commands.json"), join(data, "../answers.json")];
  await writeFile(list, JSON.stringify(commands.map((one) => ["--data", data, "-o", "json", ...one])));
  await writeFile(answers, "[]");
  await sh(`chmod 666 ${answers}`);
  const [node = "", ...rest] = words;
  const main = rest.pop() ?? "";
  const program = main.replace(/src.app.main(\.[jt]s)$/, "e2e/bed/cli-many$1");
  const env = { ...process.env, NO_COLOR: "1" };
  const running = start(node, [...rest, program, list, answers], { env, cwd: "/" });
  t.atEnd(() => running.stop("SIGKILL"));
  await running.ended;
  const said = JSON.parse(await readFile(answers, "utf8")) as Said[];
  assert.equal(
    said.length,
    commands.length,
    `${commands[said.length]?.join(" ")} has not ended well\n${running.text()}`,
  );
  return said;
}

/** Ids, times and what one way of running alone can know are not compared. */
function normal(out: Said["out"]): unknown {
  let json: unknown;
  try {
    json = JSON.parse(out);
  } catch {
    return out; // a file
  }
  const volatile = new Set(["id", "addedAt", "atMs", "lastSeenMs", "createdMs", "ownBytes", "sharedBytes"]);
  for (const live of ["supervision", "line"]) volatile.add(live);
  const text = JSON.stringify(json, (key, value) => (volatile.has(key) ? undefined : value));
  return JSON.parse(text.replaceAll(PLACES, "DATA"));
}

/** The disk of a node, read by qemu-img. Without a server the command itself is the server, until Ctrl-C. */
async function cloneServe(data: string, node: string, running: boolean): Promise<void> {
  const info = async (uri: string) => {
    const told = JSON.parse(await output("qemu-img", ["info", "--output", "json", uri])) as Record<
      string,
      number
    >;
    const { size } = await clone;
    assert.equal(told["virtual-size"], size);
  };
  const clone = bramble(data, "-o", "json", "clone", "show", node).then(
    ({ out }) => JSON.parse(out) as { size: number },
  );
  await clone;
  if (running) {
    const { uri } = JSON.parse((await bramble(data, "-o", "json", "clone", "serve", node)).out) as {
      uri: string;
    };
    return info(uri);
  }
  const serving = await serve(data, node);
  await info(serving.uri);
  await serving.running.stop("SIGINT");
  assert.equal(await serving.running.ended, 0);
}

async function serve(data: string, node: string): Promise<{ uri: string; running: Running }> {
  const { BRAMBLE } = await import("../bed/cli.ts");
  const [program = "", ...words] = BRAMBLE;
  const running = start(program, [...words, "--data", data, "clone", "serve", node]);
  const [uri] = await running.saw(/nbd:\S+/, 30);
  return { uri, running };
}
