import { readFile } from "node:fs/promises";
import { text as readAll } from "node:stream/consumers";
import { type Command, Option } from "commander";
import pc from "picocolors";
import type { ImportView, PlaceRow } from "../../api/model-contract.ts";
import { BrambleError } from "../../base/errors.ts";
import { hostLines, managementName, type PlannedHost } from "../../fleet/address-hosts.ts";
import type { ExternalDhcp } from "../../fleet/dhcp-external.ts";
import { PLACE_KEYS, type PlacePatch, placeWords } from "../../fleet/places.ts";
import { labelsShown } from "./groups.ts";
import { orNull } from "./node-settings.ts";
import { show, table } from "./print.ts";
import { type SelectOptions, selecting, someOrAll } from "./select.ts";
import { globals, withCommands } from "./session.ts";

/** `place`, `address`: where nodes stand, and their addresses. */
export function placeCommands(program: Command): void {
  const place = program
    .command("place")
    .description("where nodes stand: site, rack, unit, slot, switch port");

  selecting(place.command("show [nodes...]").description("by site, rack, unit and slot")).action(
    async (names: string[], given: SelectOptions, command: Command) => {
      const options = globals(command);
      const select = someOrAll(names, given);
      const rows = await withCommands(options, (commands) => commands.places(select));
      show(options.output, rows, () =>
        rows.length === 0
          ? "No nodes yet: a board appears here when it first asks for an address."
          : placeTable(rows),
      );
    },
  );

  const set = place.command("set <node>").description("one node's place; `-` takes a part away");
  for (const key of PLACE_KEYS) set.option(`--${key} <name>`);
  set.action(async (name: string, given: Record<string, string>, command: Command) => {
    const options = globals(command);
    const patch: PlacePatch = {};
    for (const key of PLACE_KEYS) if (given[key] !== undefined) patch[key] = orNull(given[key]);
    if (Object.keys(patch).length === 0)
      throw new BrambleError("BAD_INPUT", "what of its place?", { hint: "--rack 3 --unit 12 --slot 4" });
    const one = await withCommands(options, (commands) =>
      commands.setNode({ node: name, patch: { place: patch } }),
    );
    show(options.output, one, () => `${one.name}: ${placeWords(one.place) || "nowhere"}`);
  });

  place
    .command("import <file>")
    .description("places, groups, labels and addresses from CSV; `-` reads standard input")
    .option("--dry-run", "only say what it would do")
    .option("--strict", "refuse all where one row is refused")
    .action(async (file: string, given: { dryRun?: boolean; strict?: boolean }, command: Command) => {
      const options = globals(command);
      const csv = file === "-" ? await readAll(process.stdin) : await readFile(file, "utf8");
      const done = await withCommands(options, (commands) => commands.importPlaces({ csv, ...given }));
      show(options.output, done, () => importLines(done, file, given));
      if (done.refusedRows > 0) process.exitCode = 1;
    });

  selecting(place.command("export [nodes...]").description("the CSV that import takes")).action(
    async (names: string[], given: SelectOptions, command: Command) => {
      const options = globals(command);
      const select = someOrAll(names, given);
      const { csv } = await withCommands(options, (commands) => commands.exportPlaces(select));
      process.stdout.write(csv);
    },
  );

  addressCommands(program);
}

