import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { hex } from "../../base/text.ts";
import { Fetch, type FetchDo, type FetchEnd, type FetchStyle } from "./fetching.ts";
import { encode, type Packet } from "./packet.ts";
import { type Order, Sending } from "./sending.ts";
import { negotiate } from "./terms.ts";

const PI4: FetchStyle = {
  options: new Map([
    ["tsize", "0"],
    ["blksize", "1468"],
  ]),
  probe: false,
  resendMs: 2000,
  ackResendMs: 2000,
  timeoutMs: 30_000,
  wraps: true,
  acksDuplicates: true,
  duplicateOackHarms: false,
};
const ROM: FetchStyle = { ...PI4, options: new Map(), wraps: false, acksDuplicates: false };

const sent = (orders: FetchDo[]): string[] => orders.flatMap((o) => (o.do === "send" ? [hex(o.bytes)] : []));
const ended = (orders: FetchDo[]): FetchEnd | undefined =>
  orders.flatMap((o) => (o.do === "end" ? [o.how] : []))[0];
const give = (fetch: Fetch, packet: Packet, now = 1, port = 5000) => fetch.receive(encode(packet), port, now);

test("requests are byte for byte those of the captures", () => {
  const first = (path: string, style: FetchStyle) => sent(new Fetch(path, style).start(0))[0];
  assert.equal(first("bootcode.bin", ROM), "0001626f6f74636f64652e62696e006f6374657400");
  const bootcode = { ...ROM, options: new Map([["tsize", "0"]]) };
  assert.equal(
    first("89eb9bb9/start.elf", bootcode),
    "000138396562396262392f73746172742e656c66006f63746574007473697a65003000",
  );
  assert.equal(
    first("d905d499/boot.img", PI4),
    "000164393035643439392f626f6f742e696d67006f63746574007473697a65003000626c6b73697a65003134363800",
  );
});

test("a probe is ended by Early terminate, after an OACK and after plain DATA", () => {
  for (const packet of [
    { type: "oack", options: new Map([["tsize", "77"]]) },
    { type: "data", block: 1, bytes: new Uint8Array(512) },
  ] as const) {
    const fetch = new Fetch("a", { ...PI4, probe: true });
    fetch.start(0);
    const orders = give(fetch, packet);
    assert.deepEqual(sent(orders), ["000500004561726c79207465726d696e61746500"]);
    assert.equal(ended(orders)?.end, "probed");
    assert.deepEqual(give(fetch, packet), [], "over is over");
  }
});

test("an error of any code ends it, strangers and garbage do not", () => {
  const fetch = new Fetch("a", PI4);
  fetch.start(0);
  assert.deepEqual(fetch.receive(Uint8Array.of(9, 9), 5000, 1), []);
  give(fetch, { type: "oack", options: new Map() });
  assert.deepEqual(
    give(fetch, { type: "error", code: 1, text: "no" }, 2, 6000),
    [],
    "another port is a stranger",
  );
  assert.deepEqual(ended(give(fetch, { type: "error", code: 0, text: "x" }, 3)), {
    end: "refused",
    code: 0,
    text: "x",
  });
});

test("a server that gives larger blocks than asked for is refused", () => {
  const fetch = new Fetch("a", PI4);
  fetch.start(0);
  assert.equal(ended(give(fetch, { type: "oack", options: new Map([["blksize", "9000"]]) }))?.end, "refused");
});

test("the second OACK is answered again, ignored, or ends an old bootcode.bin's file", () => {
  const oack: Packet = { type: "oack", options: new Map([["tsize", "5000"]]) };
  const fetch = new Fetch("a", PI4);
  fetch.start(0);
  give(fetch, oack);
  assert.deepEqual(sent(give(fetch, oack)), ["00040000"]);
  give(fetch, { type: "data", block: 1, bytes: new Uint8Array(512) });
  assert.deepEqual(give(fetch, oack), []);
  const old = new Fetch("a", { ...ROM, duplicateOackHarms: true });
  old.start(0);
  give(old, oack);
  assert.deepEqual(ended(give(old, oack)), { end: "read", size: 0, damaged: true });
});

