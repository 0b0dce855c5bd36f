import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import type { ChapSecrets, ChapTools } from "./chap.ts";
import { defaults, negotiate } from "./keys.ts";
import { OP, text } from "./pdu.ts";
import {
  FINAL_LOGIN,
  type Heard,
  INITIATOR,
  keysOf,
  login,
  Peer,
  quickLogin,
  said,
  statusOf,
  TARGET,
} from "./testing.ts";
import { binary, bytesOf, nameOf, numberOf, parseText } from "./text.ts";

const NAMES = { InitiatorName: INITIATOR, TargetName: TARGET, SessionType: "Normal" };
const SECURITY = 0x00; // stay
const SECURITY_DONE = 0x81; // T, security to operational
const heardStatus = (peer: Peer) => peer.heard().map(statusOf);

test("a login in two stages: what is offered, what is answered, and that we declare our own length once", () => {
  const peer = new Peer().say(login({ ...NAMES, AuthMethod: "CHAP,None" }, SECURITY_DONE));
  const [first] = peer.heard();
  assert.deepEqual([first?.opcode, first?.flags, first?.tag], [0x23, 0x81, 7]);
  assert.deepEqual(keysOf(first as Heard), { TargetPortalGroupTag: "1", AuthMethod: "None" });
  peer.say(
    login({ HeaderDigest: "None,CRC32C", InitialR2T: "No", MaxBurstLength: "16776192", "X-a.b": "1" }, 0x04),
  );
  assert.deepEqual(keysOf(peer.heard()[0] as Heard), {
    HeaderDigest: "None",
    InitialR2T: "No",
    MaxBurstLength: "1048576",
    "X-a.b": "NotUnderstood",
    MaxRecvDataSegmentLength: "262144",
  });
  peer.say(login({ ImmediateData: "Yes" }, FINAL_LOGIN));
  const [last] = peer.heard();
  assert.deepEqual([last?.flags, last?.view.getUint16(14)], [0x87, 5], "with its handle");
  assert.deepEqual(keysOf(last as Heard), { ImmediateData: "Yes" });
  assert.equal(peer.session.stage, "full");
});

test("keys that go on over several PDUs are put together", () => {
  const whole = text(Object.entries({ ...NAMES, InitiatorAlias: "a".repeat(200) }));
  const peer = new Peer();
  for (let at = 0; at < whole.length; at += 50) {
    const last = at + 50 >= whole.length;
    peer.say(login({}, last ? FINAL_LOGIN : 0x44, { data: whole.subarray(at, at + 50) }));
    const [answer] = peer.heard();
    assert.equal(answer?.flags, last ? 0x87 : 0x04);
    if (!last) assert.equal(answer?.data.length, 0);
  }
  assert.equal(peer.session.stage, "full");
});

test("what a login is refused for, and by which status", () => {
  const rows: [string, number, Uint8Array[]][] = [
    ["no initiator", 0x0207, [login({ TargetName: TARGET }, FINAL_LOGIN)]],
    ["a bad initiator", 0x0207, [login({ ...NAMES, InitiatorName: "pi 01" }, FINAL_LOGIN)]],
    ["no target", 0x0207, [login({ InitiatorName: INITIATOR }, FINAL_LOGIN)]],
    ["a bad target", 0x0203, [login({ ...NAMES, TargetName: "../x" }, FINAL_LOGIN)]],
    ["a strange session", 0x0209, [login({ ...NAMES, SessionType: "Odd" }, FINAL_LOGIN)]],
    ["a version", 0x0205, [login(NAMES, FINAL_LOGIN, { words: { 0: 0x43870101 } })]],
    ["a second connection", 0x020a, [login(NAMES, FINAL_LOGIN, { words: { 12: 0x00000001 } })]],
    ["a stage that is none", 0x0200, [login(NAMES, 0x8b)]],
    ["a step back", 0x0200, [login(NAMES, 0x84)]],
    ["a transit that goes on", 0x0200, [login(NAMES, 0xc7)]],
    ["a key twice", 0x0200, [login({ ...NAMES, AuthMethod: "None" }, 0), login({ AuthMethod: "None" }, 0)]],
    ["no keys", 0x0200, [login({}, FINAL_LOGIN, { data: Uint8Array.of(65, 66, 0) })]],
    ["another task", 0x0200, [login(NAMES, 0x04), login({}, FINAL_LOGIN, { tag: 8 })]],
    ["no login", 0x020b, [login(NAMES, 0x04), said(OP.TEXT)]],
    ["too long", 0x0200, [1, 2, 3].map(() => login({}, 0x44, { data: new Uint8Array(8000).fill(65) }))],
  ];
  for (const [what, status, requests] of rows) {
    const peer = new Peer().say(...requests);
    assert.equal(heardStatus(peer).at(-1), status, what);
    assert.ok(peer.closed, what);
  }
});

test("a refusal of find() is one to try again after, unless it is final", () => {
  const status = (found: { refused: string; final?: "unknown" | "forbidden" }) =>
    heardStatus(new Peer({ found }).say(quickLogin()))[0];
  assert.equal(status({ refused: "busy" }), 0x0301);
  assert.equal(status({ refused: "no such target", final: "unknown" }), 0x0203);
  assert.equal(status({ refused: "not yours", final: "forbidden" }), 0x0202);
});

