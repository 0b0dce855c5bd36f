import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Calls } from "../../src/api/contract.ts";
import type { SimBoot, VirtualPi } from "../../src/sim/board.ts";
import { buildAgent } from "../../src/storage/agent.ts";
import { SMALL_KERNEL, smallImage } from "../image/small.ts";
import type { Stage } from "../scenario.ts";
import { type Bramble, startBramble } from "./bramble.ts";
import { openCard } from "./card.ts";
import { api } from "./cli.ts";
import type { Network } from "./network.ts";

export interface SmallBramble extends Bramble {
  api: Calls;
}

let started = 0;

/** `bramble up` over the small image: for the many boots that end with the kernel's last byte. Everybody is enrolled. */
export async function startSmall(t: Stage, network: Network, ...up: string[]): Promise<SmallBramble> {
  const data = join(t.folder, `data${started++}`);
  const image = await smallData(t, data);
  const options = ["--operator", "127.0.0.1:0", "--enrol", "auto", "--image", image, ...up];
  const running = await startBramble(t, { network, data, up: options });
  await running.server.saw(/becomes every node's image/, 60);
  return { ...running, api: api(data) };
}

/** A data folder with an agent for the small image, a few bytes in the place where the built one is kept: no kernel runs it. */
export async function smallData(t: Stage, data: string): Promise<string> {
  await mkdir(data, { recursive: true, mode: 0o700 });
  const image = await smallImage(data);
  await cp(t.asset("agent-packages"), join(data, "agent"), { recursive: true });
  const card = await openCard(image);
  const modules = `usr/lib/modules/${SMALL_KERNEL}`;
  const { path } = await buildAgent({
    data,
    arch: "arm64",
    kernels: [{ version: SMALL_KERNEL, modules }],
    root: card.root,
    agentFiles: "agent",
    offline: true,
  });
  card.close();
  await writeFile(path, "An agent that no kernel runs.\n");
  return image;
}

const masked = (text: string): string => text.replace(/bramble\.(server|boot|token)=\S+/g, "bramble.$1=");

/** The board has reached its kernel, and every file that it read is byte for byte what `bramble node tree --file` shows. */
export async function rightFiles(commands: Calls, pi: VirtualPi, boot: SimBoot): Promise<void> {
  assert.equal(boot.outcome, "kernel", `Pi ${pi.model} ${pi.serial}: ${boot.reason}\n${boot.log.join("\n")}`);
  assert.ok(boot.files.size > 3, `Pi ${pi.model} read ${[...boot.files.keys()]}`);
  for (const [path, file] of boot.files) {
    const { base64 } = await commands.nodeFile({ node: pi.mac, path });
    const wanted = Buffer.from(base64, "base64");
    if (path.endsWith("cmdline.txt")) {
      const got = Buffer.from(file.bytes ?? []).toString("latin1");
      assert.match(got, new RegExp(`bramble\\.server=http://${boot.server}:\\d+ .*bramble\\.token=\\w+`));
      assert.equal(masked(got), masked(wanted.toString("latin1"))); // each boot's token is its own
    } else assert.equal(file.sha256, createHash("sha256").update(wanted).digest("hex"), path);
  }
}

/** The lease journal's lines as they are on the disk: the last address of each MAC. */
export async function leases(data: string): Promise<Map<string, string>> {
  const text = await readFile(join(data, "leases.journal"), "latin1");
  const lines = text.split("\n").slice(0, -1);
  return new Map(lines.map((line) => line.split(" ").slice(0, 2) as [string, string]));
}
