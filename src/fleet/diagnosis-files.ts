import type { Step } from "./boots.ts";
import type { Evidence, Rule } from "./diagnosis.ts";
import { has } from "./diagnosis-dhcp.ts";

const fetching = ({ boot }: Evidence): boolean => boot.stage === "firmware";
const files = ({ boot }: Evidence): Step[] => boot.steps.filter(({ kind, path }) => kind === "tftp" && path);
const broken = (e: Evidence): Step[] => files(e).filter(({ result }) => result === "broken");
/** Block numbers of firmware that does not wrap end here: 65,535 blocks of 512 bytes (spec pi-boot.md 7, row 13). */
const WRAP_BYTES = 65_535 * 512;
/** Asked for so often, a file is asked for in a loop. */
const LOOP = 3;

/** Files asked for, never sent; the usual absentees of a good boot are left out (spec pi-boot.md 2.2–2.4, marked x). */
function missing(e: Evidence): string[] {
  const sent = new Set(files(e).flatMap(({ result, path }) => (result === "sent" ? [path] : [])));
  const names = files(e).flatMap(({ result, path = "" }) =>
    result === "missing" && !sent.has(path) && !USUAL.test(path) ? [path] : [],
  );
  return [...new Set(names)].slice(0, 8);
}
const USUAL =
  /(^|\/)(bootsig\.bin|autoboot\.txt|recover[a-z0-9-]*\.(elf|img)|dt-blob\.bin|bootcfg\.txt|vl805\.sig|pieeprom\.sig|armstub[^/]*)$/;

/** start4.elf belongs to fixup4.dat: one without the other is a mixed firmware (spec pi-boot.md 7, row 15). */
function unpaired(e: Evidence): string | undefined {
  const of = (result: string) => files(e).filter((step) => step.result === result);
  for (const { path = "" } of of("sent")) {
    if (!/(^|\/)start\w*\.elf$/.test(path)) continue;
    const fixup = path.replace(/start(\w*)\.elf$/, "fixup$1.dat");
    if (of("missing").some((step) => step.path === fixup) && !of("sent").some((step) => step.path === fixup))
      return fixup;
  }
  return undefined;
}

function inLoop(e: Evidence): { path: string; times: number } | undefined {
  const counts = new Map<string, number>();
  // config.txt is none of them: a Pi 5 reads it four times
  for (const { path = "", result } of files(e))
    if (result !== "probed" && /(^|\/)(start\w*\.elf|bootcode\.bin|boot\.img)$/.test(path))
      counts.set(path, (counts.get(path) ?? 0) + 1);
  const [path = "", times = 0] = [...counts].sort(([, a], [, b]) => b - a)[0] ?? [];
  return times >= LOOP ? { path, times } : undefined;
}

/** The last requests with what became of them. */
const last = (e: Evidence, count: number): string =>
  files(e)
    .slice(-count)
    .map(({ path, result, bytes }) => `${path} ${result === "sent" ? `${bytes ?? 0} bytes` : result}`)
    .join(", ");

/** What was on its way when it ended: a transfer that broke off, or one that nobody has confirmed since. */
const brokenPath = (e: Evidence): string | undefined => broken(e).at(-1)?.path ?? e.boot.fetching?.path;