function addressCommands(program: Command): void {
  const address = program.command("address").description("the address plan: which node has which address");

  selecting(address.command("list [nodes...]").description("client and management addresses")).action(
    async (names: string[], given: SelectOptions, command: Command) => {
      const options = globals(command);
      const select = someOrAll(names, given);
      const plan = await withCommands(options, (commands) => commands.addresses(select));
      show(options.output, plan, () =>
        [
          table(
            ["NODE", "CLIENT", "FROM", "MANAGEMENT", "FROM"],
            plan.rows.map((row) => [
              row.node,
              row.client ?? "-",
              row.clientFrom ?? "",
              row.management ?? "-",
              row.managementFrom ?? "",
            ]),
          ),
          ...plan.trouble.map(({ node, kind, why }) => pc.red(`${node} has no ${kind} address: ${why}`)),
          ...plan.notes.map((words) => pc.yellow(words)),
        ].join("\n"),
      );
    },
  );

  selecting(
    address
      .command("export [nodes...]")
      .description("the plan as lines for another DHCP server, of nodes whose MAC is known")
      .addOption(
        new Option("--for <server>", "which one").choices(["dnsmasq", "kea", "isc"]).makeOptionMandatory(),
      ),
  ).action(async (names: string[], given: SelectOptions & { for: ExternalDhcp }, command: Command) => {
    const options = globals(command);
    const select = someOrAll(names, given);
    const { rows } = await withCommands(options, (commands) => commands.addresses(select));
    const hosts = rows.flatMap(({ node, mac, client, management, managementMac }): PlannedHost[] => [
      ...(mac && client ? [{ name: node, mac, address: client }] : []),
      ...(managementMac && management
        ? [{ name: managementName(node), mac: managementMac, address: management }]
        : []),
    ]);
    process.stdout.write(hostLines(given.for, hosts));
  });

  const pool = address.command("pool").description("addresses for the nodes of a rack, or of a label");
  pool
    .command("list")
    .description("all pools")
    .action(async (_, command: Command) => {
      const options = globals(command);
      const all = await withCommands(options, (commands) => commands.addressPools({}));
      show(options.output, all, () =>
        all.length === 0
          ? "No pools yet: bramble address pool add rack-3 10.3.0.10-10.3.0.250 --for rack=3"
          : table(
              ["NAME", "KIND", "FROM", "TO", "USED", "FOR"],
              all.map((one) => [
                one.name,
                one.kind,
                one.from,
                one.to,
                `${one.used}/${one.size}`,
                one.for || "all",
              ]),
            ),
      );
    });
  pool
    .command("add <pool> <from-to>")
    .description("addresses for the nodes of a selector: add rack-3 10.3.0.10-10.3.0.250 --for rack=3")
    .option("--for <selector>", "the nodes that it is for; default: all")
    .addOption(
      new Option("--kind <kind>", "which address").choices(["client", "management"]).default("client"),
    )
    .action(
      async (
        name: string,
        range: string,
        given: { for?: string; kind: "client" | "management" },
        command: Command,
      ) => {
        const options = globals(command);
        const one = await withCommands(options, (commands) =>
          commands.addAddressPool({ pool: name, ...rangeOf(range), ...given }),
        );
        show(options.output, one, () => poolWords(one));
      },
    );
  pool
    .command("set <pool>")
    .description("change it; nodes outside of it then are given other addresses")
    .option("--range <from-to>", "first and last address")
    .option("--for <selector>", "the nodes that it is for; `-` means all")
    .action(async (name: string, given: { range?: string; for?: string }, command: Command) => {
      const options = globals(command);
      const one = await withCommands(options, (commands) =>
        commands.setAddressPool({
          pool: name,
          ...(given.range !== undefined && rangeOf(given.range)),
          ...(given.for !== undefined && { for: orNull(given.for) ?? "" }),
        }),
      );
      show(options.output, one, () => poolWords(one));
    });
  pool
    .command("remove <pool>")
    .alias("rm")
    .description("take its addresses back")
    .action(async (name: string, _, command: Command) => {
      const options = globals(command);
      const gone = await withCommands(options, (commands) => commands.removeAddressPool({ pool: name }));
      show(options.output, gone, () => `address pool ${gone.name} is removed.`);
    });
}

function rangeOf(text: string): { from: string; to: string } {
  const [from = "", to = "", ...more] = text.split("-");
  if (from !== "" && to !== "" && more.length === 0) return { from, to };
  throw new BrambleError("BAD_INPUT", `${text} is no range of addresses`, {
    hint: "the first and the last address: 10.3.0.10-10.3.0.250",
  });
}

const poolWords = (one: { name: string; kind: string; size: number; used: number; for: string }): string =>
  `${one.name}: ${one.size} ${one.kind} addresses for ${one.for || "all nodes"}, ${one.used} in use`;

const placeTable = (rows: readonly PlaceRow[]): string =>
  table(
    ["SITE", "RACK", "UNIT", "SLOT", "NODE", "SWITCH", "PORT", "GROUP", "LABELS"],
    rows.map(({ place, node, group, labels }) => [
      place.site ?? "-",
      place.rack ?? "-",
      place.unit ?? "-",
      place.slot ?? "-",
      node,
      place.switch ?? "-",
      place.port ?? "-",
      group ?? "-",
      labelsShown(labels),
    ]),
  );

function importLines(
  { changed, same, refused, refusedRows, dryRun }: ImportView,
  file: string,
  given: { dryRun?: boolean; strict?: boolean },
): string {
  const more = refusedRows - refused.length;
  const verb = dryRun ? "would be" : changed === 1 ? "is" : "are";
  return [
    ...refused.map(
      ({ line, column, field, why }) =>
        `${pc.red(`${file}:${line}:${column}`)} ${field ? `${field}: ` : ""}${why}`,
    ),
    ...(more > 0 ? [pc.red(`and ${more} more rows`)] : []),
    `${changed} ${verb} changed, ${same} as before, ${refusedRows} refused`,
    ...(given.strict && refusedRows > 0 ? ["Nothing was changed: --strict takes all rows or none."] : []),
  ].join("\n");
}
