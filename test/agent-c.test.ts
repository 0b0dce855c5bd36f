// The agent's C programs: the binaries in agent/bin are what agent/c says, and they shake hands with NBD servers, good and bad.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { house, testDisk } from "../src/serve/nbd-testing.ts";
import { needs, run, which } from "./tools.ts";

const BIN = "agent/bin";
const SUMS = readFileSync(join(BIN, "SHA256SUMS"), "utf8");
const COMPILERS = [
  ["aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu"],
  ["arm-linux-gnueabihf-gcc", "gcc-arm-linux-gnueabihf"],
] as const;
const EMULATORS = { arm64: "qemu-aarch64-static", armhf: "qemu-arm-static" };

/** "# arm64: compiler" and "sum  arm64/guard". */
const compilersIn = (sums: string) => sums.split("\n").filter((line) => line.startsWith("#"));
const sumsIn = (sums: string) => sums.split("\n").filter((line) => /^[0-9a-f]/.test(line));

test("agent/bin holds what SHA256SUMS says and nothing else, in some kilobytes", () => {
  const there = ["arm64", "armhf"].flatMap((arch) =>
    readdirSync(join(BIN, arch)).map((name) => {
      const bytes = readFileSync(join(BIN, arch, name));
      assert.ok(bytes.length < 20_000, `${arch}/${name} has ${bytes.length} bytes`);
      return `${createHash("sha256").update(bytes).digest("hex")}  ${arch}/${name}`;
    }),
  );
  assert.deepEqual(sumsIn(SUMS).sort(), there.sort());
});

test("agent/c built anew is agent/bin, where the compilers are the same", async (t) => {
  for (const [tool, aptPackage] of COMPILERS) if (!needs(t, tool, aptPackage)) return;
  const folder = mkdtempSync(join(tmpdir(), "agent-c-"));
  t.after(() => rmSync(folder, { recursive: true }));
  run(process.execPath, ["scripts/build-agent-c.mjs", folder]);
  const built = readFileSync(join(folder, "SHA256SUMS"), "utf8");
  if (compilersIn(built).join() === compilersIn(SUMS).join()) {
    assert.equal(built, SUMS, "run node scripts/build-agent-c.mjs");
    return;
  }
  // other compilers make other bytes of the same programs
  t.diagnostic(
    `not the compilers of agent/bin but ${compilersIn(built).join(", ")}: what they built is tried instead`,
  );
  await works(t, folder);
});

test("the programs in agent/bin shake hands, and say in words what they were refused", (t) => works(t, BIN));

/** What both programs of both machines can show without a kernel that has nbd. */
async function works(t: TestContext, folder: string): Promise<void> {
  const { port } = await house(t, testDisk());
  for (const [arch, emulator] of Object.entries(EMULATORS)) {
    if (!needs(t, emulator, "qemu-user-static")) return;
    const keep = (args: string[], input: string) =>
      say(emulator, join(folder, arch, "nbd-keep"), args, input);
    const check = (at: number, name: string) => keep(["check", "127.0.0.1", String(at)], name);
    const good = await check(port, "disk\n");
    assert.deepEqual([good.code, good.err], [0, ""], arch);
    const [size, flags] = good.out.split(" ").map(Number);
    assert.equal(size, testDisk().size);
    assert.equal((flags ?? 0) & 0b1101, 0b1101, "flags, FLUSH, FUA");
    const refused = async (at: number, name: string, why: RegExp) => {
      const said = await check(at, name);
      assert.deepEqual([said.code, said.out], [1, ""], arch);
      assert.match(said.err, why);
      assert.doesNotMatch(said.err, /secret/);
    };
    await refused(port, "secret", /^nbd-keep: no such export\n$/);
    await refused(1, "secret", /^nbd-keep: connection refused\n$/);
    for (const [greeting, why] of BAD_SERVERS) await refused(await badServer(t, greeting), "secret", why);
    // nothing of the name may show, wrong arguments and an empty name are told
    assert.equal((await check(port, "")).code, 2);
    assert.equal((await keep(["1.2.3", "10809", "0", "0", "1", "1", "/dev/null"], "secret")).code, 2);
    assert.equal((await keep(["127.0.0.1", "x", "0", "0", "1", "1", "/dev/null"], "secret")).code, 2);
    const guard = (...args: string[]) => say(emulator, join(folder, arch, "guard"), args, "");
    for (const args of [[], ["1"], ["1", "x"], ["1", "-2"], ["1", "2", "3", "4"]])
      assert.equal((await guard(...args)).code, 2, args.join(" "));
    // without a state file and without iSCSI there is nothing that it could guard: it must not stay and look as if
    const idle = await guard("1", "2", "/nowhere");
    assert.equal(idle.code, 1);
    assert.match(idle.err, /guard: (no iSCSI session and no NBD disk to watch|this kernel has no sysrq)/);
  }
}

const GREETING = "4e42444d41474943" + "49484156454f5054" + "0003";
const ANSWER = "0003e889045565a9" + "00000007";
const EXPORT = "00000003" + "0000000c" + "0000" + "0000000004000000" + "0001";
const BAD_SERVERS: [hex: string, why: RegExp][] = [
  ["", /no greeting/],
  ["4e42444d4147", /no greeting/],
  [Buffer.from("HTTP/1.1 400 Bad Request\r\n").toString("hex"), /fixed newstyle/],
  ["4e42444d41474943" + "0000420281861253" + "0000", /fixed newstyle/],
  [GREETING + "00".repeat(20), /something else/],
  [`${GREETING}${ANSWER}00000003ffffffff`, /without end/],
  [`${GREETING}${ANSWER}0000000100000000`, /without a size/],
  [`${GREETING}${ANSWER}8000000100000000`, /refuses/],
  [GREETING + (ANSWER + EXPORT).repeat(16), /too many/],
  [`${GREETING}${ANSWER}${EXPORT.slice(0, 20)}`, /broke/],
];

/** A server that says this to everybody, and then nothing more. */
async function badServer(t: TestContext, hex: string): Promise<number> {
  const server = createServer((socket) => {
    socket.on("error", () => {}); // the program leaves first
    socket.resume();
    socket.end(Buffer.from(hex, "hex"));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

interface Said {
  code: number | null;
  out: string;
  err: string;
}

async function say(emulator: string, program: string, args: string[], input: string): Promise<Said> {
  const child = spawn(which(emulator) ?? emulator, [program, ...args]);
  const text = { out: "", err: "" };
  child.stdout.on("data", (data) => {
    text.out += data;
  });
  child.stderr.on("data", (data) => {
    text.err += data;
  });
  child.stdin.on("error", () => {}); // it may end without reading
  child.stdin.end(input);
  const [code] = (await once(child, "close")) as [number | null];
  return { code, ...text };
}
