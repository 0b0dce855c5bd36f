import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Order, Sending } from "./sending.ts";
import type { Terms } from "./terms.ts";

const oack = new Map([["tsize", "1"]]);
const terms = (more: Partial<Terms> = {}): Terms => ({
  size: 1000,
  blockSize: 512,
  windowSize: 1,
  timeoutMs: 1000,
  steady: false,
  agreed: new Map(),
  ...more,
});

/** The blocks that an order names. */
const blocks = (sending: Sending, order: Order): number[] | Order =>
  order === "data"
    ? Array.from({ length: sending.last - sending.first + 1 }, (_, i) => sending.first + i)
    : order;

test("a duplicate ACK is not answered (RFC 1123 4.2.3.1)", () => {
  const s = new Sending(terms());
  assert.deepEqual(blocks(s, s.start(0)), [1]);
  assert.deepEqual(blocks(s, s.ack(1, 1)), [2]);
  assert.equal(s.lengthOf(2), 488);
  assert.equal(s.ack(1, 2), "wait");
  assert.equal(s.ack(0, 2), "wait");
  assert.equal(s.ack(2, 3), "finish");
  assert.equal(s.deadline, Number.POSITIVE_INFINITY);
});

test("an ACK of a block that was never sent is ignored", () => {
  const s = new Sending(terms({ size: 5000 }));
  s.start(0);
  assert.equal(s.ack(9, 1), "wait");
  assert.equal(s.ack(2, 1), "wait");
  assert.equal(s.delivered, 0);
});

test("a file that fills its last block is followed by an empty one", () => {
  for (const size of [0, 512, 1024]) {
    const s = new Sending(terms({ size }));
    s.start(0);
    for (let block = 1; block <= size / 512; block++)
      assert.deepEqual(blocks(s, s.ack(block, 1)), [block + 1]);
    assert.equal(s.lengthOf(size / 512 + 1), 0);
    assert.equal(s.ack(size / 512 + 1, 1), "finish");
    assert.equal(s.delivered, size);
  }
});

test("an OACK is followed by data only when ACK 0 has come, and never comes again after that", () => {
  const s = new Sending(terms({ agreed: oack }));
  assert.equal(s.start(0), "oack");
  assert.equal(s.ack(1, 1), "wait");
  assert.equal(s.tick(999), "wait");
  assert.equal(s.moved, false);
  assert.deepEqual(blocks(s, s.ack(0, 1)), [1]);
  assert.equal(s.moved, true);
  assert.equal(s.ack(0, 2), "wait");
  assert.deepEqual(blocks(s, s.tick(5000)), [1]);
});

test("silence: sent again after 1, 2, 4, 8, 8 seconds, then given up", () => {
  for (const [agreed, order] of [
    [oack, "oack"],
    [new Map(), "data"],
  ] as const) {
    const s = new Sending(terms({ agreed }));
    assert.equal(s.start(0), order);
    for (const at of [1000, 3000, 7000, 15000, 23000]) {
      assert.equal(s.tick(at - 1), "wait");
      assert.equal(s.tick(at), order);
    }
    assert.equal(s.tick(30999), "wait");
    assert.equal(s.tick(31000), "give-up");
    assert.equal(s.tick(1e9), "wait");
    assert.equal(s.retransmits, 5);
  }
});

test("a timeout that the client asked for stays the same (RFC 2349), and an answer starts the count anew", () => {
  const s = new Sending(terms({ timeoutMs: 3000, steady: true }));
  s.start(0);
  for (const at of [3000, 6000, 9000]) assert.equal(s.tick(at), "data");
  assert.deepEqual(blocks(s, s.ack(1, 9500)), [2]);
  for (const at of [12500, 15500, 18500, 21500, 24500]) assert.equal(s.tick(at), "data");
  assert.equal(s.tick(27500), "give-up");
});

