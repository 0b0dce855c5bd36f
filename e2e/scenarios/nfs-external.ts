import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ask } from "../bed/ask.ts";
import { bytesOf, openCard } from "../bed/card.ts";
import { output } from "../bed/commands.ts";
import { bootNode, miniUp, nodeName, pi4, reached, standUp } from "../bed/fleet.ts";
import { GANESHA, startGanesha } from "../bed/ganesha.ts";
import { QEMU, type Scenario, type Stage } from "../scenario.ts";

const PI = pi4(1);
const VERSIONS = [
  { options: "", type: "nfs" },
  { options: ",vers=4.1", type: "nfs4" },
];

/** A root on somebody else's NFS server, by version 3 and by 4.1: what the node writes lies in that server's folder, and nothing of it with us. */
export const scenario: Scenario = {
  name: "nfs-external",
  tier: "full",
  budgetSeconds: 300,
  needs: [QEMU, ...GANESHA, { tool: "debugfs", package: "e2fsprogs" }],
  assets: ["mini-image", "agent-packages"],
  async run(t) {
    const fleet = await standUp(t, "mini-image");
    const { cli, data } = fleet.bramble;
    const nodes = join(t.folder, "nodes");
    const files = join(nodes, nodeName(PI));
    const fstab = await unpackRoot(t, files);
    await writeFile(join(files, "from-the-server"), "written beside the node\n");
    const { address: server } = await startGanesha(t, fleet.network, nodes);
    const place = (options: string) => `nfs:${server}:${nodes}/{node}${options}`;
    await cli("profile", "set", "default", "--root", "external", "--external", place(""));

    for (const [i, { options, type }] of VERSIONS.entries()) {
      if (i > 0) await cli("node", "set", nodeName(PI), "--external", place(options));
      const { guest } = await bootNode(t, fleet, PI);
      const up = await miniUp(guest);
      assert.deepEqual([up.boots, up.host], [i + 1, nodeName(PI)], "its name was written into that root");
      assert.equal(up.root, `${server}:${files} ${type}`);
      const work = [
        "cat /from-the-server; cd /srv",
        `echo by ${type} > file-${i} && busybox chown 1000:1001 file-${i} && busybox chmod 4751 file-${i}`,
        `busybox ln file-${i} link-${i}; sync; grep ' / ' /proc/mounts`,
      ];
      const said = await ask(guest, work.join("; "));
      assert.match(said, /^written beside the node$/m);
      if (type === "nfs4") assert.match(said, /vers=4\.1/);
      const path = join(files, `srv/file-${i}`);
      assert.equal(await readFile(path, "utf8"), `by ${type}\n`, "in ganesha's folder, while the node runs");
      const { uid, gid, mode, nlink } = await stat(path);
      assert.deepEqual([uid, gid, mode & 0o7777, nlink], [1000, 1001, 0o4751, 2]);
      const { steps } = await reached(fleet, PI, "switched-root", 30);
      const words = steps.map((step) => step.words).join("\n");
      assert.match(words, new RegExp(`the agent attached the root \\(nfs ${server}`));
      await guest.stop();
      t.say(`${up.root.split(" ")[1]}: boot ${up.boots} from ganesha's folder, its file is in it`);
    }
    assert.equal(await readFile(join(files, "var/boots"), "utf8"), "2\n");
    assert.equal(await readFile(join(files, "etc/fstab"), "utf8"), fstab, "its owner's business");
    for (const ours of ["clones", "trees"])
      assert.ok(!existsSync(join(data, ours, PI.serial)), `nothing of it in ${ours}`);
  },
};

/** The mini image's root as files, with their owners and modes; its fstab. */
async function unpackRoot(t: Stage, into: string): Promise<string> {
  const image = t.asset("mini-image");
  await mkdir(into, { recursive: true });
  const card = await openCard(image);
  const fstab = Buffer.from(await bytesOf(card.root, "etc/fstab")).toString();
  card.close();
  await output("debugfs", ["-R", `rdump / ${into}`, `${image}?offset=${card.rootOffset}`]);
  await mkdir(join(into, "srv"), { recursive: true });
  return fstab;
}
