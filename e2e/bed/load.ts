import assert from "node:assert/strict";
import { join } from "node:path";
import { output, type Running } from "./commands.ts";

const FILES = 8;

/** A shell's loop that writes with fsync until `stop` appears: a file of random bytes, then a counter; each round is told when both are on the disk. */
export const load = (folder: string, stop: string): string =>
  [
    `cd ${folder}; i=0; bad=0`,
    `until [ -e ${stop} ]; do i=$((i+1)); n=$((i%${FILES}))`,
    "dd if=/dev/urandom of=load.$n bs=16k count=1 conv=fsync 2>/dev/null && echo $i | dd of=load.count conv=fsync 2>/dev/null" +
      ` && echo "ACK $i $n $(sha256sum < load.$n | cut -c1-64) $(cut -d' ' -f1 /proc/uptime)" || { bad=$((bad+1)); echo "WRITE-FAIL $i"; sleep 1; }`,
    `done; echo "LOOP-OVER $i rounds $bad errors"`,
  ].join("; ");

export interface Rounds {
  count: number;
  /** Seconds between two rounds that followed one another, at most. */
  longestGap: number;
  /** By file name: sha256 of what it held last. */
  files: Map<string, string>;
}

/** The rounds that a console or a shell's output tells of. A failed write is an assertion's failure. */
export function rounds(text: string): Rounds {
  const files = new Map<string, string>();
  let [count, longestGap, before] = [0, 0, 0];
  for (const [, i, n, sum = "", uptime] of text.matchAll(/ACK (\d+) (\d+) ([0-9a-f]{64}) ([\d.]+)\r?\n/g)) {
    assert.equal(Number(i), count + 1, "no round is missing");
    count = Number(i);
    files.set(`load.${n}`, sum);
    if (before > 0) longestGap = Math.max(longestGap, Number(uptime) - before);
    before = Number(uptime);
  }
  assert.doesNotMatch(text, /WRITE-FAIL \d/, "a write failed");
  return { count, longestGap, files };
}

/** Waits until `count` more rounds are done than now. */
export async function moreRounds(running: Running, count: number, seconds: number): Promise<void> {
  const wanted = rounds(running.text()).count + count;
  await running.saw(new RegExp(`ACK ${wanted} `), seconds);
}

/** What lies on a clone is what the node was told to be there: counter and files. `clone` may be in use by a server, not by a node. */
export async function onClone(
  options: { clone: string; rootOffset: number; folder: string; inside: string },
  { count, files }: Rounds,
): Promise<void> {
  const raw = join(options.folder, "looked-at.raw");
  await output("qemu-img", ["convert", "-U", "-O", "raw", options.clone, raw]);
  const root = join(options.folder, "looked-at.ext4");
  await output("dd", [
    `if=${raw}`,
    `of=${root}`,
    "bs=1M",
    "iflag=skip_bytes",
    `skip=${options.rootOffset}`,
    "conv=sparse",
    "status=none",
  ]);
  // replays the journal; 1: that was all there was to do
  await output("e2fsck", ["-p", root]).catch((error: { code?: number; stdout?: string }) =>
    assert.equal(error.code, 1, `e2fsck: ${error.stdout}`),
  );
  await output("e2fsck", ["-fn", root]);
  const inside = (name: string) => join(options.inside, name);
  const read = (request: string) => output("debugfs", ["-R", request, root]);
  assert.equal(
    (await read(`cat ${inside("load.count")}`)).trim(),
    String(count),
    "the last counter told is on the disk",
  );
  assert.ok(files.size > 0);
  for (const [name, sum] of files) {
    const copy = join(options.folder, "looked-at.file");
    await read(`dump ${inside(name)} ${copy}`);
    assert.equal((await output("sha256sum", [copy])).slice(0, 64), sum, name);
  }
  await output("rm", [raw, root]);
}
