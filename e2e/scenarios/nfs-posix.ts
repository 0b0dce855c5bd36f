import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { output } from "../bed/commands.ts";
import { makeNetwork } from "../bed/network.ts";
import { ARM64_GCC, bootNfsGuest } from "../bed/nfs-guest.ts";
import { startTrees, treeImage } from "../bed/nfs-trees.ts";
import { QEMU, type Scenario } from "../scenario.ts";

/** What POSIX promises, asked by Linux' own NFS client: of files that the image had, and of files that the node makes. */
export const scenario: Scenario = {
  name: "nfs-posix",
  tier: "full",
  budgetSeconds: 180,
  needs: [QEMU, ARM64_GCC, { tool: "gcc", package: "gcc" }, { tool: "mke2fs", package: "e2fsprogs" }],
  assets: ["mini-image"],
  async run(t) {
    const network = await makeNetwork();
    const given = join(t.folder, "given");
    await mkdir(join(given, "cases"), { recursive: true, mode: 0o755 });
    const here = join(t.folder, "posixcheck-here");
    await output("gcc", ["-O2", "-w", "-o", here, "e2e/guest/posixcheck.c"]);
    await output(here, ["-g", join(given, "cases")]);
    const image = await treeImage(t, given);
    const trees = await startTrees(t, { image, host: network.address });
    const guest = await bootNfsGuest(t, {
      network,
      number: 50,
      server: trees.host,
      path: trees.path(0),
      options: `port=${trees.port},mountport=${trees.port},nocto,actimeo=600`,
      programs: ["posixcheck"],
      script:
        "echo over the image; posixcheck -c cases; mkdir -m 755 new; echo on its own; posixcheck new; df -k . | tail -n 1",
    });
    assert.equal(await guest.ended, 0);
    const said = guest.text();
    const verdicts = [...said.matchAll(/^POSIX (\d+) right, (\d+) wrong/gm)];
    const wrong = said.split("\n").filter((line) => /^(FAIL| {4}line)/.test(line));
    assert.equal(verdicts.length, 2, said.slice(-2000));
    assert.deepEqual(wrong, []);
    for (const [, right, failed] of verdicts) {
      assert.ok(Number(right) > 60, "it checks what it says");
      assert.equal(failed, "0");
    }
    assert.match(said, /GUEST unmounted/);
    t.say(`kernel client: ${verdicts.map(([line]) => line).join("; ")} (image's files; the node's own)`);
  },
};
