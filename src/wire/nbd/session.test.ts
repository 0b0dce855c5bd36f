import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Allowance } from "./limits.ts";
import { type Order, Session } from "./session.ts";

const bytesOf = (hex: string) => Uint8Array.from(Buffer.from(hex.replace(/\s|\|/g, ""), "hex"));
const LIMITS = { requests: 64, bytes: 1 << 20 };
const DISK = { size: 4096, readOnly: false, multiConn: true };
type Facts = typeof DISK;

/** Plays the edge: finds "disk", lists two names, lets every reply leave at once. Returns the orders in words. */
function play(session: Session, chunks: Iterable<Uint8Array>, disk: Facts = DISK): string[] {
  const said: string[] = [];
  const act = (orders: Order[]) => {
    for (const order of orders) {
      said.push(words(order));
      if ("cost" in order) session.left(1, order.cost);
      if (order.do === "find") act(session.found(["disk", "tape"].includes(order.name) ? disk : undefined));
      if (order.do === "list") act(session.listed(["a", "é"]));
    }
  };
  for (const chunk of chunks) {
    act(session.receive(chunk));
    while (session.stage === "requests" && !session.hungry) act(session.next());
  }
  return said;
}
const words = (order: Order): string =>
  JSON.stringify(order, (key, value) =>
    key === "cost" ? undefined : value instanceof Uint8Array ? Buffer.from(value).toString("hex") : value,
  );
const orders = (talk: string, disk?: Facts) =>
  play(new Session(LIMITS, new Allowance(1 << 30)), [bytesOf(talk)], disk).map((text) => JSON.parse(text));
const sent = (talk: string, disk?: Facts): string[] =>
  orders(talk, disk).flatMap((o) =>
    o.do === "send" ? [o.bytes] : o.do === "close" ? [`close: ${o.why}`] : [],
  );

const FLAGS = "00000003";
const option = (number: number, data = "") => {
  const length = bytesOf(data).length.toString(16).padStart(8, "0");
  return `49484156454f5054 ${number.toString(16).padStart(8, "0")} ${length} ${data}`;
};
const reply = (number: number, type: string, data = "") =>
  bytesHex(`0003e889045565a9 ${number.toString(16).padStart(8, "0")} ${type} ${size(data)} ${data}`);
const size = (data: string) => bytesOf(data).length.toString(16).padStart(8, "0");
const bytesHex = (text: string) => text.replace(/\s|\|/g, "");
const NAME = "00000004 6469736b"; // "disk"
const GO = option(7, `${NAME} 0000`);
const CONTEXT = `0000000f ${Buffer.from("base:allocation").toString("hex")}`;
/** flags, command, cookie, offset, length */
const request = (fields: string) => `25609513 ${fields}`;
const ACK = "00000001";
const UNSUP = "80000001";
const INVALID = "80000003";
const UNKNOWN = "80000006";

test("the server greets with NBDMAGIC, IHAVEOPT, fixed newstyle and no zeroes", () => {
  const session = new Session(LIMITS, new Allowance(0));
  assert.deepEqual(session.start().map(words), [
    '{"do":"send","bytes":"4e42444d4147494349484156454f50540003"}',
  ]);
});

