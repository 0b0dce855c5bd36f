import { hostname, userInfo } from "node:os";
import { createInterface } from "node:readline";
import { password as askPassword, confirm, isCancel } from "@clack/prompts";
import { type Command, Option } from "commander";
import { tokenByPassword, whoAmI } from "../../api/client.ts";
import type { Role } from "../../api/route.ts";
import { BrambleError } from "../../base/errors.ts";
import { forgetLogin, saveLogin, serverUrl, shownKey } from "./logins.ts";
import { days, rows } from "./numbers.ts";
import { clock, show, table } from "./print.ts";
import { globals, withCommands } from "./session.ts";

const ROLES = ["viewer", "tenant", "operator", "admin"];
const LOGIN_DAYS = 90;
const when = (ms: number | undefined): string => (ms === undefined ? "" : clock(ms));

/** Asked on a terminal, else the first line of what is piped in: a password is no argument, which others could read. */
async function readPassword(message: string): Promise<string> {
  if (process.stdin.isTTY) {
    const typed = await askPassword({ message });
    if (isCancel(typed)) process.exit(130);
    return String(typed);
  }
  for await (const line of createInterface({ input: process.stdin })) return line;
  throw new BrambleError("BAD_INPUT", "no password came", { hint: "type it, or pipe one line in" });
}

/** A key that no authority stands for is trusted once, by a person who compares it. */
async function trustedKey(url: string, expected: string | undefined): Promise<string | undefined> {
  if (!url.startsWith("https:")) return undefined;
  const { fingerprint, trusted } = await shownKey(url);
  if (expected !== undefined) {
    if (expected.replace(/[:\s]/g, "").toLowerCase() === fingerprint) return fingerprint;
    throw new BrambleError("CERTIFICATE_BAD", `${url} shows the key ${fingerprint}`);
  }
  if (trusted) return undefined;
  console.error(`${url} shows a key that no authority of this system stands for:\n  ${fingerprint}`);
  const yes =
    process.stdin.isTTY && (await confirm({ message: "Is it the one that `bramble status` there tells?" }));
  if (yes === true) return fingerprint;
  throw new BrambleError("CERTIFICATE_BAD", "the key was not trusted", {
    hint: `--fingerprint ${fingerprint}`,
  });
}

export function accessCommands(program: Command): void {
  loginCommands(program);
  userCommands(program.command("user").description("who may log in"));
  tokenCommands(program.command("token").description("what programs show instead of a password"));
  auditCommand(program);
}

function loginCommands(program: Command): void {
  program
    .command("login <url>")
    .description("remember a Bramble elsewhere, for --server URL or BRAMBLE_SERVER")
    .option("--user <name>", "default: your name here")
    .option("--fingerprint <sha256>", "of its key, where no authority stands for it")
    .option("--days <n>", "how long the login lasts", days, String(LOGIN_DAYS))
    .action(
      async (
        text: string,
        given: { user?: string; fingerprint?: string; days: string },
        command: Command,
      ) => {
        const url = serverUrl(text);
        const fingerprint = await trustedKey(url, given.fingerprint);
        const server = { url, ...(fingerprint !== undefined && { fingerprint }) };
        const user = given.user ?? userInfo().username;
        const token =
          globals(command).token ??
          (await tokenByPassword(
            server,
            { user, password: await readPassword(`Password of ${user} at ${url}`) },
            { name: `${userInfo().username}@${hostname()}`, days: Number(given.days) },
          ));
        const me = await whoAmI({ ...server, token });
        const path = saveLogin({ ...server, token });
        show(
          globals(command).output,
          { url, ...me },
          () => `logged in at ${url} as ${me.name} (${me.role}); kept in ${path}`,
        );
      },
    );
  program
    .command("logout <url>")
    .description("forget a login, and revoke its token")
    .action(async (text: string, _: object, command: Command) => {
      const url = serverUrl(text);
      await withCommands({ ...globals(command), server: url }, (commands) =>
        commands.removeToken({ token: `${userInfo().username}@${hostname()}` }),
      ).catch((error: BrambleError) => console.error(`its token stays until it expires: ${error.message}`));
      forgetLogin(url);
      console.log(`logged out at ${url}`);
    });
}

