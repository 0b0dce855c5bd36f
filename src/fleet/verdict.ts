import type { Boot, Step } from "./boots.ts";

/** Evidence → cause and what to do, first rule that fits wins (spec observability.md 7.1, pi-boot.md 7). */
const RULES: { fits: (boot: Boot) => boolean; words: (boot: Boot) => string }[] = [
  {
    fits: (b) => b.outcome === "superseded",
    words: (b) => `The board started anew after it had reached: ${REACHED[b.stage]}.`,
  },
  {
    fits: (b) => b.outcome === "booted",
    words: (b) =>
      `The system came up ${seconds((b.endedMs ?? b.startedMs) - b.startedMs)} after the first DHCP request.`,
  },
  {
    fits: (b) => b.stage === "switched-root",
    words: () =>
      "The agent handed over to the image's own system, which reported nothing: this image has no reporter.",
  },
  {
    fits: (b) => b.stage === "dhcp" && b.steps.some((s) => s.words.includes("another server")),
    words: () =>
      "Another server answered this board: see the events for its address. Two netboot servers on one network disturb each other.",
  },
  {
    fits: (b) => b.stage === "dhcp",
    words: () =>
      "We answered, but the board never asked for a file. In proxy mode it also needs an address from the router's DHCP; with spanning tree on, the switch port may still be closed (set it to edge/portfast); a firewall may block UDP 69.",
  },
  {
    fits: (b) => b.stage === "firmware" && files(b).some((s) => s.result === "broken"),
    words: (b) =>
      `The transfer of ${files(b).find((s) => s.result === "broken")?.path} broke off. Look for packet loss, or a path MTU below 1500.`,
  },
  {
    fits: (b) => b.stage === "firmware" && files(b).every((s) => s.result === "missing"),
    words: (b) =>
      `None of the files that the board asked for exist in its boot tree: ${missing(b)}. The image may not be made for this model.`,
  },
  {
    fits: (b) => b.stage === "firmware",
    words: (b) =>
      `The firmware stopped before a kernel was read. Last: ${files(b).at(-1)?.path}. Missing: ${missing(b)}.`,
  },
  {
    fits: (b) => b.stage === "kernel",
    words: () =>
      "The kernel was read, but the agent never spoke: wrong kernel or device tree for this model, or the agent lacks the network driver of this kernel.",
  },
  {
    fits: (b) => b.stage === "agent",
    words: (b) => `The agent started, but attached no root. Last: ${last(b)}.`,
  },
  {
    fits: (b) => b.stage === "root",
    words: (b) => `The root was attached, but the system did not start from it. Last: ${last(b)}.`,
  },
];

const REACHED: Record<Boot["stage"], string> = {
  dhcp: "an answer to its DHCP request",
  firmware: "its first boot file",
  kernel: "the kernel, wholly read",
  agent: "the agent",
  root: "its root disk",
  "switched-root": "the image's own system",
  booted: "the booted system",
};

/** One sentence for people: why a boot ended as it did, and what to do about it. */
export const verdict = (boot: Boot): string =>
  RULES.find((rule) => rule.fits(boot))?.words(boot) ?? `It ended at: ${REACHED[boot.stage]}.`;

const files = (boot: Boot): Step[] => boot.steps.filter((step) => step.kind === "tftp" && step.path);
const last = (boot: Boot): string => boot.steps.at(-1)?.words ?? "nothing";
const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

/** Files asked for, never sent; the usual absentees of a good boot are left out (spec pi-boot.md 2.2–2.4, marked x). */
function missing(boot: Boot): string {
  const sent = new Set(files(boot).flatMap((s) => (s.result === "sent" ? [s.path] : [])));
  const names = new Set(
    files(boot).flatMap((s) =>
      s.result === "missing" && !sent.has(s.path) && !USUAL.test(s.path ?? "") ? [s.path] : [],
    ),
  );
  return [...names].slice(0, 8).join(", ") || "nothing that a good boot needs";
}
const USUAL =
  /(^|\/)(bootsig\.bin|autoboot\.txt|recover[a-z0-9-]*\.(elf|img)|dt-blob\.bin|bootcfg\.txt|vl805\.sig|pieeprom\.sig|armstub[^/]*)$/;
