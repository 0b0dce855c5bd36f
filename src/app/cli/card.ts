import { copyFile, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Command } from "commander";
import { BrambleError } from "../../base/errors.ts";
import { readAll } from "../../base/tree.ts";
import { openFirmware } from "../../storage/firmware.ts";
import { dataPath } from "../data.ts";
import { show } from "./print.ts";
import { globals } from "./session.ts";

/** Boot order of an EEPROM that tries the network first and starts over: 0xf21 is SD, then network (spec pi-boot.md 1.4). */
const BOOT_CONF = `[all]
BOOT_UART=0
WAKE_ON_GPIO=1
POWER_OFF_ON_HALT=0
BOOT_ORDER=0xf21
NET_BOOT_MAX_RETRIES=-1
`;

export function cardCommands(program: Command): void {
  const card = program
    .command("card")
    .description("write the few files that prepare a board onto a mounted FAT card");

  card
    .command("pi3-otp <dir>")
    .description("a Pi 3B or 2B v1.2: one boot of a card with this line sets the network-boot bit for ever")
    .action(async (dir: string, _, command: Command) => {
      const config = join(await mounted(dir), "config.txt");
      const before = await readFile(config, "utf8").catch(() => "");
      if (!before.includes("program_usb_boot_mode=1")) {
        await writeFile(
          config,
          `${before}${before === "" || before.endsWith("\n") ? "" : "\n"}program_usb_boot_mode=1\n`,
        );
      }
      done(
        command,
        [config],
        [
          "Boot the Pi once from this card (it must hold a working system), then check on it:",
          "  vcgencmd otp_dump | grep 17:     must print 17:3020000a",
          "The bit cannot be cleared. Take the line out of config.txt before the card goes into another Pi.",
        ],
      );
    });

  card
    .command("bootcode <dir>")
    .description(
      "any Pi up to the 3B+: bootcode.bin on the card, everything else from the network (also cures a 3B's ROM bugs)",
    )
    .option("--firmware <name:version>", "take bootcode.bin from a firmware set of ours")
    .option("--from <file>", "take this bootcode.bin")
    .action(async (dir: string, given: { firmware?: string; from?: string }, command: Command) => {
      const target = join(await mounted(dir), "bootcode.bin");
      if (given.from) await copyFile(given.from, target);
      else {
        if (!given.firmware) {
          throw new BrambleError("BAD_INPUT", "where is bootcode.bin to come from?", {
            hint: "--from FILE, or --firmware NAME:VERSION after: bramble firmware add raspi-firmware_*.deb",
          });
        }
        const tree = await openFirmware(dataPath(globals(command).data), given.firmware);
        const file = await tree.open("bootcode.bin");
        if (!file) throw new BrambleError("FILE_UNKNOWN", `${given.firmware} has no bootcode.bin`);
        await writeFile(target, await readAll(file));
      }
      const timeout = join(dir, "timeout");
      await writeFile(timeout, "");
      done(command, [target, timeout], ["The card stays in the Pi; it holds nothing else. FAT32, please."]);
    });

  card
    .command("pi4-boot-order <dir>")
    .description("a Pi 4, 400 or CM4: the bootloader settings that let it boot from the network")
    .action(async (dir: string, _, command: Command) => {
      const file = join(await mounted(dir), "bootconf.txt");
      await writeFile(file, BOOT_CONF);
      done(
        command,
        [file],
        [
          "On a running Pi: sudo rpi-eeprom-config --apply bootconf.txt, then reboot.",
          "0xf21: SD card, then network, then from the start; without a card that is the network.",
          "A recovery card that needs no running system wants recovery.bin and an EEPROM image as well: see docs/prepare-a-pi.md.",
        ],
      );
    });
}

async function mounted(dir: string): Promise<string> {
  const found = await stat(dir).catch(() => undefined);
  if (found?.isDirectory()) return dir;
  throw new BrambleError("FILE_UNKNOWN", `${dir} is no folder`, {
    hint: "mount the card's FAT partition and name that folder",
  });
}

function done(command: Command, files: string[], words: string[]): void {
  show(globals(command).output, { files }, () =>
    [...files.map((file) => `wrote ${file}`), ...words].join("\n"),
  );
}