function userCommands(user: Command): void {
  const role = () => new Option("--role <role>", "what they may do").choices(ROLES);
  user
    .command("list")
    .description("users and their roles")
    .action(async (_: object, command: Command) => {
      const all = await withCommands(globals(command), (commands) => commands.users({}));
      show(globals(command).output, all, () =>
        table(
          ["NAME", "ROLE", "PASSWORD", "LAST LOGIN"],
          all.map((one) => [one.name, one.role, one.hasPassword ? "yes" : "none", when(one.lastLoginMs)]),
        ),
      );
    });
  user
    .command("add <name>")
    .description("make a user; the password is asked for, or is the line that is piped in")
    .addOption(role().default("viewer"))
    .option("--no-password", "no password: a login link or tokens only")
    .action(async (name: string, given: { role: Role; password: boolean }, command: Command) => {
      const password = given.password
        ? await readPassword(`Password of ${name} (10 characters at least)`)
        : undefined;
      const one = await withCommands(globals(command), (commands) =>
        commands.addUser({ name, role: given.role, ...(password !== undefined && { password }) }),
      );
      show(globals(command).output, one, () => `${one.name} is ${one.role}`);
    });
  user
    .command("set <name>")
    .description("change a role or a password")
    .addOption(role())
    .option("--password", "ask for a new one; their sessions end")
    .action(async (name: string, given: { role?: Role; password?: boolean }, command: Command) => {
      const password = given.password ? await readPassword(`New password of ${name}`) : undefined;
      const one = await withCommands(globals(command), (commands) =>
        commands.setUser({
          user: name,
          ...(given.role !== undefined && { role: given.role }),
          ...(password !== undefined && { password }),
        }),
      );
      show(globals(command).output, one, () => `${one.name} is ${one.role}`);
    });
  user
    .command("rm <name>")
    .description("remove a user, with sessions and tokens")
    .action(async (name: string, _: object, command: Command) => {
      const gone = await withCommands(globals(command), (commands) => commands.removeUser({ user: name }));
      show(globals(command).output, gone, () => `${gone.name} is gone`);
    });
  user
    .command("link <name>")
    .description("a link that logs this user in once, within five minutes")
    .action(async (name: string, _: object, command: Command) => {
      const link = await withCommands(globals(command), async (commands, running) => {
        if (!running) throw new BrambleError("SERVER_NEEDED", "a link opens the page of a running Bramble");
        const { secret, expiresMs } = await commands.makeLoginLink({ user: name });
        const { listening } = await commands.status({});
        const page = listening.find((one) => one.startsWith("page "))?.slice(5) ?? "";
        return { url: `${page}/#login=${secret}`, expiresMs };
      });
      show(globals(command).output, link, () => link.url);
    });
}

function tokenCommands(token: Command): void {
  token
    .command("list")
    .description("tokens: whose, how far they reach, until when")
    .action(async (_: object, command: Command) => {
      const all = await withCommands(globals(command), (commands) => commands.tokens({}));
      show(globals(command).output, all, () =>
        table(
          ["ID", "NAME", "USER", "ROLE", "SCOPES", "EXPIRES", "USED"],
          all.map((one) => [
            one.id,
            one.name,
            one.user ?? "",
            one.role,
            one.scopes.join(" "),
            when(one.expiresMs),
            when(one.lastUsedMs),
          ]),
        ),
      );
    });
  token
    .command("add <name>")
    .description("make a token; it is shown once")
    .addOption(new Option("--role <role>", "no more than its maker's").choices(ROLES))
    .option("--scope <area...>", "areas of the API: nodes, images:read; default: all")
    .option("--days <n>", "until it expires", days, "30")
    .option("--user <name>", "whose rights it has at most")
    .action(
      async (
        name: string,
        given: { role?: Role; scope?: string[]; days: string; user?: string },
        command: Command,
      ) => {
        const one = await withCommands(globals(command), (commands) =>
          commands.addToken({
            name,
            days: Number(given.days),
            ...(given.role !== undefined && { role: given.role }),
            ...(given.scope !== undefined && { scopes: given.scope }),
            ...(given.user !== undefined && { user: given.user }),
          }),
        );
        show(globals(command).output, one, () => one.token);
      },
    );
  token
    .command("rm <token>")
    .description("revoke a token by its id or name")
    .action(async (reference: string, _: object, command: Command) => {
      const gone = await withCommands(globals(command), (commands) =>
        commands.removeToken({ token: reference }),
      );
      show(globals(command).output, gone, () => `${gone.name} is revoked`);
    });
}

function auditCommand(program: Command): void {
  program
    .command("audit")
    .description("who did what, newest first")
    .option("--target <name>", "of a node, an image, a user")
    .option("--by <name>", "of one caller")
    .option("--action <verb>", "of one kind")
    .option("--limit <n>", "so many", rows, "50")
    .option("--check", "does every record follow from the one before")
    .action(
      async (
        given: { target?: string; by?: string; action?: string; limit: string; check?: boolean },
        command: Command,
      ) => {
        const { output } = globals(command);
        if (given.check) {
          const found = await withCommands(globals(command), (commands) => commands.checkAudit({}));
          show(output, found, () =>
            found.brokenAt === undefined
              ? `${found.records} records follow each from the one before; the newest is ${found.head ?? "none"}`
              : `record ${found.brokenAt} does not follow from the one before`,
          );
          if (found.brokenAt !== undefined) process.exitCode = 1;
          return;
        }
        const { check: _, limit, ...query } = given;
        const all = await withCommands(globals(command), (commands) =>
          commands.audit({ ...query, limit: Number(limit) }),
        );
        show(output, all, () =>
          table(
            ["WHEN", "WHO", "FROM", "ACTION", "TARGET", "RESULT", "CHANGED"],
            all.map((one) => [
              when(one.atMs),
              `${one.by} (${one.role})`,
              one.from ?? "",
              one.action,
              one.target ?? "",
              one.result,
              one.after === undefined ? "" : JSON.stringify(one.after),
            ]),
          ),
        );
      },
    );
}