test("an ACK inside the window brings the rest of the window again, at once, and only once", () => {
  const s = new Sending(terms({ size: 10_000, windowSize: 4 }));
  assert.deepEqual(blocks(s, s.start(0)), [1, 2, 3, 4]);
  assert.deepEqual(blocks(s, s.ack(2, 1)), [3, 4, 5, 6]);
  assert.equal(s.retransmits, 2);
  // The client had seen 3 and 4 all the same: new blocks follow, 5 and 6 are under way.
  assert.deepEqual(blocks(s, s.ack(4, 1)), [7, 8]);
  assert.equal(s.ack(4, 1), "wait");
  assert.deepEqual(blocks(s, s.ack(8, 1)), [9, 10, 11, 12]);
  assert.equal(s.retransmits, 2);
});

test("stalled() tells a client that took blocks and fell silent from one that has not answered yet", () => {
  const s = new Sending(terms({ agreed: oack }));
  s.start(0);
  assert.equal(s.stalled(60_000, 1500), false);
  s.ack(0, 100);
  assert.equal(s.stalled(1500, 1500), false);
  assert.equal(s.stalled(1700, 1500), true);
});

/** A repeatable die: numbers from 0 to 1. */
function lucky(seed: number) {
  let x = (seed % 2147483646) + 1;
  return () => {
    x = (x * 48271) % 2147483647;
    return x / 2147483647;
  };
}

interface Weather {
  lose: number;
  repeat: number;
  /** Share of packets that are held up to 5 ms, so that others overtake them. */
  delay: number;
}

/**
 * A client as U-Boot is (one complaint for each gap, its own resend after 3 s) at the other end of a wire with weather, in virtual
 * time. Gives the bytes received in order, the blocks sent, and the virtual ms it took.
 */
function play(of: Terms, luck: () => number, { lose, repeat, delay }: Weather) {
  const s = new Sending(of);
  const wire: { at: number; go: () => void }[] = [];
  const stats = { bytes: 0, sent: 0, ms: 0, outcome: "" };
  let now = 0;
  let want = 1; // next block
  let burst = 0;
  let complained = -1;
  let clientDeadline = Number.POSITIVE_INFINITY;
  const total = Math.floor(of.size / of.blockSize) + 1;

  const carry = (go: () => void) => {
    for (let copies = luck() < repeat ? 2 : 1; copies > 0; copies--) {
      if (luck() < lose) continue;
      wire.push({ at: now + 0.1 + (luck() < delay ? luck() * 5 : 0), go });
    }
  };
  const ack = () => {
    burst = 0;
    clientDeadline = now + 3000;
    const block = (want - 1) & 0xffff;
    carry(() => obey(s.ack(block, now)));
  };
  const receive = (block16: number, offset: number, length: number) => {
    if (block16 !== (want & 0xffff)) {
      // Lock step: a block that comes again is acknowledged again, as the boards do it. Windows: one complaint for each gap.
      if (of.windowSize > 1 && complained === want) return;
      if (of.windowSize === 1 && block16 !== ((want - 1) & 0xffff)) return;
      complained = want;
      return ack();
    }
    assert.equal(offset, stats.bytes, "a block of another place in the file");
    stats.bytes += length;
    want += 1;
    burst += 1;
    if (burst === of.windowSize || want > total) ack();
  };
  const obey = (order: Order) => {
    if (order === "finish" || order === "give-up") stats.outcome = order;
    if (order === "oack")
      carry(() => {
        if (want === 1) ack();
      });
    if (order !== "data") return;
    for (let block = s.first; block <= s.last; block++) {
      const [offset, length] = [s.offsetOf(block), s.lengthOf(block)];
      stats.sent += 1;
      carry(() => receive(block & 0xffff, offset, length));
    }
  };

  obey(s.start(now));
  while (stats.outcome === "") {
    let next = 0;
    for (let i = 1; i < wire.length; i++) if ((wire[i]?.at ?? 0) < (wire[next]?.at ?? 0)) next = i;
    const packet = wire[next];
    const timer = Math.min(s.deadline, clientDeadline);
    if (packet && packet.at <= timer) {
      wire.splice(next, 1);
      now = Math.max(now, packet.at);
      packet.go();
    } else {
      now = timer;
      if (now >= s.deadline) obey(s.tick(now));
      else ack();
    }
  }
  return { ...stats, ms: now, total, retransmits: s.retransmits };
}

