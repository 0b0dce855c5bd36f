import assert from "node:assert/strict";
import type { CloneLook } from "./clone-look.ts";
import type { Running } from "./commands.ts";

/** More than a first burst: the server asks for the rest of it. */
const BLOCK = 256 << 10;

/**
 * A loop for a guest's shell: each turn a block and a line of a list, both with fsync, and only then a line on the terminal. Ends when /stop
 * is there. Numbers are doubled by words: `ACK n seconds` or `ERR n`.
 */
export const WRITING = `n=0; mkdir -p /written; while [ ! -e /stop ]; do n=$((n+1)); if { printf %16s "block $n"; dd if=/dev/zero bs=${BLOCK - 32} count=1 2>/dev/null; printf %16s "end $n"; } | dd of=/written/$((n%8)) bs=${BLOCK} iflag=fullblock conv=fsync 2>/dev/null && echo "$n" | dd of=/written/list oflag=append conv=notrunc,fsync 2>/dev/null; then echo "AC""K $n $(cut -d' ' -f1 /proc/uptime)"; else echo "ER""R $n"; fi; sleep 0.1; done; echo "STOP""PED"`;

export interface Writes {
  /** Numbers that the guest saw acknowledged. */
  acknowledged: number[];
  failed: number;
  /** The longest time between two acknowledged writes, by the guest's own clock. */
  longestGapSeconds: number;
}

export function writesOf(text: string): Writes {
  const lines = [...text.matchAll(/ACK (\d+) ([\d.]+)/g)].map(([, n, at]) => ({
    n: Number(n),
    at: Number(at),
  }));
  const gaps = lines.slice(1).map(({ at }, i) => at - (lines[i]?.at ?? at));
  return {
    acknowledged: lines.map(({ n }) => n),
    failed: [...text.matchAll(/ERR \d+/g)].length,
    longestGapSeconds: Math.max(0, ...gaps),
  };
}

/** The highest number that the guest has seen acknowledged so far grows by `more`. */
export async function wrote(guest: Running, more: number, seconds: number): Promise<void> {
  const { acknowledged } = writesOf(guest.text());
  await guest.saw(new RegExp(`ACK ${(acknowledged.at(-1) ?? 0) + more} `), seconds);
}

/** Everything that was acknowledged is on the clone; at most one write that was not acknowledged may be there too. */
export async function allOnClone(clone: CloneLook, { acknowledged }: Writes): Promise<void> {
  const last = acknowledged.at(-1) ?? 0;
  assert.deepEqual(
    acknowledged,
    Array.from({ length: last }, (_, i) => i + 1),
    "the guest has told of every write",
  );
  const list = (await clone.cat("/written/list")).toString().trim().split("\n").map(Number);
  assert.ok(
    list.length === last || list.length === last + 1,
    `${list.length} lines for ${last} acknowledged`,
  );
  assert.deepEqual(list.slice(0, last), acknowledged);
  for (let n = Math.max(1, last - 5); n <= last; n++) {
    const block = await clone.cat(`/written/${n % 8}`);
    const expected = Buffer.alloc(BLOCK);
    expected.write(`block ${n}`.padStart(16), 0);
    expected.write(`end ${n}`.padStart(16), BLOCK - 16);
    assert.ok(block.equals(expected), `block ${n} begins with ${block.subarray(0, 20).toString("latin1")}`);
  }
}