/** What a client says after its flags, and what it hears (doc/proto.md, "Option types"). */
const HANDSHAKES: [name: string, talk: string, heard: string[]][] = [
  ["GO", GO, [reply(7, "00000003", "0000 0000000000001000 016d"), reply(7, ACK)]],
  [
    "GO with all information: name and block sizes",
    option(7, `${NAME} 0003 0001 0002 0003`),
    [
      reply(7, "00000003", "0000 0000000000001000 016d"),
      reply(7, "00000003", "0001 6469736b"),
      reply(7, "00000003", "0003 00000001 00001000 02000000"),
      reply(7, ACK),
    ],
  ],
  ["INFO of a stranger's name", option(6, "00000001 78 0000"), [reply(6, UNKNOWN)]],
  ["INFO cut short", option(6, "00000009 78 0000"), [reply(6, INVALID)]],
  ["INFO with too much", option(6, `${NAME} 0000 00`), [reply(6, INVALID)]],
  [
    "LIST",
    option(3),
    [reply(3, "00000002", "00000001 61"), reply(3, "00000002", "00000002 c3a9"), reply(3, ACK)],
  ],
  ["LIST with data", option(3, "00"), [reply(3, INVALID)]],
  [
    "STARTTLS and an option from the future",
    option(5) + option(99, "0102"),
    [reply(5, UNSUP), reply(99, UNSUP)],
  ],
  ["ABORT", option(2), [reply(2, ACK), "close: client left"]],
  [
    "structured replies, then DF among the flags",
    option(8) + option(6, `${NAME} 0000`),
    [reply(8, ACK), reply(6, "00000003", "0000 0000000000001000 01ed"), reply(6, ACK)],
  ],
  ["structured replies with data", option(8, "00"), [reply(8, INVALID)]],
  ["a context without structured replies", option(10, `${NAME} 00000001 ${CONTEXT}`), [reply(10, INVALID)]],
  [
    "the context base:allocation",
    option(8) + option(10, `${NAME} 00000001 ${CONTEXT}`),
    [reply(8, ACK), reply(10, "00000004", `00000001 ${CONTEXT.slice(9)}`), reply(10, ACK)],
  ],
  [
    "a context of somebody else",
    option(8) + option(10, `${NAME} 00000001 00000006 71656d753a78`),
    [reply(8, ACK), reply(10, ACK)],
  ],
  [
    "all contexts listed",
    option(9, `${NAME} 00000000`),
    [reply(9, "00000004", `00000000 ${CONTEXT.slice(9)}`), reply(9, ACK)],
  ],
  ["contexts with a count that cannot be", option(9, `${NAME} ffffffff`), [reply(9, INVALID)]],
  ["EXPORT_NAME", option(1, "6469736b"), ["0000000000001000016d"]],
  ["EXPORT_NAME of a stranger's name", option(1, "78"), ["close: no such export"]],
  ["a bad magic", "0011223344556677 00000003 00000000", ["close: bad option magic"]],
];
for (const [name, talk, heard] of HANDSHAKES)
  test(`handshake: ${name}`, () => assert.deepEqual(sent(FLAGS + talk), heard));

test("handshake: a client without NO_ZEROES gets 124 of them after EXPORT_NAME", () => {
  assert.deepEqual(sent(`00000001${option(1, "6469736b")}`), [`0000000000001000016d${"00".repeat(124)}`]);
});
test("handshake: unknown client flags end it", () => {
  assert.deepEqual(sent("00000004"), ["close: unknown client flags"]);
});
test("handshake: a read-only export offers neither trim nor zeroes", () => {
  const facts = { ...DISK, readOnly: true, multiConn: false };
  assert.equal(sent(FLAGS + option(1, "6469736b"), facts)[0], "0000000000001000000f");
});
test("handshake: an option that is too long is skipped and refused, in sync", () => {
  const long = option(7, "00".repeat(20_000));
  assert.deepEqual(sent(FLAGS + long + option(2)), [
    reply(7, "80000009"),
    reply(2, ACK),
    "close: client left",
  ]);
});
test("handshake: more than 128 options end it", () => {
  const heard = sent(FLAGS + option(99).repeat(200));
  assert.equal(heard.length, 129);
  assert.equal(heard.at(-1), "close: more than 128 options");
});