const FAIR: Weather = { lose: 0, repeat: 0, delay: 0 };

test("70 MB over a wire that loses 10 %: every byte, block numbers wrapped twice, few packets more than it takes", () => {
  const size = 70_000_000;
  const { bytes, outcome, sent, total } = play(terms({ size, windowSize: 16 }), lucky(1), {
    ...FAIR,
    lose: 0.1,
  });
  assert.equal(outcome, "finish");
  assert.equal(bytes, size);
  assert.ok(total > 2 * 65536);
  assert.ok(sent < total * 3, `${sent} packets for ${total} blocks`);
});

test("in lock step each loss costs one packet: 34 MB, 66,407 blocks, at 2 %", () => {
  const size = 34_000_000;
  const { bytes, sent, total, retransmits } = play(terms({ size }), lucky(7), { ...FAIR, lose: 0.02 });
  assert.equal(bytes, size);
  assert.ok(total > 65536);
  assert.equal(sent, total + retransmits);
  assert.ok(sent < total * 1.06, `${sent} packets for ${total} blocks`);
});

test("no sorcerer's apprentice: a wire that doubles every packet makes us send nothing twice in lock step, twice at most in windows", () => {
  for (const windowSize of [1, 4, 16]) {
    const { bytes, sent, total, ms } = play(terms({ size: 1_000_000, windowSize, agreed: oack }), lucky(3), {
      ...FAIR,
      repeat: 1,
    });
    assert.equal(bytes, 1_000_000);
    assert.ok(
      sent <= total * (windowSize === 1 ? 1 : 2),
      `${sent} packets for ${total}, window ${windowSize}`,
    );
    assert.ok(ms < 5000, `${ms} ms at window ${windowSize}`);
  }
});

test("one packet out of turn makes a few come twice, not every one to the end of the file", () => {
  for (const windowSize of [2, 4, 16]) {
    let packets = 0;
    const once = (): number => (++packets === 40 ? 0 : 1); // one die throw in all that says "hold this one up"
    const { bytes, sent, total } = play(terms({ size: 1_000_000, windowSize }), once, {
      ...FAIR,
      delay: 0.5,
    });
    assert.equal(bytes, 1_000_000);
    assert.ok(sent <= total + 2 * windowSize, `${sent} packets for ${total} blocks at window ${windowSize}`);
  }
});

test("every byte arrives over a wire that loses, repeats and reorders, for any size, block size and window", () => {
  fc.assert(
    fc.property(
      fc.nat(60_000),
      fc.constantFrom(8, 512, 1024, 1468),
      fc.integer({ min: 1, max: 16 }),
      fc.boolean(),
      fc.integer({ min: 1, max: 1e9 }),
      (size, blockSize, windowSize, withOptions, seed) => {
        const luck = lucky(seed);
        const weather = { lose: luck() * 0.08, repeat: luck() * 0.5, delay: luck() * 0.5 };
        const agreed = withOptions ? oack : new Map<string, string>();
        const short = Math.min(size, blockSize * 200);
        const game = play(terms({ size: short, blockSize, windowSize, agreed }), luck, weather);
        if (game.outcome === "give-up") return fc.pre(false); // a Pi has gone elsewhere too by then
        assert.equal(game.bytes, short);
        assert.ok(game.sent <= game.total * 8 + 100, `${game.sent} packets for ${game.total} blocks`);
      },
    ),
    { numRuns: 400 },
  );
});
