import { splitCmdline, wordName } from "../formats/cmdline.ts";

/** Of the agent's own parameters those that a person may choose: what it does when it cannot go on, and who hears the kernel. */
const FREE = /^bramble\.(onfail=(shell|reboot)|console=netconsole)$/;

/** Parameters of an image that cannot hold on a network root, with the reason that the node's page shows (spec pi-boot.md 5.2). */
const FOREIGN: { test: (word: string) => boolean; why: string }[] = [
  {
    test: (w) => wordName(w) === "root",
    why: "names the SD card's partition; the agent mounts the node's own root",
  },
  { test: (w) => wordName(w) === "rootfstype", why: "belongs to the image's root=" },
  { test: (w) => /^init=.*\/firstboot$/.test(w), why: "resizes the SD card and would stop the boot" },
  { test: (w) => w === "resize", why: "grows the SD card's partition" },
  { test: (w) => wordName(w) === "nfsroot" || wordName(w) === "nbdroot", why: "a root of another server" },
  { test: (w) => wordName(w).startsWith("iscsi_"), why: "a root of another server" },
  { test: (w) => wordName(w) === "ip", why: "the agent asks for the address itself" },
  {
    test: (w) => w.startsWith("systemd.run=") || w.startsWith("systemd.run_success_action="),
    why: "an SD card's first run",
  },
  { test: (w) => w === "systemd.unit=kernel-command-line.target", why: "an SD card's first run" },
  { test: (w) => w.startsWith("bramble.") && !FREE.test(w), why: "only the server sets these" },
];

export interface Cmdline {
  /** One line, no newline at its end. */
  line: string;
  removed: { word: string; why: string }[];
}

/** Why a parameter cannot hold on a network root; undefined where it can. */
export const foreignWord = (word: string): string | undefined => FOREIGN.find(({ test }) => test(word))?.why;

/** What the agent is told on the command line. */
export const agentWords = (parameters: ReadonlyMap<string, string>): string[] =>
  [...parameters].map(([name, value]) => `bramble.${name}=${value}`);

/** The node's own cmdline.txt: the image's words without what cannot hold here, the profile's that it lacks, then ours. */
export function nodeCmdline(
  image: string,
  ours: readonly string[],
  profile: readonly string[] = [],
): Cmdline {
  const removed: Cmdline["removed"] = [];
  const kept = splitCmdline(image).filter((word) => {
    const why = foreignWord(word);
    if (why !== undefined) removed.push({ word, why });
    return why === undefined;
  });
  const wanted = profile.filter((word) => !kept.includes(word));
  return { line: [...kept, ...wanted, ...ours].join(" "), removed };
}
