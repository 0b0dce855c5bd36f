import type { Command } from "commander";
import pc from "picocolors";
import { whole } from "./numbers.ts";
import { ago, clock, show, table } from "./print.ts";
import { globals, withCommands } from "./session.ts";

/** Who is told of events. */
export function webhookCommands(program: Command): void {
  const webhook = program.command("webhook").description("web servers that are told of events, signed");
  webhook.command("list").action(async (_, command: Command) => {
    const options = globals(command);
    const hooks = await withCommands(options, (commands) => commands.webhooks({}));
    show(options.output, hooks, () =>
      table(
        ["WEBHOOK", "ADDRESS", "KINDS", "WAITING", "DEAD", "MISSED", "LAST TROUBLE"],
        hooks.map((hook) => [
          hook.name,
          hook.url,
          hook.kinds.join(",") || "all",
          String(hook.waiting),
          hook.dead > 0 ? pc.red(String(hook.dead)) : "0",
          String(hook.missed),
          hook.error ?? "-",
        ]),
      ),
    );
  });
  webhook
    .command("add <name> <url>")
    .description("tell a web server of events from now on; prints the secret, this once")
    .option("--kind <kind...>", "only these kinds of events, as `bramble event list` shows them")
    .option("--secret <secret>", "whsec_ and base64; default: Bramble makes one")
    .action(
      async (name: string, url: string, given: { kind?: string[]; secret?: string }, command: Command) => {
        const options = globals(command);
        const made = await withCommands(options, (commands) =>
          commands.addWebhook({
            name,
            url,
            ...(given.kind && { kinds: given.kind }),
            ...(given.secret !== undefined && { secret: given.secret }),
          }),
        );
        show(
          options.output,
          made,
          () => `${made.name} is told of events from now on. Its secret, shown this once:\n${made.secret}`,
        );
      },
    );
  webhook
    .command("rm <name>")
    .description("tell it no more; what it was not told yet is forgotten")
    .action(async (name: string, _, command: Command) => {
      const options = globals(command);
      const gone = await withCommands(options, (commands) => commands.removeWebhook({ webhook: name }));
      show(options.output, gone, () => `${gone.name} is told no more.`);
    });
  webhook
    .command("test <name>")
    .description("send one event of kind test now")
    .action(async (name: string, _, command: Command) => {
      const options = globals(command);
      const told = await withCommands(options, (commands) => commands.testWebhook({ webhook: name }));
      show(
        options.output,
        told,
        () =>
          `${told.delivered ? pc.green("delivered") : pc.red("refused")}: ${told.answer}, ${told.tookMs} ms`,
      );
      if (!told.delivered) process.exitCode = 1;
    });
  webhook
    .command("dead <name>")
    .description("events that it could not be told")
    .action(async (name: string, _, command: Command) => {
      const options = globals(command);
      const letters = await withCommands(options, (commands) => commands.deadLetters({ webhook: name }));
      show(options.output, letters, () =>
        table(
          ["LETTER", "EVENT", "KIND", "FROM", "TRIES", "WHY"],
          letters.map((one) => [
            String(one.id),
            String(one.event),
            one.kind,
            `${clock(one.createdMs)} (${ago(one.createdMs)})`,
            String(one.attempts),
            one.error,
          ]),
        ),
      );
    });
  webhook
    .command("replay <name>")
    .argument("[letter]", "its number in `webhook dead`", whole(1, 999_999_999_999))
    .description("try dead letters again: one, or all")
    .action(async (name: string, letter: string | undefined, _, command: Command) => {
      const options = globals(command);
      const told = await withCommands(options, (commands) =>
        commands.replayWebhook({ webhook: name, ...(letter !== undefined && { letter: Number(letter) }) }),
      );
      show(options.output, told, () => `${told.replayed} letters are on their way again.`);
    });
}
