// The life of a node as data: docs/lifecycle.md draws it, lifecycle-check.ts proves what must hold of it.

export const NODE_STATES = [
  "discovered",
  "enrolled",
  "inspecting",
  "inspect_failed",
  "cleaning",
  "clean_failed",
  "ready",
  "reserved",
  "installing",
  "install_failed",
  "first_boot",
  "deployed",
  "rescuing",
  "rescue",
  "rescue_failed",
  "releasing",
  "release_failed",
  "restoring_firmware",
  "quarantined",
  "broken",
  "retired",
] as const;
export type NodeState = (typeof NODE_STATES)[number];

export const LIFE_EVENTS = [
  "enrol",
  "forget",
  "inspect",
  "done",
  "adopt",
  "fail",
  "clean",
  "quarantine",
  "reserve",
  "unreserve",
  "deploy",
  "installed",
  "phone_home",
  "reinstall",
  "rescue",
  "unrescue",
  "release",
  "mark_broken",
  "repair",
  "tampered",
  "accept",
  "retire",
  "identity_conflict",
] as const;
export type LifeEvent = (typeof LIFE_EVENTS)[number];

/** `rest` waits for a person or the API; `busy` is work of ours with a deadline; `fail` needs a decision. */
export type StateKind = "rest" | "busy" | "fail";
/** Which boot tree a node is given. `agent-inventory`: it tells what it is and powers off. `custom` comes from an override only. */
export type BootTreeName = "deployed" | "agent-inventory" | "ram-rescue" | "custom" | "none";

/** What is to be done after a change of state, in this order; `goOn` and the checks end in the event that leads on. */
export type Effect =
  | { kind: "revoke" }
  | { kind: "dropClone" }
  | { kind: "makeClone" }
  | { kind: "dropVolumes" }
  | { kind: "dropSecrets" }
  | { kind: "power"; want: "off" | "cycle"; soft?: boolean }
  | { kind: "goOn"; event: LifeEvent }
  | { kind: "checkFirmware" }
  | { kind: "checkCleaned" };
export type EffectKind = Effect["kind"];

export interface StateFacts {
  kind: StateKind;
  boot: BootTreeName;
  /** Why it gets what it gets, for people. */
  why: string;
  /** Somebody's data is on its disks, or may be. */
  touched?: true;
  /** Nothing leads out of it. */
  terminal?: true;
  /** Of a try. Where it is over and no try is left, `onTimeout` happens, by `system`. */
  timeoutS?: number;
  onTimeout?: LifeEvent;
  /** Tries after the first. */
  retries?: number;
  /** The work waits for the board itself: without somebody who can switch it on, that may take long. */
  waitsForBoard?: true;
  /** Done when it is entered. */
  effects: readonly Effect[];
}

const REVOKE: Effect = { kind: "revoke" };
const CYCLE: Effect = { kind: "power", want: "cycle" };
const OFF: Effect = { kind: "power", want: "off" };

export type StateTable = { [S in NodeState]: StateFacts };

const rest = (boot: BootTreeName, why: string, effects: readonly Effect[] = []): StateFacts => ({
  ...{ kind: "rest" as const, boot, why, effects },
});
const fail = (boot: BootTreeName, why: string, effects: readonly Effect[] = []): StateFacts => ({
  ...{ kind: "fail" as const, boot, why, effects },
});
const busy = (
  facts: Pick<StateFacts, "boot" | "why" | "effects" | "waitsForBoard"> & {
    timeoutS: number;
    retries: number;
  },
): StateFacts => ({ ...facts, kind: "busy", onTimeout: "fail" });
const touched = (facts: StateFacts): StateFacts => ({ ...facts, touched: true });

export const STATES: StateTable = {
  discovered: rest("none", "it waits to be enrolled"),
  enrolled: rest("none", "it is enrolled, and not deployed yet"),
  inspecting: busy({
    ...{ timeoutS: 600, retries: 2, boot: "agent-inventory", waitsForBoard: true },
    ...{ why: "it is being inspected", effects: [REVOKE, CYCLE] },
  }),
  inspect_failed: fail("none", "its inspection failed"),
  cleaning: busy({
    ...{
      timeoutS: 7200,
      retries: 1,
      boot: "none",
      why: "it is being cleaned: nothing of that runs on the node",
    },
    effects: [
      REVOKE,
      { kind: "dropClone" },
      { kind: "dropVolumes" },
      { kind: "dropSecrets" },
      { kind: "checkCleaned" },
    ],
  }),
  clean_failed: touched(fail("none", "its cleaning failed: its disks may hold the last owner's data")),
  ready: rest("none", "it is ready, and nothing is deployed on it", [OFF]),
  reserved: {
    ...rest("none", "it is reserved, and nothing is deployed on it yet"),
    timeoutS: 3600,
    onTimeout: "unreserve",
  },
  installing: touched(
    busy({
      ...{ timeoutS: 1800, retries: 2, boot: "none", why: "its clone is being made" },
      effects: [REVOKE, { kind: "dropClone" }, { kind: "makeClone" }, { kind: "goOn", event: "installed" }],
    }),
  ),
  install_failed: touched(fail("none", "its deployment failed", [OFF])),
  first_boot: touched(
    busy({
      ...{ timeoutS: 600, retries: 3, boot: "deployed", waitsForBoard: true },
      ...{ why: "it boots its new clone for the first time", effects: [CYCLE] },
    }),
  ),
  deployed: touched(rest("deployed", "it is deployed")),
  rescuing: touched(
    busy({
      ...{ timeoutS: 600, retries: 2, boot: "ram-rescue", waitsForBoard: true },
      ...{ why: "it is being rescued", effects: [REVOKE, CYCLE] },
    }),
  ),
  rescue: touched(rest("ram-rescue", "it is in rescue")),
  rescue_failed: touched(fail("deployed", "its rescue failed: it boots its own disk")),
  releasing: touched(
    busy({
      ...{ timeoutS: 300, retries: 3, boot: "none", why: "it is being released" },
      effects: [REVOKE, { kind: "power", want: "off", soft: true }, { kind: "goOn", event: "done" }],
    }),
  ),
  release_failed: touched(fail("none", "its release failed")),
  restoring_firmware: touched(
    busy({
      ...{ timeoutS: 600, retries: 2, boot: "none", why: "its firmware comes before its disks" },
      effects: [{ kind: "checkFirmware" }],
    }),
  ),
  quarantined: touched(fail("none", "it is quarantined: an operator must decide", [REVOKE, OFF])),
  broken: touched(fail("none", "it is marked broken")),
  retired: { ...rest("none", "it is retired", [REVOKE, OFF]), terminal: true },
};

