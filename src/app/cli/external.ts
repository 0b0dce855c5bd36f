import { type Command, Option } from "commander";
import { type ExternalDhcp, externalDhcpConfig } from "../../fleet/dhcp-external.ts";
import { interfaceNamed, onlyWired } from "../interfaces.ts";

export function externalCommand(program: Command): void {
  program
    .command("external-dhcp")
    .description("mode off: the lines to paste into another DHCP server, so that boards boot from us")
    .addOption(
      new Option("--for <server>", "which one").choices(["dnsmasq", "kea", "isc"]).makeOptionMandatory(),
    )
    .option("-i, --interface <name>", "the interface that boards reach us on; default: the only wired one")
    .option("--address <ip>", "our address, instead of an interface")
    .action((given: { for: ExternalDhcp; interface?: string; address?: string }) => {
      const address =
        given.address ?? (given.interface ? interfaceNamed(given.interface) : onlyWired()).address;
      process.stdout.write(externalDhcpConfig(given.for, address));
    });
}