/** It asked for files, and a kernel was not read whole (spec observability.md 7.1; pi-boot.md 7, rows 9 to 17). */
export const FILE_RULES = [
  {
    cause: "wrong-model",
    when: "the image lacks files that this model needs, or none of the files asked for is in the boot tree",
    fits: (e) =>
      fetching(e) &&
      missing(e).length > 0 &&
      ((e.lacks ?? []).length > 0 || files(e).every(({ result }) => result === "missing")),
    words: (e) =>
      (e.lacks ?? []).length > 0
        ? `Its image is not made for a Pi ${e.model ?? "of this model"}: it has no ${e.lacks?.slice(0, 4).join(", ")}.`
        : `None of the files that it asked for exist in its boot tree: ${missing(e).join(", ")}.`,
    todo: "Give it an image that boots this model (`bramble image show`), or firmware beside it (`bramble firmware add`, `--firmware`).",
  },
  {
    cause: "block-wrap",
    when: "a transfer broke off where block numbers of old firmware end (33.5 MB)",
    fits: (e) => fetching(e) && broken(e).some(({ bytes = 0 }) => bytes >= WRAP_BYTES),
    words: (e) =>
      `The transfer of ${broken(e).find(({ bytes = 0 }) => bytes >= WRAP_BYTES)?.path} ended where the block numbers of old firmware do.`,
    todo: "Update the board's EEPROM, or make the file smaller: an initramfs with fewer modules.",
  },
  {
    cause: "path-mtu",
    when: "small files arrive; two or more bigger ones broke off before their first block was confirmed",
    fits: (e) =>
      fetching(e) &&
      new Set(broken(e).flatMap(({ bytes = 0, path }) => (bytes === 0 ? [path] : []))).size >= 2,
    words: (e) =>
      `Not even the first block of ${broken(e).at(-1)?.path} arrives, and of others as little: full-sized packets are lost.`,
    todo: "Look for a path MTU below 1500 (VXLAN, PPPoE, a VPN) between Bramble and the board; for ping -M do -s 1472.",
  },
  {
    cause: "file-timeout",
    when: "a file was on its way, and the board confirmed no more of it",
    fits: (e) => fetching(e) && brokenPath(e) !== undefined,
    words: (e) => `The transfer of ${brokenPath(e)} broke off: the board confirmed no more of it.`,
    todo: "Look for packet loss (duplex, cable) and for too many boots at once (`bramble supervision`). A Pi 5 may hang after a time-out until its power is cut; TFTP_FILE_TIMEOUT in the EEPROM gives it more patience.",
  },
  {
    cause: "mixed-firmware",
    when: "start*.elf was sent, the fixup*.dat that belongs to it is not there",
    fits: (e) => fetching(e) && unpaired(e) !== undefined,
    words: (e) =>
      `${unpaired(e)} is missing beside its start*.elf: the firmware files do not belong together.`,
    todo: "Put both files of the same firmware version into the boot partition, or use a firmware set (`--firmware`).",
  },
  {
    cause: "asks-in-loop",
    when: "the same boot file was asked for three times or more",
    fits: (e) => fetching(e) && inLoop(e) !== undefined,
    words: (e) => `It asked for ${inLoop(e)?.path} ${inLoop(e)?.times} times. Last: ${last(e, 10)}.`,
    todo: "Is the file damaged or empty in the boot partition? Is something on the way that rewrites or drops TFTP (a firewall's helper)?",
  },
  {
    cause: "missing-file",
    when: "a file that a good boot needs was not there",
    fits: (e) => fetching(e) && missing(e).length > 0,
    words: (e) => `The firmware stopped before a kernel was read. Missing: ${missing(e).join(", ")}.`,
    todo: "Compare with what it would get: `bramble node tree NODE`. A kernel= or os_prefix= in config.txt may name what is not there.",
  },
  {
    cause: "eeprom-old",
    when: "its EEPROM is of before 2022 (Pi 4) or the first of a Pi 5, and it came no further than its firmware",
    fits: (e) => (fetching(e) || e.boot.stage === "dhcp") && has(e, "eeprom-old"),
    words: () =>
      "Its EEPROM is old: such versions lose the network after a restart (Pi 4), or manage one network attempt only (Pi 5).",
    todo: "Update it: `sudo rpi-eeprom-update -a` on the running board. Until then only a power cycle is a good restart.",
  },
  {
    cause: "no-file-request",
    when: "DHCP was answered, no file was ever asked for",
    fits: ({ boot }) => boot.stage === "dhcp",
    words: () => "It was answered, but never asked for a file.",
    todo: "Does a firewall drop UDP 69? With another DHCP server: are next-server and option 43 right (`bramble external-dhcp`)? With spanning tree, set the switch port to edge.",
  },
  {
    cause: "firmware-stopped",
    when: "files were sent, then nothing more was asked for",
    fits: fetching,
    words: (e) => `The firmware stopped before a kernel was read. Last: ${last(e, 1)}.`,
    todo: "Is the last file whole? Let the board try for ever: BOOT_ORDER=0xf2 and NET_BOOT_MAX_RETRIES=-1 (`bramble card pi4-boot-order`).",
  },
] as const satisfies readonly Rule[];
