import type { Stage } from "../scenario.ts";
import { type Running, start } from "./commands.ts";
import type { Network } from "./network.ts";

/** An arm64 machine without a disk that runs this firmware and nothing else; `type` writes on its console. */
export async function startFirmware(
  t: Stage,
  network: Network,
  { firmware, mac, card }: { firmware: string; mac: string; card: "virtio-net-pci" | "e1000" },
): Promise<Running & { type(line: string): void }> {
  const tap = await network.tap();
  const running = start(
    "qemu-system-aarch64",
    [
      ...["-M", "virt", "-cpu", "cortex-a57", "-m", "256", "-nographic", "-bios", firmware],
      ...["-netdev", `tap,id=lan,ifname=${tap},script=no,downscript=no`],
      ...["-device", `${card},netdev=lan,mac=${mac},romfile=`],
    ],
    { stdio: ["pipe", "pipe", "pipe"] },
  );
  t.atEnd(() => running.stop("SIGKILL"));
  return { ...running, type: (line) => void running.process.stdin?.write(line) };
}
