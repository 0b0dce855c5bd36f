import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { appendFile, mkdir, readdir, readFile, rm, statfs, truncate, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Code } from "../../src/base/errors.ts";
import { BRAMBLE, bramble } from "../bed/cli.ts";
import { output, type Running, sh, start } from "../bed/commands.ts";
import { makeHost } from "../bed/host.ts";
import { makeNetwork, type Network } from "../bed/network.ts";
import { boardOf, makeRack, type Rack } from "../bed/rack.ts";
import { rightFiles, type SmallBramble, startSmall } from "../bed/small.ts";
import type { Scenario, Stage } from "../scenario.ts";

const MB = 1 << 20;
/** What is left of the data folder's disk for the two nodes, of which one alone wants more. */
const LEFT = 8 * MB;

/** Damaged and too large images, a full disk below two nodes, a second server on the same data, a neighbour that sends garbage. */
export const scenario: Scenario = {
  name: "bad-input",
  tier: "ci",
  budgetSeconds: 240,
  needs: [
    { tool: "mount", package: "mount" },
    { tool: "xz", package: "xz-utils" },
    { tool: "zstd", package: "zstd" },
    { tool: "qemu-img", package: "qemu-utils" },
    { tool: "qemu-io", package: "qemu-utils" },
  ],
  assets: ["agent-packages"],
  async run(t) {
    const network = await makeNetwork();
    const disk = join(t.folder, "data0"); // where startSmall has its first data folder
    await mkdir(disk);
    await sh(`mount -t tmpfs -o size=128m,mode=700 tmpfs ${disk}`);
    t.atEnd(() => sh(`umount ${disk}`));
    const pool = ["--pool", `${network.host(50)}-${network.host(99)}`];
    const server = await startSmall(t, network, "--mode", "full", ...pool);
    assert.equal(server.data, disk);
    await damagedImages(t, server);
    await tooLarge(t, server);
    await secondServer(server, network);
    const rack = await makeRack(t, network);
    const pis = [boardOf("4B", 1), boardOf("3B+", 2)];
    const boots = await Promise.all(pis.map((pi) => rack.boot(pi)));
    for (const [i, pi] of pis.entries()) await rightFiles(server.api, pi, boots[i] ?? assert.fail());
    const [writer = "", reader = ""] = pis.map(({ mac }) => mac);
    const check = await fullDisk(t, server, writer, reader);
    await neighbour(t, network, server, rack, reader);
    await server.server.stop();
    await check();
  },
};

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** The CLI refuses with this code and these words, as JSON. */
async function refused(data: string, code: Code, words: RegExp, ...args: string[]): Promise<void> {
  const said = await bramble(data, "-o", "json", ...args);
  assert.equal(said.code, 1, said.err);
  const error = JSON.parse(said.err) as { code: string; title: string; hint: string };
  assert.equal(error.code, code, said.err);
  assert.match(error.title, words);
  assert.ok(error.hint.length > 10, "a hint what to do");
}

/** What `image list` and the folder itself say. */
async function images(data: string): Promise<string[]> {
  const { out } = await bramble(data, "-o", "json", "image", "list");
  const listed = (JSON.parse(out) as { name: string; version: string }[]).map(
    ({ name, version }) => `${name}:${version}`,
  );
  const files = await readdir(join(data, "images"));
  assert.equal(files.filter((name) => name.endsWith(".img")).length, listed.length, files.join(" "));
  assert.deepEqual(await readdir(join(data, "images/incoming")), [], "nothing half is left");
  return listed;
}

async function damagedImages(t: Stage, { data }: SmallBramble): Promise<void> {
  const before = await images(data);
  const image = join(t.folder, "other-1.img");
  await writeFile(image, randomBytes(MB));
  await output("xz", ["-k", "-0", image]);
  await output("zstd", ["-q", image]);
  for (const packed of [`${image}.xz`, `${image}.zst`]) {
    const whole = await readFile(packed);
    await refused(
      data,
      "IMAGE_CHECKSUM",
      new RegExp(sha256(whole)),
      "image",
      "add",
      packed,
      "--sha256",
      "a".repeat(64),
    );
    await truncate(packed, whole.length >> 1);
    await refused(
      data,
      "IMAGE_DAMAGED",
      /other-1\.img\.(xz|zst) is damaged or cut short/,
      "image",
      "add",
      packed,
    );
  }
  assert.deepEqual(await images(data), before);
  t.say("wrong sha256, cut .xz, cut .zst: refused, nothing listed");
}

