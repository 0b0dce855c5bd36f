// A node's own client gone mad, inside its network namespace: nfs-garbage HOST PORT PATH OTHER-PATH. It says as JSON what it got.
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout } from "node:timers/promises";
import { authSys, encodeCall, RpcRefusal } from "../../src/serve/nfs-client-rpc-testing.ts";
import {
  args,
  connectNfs,
  type Fh,
  NfsRefusal,
  type NfsTestClient,
} from "../../src/serve/nfs-client-testing.ts";
import { Die } from "../../src/storage/testing/die.ts";

const [host = "", portText = "", path = "", other = ""] = process.argv.slice(2);
const port = Number(portText);
const luck = new Die(20_262);
const ROOT = authSys({ uid: 0, gid: 0, gids: [] });
const answers = new Map<string, number>();
const count = (what: string) => void answers.set(what, (answers.get(what) ?? 0) + 1);

/** The refusal's words; "done" where there was none. */
async function refusal(act: () => Promise<unknown>): Promise<string> {
  try {
    await act();
    return "done";
  } catch (error) {
    if (error instanceof NfsRefusal || error instanceof RpcRefusal) return error.message;
    return "hung up";
  }
}
const open = () => connectNfs(port, { host });

/** Each of its bits the other way round, and handles of any bytes: none is good for anything. */
async function forged(client: NfsTestClient, root: Fh): Promise<string[]> {
  const said = new Set<string>();
  for (let bit = 0; bit < root.length * 8; bit++) {
    const fh = Uint8Array.from(root);
    fh[bit >> 3] = (fh[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    said.add(await refusal(() => client.getattr(fh)));
    said.add(await refusal(() => client.list(fh)));
    said.add(await refusal(() => client.mkdir(fh, `forged-${bit}`)));
  }
  for (let length = 0; length <= 64; length++)
    said.add(await refusal(() => client.getattr(randomBytes(length))));
  return [...new Set([...said].map((words) => words.replace(/^.*: /, "")))].sort();
}

/** Cookies and sizes that nobody has told it of. */
async function cookies(client: NfsTestClient, root: Fh): Promise<void> {
  for (let bit = 0; bit < 53; bit++)
    for (const size of [0, 1, 512, 65_536, 2 ** 32 - 1]) {
      count(await refusal(() => client.readdir(root, 2 ** bit, size)));
      count(await refusal(() => client.readdirplus(root, 2 ** bit - 1, size)));
    }
}

async function names(client: NfsTestClient, root: Fh): Promise<string[]> {
  const done: string[] = [];
  for (const name of ["", "/", "a/b", "a\0b", ".", "..", "n".repeat(256), "n".repeat(100_000)])
    if ((await refusal(() => client.mkdir(root, name))) === "done") done.push(name.slice(0, 10));
  for (const name of ["\xff\xfe", " ", "n".repeat(255)]) {
    if ((await refusal(() => client.mkdir(root, name))) !== "done") done.push(`not ${name.slice(0, 10)}`);
    await client.rmdir(root, name);
  }
  for (let n = 0; n < 500; n++) await client.symlink(root, `bomb-${n}`, `bomb-${(n + 1) % 500}/`.repeat(400));
  if ((await refusal(() => client.symlink(root, "long", "x".repeat(900_000)))) === "done")
    done.push("long symlink");
  for (let n = 0; n < 500; n++) await client.remove(root, `bomb-${n}`);
  return done;
}

/** The status of a procedure's answer. */
async function status(client: NfsTestClient, procedure: number, body: Uint8Array): Promise<void> {
  const answer = await client.raw(procedure, body);
  const code = Buffer.from(answer).readUInt32BE(0);
  if (code !== 0) throw new NfsRefusal(`procedure ${procedure}`, code, answer);
}

/** Offsets and lengths at the edges of what the numbers hold. */
async function edges(client: NfsTestClient, root: Fh): Promise<void> {
  const { fh } = await client.create(root, "edges");
  for (const high of [0, 0x1f_ffff, 0x20_0000, 0x7fff_ffff, 0xffff_ffff])
    for (const length of [0, 1, 2 ** 31, 2 ** 32 - 1]) {
      const at = (w: Parameters<Parameters<typeof args>[0]>[0]) => w.opaque(fh).u32(high).u32(0xffff_ffff);
      count(
        await refusal(() =>
          client.raw(
            6,
            args((w) => at(w).u32(length)),
          ),
        ),
      );
      count(
        await refusal(() =>
          status(
            client,
            7,
            args((w) => at(w).u32(length).u32(2).opaque(new Uint8Array(4))),
          ),
        ),
      );
      count(
        await refusal(() =>
          client.raw(
            21,
            args((w) => at(w).u32(length)),
          ),
        ),
      );
    }
  await client.remove(root, "edges");
}

/** Good calls with bytes changed, cut short or made longer, on connections of their own. */
async function mutations(root: Fh): Promise<void> {
  for (let n = 0; n < 300; n++) {
    const client = await open();
    const procedure = luck.below(24);
    const body = args((w) => w.opaque(root).text("name").u32(1).u32(0o644).u32(0).u32(0).u32(0));
    const auth = ROOT;
    const call = encodeCall({ program: 100_003, version: 3, procedure, args: body, auth, xid: n });
    const bytes = Buffer.from(call);
    for (let k = luck.below(8); k > 0; k--) bytes[luck.below(bytes.length)] = luck.below(256);
    const cut = luck.oneIn(3) ? bytes.subarray(0, luck.below(bytes.length)) : bytes;
    const mark = Buffer.alloc(4);
    mark.writeUInt32BE((cut.length | 0x80000000) >>> 0);
    client.rpc.socket.write(Buffer.concat([mark, cut]));
    const heard = new Promise<void>((resolve) => void client.rpc.socket.once("data", () => resolve()));
    await Promise.race([heard, closed(client.rpc.socket), setTimeout(20)]);
    client.close();
  }
}

const closed = (socket: Socket) =>
  new Promise<"hung up">((resolve) => void socket.once("close", () => resolve("hung up")));

/** What the server does with this: hangs up, or waits for more. */
async function told(...parts: Uint8Array[]): Promise<"hung up" | "waits"> {
  const socket = connect(port, host);
  socket.on("error", () => {}); // cut off in the middle of what we send
  await once(socket, "connect");
  for (const part of parts) socket.write(part);
  const how = await Promise.race([closed(socket), setTimeout(3000, "waits" as const)]);
  socket.destroy();
  return how;
}
const word = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
};

const own = await open();
const root = await own.mnt(path);
const silent: Socket[] = [];
for (let n = 0; n < 100; n++) {
  const socket = connect(port, host);
  socket.on("error", () => {}); // the server may cut us off
  await Promise.race([once(socket, "connect"), closed(socket)]);
  if (n % 2) socket.write(word(0x80000400));
  silent.push(socket);
}
// more than one address may have; the first ones stay silent
await setTimeout(500);
const turnedAway = silent.filter((socket) => socket.destroyed).length;
for (const socket of silent.slice(20)) socket.destroy();
const said = {
  turnedAway,
  other: await refusal(async () => (await open()).mnt(other)),
  wrongToken: await refusal(async () =>
    (await open()).mnt(path.replace(/.$/, (c) => (c === "0" ? "1" : "0"))),
  ),
  paths: await Promise.all(
    ["", "/", "/nodes", `${path}/../..`, "/etc", "x".repeat(1024), "/nodes/\0/\xff"].map((one) =>
      refusal(async () => (await open()).mnt(one)),
    ),
  ),
  forged: await forged(own, root),
  namesMade: await names(own, root),
  gigabyte: await told(word(0x80000000 + 2 ** 30), randomBytes(65_536)),
  gigabyteOpen: await told(word(2 ** 30), randomBytes(65_536)),
  empty: await told(...Array.from({ length: 10_000 }, () => word(0))),
  noise: await told(randomBytes(1 << 20)),
  answers: {} as Record<string, number>,
  left: [] as string[],
};
await cookies(own, root);
await edges(own, root);
await mutations(root);
for (const socket of silent) socket.destroy();
const again = await open();
said.left = (await again.list(root)).map(({ name }) => name).filter((name) => /forged|bomb|edges/.test(name));
const { fh } = await again.create(root, "good", { how: "unchecked" });
await again.write(fh, 0, Buffer.from("still served"));
said.answers = {
  ...Object.fromEntries(answers),
  good: (await again.readAll(fh)).toString() === "still served" ? 1 : 0,
};
console.log(JSON.stringify(said));
process.exit(0);
