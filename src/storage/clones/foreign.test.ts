import assert from "node:assert/strict";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { needs } from "../../../test/tools.ts";
import { openClone } from "./clone.ts";
import { checkQcow2 } from "./testing/check.ts";
import { MIB, qemu, workshop } from "./testing/workshop.ts";

/** Files that QEMU made: what we take over, and what we refuse by name. */
const tools = (t: TestContext) => needs(t, "qemu-img", "qemu-utils") && needs(t, "qemu-io", "qemu-utils");

async function inWorkshop(act: (folder: ReturnType<typeof workshop>) => Promise<void>): Promise<void> {
  const folder = workshop(4 * MIB);
  try {
    await act(folder);
  } finally {
    folder.remove();
  }
}

async function bytesOf(path: string): Promise<Uint8Array> {
  const disk = await openClone(path, { readOnly: true });
  const bytes = new Uint8Array(disk.size);
  await disk.read(bytes, 0);
  await disk.close();
  return bytes;
}

test("a foreign file's refcount table grows as its clusters do, and moves", async (t) => {
  if (!tools(t)) return;
  await inWorkshop(async (folder) => {
    const path = folder.path("small.qcow2");
    // One cluster of 512 bytes of table: 64 blocks of 256 clusters, 8 MiB of file.
    qemu.img("create", "-q", "-f", "qcow2", "-o", "cluster_size=512", path, String(40 * MIB));
    const tableAt = () => readFileSync(path).readBigUInt64BE(48);
    const before = tableAt();
    const clone = await openClone(path);
    const model = new Uint8Array(40 * MIB);
    for (let mib = 0; mib < 36; mib++) {
      const from = new Uint8Array(MIB).fill(mib + 1);
      model.set(from, mib * MIB);
      await clone.write(from, mib * MIB);
      if (mib % 5 === 0) await clone.flush();
      if (mib % 10 === 0) assert.deepEqual(checkQcow2(path).corruptions, []);
    }
    await clone.close();
    assert.notEqual(tableAt(), before, "it moved");
    assert.deepEqual(checkQcow2(path), { corruptions: [], leaks: 0 });
    qemu.check(path);
    assert.equal(Buffer.compare(await bytesOf(path), model), 0);
  });
});

test("compressed clusters are read, and refused for writing by name", async (t) => {
  if (!tools(t)) return;
  await inWorkshop(async (folder) => {
    for (const options of ["cluster_size=65536", "cluster_size=65536,extended_l2=on", "cluster_size=4096"]) {
      const path = folder.path("packed.qcow2");
      qemu.img("convert", "-c", "-f", "raw", "-O", "qcow2", "-o", options, folder.image, path);
      assert.equal(Buffer.compare(await bytesOf(path), folder.bytes), 0, options);
      await assert.rejects(openClone(path), { code: "FORMAT_UNSUPPORTED", message: /compressed clusters/ });
    }
  });
});

test("what we do not do is refused by its name", async (t) => {
  if (!tools(t)) return;
  await inWorkshop(async (folder) => {
    const path = folder.path("x.qcow2");
    const rows: [RegExp, () => unknown][] = [
      [
        /data file/,
        () => qemu.img("create", "-q", "-f", "qcow2", "-o", `data_file=${folder.path("d")}`, path, "1M"),
      ],
      [/zstd/, () => qemu.img("create", "-q", "-f", "qcow2", "-o", "compression_type=zstd", path, "1M")],
      [
        /snapshots/,
        () => {
          qemu.img("create", "-q", "-f", "qcow2", path, "1M");
          qemu.img("snapshot", "-c", "a", path);
        },
      ],
    ];
    for (const [words, make] of rows) {
      make();
      await assert.rejects(openClone(path), { code: "FORMAT_UNSUPPORTED", message: words });
      await assert.rejects(openClone(path, { readOnly: true }), {
        code: "FORMAT_UNSUPPORTED",
        message: words,
      });
    }
  });
});

test("a version 2 file is read, and written by nobody here", async (t) => {
  if (!tools(t)) return;
  await inWorkshop(async (folder) => {
    const path = folder.path("old.qcow2");
    qemu.img("convert", "-f", "raw", "-O", "qcow2", "-o", "compat=0.10", folder.image, path);
    assert.equal(Buffer.compare(await bytesOf(path), folder.bytes), 0);
    await assert.rejects(openClone(path), { code: "FORMAT_UNSUPPORTED", message: /version 2/ });
  });
});