async function tooLarge(t: Stage, { data }: SmallBramble): Promise<void> {
  const before = await images(data);
  const large = join(t.folder, "large-1.img");
  for (let n = 0; n < 130; n++) await appendFile(large, randomBytes(MB));
  const free = await freeBytes(data);
  await refused(data, "DISK_FULL", /the disk is full: importing .*large-1\.img/, "image", "add", large);
  assert.deepEqual(await images(data), before);
  assert.ok((await freeBytes(data)) > free - MB, "its room is free again");
  const fits = join(t.folder, "other-1.img");
  const added = await bramble(data, "-o", "json", "image", "add", fits);
  assert.equal(added.code, 0, added.err);
  assert.equal((await images(data)).length, before.length + 1);
  const { sha256: hash } = JSON.parse(added.out) as { sha256: string };
  const gone = await bramble(data, "image", "rm", hash);
  assert.equal(gone.code, 0, gone.err);
  await rm(large);
  t.say(`130 MiB into ${free >> 20} MiB: DISK_FULL, nothing listed; what fits goes in afterwards`);
}

async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

async function secondServer({ data, api, server }: SmallBramble, network: Network): Promise<void> {
  const up = ["up", "--keep-root", "-i", network.interface];
  await refused(data, "DATA_LOCKED", /another Bramble is at work/, ...up);
  assert.equal((await api.status({})).pid, server.process.pid, "the first one goes on");
}

async function opened(data: string, node: string): Promise<string> {
  const { out, err } = await bramble(data, "-o", "json", "clone", "serve", node);
  assert.equal(err, "");
  return (JSON.parse(out) as { uri: string }).uri;
}

interface Disk {
  running: Running;
  /** What qemu-io says to one command. */
  ask(command: string): Promise<string>;
}

/** qemu-io with one connection for all its commands. */
async function openDisk(t: Stage, uri: string): Promise<Disk> {
  const running = start("qemu-io", ["-f", "raw", uri], { stdio: ["pipe", "pipe", "pipe"] });
  t.atEnd(() => running.stop("SIGKILL"));
  let prompts = 1;
  const prompt = () => running.saw(new RegExp(`^(?:(?:(?!qemu-io> )[^])*qemu-io> ){${prompts}}`), 30);
  await prompt();
  return {
    running,
    async ask(command) {
      const from = running.text().length;
      prompts++;
      running.process.stdin?.write(`${command}\n`);
      await prompt();
      return running.text().slice(from);
    },
  };
}

const NO_SPACE = /No space left on device/;

/** One node writes until the host's disk is full; the other is none the worse. Answers with what is to be looked at when the server has stopped. */
async function fullDisk(
  t: Stage,
  { data, api }: SmallBramble,
  writer: string,
  reader: string,
): Promise<() => Promise<void>> {
  const [image] = await api.images({});
  const { path, size } = await api.clone({ node: writer });
  const ballast = join(data, "ballast");
  const [one, other] = await Promise.all(
    [writer, reader].map(async (node) => openDisk(t, await opened(data, node))),
  );
  assert.ok(one && other && image);
  await writeFile(ballast, Buffer.alloc((await freeBytes(data)) - LEFT, 1));
  const written: number[] = [];
  let lost = 0;
  for (let at = 0; at + MB <= Math.min(size, 3 * LEFT); at += MB) {
    const said = await one.ask(`write -P 0x5a ${at} 1M`);
    if (/wrote 1048576\/1048576/.test(said)) written.push(at);
    else {
      assert.match(said, NO_SPACE);
      lost++;
    }
  }
  assert.ok(written.length >= 4 && lost >= 4, `${written.length} MiB written, ${lost} refused`);
  assert.ok((await freeBytes(data)) < MB, "the disk is full");
  assert.match(await other.ask("write -P 0x11 0 1M"), NO_SPACE, "there is no space for the other one either");
  for (const at of written) assert.match(await one.ask(`read -P 0x5a ${at} 1M`), /^read 1048576\/1048576/);
  const copy = join(t.folder, "reader.img");
  await output("qemu-img", ["convert", "-f", "raw", "-O", "raw", await opened(data, reader), copy]);
  assert.equal(sha256(await readFile(copy)), image.sha256, "the other node's disk reads as the image");

  await rm(ballast);
  const again = 2 * LEFT;
  for (const disk of [one, other]) {
    assert.match(await disk.ask(`write -P 0xa5 ${again} 8M`), /wrote 8388608\/8388608/, "same connection");
    assert.doesNotMatch(await disk.ask("flush"), /error|fail|No space/i);
  }
  for (const disk of [one, other]) {
    disk.running.process.stdin?.end("quit\n");
    assert.equal(typeof (await disk.running.ended), "number");
  }
  t.say(
    `full disk: ${written.length} MiB written, ${lost} answered with ENOSPC; both go on when there is space`,
  );
  const second = (await api.clone({ node: reader })).path;
  return async () => {
    for (const clone of [path, second]) {
      await output("qemu-img", ["check", "-q", clone]);
      await pattern(clone, 0xa5, again, 8 * MB);
    }
    for (const at of written) if (at < again) await pattern(path, 0x5a, at, MB);
    t.say("qemu-img check: both clean, what was written is there");
  };
}

