import type { BrambleError } from "../base/errors.ts";
import { listenForServers } from "../serve/dhcp-scan.ts";
import type { Finding } from "./doctor.ts";
import type { Wired } from "./interfaces.ts";

/** Asks each network who hands out addresses there. In proxy mode there must be one; two boot servers disturb each other. */
export async function otherServers(interfaces: readonly Wired[], ms: number): Promise<Finding[]> {
  const heard = await Promise.all(
    interfaces.map(async ({ name, address }): Promise<Finding[]> => {
      const what = `DHCP on ${name}`;
      try {
        const servers = (await listenForServers({ interface: { name, address }, ms })).filter(
          (s) => s.server !== address,
        );
        if (servers.length === 0) {
          return [
            {
              what,
              state: "warning",
              words: "no other DHCP server answered",
              hint: "in proxy mode boards also need an address from one; else: bramble up --mode full --pool FROM-TO",
            },
          ];
        }
        return servers.map((one) =>
          one.pxe === "none"
            ? { what, state: "ok", words: `${one.server} gives addresses (offered ${one.offered ?? "none"})` }
            : {
                what,
                state: "warning",
                words: `${one.server} answers boards that boot from the network${one.pxe === "raspberry" ? ", with the Raspberry Pi menu" : ""}`,
                hint: "two boot servers on one network disturb each other: switch one off for these boards",
              },
        );
      } catch (error) {
        const { message, hint } = error as BrambleError;
        return [
          { what, state: "warning", words: `not looked: ${message}`, ...(hint !== undefined && { hint }) },
        ];
      }
    }),
  );
  return heard.flat();
}
