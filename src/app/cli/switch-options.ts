import { readFile } from "node:fs/promises";
import { isCancel, password } from "@clack/prompts";
import { type Command, InvalidArgumentError } from "commander";
import type { PowerSecrets, PowerSwitchOptions } from "../../api/power-contract.ts";
import { BrambleError } from "../../base/errors.ts";
import { number } from "./numbers.ts";

/** What a person gave: names as commander makes them. */
export type SwitchGiven = Record<string, string | boolean | number | number[] | string[] | undefined>;

/** Secrets come from files, standard input or a question: what stands on a command line, every user of the machine can read. */
const SECRETS: readonly [name: keyof PowerSecrets, option: string, words: string][] = [
  ["community", "community", "SNMP v2c: a community that may write"],
  ["authKey", "auth-key", "SNMPv3"],
  ["privacyKey", "privacy-key", "SNMPv3"],
  ["password", "password", "of --user, for those over HTTP"],
  ["secret", "secret", "signs what a webhook is sent"],
  ["token", "token", "Bearer token of a webhook in MAAS's way"],
];

/** The options that say how a device is spoken to. */
export function switchOptions(command: Command): Command {
  command
    .option("--address <address>", "IP address, host:port or URL")
    .option("--user <name>", "SNMPv3 user, or the login over HTTP")
    .option("--auth-protocol <name>", "SNMPv3: md5, sha, sha224, sha256, sha384, sha512; default sha256")
    .option("--privacy-protocol <name>", "SNMPv3: des, aes, aes256b, aes256r; default aes")
    .option("--context <name>", "SNMPv3")
    .option("--vlans <numbers>", "Cisco IOS: VLANs to look for boards in: 10,20", numbers)
    .option("--switch-by <argv>", "JSON: a program that switches what SNMP can only read", list)
    .option("--family <name>", "APC: rpdu, rpdu2, masterswitch; default: what it answers to")
    .option("--mac <mac>", "UniFi: of the switch behind the controller")
    .option("--site <name>", "UniFi: default: default")
    .option("--classic", "UniFi: a controller that is not on UniFi OS")
    .option("--insecure", "take the certificate that the device has made itself")
    .option("--argv <argv>", 'exec: JSON: ["/usr/local/bin/power", "{state}", "{port}"]', list)
    .option("--no-reads", "exec: the program does not answer `status`")
    .option("--on-url <url>", "webhook in MAAS's way, with {port}, {node}, {serial}, {mac}")
    .option("--off-url <url>", "the same")
    .option("--query-url <url>", "the same")
    .option("--on-pattern <pattern>", "what the query's answer has when it is on")
    .option("--off-pattern <pattern>", "what it has when it is off")
    .option("--generation <n>", "Shelly: 1, or 2 for all later ones", number)
    .option("--every <seconds>", "between two readings; default 120", number)
    .option("--off-seconds <seconds>", "between off and on; default 5", number)
    .option("--reserve-watts <watts>", "that a board may take; default 7, Pi 5: 12", number)
    .option("--timeout-ms <ms>", "of one SNMP question; default 3000", number);
  for (const [, option, words] of SECRETS)
    command.option(`--${option}-file <file>`, `${words}; "-" asks, or reads standard input`);
  return command;
}

const PLAIN = [
  "user",
  "authProtocol",
  "privacyProtocol",
  "context",
  "vlans",
  "switchBy",
  "family",
  "mac",
  "site",
  "insecure",
  "argv",
  "onUrl",
  "offUrl",
  "queryUrl",
  "onPattern",
  "offPattern",
  "generation",
  "every",
  "offSeconds",
  "reserveWatts",
  "timeoutMs",
] as const;

/** What the API takes. Reads the files of secrets. */
export async function switchSettings(given: SwitchGiven): Promise<{
  address?: string;
  options: PowerSwitchOptions;
  secrets: PowerSecrets;
}> {
  const options: Record<string, unknown> = {};
  for (const name of PLAIN) if (given[name] !== undefined) options[name] = given[name];
  if (given["classic"] === true) options["unifiOs"] = false;
  if (given["reads"] === false) options["reads"] = false;
  const secrets: PowerSecrets = {};
  for (const [name, option] of SECRETS) {
    const file = given[`${name}File`];
    if (typeof file === "string") secrets[name] = await secretFrom(file, option);
  }
  const { address } = given;
  return { options, secrets, ...(typeof address === "string" && { address }) };
}

async function secretFrom(file: string, what: string): Promise<string> {
  if (file === "-" && process.stdin.isTTY) {
    const answer = await password({ message: what });
    if (isCancel(answer)) throw new BrambleError("CANCELLED", "nothing was changed");
    return answer;
  }
  const text = await readFile(file === "-" ? "/dev/stdin" : file, "utf8").catch((cause: Error) => {
    throw new BrambleError("FILE_UNKNOWN", `${file} cannot be read: ${cause.message}`, { cause });
  });
  const secret = text.replace(/\r?\n$/, "");
  if (secret === "" || /[\r\n]/.test(secret))
    throw new BrambleError("BAD_INPUT", `${file} holds no ${what}: one line is wanted`);
  return secret;
}

const numbers = (text: string): number[] => text.split(",").map(number);
export function list(text: string): string[] {
  try {
    const value: unknown = JSON.parse(text);
    if (Array.isArray(value) && value.every((one) => typeof one === "string") && value.length > 0)
      return value;
  } catch {
    // told below
  }
  throw new InvalidArgumentError('a JSON list of texts is wanted: ["/usr/local/bin/power", "{state}"]');
}