async function pattern(clone: string, byte: number, at: number, length: number): Promise<void> {
  const said = await output("qemu-io", ["-r", "-f", "qcow2", "-c", `read -P ${byte} ${at} ${length}`, clone]);
  assert.match(said, new RegExp(`^read ${length}/${length}`));
}

async function neighbour(
  t: Stage,
  network: Network,
  server: SmallBramble,
  rack: Rack,
  node: string,
): Promise<void> {
  const { api, data } = server;
  const count = async () => (await api.events({ limit: 1 })).at(-1)?.id ?? 0;
  const before = { rss: (await api.status({})).rssBytes, events: await count() };
  const host = await makeHost(t);
  await host.plug(network, "eth0", { address: `${network.host(200)}/24` });
  const garbage = fileURLToPath(new URL(`../bed/garbage${import.meta.url.slice(-3)}`, import.meta.url));
  const [program = "", ...words] = BRAMBLE.slice(0, -1);
  const bad = host.start(program, ...words, garbage, network.address, "20251");
  await bad.ended;
  const said = JSON.parse(bad.text()) as {
    sent: number;
    open: number;
    header: string;
    hugeHeader: string;
    option: string;
    noise: number;
  };
  assert.match(said.header, /^HTTP\/1\.1 431 /, "a header of 8 KiB");
  // what it has not read when it closes resets the connection (RFC 1122 4.2.2.13), and may take the answer with it
  assert.match(said.hugeHeader, /^(HTTP\/1\.1 431 [\s\S]*close\r\n\r\n)?$/, "a header of 1 MiB");
  assert.match(said.option, /^NBDMAGICIHAVEOPT/);
  assert.doesNotMatch(said.option, /stays open/, "an option of 4 GiB");
  assert.equal(said.open + said.noise, 300);
  for (let n = 0; n < 20; n++) await resetMidReply(await opened(data, node));

  const { rssBytes, pid } = await api.status({});
  assert.equal(pid, server.server.process.pid, "it is alive");
  const pi = boardOf("4B", 3);
  await rightFiles(api, pi, await rack.boot(pi));
  const events = (await count()) - before.events;
  const grown = (rssBytes - before.rss) / MB;
  t.say(
    `neighbour: ${said.sent} datagrams, ${said.open} silent connections, ${said.noise} of noise: ${grown.toFixed(1)} MiB more, ${events} events`,
  );
  assert.ok(grown < 64, `the server grew by ${grown} MiB`);
  assert.ok(events < 300, `${events} events`);
}

/** Asks a disk for 16 MiB and is gone when the first bytes come (NBD protocol: NBD_OPT_EXPORT_NAME, NBD_CMD_READ). */
async function resetMidReply(uri: string): Promise<void> {
  const { hostname, port, pathname } = new URL(uri);
  const socket = connect(Number(port), hostname);
  let heard = 0;
  const has = async (bytes: number) => {
    while (heard < bytes) heard += ((await once(socket, "data")) as [Buffer])[0].length;
  };
  await has(18);
  const name = Buffer.from(pathname.slice(1));
  const option = Buffer.from("\0\0\0\x03IHAVEOPT\0\0\0\x01\0\0\0\0", "latin1");
  option.writeUInt32BE(name.length, 16);
  socket.write(Buffer.concat([option, name]));
  await has(18 + 10);
  for (let n = 0; n < 16; n++) {
    const read = Buffer.alloc(28);
    read.writeUInt32BE(0x25609513);
    read.writeUInt32BE(n * MB, 20);
    read.writeUInt32BE(MB, 24);
    socket.write(read);
  }
  await has(18 + 10 + 16);
  socket.resetAndDestroy();
}
