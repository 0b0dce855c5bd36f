import type { Command } from "commander";
import { packageFolder } from "../package.ts";
import { globals } from "./session.ts";

export function serviceCommand(program: Command): void {
  program
    .command("service")
    .description(
      "a systemd unit that runs this Bramble: bramble service -- --interface eth0 > bramble.service",
    )
    .argument("[options...]", "options of `up`, after --")
    .action((options: string[], _, command: Command) => {
      process.stdout.write(
        unit({
          node: [process.execPath, ...process.execArgv],
          main: packageFolder("dist/src/app/main.js"),
          data: globals(command).data,
          up: options,
        }),
      );
    });
}

/** One word of ExecStart= (systemd.service(5), "Command lines"): quotes, %, $ and \ mean themselves. */
const word = (text: string): string =>
  /^[\w@:,./=+-]+$/.test(text)
    ? text
    : `"${text.replace(/[\\"]/g, "\\$&").replaceAll("%", "%%").replaceAll("$", "$$$$")}"`;

/**
 * The unit's text. SIGTERM goes to the main process alone (KillMode=mixed): it asks nodes to wait, and ends what they have open in
 * the right order. Whatever ends it, it is started again at once and without end: the nodes' roots hang on it.
 */
export function unit(what: {
  node: readonly string[];
  main: string;
  data: string | undefined;
  up: readonly string[];
}): string {
  const { node, main, data, up } = what;
  const start = [...node, main, ...(data ? ["--data", data] : []), "up", ...up].map(word).join(" ");
  const capabilities = "CAP_NET_BIND_SERVICE CAP_NET_RAW CAP_NET_ADMIN";
  return `[Unit]
Description=Bramble: netboots Raspberry Pis
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart=${start}
Restart=always
RestartSec=500ms
KillMode=mixed
TimeoutStopSec=30
DynamicUser=yes
${data ? `ReadWritePaths=${word(data)}` : "StateDirectory=bramble\nStateDirectoryMode=0700"}
AmbientCapabilities=${capabilities}
CapabilityBoundingSet=${capabilities}
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=yes
LimitNOFILE=1048576
OOMScoreAdjust=-900

[Install]
WantedBy=multi-user.target
`;
}
