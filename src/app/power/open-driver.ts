// From what the book knows of a device to its driver. What is missing or cannot be is told before anything is kept.

import type { PowerSwitchOptions } from "../../api/power-contract.ts";
import { BrambleError } from "../../base/errors.ts";
import type { PowerDriver } from "../../power/driver.ts";
import { exec, runArgv, valuesOf } from "../../power/exec.ts";
import type { DeviceUrl } from "../../power/http.ts";
import { manual, virtual } from "../../power/manual.ts";
import { shelly, tasmota } from "../../power/plugs.ts";
import { redfish } from "../../power/redfish.ts";
import { routeros } from "../../power/routeros.ts";
import type { SnmpAccess } from "../../power/snmp.ts";
import { snmpPdu } from "../../power/snmp-pdu.ts";
import { snmpPoe } from "../../power/snmp-poe.ts";
import { ubus } from "../../power/ubus.ts";
import { unifi } from "../../power/unifi.ts";
import { maasWebhook, webhook } from "../../power/webhook.ts";
import type { NewSwitch } from "./devices.ts";

/** Throws BAD_INPUT. `asked`: how long each SNMP question took. */
export function openDriver(wish: NewSwitch, now: () => number, asked?: (ms: number) => void): PowerDriver {
  const { driver, secrets } = wish;
  const options = wish.options as PowerSwitchOptions;
  switch (driver) {
    case "snmp": {
      const { vlans, switchBy } = options;
      const poe = snmpPoe({ ...snmpAccess(wish), ...(asked && { asked }), now, ...(vlans && { vlans }) });
      return switchBy ? switchedBy(poe, switchBy) : poe;
    }
    case "snmp-pdu":
      return snmpPdu({
        ...snmpAccess(wish),
        ...(asked && { asked }),
        now,
        ...(options.family && { family: options.family }),
      });
    case "routeros":
      return routeros(deviceUrl(wish, "https"), now);
    case "unifi": {
      const { mac, site, unifiOs } = options;
      if (mac === undefined) throw missing(driver, "--mac", "the MAC of the switch behind the controller");
      return unifi({
        ...deviceUrl(wish, "https"),
        mac,
        now,
        ...(site && { site }),
        ...(unifiOs !== undefined && { unifiOs }),
      });
    }
    case "ubus":
      return ubus(deviceUrl(wish, "http"), now);
    case "redfish":
      return redfish(deviceUrl(wish, "https"), now);
    case "webhook": {
      const { onUrl, offUrl, queryUrl, onPattern, offPattern } = options;
      if (onUrl === undefined && offUrl === undefined && queryUrl === undefined) {
        const { user: _, password: __, ...device } = deviceUrl(wish, "https");
        return webhook({
          ...device,
          now,
          ...(secrets["secret"] !== undefined && { secret: secrets["secret"] }),
        });
      }
      if (!onUrl || !offUrl || !queryUrl)
        throw missing(driver, "--on-url, --off-url and --query-url", "all three");
      return maasWebhook({
        onUrl,
        offUrl,
        queryUrl,
        now,
        ...(onPattern && { onPattern }),
        ...(offPattern && { offPattern }),
        ...(secrets["token"] !== undefined && { token: secrets["token"] }),
        ...login(wish),
      });
    }
    case "exec":
      if (!options.argv?.[0])
        throw missing(driver, "--argv", 'JSON: ["/usr/local/bin/power", "{state}", "{port}"]');
      return exec({ argv: options.argv, reads: options.reads ?? true, now });
    case "shelly":
      return shelly({ ...deviceUrl(wish, "http"), generation: options.generation === 1 ? 1 : 2 }, now);
    case "tasmota":
      return tasmota(deviceUrl(wish, "http"), now);
    case "manual":
      return manual(now);
    case "virtual":
      return virtual(now);
  }
}

const missing = (driver: string, option: string, hint: string): BrambleError =>
  new BrambleError("BAD_INPUT", `the driver ${driver} needs ${option}`, { hint });

/** host or host:port; 161 is taken where none is given. */
function snmpAccess({ driver, address, options: given, secrets }: NewSwitch): SnmpAccess {
  const options = given as PowerSwitchOptions;
  const { community, authKey, privacyKey } = secrets;
  const [, host, port] = /^(\[[^\]]+\]|[^:]+)(?::(\d+))?$/.exec(address ?? "") ?? [];
  if (host === undefined)
    throw missing(driver, "--address", "the switch's IP address or name, with :port where it is not 161");
  if (options.user === undefined && community === undefined)
    throw missing(driver, "--community-file or --user", "v2c wants a community, v3 a user with keys");
  for (const key of [authKey, privacyKey]) {
    if (key !== undefined && key.length < 8)
      throw new BrambleError("BAD_INPUT", "a key of SNMPv3 has eight characters at least (RFC 3414 11.2)");
  }
  if (privacyKey !== undefined && authKey === undefined)
    throw missing(driver, "--auth-key-file", "SNMPv3 has no privacy without authentication");
  return {
    host: host.replace(/^\[|\]$/g, ""),
    ...(port !== undefined && { port: Number(port) }),
    ...(community !== undefined && { community }),
    ...(options.user !== undefined && { user: options.user }),
    ...(authKey !== undefined && { auth: { protocol: options.authProtocol ?? "sha256", key: authKey } }),
    ...(privacyKey !== undefined && {
      privacy: { protocol: options.privacyProtocol ?? "aes", key: privacyKey },
    }),
    ...(options.context !== undefined && { context: options.context }),
    ...(options.timeoutMs !== undefined && { timeoutMs: options.timeoutMs }),
  };
}

/** `scheme` is taken where the address has none. */
function deviceUrl(wish: NewSwitch, scheme: "http" | "https"): DeviceUrl {
  const { address, driver } = wish;
  if (address === undefined) throw missing(driver, "--address", "its URL, or its IP address or name");
  const url = /^https?:\/\//.test(address) ? address : `${scheme}://${address}`;
  if (!URL.canParse(url)) throw new BrambleError("BAD_INPUT", `${address} is no address`);
  const { username, password } = new URL(url);
  if (username !== "" || password !== "")
    throw new BrambleError("BAD_INPUT", "no password belongs into an address", {
      hint: "--user and --password-file",
    });
  return { url, ...login(wish) };
}

const login = ({ options, secrets }: NewSwitch): Omit<DeviceUrl, "url"> => {
  const { user, insecure } = options as PowerSwitchOptions;
  return {
    ...(user !== undefined && { user }),
    ...(secrets["password"] !== undefined && { password: secrets["password"] }),
    ...(insecure !== undefined && { insecure }),
  };
};

/** Read by the driver, switched by a program: for switches whose SNMP takes no SET. */
function switchedBy(driver: PowerDriver, argv: readonly string[]): PowerDriver {
  return {
    ...driver,
    async set(target, on, signal) {
      await runArgv(argv, { state: on ? "on" : "off", ...valuesOf(target) }, signal);
    },
  };
}
