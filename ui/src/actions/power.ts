// Power of nodes, and the switches, PDUs and plugs that switch it.
import { ROUTES } from "virtual:routes";
import type { NodeView } from "../../../src/api/contract.ts";
import type { SwitchPortView, SwitchView } from "../../../src/api/power-contract.ts";
import { count } from "../format.ts";
import { nodeList } from "../nodes.ts";
import { go } from "../place.ts";
import { powers } from "../powers.ts";
import { action, entry, type Field, type Option, type Values } from "./action.ts";
import { schemaFields } from "./schema-fields.ts";

const SOFT: Field = {
  name: "soft",
  label: "Ask its system to shut down first",
  kind: "tick",
  hint: "else what runs on it ends at once",
  value: true,
};

export const power = (node: NodeView, want: "on" | "off" | "cycle") =>
  action({
    verb: "setPower",
    title: want === "cycle" ? "Power cycle" : `Power ${want}`,
    words:
      want === "on"
        ? `${node.name} is switched on.`
        : `${node.name} is switched off${want === "cycle" ? " and on again" : ""}.`,
    danger: want !== "on",
    long: true,
    why: powers.value.has(node.name)
      ? undefined
      : "nothing is known that switches its power: add its switch on the page Switches, then bind it under More",
    fields: want === "on" ? [] : [SOFT],
    fixed: { node: node.name, want },
    done: (now) => `${now.node}: ${now.actual}`,
  });

const switchOptions = (switches: readonly SwitchView[]): Option[] =>
  switches.map(({ name, driver }) => ({ value: name, text: `${name} (${driver})` }));

export const bindPower = (node: NodeView, switches: readonly SwitchView[]) =>
  entry(
    action({
      verb: "bindPower",
      title: "Bind to a switch port",
      words: "Which port gives it its power. Scanning a switch finds it by itself where the switch tells.",
      why: switches.length === 0 ? "there is no switch yet: add one on the page Switches" : undefined,
      fields: [
        { name: "switch", label: "Switch", kind: "select", required: true, options: switchOptions(switches) },
        { name: "port", label: "Port", required: true, example: "1/0/7" },
      ],
      fixed: { node: node.name },
      done: (now) => `${now.node} hangs on ${now.switch} ${now.port}`,
    }),
  );

export const unbindPower = (node: NodeView) =>
  entry(
    action({
      verb: "unbindPower",
      title: "Unbind from its port",
      danger: true,
      why: powers.value.has(node.name) ? undefined : "none is known",
      fields: [],
      fixed: { node: node.name },
      done: ({ name }) => `${name} is bound to no port`,
    }),
  );

/** The fields of options and secrets come from the contract: what a driver does not need stays empty. */
function inner(verb: "addSwitch" | "setSwitch", part: "options" | "secrets"): Field[] {
  const properties = ROUTES[verb]?.args?.properties?.[part]?.properties ?? {};
  return schemaFields(verb, [], properties).map((field) => ({
    ...field,
    required: false,
    name: `${part}.${field.name}`,
    ...(part === "secrets" && {
      kind: "secret" as const,
      hint: SECRET_OF[field.name] ?? "never shown again",
    }),
  }));
}

/** Whose each secret is; none is ever shown again. */
const SECRET_OF: Readonly<Record<string, string>> = {
  community: "snmp, snmp-pdu: SNMP v2c, one that may write",
  authKey: "snmp, snmp-pdu: SNMPv3",
  privacyKey: "snmp, snmp-pdu: SNMPv3",
  password: "routeros, unifi, ubus, redfish, shelly, tasmota: of the user below",
  secret: "webhook: signs what it is sent",
  token: "webhook in MAAS's way: Bearer token",
};

function split(values: Values): Values {
  const out: Values = {};
  for (const [name, value] of Object.entries(values)) {
    const [part, key] = name.split(".");
    if (key === undefined || part === undefined) out[name] = value;
    else if (value !== false) out[part] = { ...(out[part] as object), [key]: value };
  }
  return out;
}

const DRIVERS: readonly (readonly [string, string])[] = [
  ["snmp", "snmp: PoE switch, SNMP v2c or v3"],
  ["snmp-pdu", "snmp-pdu: power strip (APC)"],
  ["routeros", "routeros: MikroTik"],
  ["unifi", "unifi: UniFi controller"],
  ["ubus", "ubus: OpenWrt"],
  ["redfish", "redfish: a server's BMC"],
  ["webhook", "webhook: URLs for on, off and query"],
  ["exec", "exec: a program of yours"],
  ["shelly", "shelly: plug"],
  ["tasmota", "tasmota: plug"],
  ["manual", "manual: a person switches"],
  ["virtual", "virtual: for trying"],
];