let luck = 0;
const tools: ChapTools = {
  digest: (algorithm, bytes) => new Uint8Array(createHash(algorithm).update(bytes).digest()),
  random: (length) => new Uint8Array(length).fill(++luck & 0xff),
};
const SECRETS: ChapSecrets = {
  user: "pi01",
  secret: "s3cret-of-the-node",
  mutual: { user: "bramble", secret: "s3cret-of-ours!!" },
};
const response = (algorithm: string, id: number, secret: string, challenge: Uint8Array) =>
  binary(createHash(algorithm).update(Uint8Array.of(id)).update(secret).update(challenge).digest());

/** Up to the challenge. */
function challenged(algorithms = "5", secrets = SECRETS) {
  const peer = new Peer({ found: { chap: secrets }, tools });
  peer.say(login({ ...NAMES, AuthMethod: "CHAP,None" }, SECURITY_DONE));
  assert.deepEqual([peer.heard()[0]?.flags], [0], "no transit without proof");
  peer.say(login({ CHAP_A: algorithms }, SECURITY));
  const keys = keysOf(peer.heard()[0] as Heard);
  const challenge = bytesOf(keys["CHAP_C"] ?? "") as Uint8Array;
  return { peer, keys, id: Number(keys["CHAP_I"]), challenge };
}

test("CHAP with MD5 and SHA-256, one way and mutual", () => {
  for (const [offer, chosen, algorithm] of [
    ["5", "5", "md5"],
    ["7,5", "7", "sha256"],
    ["6,8,5", "5", "md5"],
  ] as const) {
    const { peer, keys, id, challenge } = challenged(offer);
    assert.equal(keys["CHAP_A"], chosen);
    const mine = { CHAP_N: "pi01", CHAP_R: response(algorithm, id, SECRETS.secret, challenge) };
    const asked = new Uint8Array(16).fill(0x5a);
    peer.say(login({ ...mine, CHAP_I: "200", CHAP_C: binary(asked) }, SECURITY_DONE));
    const [answer] = peer.heard();
    assert.deepEqual([answer?.flags, statusOf(answer as Heard)], [0x81, 0]);
    assert.deepEqual(keysOf(answer as Heard), {
      CHAP_N: "bramble",
      CHAP_R: response(algorithm, 200, "s3cret-of-ours!!", asked),
    });
    peer.say(login({}, FINAL_LOGIN));
    assert.equal(peer.session.stage, "full");
    const oneWay = challenged(offer);
    const alone = response(algorithm, oneWay.id, SECRETS.secret, oneWay.challenge);
    oneWay.peer.say(login({ CHAP_N: "pi01", CHAP_R: alone }, SECURITY_DONE), login({}, FINAL_LOGIN));
    assert.equal(oneWay.peer.session.stage, "full");
  }
});

test("CHAP that is wrong, replayed, reflected, or left out is refused", () => {
  const refused = (what: string, peer: Peer) => {
    const [answer] = peer.heard().slice(-1);
    assert.equal(statusOf(answer as Heard), 0x0201, what);
    assert.deepEqual(keysOf(answer as Heard), {}, `${what}: nothing is given away`);
    assert.ok(peer.closed, what);
  };
  const first = challenged();
  const right = response("md5", first.id, SECRETS.secret, first.challenge);
  const rows: [string, Record<string, string>][] = [
    ["a wrong secret", { CHAP_N: "pi01", CHAP_R: response("md5", first.id, "guess", first.challenge) }],
    ["another name", { CHAP_N: "pi02", CHAP_R: right }],
    [
      "another digest",
      { CHAP_N: "pi01", CHAP_R: response("sha256", first.id, SECRETS.secret, first.challenge) },
    ],
    ["no response", { CHAP_N: "pi01" }],
    ["no hex", { CHAP_N: "pi01", CHAP_R: "0xzz" }],
  ];
  for (const [what, keys] of rows) {
    luck = first.id - 1; // the same challenge again, for these rows alone
    const { peer, challenge } = challenged();
    assert.deepEqual(challenge, first.challenge);
    refused(what, peer.say(login(keys, SECURITY_DONE)));
  }
  const replayed = challenged();
  assert.notDeepEqual(replayed.challenge, first.challenge, "a challenge serves once");
  refused("an old answer", replayed.peer.say(login({ CHAP_N: "pi01", CHAP_R: right }, SECURITY_DONE)));

  const mirror = challenged();
  const mine = { CHAP_N: "pi01", CHAP_R: response("md5", mirror.id, SECRETS.secret, mirror.challenge) };
  refused(
    "our own challenge",
    mirror.peer.say(login({ ...mine, CHAP_I: "9", CHAP_C: binary(mirror.challenge) }, SECURITY_DONE)),
  );
  const twin = challenged("5", { ...SECRETS, mutual: { user: "bramble", secret: SECRETS.secret } });
  const both = { CHAP_N: "pi01", CHAP_R: response("md5", twin.id, SECRETS.secret, twin.challenge) };
  refused(
    "one secret for both",
    twin.peer.say(login({ ...both, CHAP_I: "9", CHAP_C: "0x0102030405060708" }, SECURITY_DONE)),
  );
  const short = challenged();
  const proof = { CHAP_N: "pi01", CHAP_R: response("md5", short.id, SECRETS.secret, short.challenge) };
  refused(
    "a short challenge",
    short.peer.say(login({ ...proof, CHAP_I: "9", CHAP_C: "0x01" }, SECURITY_DONE)),
  );

  const withChap = () => new Peer({ found: { chap: SECRETS }, tools });
  refused("straight to the operational stage", withChap().say(quickLogin()));
  refused("no method", withChap().say(login(NAMES, SECURITY_DONE)));
  refused("None alone", withChap().say(login({ ...NAMES, AuthMethod: "None" }, SECURITY_DONE)));
  refused(
    "no algorithm",
    withChap().say(login({ ...NAMES, AuthMethod: "CHAP" }, 0), login({ CHAP_A: "6" }, 0)),
  );
  refused(
    "CHAP where there is no secret",
    new Peer().say(login({ ...NAMES, AuthMethod: "CHAP" }, SECURITY_DONE)),
  );
});