const cookie = { cookieHigh: 0, cookieLow: 7 };
const C = "0000000000000007";
/** A request after the handshake, and the order for the disk; the export has 4,096 bytes. */
const REQUESTS: [name: string, talk: string, expected: object[]][] = [
  ["read", `0000 0000 ${C} 0000000000000200 00000100`, [{ do: "read", ...cookie, offset: 512, length: 256 }]],
  [
    "read to the last byte",
    `0000 0000 ${C} 0000000000000fff 00000001`,
    [{ do: "read", ...cookie, offset: 4095, length: 1 }],
  ],
  ["read past the end", `0000 0000 ${C} 0000000000000fff 00000002`, [refuse(22, 0)]],
  ["read far past the end", `0000 0000 ${C} ffffffffffffffff 00000002`, [refuse(22, 0)]],
  [
    "write",
    `0000 0001 ${C} 0000000000000010 00000004 64656164`,
    [{ do: "write", ...cookie, offset: 16, bytes: "64656164", fua: false }],
  ],
  [
    "write of nothing",
    `0000 0001 ${C} 0000000000000010 00000000`,
    [{ do: "write", ...cookie, offset: 16, bytes: "", fua: false }],
  ],
  [
    "write with FUA",
    `0001 0001 ${C} 0000000000000000 00000001 ff`,
    [{ do: "write", ...cookie, offset: 0, bytes: "ff", fua: true }],
  ],
  ["write past the end, its data skipped", `0000 0001 ${C} 0000000000000fff 00000002 aabb`, [refuse(28, 1)]],
  [
    "write with an unknown flag, its data skipped",
    `0100 0001 ${C} 0000000000000000 00000002 aabb`,
    [refuse(22, 1)],
  ],
  ["flush", `0000 0003 ${C} 0000000000000000 00000000`, [{ do: "flush", ...cookie }]],
  [
    "trim",
    `0000 0004 ${C} 0000000000000000 00001000`,
    [{ do: "trim", ...cookie, offset: 0, length: 4096, fua: false }],
  ],
  ["trim past the end", `0000 0004 ${C} 0000000000000000 00001001`, [refuse(22, 4)]],
  [
    "zeroes, keeping the space",
    `0002 0006 ${C} 0000000000000000 00001000`,
    [{ do: "zero", ...cookie, offset: 0, length: 4096, keep: true, fua: false }],
  ],
  ["zeroes past the end", `0000 0006 ${C} 0000000000000001 00001000`, [refuse(28, 6)]],
  ["zeroes that must be fast", `0010 0006 ${C} 0000000000000000 00001000`, [refuse(95, 6)]],
  ["status that was not agreed on", `0000 0007 ${C} 0000000000000000 00001000`, [refuse(22, 7)]],
  ["cache, which we do not offer", `0000 0005 ${C} 0000000000000000 00001000`, [refuse(22, 5)]],
  ["a command from the future", `0000 0063 ${C} 0000000000000000 00001000`, [refuse(22, 99)]],
  ["goodbye", `0000 0002 ${C} 0000000000000000 00000000`, [{ do: "close", why: "client left" }]],
];
function refuse(errno: number, command: number): object {
  return { do: "refuse", ...cookie, errno, command };
}
const afterGo = (talk: string, disk?: Facts) => {
  const all = orders(FLAGS + GO + talk, disk);
  return all.slice(all.findIndex((o) => o.do === "attach") + 1);
};
for (const [name, talk, expected] of REQUESTS)
  test(`request: ${name}`, () => {
    const after = request(`0000 0003 ${C} 0000000000000000 00000000`); // in sync: the next one is understood too
    const next = name === "goodbye" ? [] : [{ do: "flush", ...cookie }];
    assert.deepEqual(afterGo(request(talk) + after), [...expected, ...next]);
  });

test("request: a bad magic ends it", () => {
  assert.deepEqual(afterGo(`25609514 0000 0000 ${C} 0000000000000000 00000001`), [
    { do: "close", why: "bad request magic" },
  ]);
});
test("request: more than 32 MiB is EINVAL, also as a write whose data follows", () => {
  const facts = { ...DISK, size: 1 << 30 };
  const big = request(`0000 0000 ${C} 0000000000000000 02000001`);
  assert.deepEqual(afterGo(big, facts), [refuse(22, 0)]);
  const session = new Session({ requests: 4, bytes: 1 << 20 }, new Allowance(1 << 20));
  const write = request(`0000 0001 ${C} 0000000000000000 02000001`);
  const data = Array.from({ length: 33 }, () => new Uint8Array(1 << 20));
  const said = play(session, [bytesOf(FLAGS + GO + write), ...data], facts);
  assert.equal(said.at(-2), JSON.stringify(refuse(22, 1)));
  assert.equal(JSON.parse(said.at(-1) ?? "").why, "bad request magic"); // the zeros after its 32 MiB and one byte
});
test("request: changes of a read-only export are EPERM", () => {
  const facts = { ...DISK, readOnly: true };
  for (const [command, data] of [
    [1, "aa"],
    [4, ""],
    [6, ""],
  ] as const)
    assert.deepEqual(afterGo(request(`0000 000${command} ${C} 0000000000000000 00000001 ${data}`), facts), [
      refuse(1, command),
    ]);
});
test("request: status of the agreed context, for that export only", () => {
  const status = request(`0008 0007 ${C} 0000000000000000 00001000`);
  const set = (name: string) => option(8) + option(10, `${name} 00000001 ${CONTEXT}`);
  const last = (talk: string) => orders(FLAGS + talk + status).at(-1);
  assert.deepEqual(last(set(NAME) + GO), { do: "status", ...cookie, offset: 0, length: 4096, one: true });
  assert.deepEqual(last(set("00000001 78") + GO), refuse(22, 7));
  assert.deepEqual(last(set("00000004 74617065") + GO), refuse(22, 7)); // chosen for "tape"
  const dropped = set(NAME) + option(10, `${NAME} 00000000`);
  assert.deepEqual(last(dropped + GO), refuse(22, 7)); // the second choice, of nothing, replaces the first
});