export const addSwitch = () =>
  action({
    verb: "addSwitch",
    title: "Add a switch",
    words:
      "A PoE switch, a PDU or a plug. It must answer. Fill in what its kind needs and leave the rest; secrets are never shown again.",
    fields: [
      { name: "name", label: "Name", required: true, example: "sw-1" },
      {
        name: "driver",
        label: "Kind",
        kind: "select",
        required: true,
        value: "snmp",
        options: DRIVERS.map(([value, text]) => ({ value, text })),
      },
      { name: "address", label: "Address", example: "10.0.0.2 or https://…" },
      ...inner("addSwitch", "secrets"),
      { name: "unseen", label: "Also where it does not answer now", kind: "tick" },
      ...inner("addSwitch", "options"),
    ],
    args: (values) => split(values) as never,
    done: ({ name, ports }) => `${name}: ${count(ports, "port")}`,
    after: ({ name }) => go(`/switches/${name}`),
  });

export const setSwitch = (one: SwitchView) =>
  action({
    verb: "setSwitch",
    title: "Change",
    words: "What is left empty stays as it is.",
    fields: [
      { name: "address", label: "Address", ...(one.address !== undefined && { value: one.address }) },
      ...inner("setSwitch", "secrets"),
      ...inner("setSwitch", "options"),
      {
        name: "drop",
        label: "Options that go back to what they are by themselves",
        kind: "list",
        hint: "one name a line",
      },
    ],
    args: (values) => ({ switch: one.name, ...split(values) }) as never,
    done: ({ name }) => `${name} is changed`,
  });

export const scanSwitch = (one: SwitchView) =>
  action({
    verb: "scanSwitch",
    title: "Scan",
    words: "Looks at what hangs on its ports: by the addresses that it has learned, and LLDP.",
    fields: [{ name: "bind", label: "Bind the nodes that are found", kind: "tick", value: true }],
    fixed: { switch: one.name },
    done: (found) =>
      found.length === 0
        ? "No known node was found on it"
        : `${count(found.length, "node")}: ${found.map(({ node, name }) => `${node} on ${name}`).join(", ")}`,
  });

export const removeSwitch = (one: SwitchView) =>
  action({
    verb: "removeSwitch",
    title: "Remove",
    danger: true,
    why:
      one.nodes.length > 0 ? `${count(one.nodes.length, "node")} hang on it: unbind them first` : undefined,
    fields: [],
    fixed: { switch: one.name },
    done: ({ name }) => `${name} is removed`,
    after: () => go("/switches"),
  });

/** What can be done with one port. */
export const portEntries = (port: SwitchPortView) => {
  const at = { switch: port.switch, port: port.port ?? port.name };
  const noPower = port.port === undefined ? "it gives no power" : undefined;
  const node = nodeList.value.find(({ name }) => name === port.node);
  return [
    ...(node ? [entry(power(node, "cycle")), entry(power(node, "off")), entry(power(node, "on"))] : []),
    entry(
      action({
        verb: "bindPower",
        title: "Bind a node",
        why: noPower ?? (port.node === undefined ? undefined : `${port.node} does`),
        fields: [
          {
            name: "node",
            label: "Node",
            kind: "select",
            required: true,
            ...(port.seen[0] !== undefined && { value: port.seen[0] }),
            options: () => nodeList.value.map(({ name }) => ({ value: name, text: name })),
          },
        ],
        fixed: at,
        done: (now) => `${now.node} hangs on ${now.switch} ${now.port}`,
      }),
    ),
    entry(
      action({
        verb: "provePort",
        title: "Prove it",
        words: "Takes the port's power and gives it back, and binds the node that then asks for an address.",
        danger: true,
        long: true,
        why: noPower ?? port.guard,
        fields: [],
        fixed: at,
        done: (now) => `${now.node} hangs on ${now.switch} ${now.port}`,
      }),
    ),
    entry(
      action({
        verb: "guardPort",
        title: "Guard it",
        words: "Up-links and the like are guarded by rules; this says otherwise for one port.",
        why: noPower,
        fields: [
          {
            name: "guard",
            label: "May it be switched?",
            kind: "select",
            emptyIsNull: true,
            hint: "none: by the rules",
            options: [
              { value: "allow", text: "yes, whatever the rules say" },
              { value: "refuse", text: "never" },
            ],
          },
        ],
        fixed: at,
        done: (now) => `${now.name}: ${now.guard ?? "it may be switched"}`,
      }),
    ),
  ];
};