test("a block that came before is acknowledged again only by firmware that does so", () => {
  for (const acksDuplicates of [true, false]) {
    const fetch = new Fetch("a", { ...ROM, acksDuplicates });
    fetch.start(0);
    const block: Packet = { type: "data", block: 1, bytes: new Uint8Array(512) };
    give(fetch, block);
    assert.deepEqual(sent(give(fetch, block)), acksDuplicates ? ["00040001"] : []);
  }
});

test("without wrapping 65535 blocks are the end, whether the size is told or not", () => {
  const told = new Fetch("a", { ...PI4, wraps: false });
  told.start(0);
  const options = new Map([
    ["tsize", String(65536 * 8)],
    ["blksize", "8"],
  ]);
  assert.equal(ended(give(told, { type: "oack", options }))?.end, "too-large");
  const found = play(
    new Uint8Array(65536 * 8),
    { ...PI4, options: new Map([["blksize", "8"]]), wraps: false },
    () => 0,
  );
  assert.equal(found.how?.end, "too-large");
  assert.equal(
    play(new Uint8Array(65600 * 8), { ...PI4, options: new Map([["blksize", "8"]]) }, () => 0).size,
    65600 * 8,
  );
});

/** mulberry32 */
const dice = (seed: number) => {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
};

/** The project's own sender at the other end of a wire that loses and doubles by the dice. */
function play(bytes: Uint8Array, style: FetchStyle, random: () => number, loss = 0.1) {
  const fetch = new Fetch("a", { ...style, timeoutMs: 3_600_000 });
  const terms = negotiate(style.options, bytes.length, { blockSize: 1468, windowSize: 16 });
  let sending: Sending | undefined;
  let now = 0;
  let how: FetchEnd | undefined;
  const parts: Uint8Array[] = [];
  const toServer: Uint8Array[] = [];
  const toClient: Uint8Array[] = [];
  const lossy = (line: Uint8Array[], packet: Uint8Array) => {
    if (loss > 0 && random() < loss && random() > 0) return;
    line.push(packet.slice());
    if (loss > 0 && random() > 1 - loss) line.push(packet.slice());
  };
  const client = (orders: FetchDo[]) => {
    for (const order of orders)
      if (order.do === "send") lossy(toServer, order.bytes);
      else if (order.do === "data") parts.push(order.bytes.slice());
      else how = order.how;
  };
  const server = (order: Order) => {
    if (!sending) return;
    if (order === "oack") lossy(toClient, encode({ type: "oack", options: terms.agreed }));
    if (order !== "data") return;
    for (let block = sending.first; block <= sending.last; block++) {
      const at = sending.offsetOf(block);
      const part = bytes.subarray(at, at + sending.lengthOf(block));
      lossy(toClient, encode({ type: "data", block: block & 0xffff, bytes: part }));
    }
  };
  client(fetch.start(now));
  while (!how) {
    const up = toServer.shift();
    const down = toClient.shift();
    if (up) {
      const op = up[1];
      if (op === 1 && !sending) {
        sending = new Sending(terms);
        server(sending.start(now));
      } else if (op === 4 && sending) server(sending.ack(((up[2] ?? 0) << 8) | (up[3] ?? 0), now));
    } else if (down) {
      client(fetch.receive(down, 5000, now));
      down.fill(0xee); // whoever kept a view would show it
    } else {
      now = Math.min(fetch.deadline, sending?.deadline ?? Number.POSITIVE_INFINITY);
      if (sending && sending.deadline <= now) {
        const order = sending.tick(now);
        if (order === "give-up") break;
        server(order);
      }
      client(fetch.tick(now));
    }
  }
  return { how, size: parts.reduce((sum, part) => sum + part.length, 0), bytes: Buffer.concat(parts) };
}

test("whatever the wire loses or doubles, a file that is read is read right", () => {
  let read = 0;
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 40_000 }),
      fc.boolean(),
      fc.boolean(),
      fc.nat(),
      (length, rom, acksDuplicates, seed) => {
        const bytes = Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 8)) & 255);
        const random = dice(seed);
        const result = play(bytes, { ...(rom ? ROM : PI4), acksDuplicates }, random);
        if (result.how?.end !== "read") return; // the dice may kill any transfer
        read++;
        assert.ok(result.bytes.equals(bytes));
      },
    ),
    { numRuns: 60 },
  );
  assert.ok(read > 20, `${read} of 60`);
});
