import { REACHED } from "./boots.ts";
import type { Evidence, Rule } from "./diagnosis.ts";
import { has, wordsOf } from "./diagnosis-dhcp.ts";

/** So many boots in a row that began anew are a loop. */
export const LOOP = 3;
/** Boots in a row, this one included, that the board broke off by starting anew. */
const restarts = ({ before = [] }: Evidence): number => {
  const first = before.findIndex(({ outcome }) => outcome !== "superseded");
  return 1 + (first < 0 ? before.length : first);
};
const last = ({ boot }: Evidence): string => boot.steps.at(-1)?.words ?? "nothing";

/** What is true at any stage, and what comes after the kernel (spec observability.md 7.1; pi-boot.md 7, rows 8, 16, 20). */
export const SYSTEM_RULES = {
  first: [
    {
      cause: "boot-loop",
      when: "the board started anew three times in a row or more, without coming up",
      fits: (e) => e.boot.outcome === "superseded" && restarts(e) >= LOOP,
      words: (e) =>
        `It started anew ${restarts(e)} times in a row, this time after ${REACHED[e.boot.stage]}.`,
      todo: "A kernel panic or a watchdog restarts a board: look at its console or netconsole. `bramble node set NODE --root shell` stops it before its system.",
    },
    {
      cause: "restarted",
      when: "the board started anew before the boot had come to an end",
      fits: (e) => e.boot.outcome === "superseded",
      words: (e) => `The board started anew after ${REACHED[e.boot.stage]}.`,
      todo: "Nothing, if somebody has restarted it. Else look at the boots before (`bramble boot list NODE`).",
    },
    {
      cause: "not-ready",
      when: "Bramble could not make the boot's files",
      fits: (e) => has(e, "not-ready"),
      words: (e) => `Bramble could not serve it: ${wordsOf(e, "not-ready")}.`,
      todo: "Repair what the sentence names; a power cycle of the board changes nothing.",
    },
    {
      cause: "root-refused",
      when: "the server refused the node its root disk",
      fits: (e) => has(e, "root-refused") && (e.boot.stage === "agent" || e.boot.stage === "kernel"),
      words: (e) => `It was refused its root disk: ${wordsOf(e, "root-refused")}.`,
      todo: "Somebody else has the disk open, or came with the wrong secret or from another address: docs/fencing.md, docs/nfs.md; `bramble clone show NODE` says who.",
    },
    {
      cause: "agent-failed",
      when: "the agent gave up, and said why",
      fits: (e) => has(e, "gave-up"),
      words: (e) => wordsOf(e, "gave-up"),
      todo: "The sentence is the agent's own. `bramble node set NODE --root shell` gives a shell on its console at the next boot.",
    },
  ],
  last: [
    {
      cause: "no-kernel-root",
      when: "the kernel was read that mounts its root over NFS by itself, and it never asked for it",
      fits: (e) => e.boot.stage === "kernel" && has(e, "kernel-root"),
      words: () => "The kernel was read, but it never asked for its root over NFS.",
      todo: "It has no driver for the network card built in, got no answer to its own DHCP request, or a firewall is between (TCP, the port in `bramble status`): look at its console. `bramble node set NODE --nfs-boot agent` has the agent mount it.",
    },
    {
      cause: "agent-silent",
      when: "the kernel was read, the agent never spoke",
      fits: ({ boot }) => boot.stage === "kernel",
      words: () => "The kernel was read, but the agent never spoke.",
      todo: "Wrong kernel or device tree for this model, or the agent lacks this kernel's network driver: look at console or netconsole, and at `bramble node tree NODE`.",
    },
    {
      cause: "root-lost",
      when: "the root disk was opened, then closed, and the system did not come up",
      fits: (e) =>
        ["agent", "root", "switched-root"].includes(e.boot.stage) &&
        e.boot.steps.findLast(({ kind }) => kind === "disk")?.fact === "root-closed",
      words: (e) => `Its root disk was opened, and closed again: ${wordsOf(e, "root-closed")}.`,
      todo: "The board has lost the network or has crashed: cable, switch port, power supply; look at its console.",
    },
    {
      cause: "no-root",
      when: "the agent started, and attached no root",
      fits: ({ boot }) => boot.stage === "agent",
      words: (e) => `The agent started, but attached no root. Last: ${last(e)}.`,
      todo: "Do the node's connections for its root reach Bramble (firewall: TCP 3260 for iSCSI, 10809 for NBD, for NFS the port in `bramble status`)? `bramble node set NODE --root shell` gives a shell on its console.",
    },
    {
      cause: "no-system",
      when: "the root was attached, the agent did not hand over to the system",
      fits: ({ boot }) => boot.stage === "root",
      words: (e) => `The root was attached, but the system did not start from it. Last: ${last(e)}.`,
      todo: "Is the root's file system damaged, or without an init? `bramble clone reset NODE` begins with the image as it is.",
    },
    {
      cause: "os-silent",
      when: "the agent handed over and left a reporter, the system never reported",
      fits: ({ boot }) => boot.stage === "switched-root",
      words: () => "The image's own system was started, but never reported that it is up.",
      todo: "A service may wait for ever (`systemctl list-jobs` on its console), or user data is wrong (`cloud-init status --long`). `bramble node seed NODE` shows what it was given.",
    },
  ],
} as const satisfies { first: readonly Rule[]; last: readonly Rule[] };