const TALK = bytesOf(
  FLAGS +
    option(8) +
    option(99, "0102") +
    option(10, `${NAME} 00000001 ${CONTEXT}`) +
    option(3) +
    GO +
    REQUESTS.map(([, talk]) => request(talk)).join(""),
);
test("the orders do not depend on how TCP cut the bytes, nor on buffers that are reused", () => {
  const whole = play(new Session(LIMITS, new Allowance(1 << 30)), [TALK]);
  assert.ok(whole.length > 30);
  fc.assert(
    fc.property(
      fc.array(fc.nat(TALK.length), { maxLength: 40 }),
      fc.integer({ min: 1, max: 4 }),
      (cuts, most) => {
        const session = new Session({ requests: most, bytes: 4096 }, new Allowance(1 << 30));
        const at = [0, ...cuts.sort((a, b) => a - b), TALK.length];
        function* chunks() {
          for (const [i, end] of at.slice(1).entries()) {
            const chunk = TALK.slice(at[i], end);
            yield chunk;
            chunk.fill(0xee);
          }
        }
        assert.deepEqual(play(session, chunks()), whole);
      },
    ),
    { numRuns: 500 },
  );
});

test("any bytes: orders or a close, never an exception, and the allowance comes back whole", () => {
  const start = fc.constantFrom("", FLAGS, FLAGS + GO, FLAGS + option(8) + GO).map(bytesOf);
  const piece = fc.oneof(
    fc.uint8Array({ maxLength: 60 }),
    fc
      .constantFrom(option(6), option(7), option(9), option(10), request(""), request("0000 0001"))
      .map(bytesOf),
  );
  fc.assert(
    fc.property(start, fc.array(piece, { maxLength: 12 }), (head, rest) => {
      const allowance = new Allowance(1 << 16);
      const session = new Session(LIMITS, allowance);
      play(session, [head, ...rest]);
      session.end();
      assert.equal(allowance.held, 0);
    }),
    { numRuns: 3000 },
  );
});

const READ_1K = request(`0000 0000 ${C} 0000000000000000 00000400`);
test("a connection has no more requests and bytes open than its limits allow, and goes on when replies have left", () => {
  const session = new Session({ requests: 3, bytes: 1 << 20 }, new Allowance(1 << 20));
  play(session, [bytesOf(FLAGS + GO)]);
  const first = session.receive(bytesOf(READ_1K.repeat(5)));
  assert.equal(first.length, 3);
  assert.equal(session.hungry, false);
  assert.deepEqual(session.next(), []);
  session.left(1, cost(first[0]));
  assert.equal(session.next().length, 1);
  session.left(2, cost(first[1]) * 2);
  assert.equal(session.next().length, 1);
  assert.equal(session.hungry, true);

  const bytes = new Session({ requests: 100, bytes: 2500 }, new Allowance(1 << 20));
  play(bytes, [bytesOf(FLAGS + GO)]);
  assert.equal(bytes.receive(bytesOf(READ_1K.repeat(5))).length, 2);
});
test("one connection cannot take the whole server: the others always get one request through", () => {
  const allowance = new Allowance(3000);
  const [greedy, modest] = [0, 1].map(() => {
    const session = new Session({ requests: 100, bytes: 1 << 30 }, allowance);
    play(session, [bytesOf(FLAGS + GO)]);
    return session;
  }) as [Session, Session];
  assert.equal(greedy.receive(bytesOf(READ_1K.repeat(50))).length, 2);
  assert.equal(modest.receive(bytesOf(READ_1K.repeat(3))).length, 1);
  greedy.end();
  assert.equal(modest.next().length, 1);
});
const cost = (order: Order | undefined) => (order && "cost" in order ? order.cost : Number.NaN);