/** Whose rights a transition asks for. An admin has an operator's; a tenant's count for its own nodes; `node` is a board with its boot's token. */
export type Who = "operator" | "tenant" | "policy" | "system" | "node";

export interface Transition {
  from: NodeState | "*";
  event: LifeEvent;
  to: NodeState;
  who: readonly Who[];
  /** What must hold beside the state; lifecycle.ts asks for it. */
  guard?: string;
  /** In this policy only. */
  policy?: "home" | "hosting";
  /** Beside those of the state that it leads to, before them. */
  effects?: readonly Effect[];
}

const PEOPLE: readonly Who[] = ["tenant", "operator"];
const RULES: readonly Who[] = ["operator", "policy"];
const row = (
  from: Transition["from"],
  event: LifeEvent,
  to: NodeState,
  who: readonly Who[],
  more: Partial<Transition> = {},
): Transition => ({
  ...{ from, event, to, who },
  ...more,
});

export const TRANSITIONS: readonly Transition[] = [
  row("discovered", "enrol", "enrolled", RULES),
  row("discovered", "forget", "retired", ["operator"]),
  row("enrolled", "inspect", "inspecting", RULES),
  row("enrolled", "adopt", "deployed", RULES, { policy: "home" }),
  row("inspecting", "done", "cleaning", ["system"], { guard: "its inventory is complete" }),
  row("inspecting", "adopt", "deployed", ["operator"], {
    ...{ guard: "what is on it is kept; an owner is named in policy hosting", effects: [REVOKE, CYCLE] },
  }),
  row("inspecting", "fail", "inspect_failed", ["system", "operator"]),
  row("inspect_failed", "inspect", "inspecting", ["operator"]),
  row("cleaning", "done", "ready", ["system"], { guard: "every disk has a verified record" }),
  row("cleaning", "fail", "clean_failed", ["system", "operator"]),
  row("clean_failed", "clean", "cleaning", RULES),
  row("clean_failed", "quarantine", "quarantined", RULES),
  row("ready", "reserve", "reserved", ["tenant", "operator", "policy"], {
    guard: "an owner is named in policy hosting",
  }),
  row("ready", "inspect", "inspecting", ["operator"]),
  row("ready", "clean", "cleaning", ["operator"]),
  row("reserved", "unreserve", "ready", ["tenant", "operator", "system"]),
  row("reserved", "deploy", "installing", PEOPLE),
  row("installing", "installed", "first_boot", ["node", "system"]),
  row("installing", "fail", "install_failed", ["node", "system", "operator"]),
  row("install_failed", "deploy", "installing", PEOPLE),
  row("install_failed", "rescue", "rescuing", PEOPLE),
  row("install_failed", "release", "releasing", PEOPLE),
  row("first_boot", "phone_home", "deployed", ["node"]),
  row("first_boot", "fail", "install_failed", ["system"]),
  row("deployed", "reinstall", "installing", PEOPLE),
  row("deployed", "rescue", "rescuing", PEOPLE),
  row("deployed", "release", "releasing", PEOPLE),
  row("deployed", "mark_broken", "broken", RULES),
  row("rescuing", "done", "rescue", ["node", "system"]),
  row("rescuing", "fail", "rescue_failed", ["system"]),
  row("rescue", "unrescue", "first_boot", PEOPLE, { effects: [REVOKE] }),
  row("rescue", "release", "releasing", PEOPLE),
  row("rescue_failed", "rescue", "rescuing", PEOPLE),
  row("rescue_failed", "unrescue", "first_boot", PEOPLE, { effects: [REVOKE] }),
  row("rescue_failed", "release", "releasing", PEOPLE),
  row("releasing", "done", "restoring_firmware", ["system"]),
  row("releasing", "fail", "release_failed", ["system"]),
  row("release_failed", "release", "releasing", RULES),
  row("restoring_firmware", "done", "cleaning", ["system"], {
    guard: "the policy says that firmware is not checked",
  }),
  row("restoring_firmware", "tampered", "quarantined", ["system"]),
  row("restoring_firmware", "fail", "quarantined", ["system"]),
  row("quarantined", "accept", "enrolled", ["operator"]),
  row("quarantined", "retire", "retired", ["operator"]),
  row("broken", "repair", "inspecting", ["operator"]),
  row("broken", "release", "releasing", ["operator"]),
  row("broken", "retire", "retired", ["operator"]),
  row("enrolled", "mark_broken", "broken", RULES),
  row("ready", "mark_broken", "broken", RULES),
  row("inspect_failed", "mark_broken", "broken", RULES),
  row("ready", "retire", "retired", ["operator"]),
  row("enrolled", "retire", "retired", ["operator"]),
  row("*", "identity_conflict", "quarantined", ["system"], {
    guard: "the policy quarantines who moves; never a retired one",
  }),
];
