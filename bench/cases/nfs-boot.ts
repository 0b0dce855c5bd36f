// A whole Debian, from the kernel's start to multi-user.target, over NFS: from a node's tree, and from nfs-ganesha on the same files unpacked.
import type { BenchCase, Cell } from "../harness/case.ts";
import { type BootTaken, bootBed } from "../harness/nfs-boot.ts";

/** Fast is what ganesha does with metadata. */
type Who = "ours" | "ours-fast" | "ganesha";

export const bench: BenchCase = {
  name: "nfs-boot",
  describe:
    "a Debian with systemd boots in QEMU from a node's tree and from nfs-ganesha, minutes each: the first boot, and boots after it",
  async run(ctx) {
    const bed = await bootBed(ctx);
    if (!bed) return;
    const taken: Record<Who, BootTaken[]> = { ours: [], "ours-fast": [], ganesha: [] };
    /** A server's nth boot, counted from 0; the ones before it, too, where no cell asked for them. */
    const nth = async (who: Who, n: number): Promise<BootTaken> => {
      for (let i = taken[who].length; i <= n; i++) {
        const boot = await bed.boot(who);
        taken[who].push(boot);
        console.error(`    ${who}, boot ${i + 1}: ${words(boot)}`);
      }
      return taken[who][n] as BootTaken;
    };
    const cell = (name: string, of: (boot: BootTaken) => number, first: number): Cell => {
      const contender = (who: Who) => {
        let n = first;
        return async () => ({ value: of(await nth(who, n++)) });
      };
      return {
        name,
        unit: "s",
        better: "less",
        contenders: {
          ours: contender("ours"),
          "ours-fast": contender("ours-fast"),
          ganesha: contender("ganesha"),
        },
      };
    };
    try {
      // a root has one first boot: host keys, the journal's folders, caches
      await ctx.compare({ ...cell("first-boot", (boot) => boot.seconds, 0), rounds: 1 });
      await ctx.compare({ ...cell("first-boot-cpu", (boot) => boot.cpuSeconds, 0), rounds: 1 });
      await ctx.compare(cell("next-boot", (boot) => boot.seconds, 1));
      await ctx.compare(cell("next-boot-cpu", (boot) => boot.cpuSeconds, 1));
    } finally {
      await bed.close();
    }
  },
};

/** How it was mounted and what was asked for, the frequent first: where a difference of the times would come from. */
function words({ seconds, cpuSeconds, brambleSeconds, options, requests }: BootTaken): string {
  const all = Object.entries(requests).sort(([, a], [, b]) => b.count - a.count);
  const count = all.reduce((sum, [, { count }]) => sum + count, 0);
  const each = all.map(
    ([name, one]) =>
      `${name} ${one.count} (${(one.bytes / 1e6).toFixed(1)} MB, ${(one.answerMs / one.count).toFixed(2)} ms)`,
  );
  return `${seconds.toFixed(1)} s, ${cpuSeconds.toFixed(2)} CPU s (all of Bramble ${brambleSeconds.toFixed(2)}); ${options}\n      ${count} requests: ${each.join(", ")}`;
}
