// What a node has open, when the server is killed, stopped, or asked for it twice: real clients on loopback, from the build.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { type iscsiDisk, loopback } from "./planes-server.ts";
import { needs, run, which } from "./tools.ts";

/** A client that hangs is a failure, not a wait without end. */
const PATIENCE = { timeout: 180_000 };

type IscsiDisk = ReturnType<typeof iscsiDisk>;

const qemuIo = (disk: IscsiDisk, ...commands: string[]) =>
  run("qemu-io", [
    ...disk.object,
    "--image-opts",
    ...commands.flatMap((words) => ["-c", words]),
    disk.options,
  ]);

async function bramble(t: TestContext) {
  const one = await loopback();
  t.after(async () => {
    await one.server.close();
    rmSync(one.data, { recursive: true, force: true });
  });
  return one;
}

const clients = (t: TestContext) =>
  needs(t, "qemu-io", "qemu-utils") &&
  needs(t, "iscsi-inq", "libiscsi-bin") &&
  needs(t, "qemu-img", "qemu-utils");

/** Says lines of a program to whoever waits for one. */
function listen(child: ChildProcess) {
  const lines: string[] = [];
  let wake = () => {};
  let gone = false;
  if (child.stdout)
    createInterface({ input: child.stdout }).on("line", (line) => {
      lines.push(line);
      wake();
    });
  child.once("exit", () => {
    gone = true;
    wake();
  });
  return async (what: RegExp): Promise<string> => {
    for (;;) {
      const at = lines.findIndex((line) => what.test(line));
      if (at >= 0) return lines.splice(0, at + 1).at(-1) ?? "";
      if (gone) throw new Error(`ended before it said ${what}: ${lines.join("\n")}`);
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
}

interface Ready {
  nbd: number;
  iscsi: number;
  disk?: IscsiDisk;
}

/** A Bramble in a process of its own. */
async function start(t: TestContext, data: string, ports?: Ready) {
  const main = fileURLToPath(new URL("planes-child.js", import.meta.url));
  const words = ports ? [String(ports.nbd), String(ports.iscsi)] : [];
  const child = spawn(process.execPath, [main, data, ...words], { stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => child.kill("SIGKILL"));
  const ready = JSON.parse((await listen(child)(/^READY /)).slice(6)) as Ready;
  return { child, ready };
}

for (const how of ["SIGKILL", "SIGTERM"] as const) {
  test(
    `a client with its disk open over iSCSI goes on after ${how} and a new start: a pause, no error`,
    PATIENCE,
    async (t) => {
      if (!clients(t)) return;
      const data = mkdtempSync(join(tmpdir(), "open-disks-"));
      t.after(() => rmSync(data, { recursive: true, force: true }));
      const first = await start(t, data);
      const { disk } = first.ready;
      if (!disk) throw new Error("no disk was opened");
      const page80 = () => run("iscsi-inq", ["-i", `${disk.initiator}`, "-e", "1", "-c", "128", disk.uri]);
      const serial = page80();
      const client = spawn(which("qemu-io") ?? "qemu-io", [...disk.object, "--image-opts", disk.options], {
        stdio: ["pipe", "pipe", "inherit"],
      });
      t.after(() => client.kill("SIGKILL"));
      const said = listen(client);
      const order = async (words: string, answer: RegExp) => {
        client.stdin.write(`${words}\n`);
        return said(answer);
      };
      const wrote = /wrote 65536\/65536|write failed/;
      for (let i = 1; i <= 4; i++) {
        assert.match(await order(`write -P 0x5${i} ${32 + i}M 64k`, wrote), /^.*wrote/);
      }
      first.child.kill(how);
      const [code] = (await once(first.child, "exit")) as [number | null];
      if (how === "SIGTERM") assert.equal(code, 0);
      const later = order("write -P 0x55 37M 64k", wrote); // in the middle of nowhere
      const second = await start(t, data, first.ready);
      assert.equal(second.ready.disk, undefined, "the control side gave it nothing anew");
      assert.match(await later, /wrote/);
      for (let i = 1; i <= 5; i++) {
        const answer = await order(`read -P 0x5${i} ${32 + i}M 64k`, /read 65536\/65536|Pattern|read failed/);
        assert.match(answer, /read 65536/, "what was acknowledged is there, flushed or not");
      }
      client.stdin.end("quit\n");
      await once(client, "exit");
      assert.equal(page80(), serial, "it is the same disk to udev");
      second.child.kill("SIGTERM");
      await once(second.child, "exit");
      assert.match(run("qemu-img", ["check", join(data, "clones/10000001.qcow2")]), /No errors were found/);
    },
  );
}

test(
  "a client with its disk open over iSCSI goes on when the disk plane dies, and nothing acknowledged is lost",
  PATIENCE,
  async (t) => {
    if (!clients(t)) return;
    process.env["BRAMBLE_TEST_PLANE_FAULTS"] = "ask";
    t.after(() => delete process.env["BRAMBLE_TEST_PLANE_FAULTS"]);
    const b = await bramble(t);
    const disk = await b.giveIscsi();
    const client = spawn(which("qemu-io") ?? "qemu-io", [...disk.object, "--image-opts", disk.options], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    t.after(() => client.kill("SIGKILL"));
    const said = listen(client);
    const order = (words: string, answer: RegExp) => {
      client.stdin.write(`${words}\n`);
      return said(answer);
    };
    const wrote = /wrote 65536\/65536|write failed/;
    assert.match(await order("write -P 0x41 33M 64k", wrote), /wrote/);
    await b.disks.call("fault", { how: "throw" });
    assert.match(await order("write -P 0x42 34M 64k", wrote), /wrote/);
    await b.events(/the disk plane failed/);
    for (const [at, byte] of [
      [33, 41],
      [34, 42],
    ]) {
      const answer = await order(`read -P 0x${byte} ${at}M 64k`, /read 65536\/65536|Pattern|read failed/);
      assert.match(answer, /read 65536/);
    }
  },
);

test("CHAP keeps strangers out, and no secret is on a page", PATIENCE, async (t) => {
  if (!clients(t)) return;
  const b = await bramble(t);
  const disk = await b.giveIscsi();
  assert.match(qemuIo(disk, "write -P 7 1M 4k", "read -P 7 1M 4k"), /read 4096/);
  const secret = /data=([0-9a-f]{32})/.exec(disk.object.join())?.[1] ?? "";
  assert.equal(secret.length, 32);
  const stranger = {
    ...disk,
    options: disk.options.replace(/initiator-name=\S+/, "initiator-name=iqn.2000-01.x:y"),
  };
  assert.throws(() => qemuIo(stranger, "read 0 512"));
  const wrong = { ...disk, object: ["--object", `secret,id=chap,data=${"0".repeat(32)}`] };
  assert.throws(() => qemuIo(wrong, "read 0 512"));
  const told = await b.events(/127\.0\.0\.1 asked for a disk and was refused: \S+ is not the initiator/);
  const words = JSON.stringify([told, await b.commands.explain({ node: b.node.id })]);
  assert.doesNotMatch(words, new RegExp(secret));
  assert.equal((await b.giveIscsi()).uri, disk.uri, "the node's secret stays");
});

test("NBD beside iSCSI is refused while one of them is open, and tools are told why", PATIENCE, async (t) => {
  if (!clients(t)) return;
  const b = await bramble(t);
  const disk = await b.giveIscsi();
  const client = spawn(which("qemu-io") ?? "qemu-io", [...disk.object, "--image-opts", disk.options], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  t.after(() => client.kill("SIGKILL"));
  const said = listen(client);
  client.stdin.write("write -P 1 1M 4k\n");
  await said(/wrote 4096/);
  await assert.rejects(b.commands.serveClone({ node: b.node.id }), { code: "CLONE_BUSY" });
  client.stdin.write("read -P 1 1M 4k\n");
  await said(/read 4096/);
  // The node's next boot comes over NBD: its token has fenced the one before.
  const uri = await b.giveNbd();
  run("qemu-io", ["-f", "raw", "-c", "read -P 1 1M 4k", uri]);
  assert.throws(() => qemuIo(disk, "read 0 512"), "the older boot's target is gone");
  await b.events(/a newer boot has logged in: the one before lost its disk/);
});