test("keys: what each offer comes to", () => {
  const rows: [string, string, string | undefined][] = [
    ["HeaderDigest", "CRC32C,None", "CRC32C"],
    ["HeaderDigest", "SHA1", "Reject"],
    ["DataDigest", "None", "None"],
    ["MaxConnections", "8", "1"],
    ["InitialR2T", "Yes", "Yes"],
    ["ImmediateData", "No", "No"],
    ["ImmediateData", "yes", "Reject"],
    ["MaxRecvDataSegmentLength", "0x10000", undefined],
    ["MaxBurstLength", "511", "Reject"],
    ["MaxBurstLength", "262144", "262144"],
    ["FirstBurstLength", "262144", "65536"],
    ["DefaultTime2Wait", "2", "2"],
    ["DefaultTime2Retain", "20", "0"],
    ["MaxOutstandingR2T", "1", "1"],
    ["DataPDUInOrder", "No", "Yes"],
    ["ErrorRecoveryLevel", "2", "0"],
    ["IFMarker", "Yes", "No"],
    ["OFMarkInt", "2048~8192", "Irrelevant"],
    ["InitiatorAlias", "pi", undefined],
    ["iSCSIProtocolLevel", "2", "1"],
    ["TaskReporting", "FastAbort,RFC3720", "RFC3720"],
    ["Nonsense", "1", "NotUnderstood"],
  ];
  for (const [key, value, answer] of rows)
    assert.equal(
      negotiate(key, value, { terms: defaults(), discovery: false, login: true }),
      answer,
      `${key}=${value}`,
    );
  const discovery = { terms: defaults(), discovery: true, login: true };
  assert.equal(negotiate("MaxBurstLength", "1024", discovery), "Irrelevant");
  assert.equal(negotiate("HeaderDigest", "None", discovery), "None");
  assert.equal(negotiate("MaxBurstLength", "1024", { ...discovery, login: false }), "Reject");
});

test("binary values: hex and base64 say the same; numbers and names are what they must be", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 100 }), (bytes) => {
      assert.deepEqual(bytesOf(binary(bytes)), bytes);
      assert.deepEqual(bytesOf(`0b${Buffer.from(bytes).toString("base64")}`), bytes);
    }),
  );
  assert.deepEqual(
    [numberOf("0x10"), numberOf("010"), numberOf("4294967296"), numberOf("-1")],
    [16, undefined, undefined, undefined],
  );
  assert.equal(nameOf("IQN.2026-11.local.Bramble:PI01"), TARGET);
  assert.equal(nameOf(`iqn.2026-11.a:${"b".repeat(250)}`), undefined);
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void parseText(bytes)));
});

test("nothing that a login says, in any order, is a throw or lets it in without its proof", () => {
  const pair = fc.constantFrom(
    ["AuthMethod", "CHAP"],
    ["AuthMethod", "None"],
    ["CHAP_A", "5"],
    ["CHAP_N", "pi01"],
    ["CHAP_R", "0x00"],
    ["CHAP_I", "1"],
    ["CHAP_C", "0x01"],
    ["InitiatorName", INITIATOR],
    ["TargetName", TARGET],
    ["SessionType", "Normal"],
    ["HeaderDigest", "None"],
  );
  const request = fc.tuple(
    fc.array(pair, { maxLength: 6 }),
    fc.constantFrom(0, 4, 0x81, 0x83, 0x87, 0x40, 0x44),
  );
  fc.assert(
    fc.property(fc.array(request, { maxLength: 6 }), (requests) => {
      const peer = new Peer({ found: { chap: SECRETS }, tools });
      for (const [pairs, flags] of requests) peer.say(login(Object.fromEntries(pairs), flags));
      assert.notEqual(peer.session.stage, "full");
    }),
    { numRuns: 400 },
  );
});
