import assert from "node:assert/strict";

/** What a turn of the load writes, bytes of a line that is said again and again. */
const said = (line: string, length: number): string =>
  `${line}\n`.repeat(Math.ceil(length / (line.length + 1))).slice(0, length);
const RING = 8192;
const NOISE = 90_000;
const sizeOf = (n: number): number => (((n * 7919) % 40) + 1) * 2500 * (n % 6 === 0 ? 8 : 1);
const fileOf = (n: number): string => said(`file ${n} of the guest`, sizeOf(n));

/**
 * Busybox's shell: files made, appended to, overwritten, renamed and removed, with fsync; a few without. After each turn it says
 * `TOLD n` and waits for a line.
 */
export const fsyncLoad = (turns: number): string => `#!/bin/sh
set -e; trap "poweroff -f" EXIT
mkdir -p /load; cd /load
say() { busybox yes "$1" | busybox head -c $2; }
n=0
while [ $n -lt ${turns} ]; do
  n=$((n+1))
  size=$(((n * 7919 % 40 + 1) * 2500)); [ $((n % 6)) != 0 ] || size=$((size * 8))
  say "file $n of the guest" $size > f$n; sync f$n
  echo "line $n" >> list; sync list
  echo $n > counter.new; sync counter.new; busybox mv counter.new counter
  say "block $n" ${RING} | dd of=ring bs=${RING} iflag=fullblock seek=$((n % 8)) conv=notrunc,fsync 2>/dev/null
  [ $n -le 2 ] || busybox mv f$((n-2)) r$((n-2))
  [ $n -le 6 ] || rm r$((n-6))
  sync .
  say "noise $n" ${NOISE} > noise$((n % 4))
  echo "TO""LD $n"
  read go
done
sync
echo "LOAD-""DONE"
poweroff -f
`;

/**
 * What an fsync has promised, of the files of /load after a crash: turn `told` was told, the next one may have begun. Throws an
 * AssertionError where a promise is broken.
 */
export function keptPromises(files: ReadonlyMap<string, string>, told: number): void {
  const next = told + 1;
  const read = (name: string) => files.get(name) ?? "";
  if (told > 0) {
    assert.ok(
      [`${told}\n`, `${next}\n`].includes(read("counter")),
      `counter ${JSON.stringify(read("counter"))}`,
    );
    const lines = Array.from({ length: told }, (_, i) => `line ${i + 1}\n`).join("");
    assert.ok(`${lines}line ${next}\n`.startsWith(read("list")), "list has other lines");
    assert.ok(read("list").startsWith(lines), `list ends with ${JSON.stringify(read("list").slice(-20))}`);
    for (let n = Math.max(1, told - 7 + 1); n <= told; n++) {
      const at = (n % 8) * RING;
      assert.ok(read("ring").slice(at, at + RING) === said(`block ${n}`, RING), `ring ${n}`);
    }
  }
  for (let n = 1; n <= told; n++) {
    const [fresh, renamed] = [files.get(`f${n}`), files.get(`r${n}`)];
    if (n <= next - 6 - 1) assert.deepEqual([n, fresh, renamed], [n, undefined, undefined], "removed");
    else if (n === next - 6)
      assert.ok(fresh === undefined && [undefined, fileOf(n)].includes(renamed), `r${n}`);
    else if (n === next - 2)
      assert.ok([fresh, renamed].filter((one) => one === fileOf(n)).length === 1, `f${n}`);
    else assert.ok((n > next - 2 ? fresh : renamed) === fileOf(n), `file ${n}`);
  }
  assert.ok(fileOf(next).startsWith(read(`f${next}`)), `f${next} has foreign bytes`);
  for (const [name, text] of files)
    if (name.startsWith("noise")) {
      const turn = /^noise (\d+)\n/.exec(text)?.[1] ?? "";
      assert.ok(said(`noise ${turn}`, NOISE).startsWith(text), `${name} has foreign bytes`);
    }
}
