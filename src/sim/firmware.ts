// What a firmware's age changes (release notes of raspberrypi/rpi-eeprom; constants read out of its images).
import { familyOf, isOldBoot, revisionOf } from "../formats/boards.ts";
import type { SimStage, TftpHabits, VirtualPi } from "./board.ts";

/** Of a board that does not say how old its firmware is. */
export const TODAY = "2025-11-01";

export const stagesOf = (pi: VirtualPi): readonly SimStage[] => {
  if (pi.stages) return pi.stages;
  if (familyOf(pi.model) === "bcm2712") return ["eeprom5"];
  if (familyOf(pi.model) === "bcm2711") return ["eeprom4"];
  return familyOf(pi.model) === "bcm2837" ? ["rom3", "bootcode"] : ["bootcode"];
};

export const revisionOfPi = (pi: VirtualPi): number => pi.revision ?? revisionOf(pi.model);

/** The three forms of option 97: fixtures of the GUID, by the build of the image. */
export function guidForm(pi: VirtualPi & { firmwareDate: string }): "RPi4" | "4iPR" | "5iPR" | "serial" {
  const { firmwareDate: date } = pi;
  if (isOldBoot(pi.model)) return "serial";
  if (familyOf(pi.model) === "bcm2712") return date >= "2023-10-30" ? "5iPR" : "4iPR";
  if (date < "2020-03-04") return "serial";
  return date < "2022-03-10" ? "RPi4" : "4iPR";
}

/** The MAC in the GUID was left zero in the first release that had it. */
export const guidHasMac = (date: string): boolean => date >= "2020-03-16";

/** TFTP_MAX_BLOCK_SIZE: none before 2019-10-08, 1024, 1468 since 2022-10-03; wrap since 2025-09-23. */
export function eepromHabits(family: "bcm2711" | "bcm2712", date: string, fileTimeoutMs: number): TftpHabits {
  const old = family === "bcm2711" && date < "2022-10-03";
  return {
    options: true,
    blockSize: old ? (date < "2019-10-08" ? undefined : 1024) : 1468,
    wraps: date >= "2025-09-23",
    acksDuplicates: date >= "2021-02-16",
    fileTimeoutMs,
  };
}

/** start*.elf of August 2022 asks for 1024, that of April 2024 for 1468; where between is not known. Wrapping is not known either. */
export const startElfHabits = (date: string, fileTimeoutMs: number): TftpHabits => ({
  options: true,
  blockSize: date < "2023-01-01" ? 1024 : 1468,
  wraps: false,
  acksDuplicates: date >= "2021-02-16",
  fileTimeoutMs,
});

export const BOOTCODE_HABITS: TftpHabits = {
  options: true,
  blockSize: undefined,
  wraps: false,
  acksDuplicates: false,
  fileTimeoutMs: 30_000,
};

export const ROM_HABITS: TftpHabits = { ...BOOTCODE_HABITS, options: false };

/** Boundaries in time, ISO. */
export const SINCE = {
  /** "SELF_UPDATE and bootloader_update are now enabled by default." */
  selfUpdate: "2020-05-15",
  /** A failed TFTP boot waits 5 s before the next try. */
  retryPause: "2020-06-03",
  /** start4.elf's time-out (not its absence) ends the attempt. */
  start4Timeout: "2019-09-25",
  /** First seen in a log of May 2020, not in one of June 2018; renamed overlays came with Linux 5.4. */
  overlayMap: "2020-03-01",
  /** "Load overlay_map.dtb only when an overlay needs it". */
  overlayMapLazy: "2026-01-01",
  relay: "2020-06-12",
  siaddr: "2019-10-08",
  secondNetworkTry: "2023-10-18",
} as const;
