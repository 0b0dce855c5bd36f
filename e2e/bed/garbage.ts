// A bad neighbour's own process, inside its network namespace: garbage ADDRESS SEED. It says as JSON what it sent and what it got.

import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout } from "node:timers/promises";
import { concat } from "../../src/base/bytes.ts";
import { toLatin1 } from "../../src/base/text.ts";
import { BLANK } from "../../src/wire/dhcp/blank.ts";
import { OPTION } from "../../src/wire/dhcp/options.ts";
import { encode, MESSAGE } from "../../src/wire/dhcp/packet.ts";

const [address = "", seed = "1"] = process.argv.slice(2);
const [AGENT, NBD] = [8441, 10809];
const DATAGRAMS = 1500;
const SILENT = 100;

let state = Number(seed) >>> 0 || 1;
/** xorshift32: 0 … below - 1 */
function roll(below: number): number {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) % below;
}
const random = (length: number): Uint8Array => Uint8Array.from({ length }, () => roll(256));

/** This machine's, which is one: thousands of addresses would empty any pool, with good packets too. */
const MAC = "dc:a6:32:ba:dd:01";
const CHADDR = { from: 28, to: 34 };
const vendorClass = toLatin1("PXEClient:Arch:00000:UNDI:002001");
const dhcp = [MESSAGE.DISCOVER, MESSAGE.REQUEST, MESSAGE.INFORM, MESSAGE.RELEASE].map((type) =>
  encode({
    ...BLANK,
    xid: 7,
    chaddr: MAC,
    options: new Map([
      [OPTION.MESSAGE_TYPE, Uint8Array.of(type)],
      [OPTION.VENDOR_CLASS, vendorClass],
      [OPTION.GUID, new Uint8Array(17)],
    ]),
  }),
);
const tftp = [1, 2, 3, 4, 5, 6].map((opcode) =>
  concat([Uint8Array.of(0, opcode), toLatin1("12345678/kernel8.img\0octet\0tsize\x000\0blksize\x001468\0")]),
);
const GOOD: Record<number, Uint8Array[]> = { 67: dhcp, 4011: dhcp, 69: tftp };

/** A good packet with a few bytes changed, or cut short. */
function mutated(port: number): Uint8Array {
  const all = GOOD[port] ?? [];
  const bytes = Uint8Array.from(all[roll(all.length)] ?? []);
  for (let n = 1 + roll(8); n > 0; n--) {
    const at = roll(bytes.length);
    if (port === 69 || at < CHADDR.from || at >= CHADDR.to) bytes[at] = roll(256);
  }
  return roll(4) === 0 ? bytes.subarray(0, roll(bytes.length)) : bytes;
}

async function datagrams(): Promise<number> {
  const socket = createSocket("udp4");
  socket.on("error", () => {}); // a port unreachable is an answer too
  socket.bind(0);
  await once(socket, "listening");
  let sent = 0;
  for (let n = 0; n < DATAGRAMS; n++) {
    for (const port of [67, 69, 4011]) {
      const bytes = n % 3 === 0 ? random(roll(1400)) : mutated(port);
      await new Promise((done) => socket.send(bytes, port, address, done));
      sent++;
    }
  }
  socket.close();
  return sent;
}

/** Sends it all, and waits until the server closes: what it answered. */
async function tell(port: number, ...parts: Uint8Array[]): Promise<string> {
  const socket = connect(port, address);
  let heard = "";
  socket.on("data", (chunk: Buffer) => {
    heard += chunk.toString("latin1");
  });
  socket.on("error", () => {}); // cut off in the middle of what we send
  for (const part of parts) socket.write(part);
  await Promise.race([once(socket, "close").catch(() => {}), setTimeout(20_000)]);
  if (!socket.destroyed) heard += " and stays open";
  socket.destroy();
  return heard;
}

/** Connections that say nothing, or the beginning of something. */
async function silent(port: number, beginning: string): Promise<Socket[]> {
  return Promise.all(
    Array.from({ length: SILENT }, async (_, n) => {
      const socket = connect(port, address);
      socket.on("error", () => {}); // the server may cut us off
      await once(socket, "connect");
      if (n % 2) socket.write(beginning, "latin1");
      return socket;
    }),
  );
}

/** A request that is answered, and a reset before the answer can be taken. */
async function reset(): Promise<void> {
  const socket = connect(AGENT, address);
  socket.on("error", () => {}); // ours to begin with
  await once(socket, "connect");
  socket.write("GET /agent/root HTTP/1.1\r\nhost: a\r\n\r\n".repeat(20));
  if (roll(2)) await once(socket, "data");
  socket.resetAndDestroy();
}

const clientFlags = Uint8Array.of(0, 0, 0, 3);
/** NBD_OPT_GO, 4 GiB of it announced (NBD protocol, "Option negotiation"). */
const hugeOption = concat([toLatin1("IHAVEOPT"), Uint8Array.of(0, 0, 0, 7, 255, 255, 255, 255)]);

const open = [...(await silent(AGENT, "POST /agent/hello HTT")), ...(await silent(NBD, "\0\0"))];
const sent = await datagrams();
const longHeader = (bytes: number) =>
  tell(AGENT, toLatin1(`GET / HTTP/1.1\r\nhost: a\r\nx-long: ${"x".repeat(bytes)}\r\n\r\n`));
const header = await longHeader(8_192);
const hugeHeader = await longHeader(1 << 20);
const option = await tell(NBD, clientFlags, hugeOption, random(65_536));
const noise = await Promise.all(
  [AGENT, NBD].flatMap((port) =>
    Array.from({ length: 50 }, () => tell(port, clientFlags, random(1 + roll(4096)), toLatin1("\r\n\r\n"))),
  ),
);
for (let n = 0; n < 50; n++) await reset();
for (const socket of open) socket.destroy();
console.log(JSON.stringify({ sent, open: open.length, header, hugeHeader, option, noise: noise.length }));
process.exit(0);