test("a clone over a qcow2 file over a qcow2 file reads through all of them", async (t) => {
  if (!tools(t)) return;
  await inWorkshop(async (folder) => {
    await folder.clone("one.qcow2");
    const model = folder.bytes.slice();
    let below = "one.qcow2";
    for (const [i, name] of ["two.qcow2", "three.qcow2"].entries()) {
      const lower = await openClone(folder.path(below));
      const from = new Uint8Array(100_000).fill(77 + i);
      model.set(from, 50_001 + i * 70_000);
      await lower.write(from, 50_001 + i * 70_000);
      await lower.close();
      qemu.create(folder.path(name), "extended_l2=on", { file: below, format: "qcow2" });
      below = name;
    }
    const top = await openClone(folder.path("three.qcow2"));
    model.fill(5, 777, 7777);
    await top.write(new Uint8Array(7000).fill(5), 777);
    const now = new Uint8Array(top.size);
    await top.read(now, 0);
    assert.equal(Buffer.compare(now, model), 0);
    await top.close();
    qemu.check(folder.path("three.qcow2"));
    qemu.img("convert", "-O", "raw", folder.path("three.qcow2"), folder.path("three.raw"));
    assert.equal(Buffer.compare(readFileSync(folder.path("three.raw")), model), 0);
  });
});

test("a chain that bites its own tail ends with an error", async (t) => {
  if (!tools(t)) return;
  await inWorkshop(async (folder) => {
    await folder.clone("a.qcow2");
    qemu.create(folder.path("b.qcow2"), "extended_l2=on", { file: "a.qcow2", format: "qcow2" });
    qemu.img("rebase", "-u", "-F", "qcow2", "-b", "b.qcow2", folder.path("a.qcow2"));
    await assert.rejects(openClone(folder.path("b.qcow2"), { readOnly: true }), { code: "FORMAT_VALUE" });
  });
});

test("a clone that another program wrote to after a kill does not get our journal", async (t) => {
  if (!tools(t)) return;
  await inWorkshop(async (folder) => {
    const path = folder.path("c.qcow2");
    await folder.clone("c.qcow2");
    const clone = await openClone(path);
    await clone.write(new Uint8Array(65536).fill(1), 0);
    clone.endBatch();
    // The files of a killed process, and then qemu-io takes the very clusters that the journal speaks of.
    for (const half of ["", ".ja", ".jb"]) copyFileSync(path + half, folder.path(`k.qcow2${half}`));
    await clone.close();
    qemu.io(folder.path("k.qcow2"), ["write -P 9 1M 512k"]);
    const again = await openClone(folder.path("k.qcow2"));
    const bytes = new Uint8Array(MIB / 2);
    await again.read(bytes, MIB);
    assert.ok(bytes.every((byte) => byte === 9));
    await again.close();
    qemu.check(folder.path("k.qcow2"));
  });
});

test("garbage and short files are errors, not crashes", async () => {
  await inWorkshop(async (folder) => {
    await folder.clone("c.qcow2");
    const clone = await openClone(folder.path("c.qcow2"));
    for (let i = 0; i < 30; i++) await clone.write(new Uint8Array(4096).fill(i), i * 70_000);
    await clone.close();
    const good = readFileSync(folder.path("c.qcow2"));
    const path = folder.path("bad.qcow2");
    for (let at = 0; at < good.length; at += Math.ceil(good.length / 20)) {
      writeFileSync(path, good.subarray(0, at));
      await openClone(path).then(
        (open) => open.close(),
        (error) => assert.match(error.code, /^(FORMAT|WIRE|IMAGE|FILE)_/, String(error)),
      );
      const bent = Buffer.from(good);
      bent.fill(0xa7, at, at + 64);
      writeFileSync(path, bent);
      await openClone(path).then(
        (open) => open.close(),
        (error) => assert.match(error.code, /^(FORMAT|WIRE|IMAGE|FILE)_/, String(error)),
      );
    }
  });
});
