// What the agent and the reporter in a node's root say to us: plain text lines, since busybox sh reads and writes them.
import { Readable } from "node:stream";
import { pack } from "tar-stream";
import { BrambleError } from "../base/errors.ts";
import type { Boot, BootStage } from "../fleet/boots.ts";
import type { Node } from "../fleet/node.ts";
import type { SeedFile } from "../fleet/seeds.ts";
import type { HttpAnswer, HttpRequest, Route } from "../serve/http.ts";
import { diskOrders, type Line, rescueDisks } from "./agent-orders.ts";
import { openSession } from "./agent-session.ts";
import { sha256 } from "./boot-files.ts";
import { clusterRoutes } from "./cluster-api.ts";
import type { Core } from "./core.ts";
import type { NfsRoot } from "./nfs-roots.ts";
import type { IscsiRoot, IscsiSession, NbdRoot } from "./node-disks.ts";
import { instanceOf, seedFilesOf, tokenInSeed } from "./node-seed.ts";

/** A lost answer may be asked for again by the same address for this long; afterwards a token is spent. */
const GRACE_MS = 60_000;
/** Reports beyond this many in a boot are dropped: a node may be a stranger's by then. */
const MOST_REPORTS = 200;

/** Bytes of an inventory; the routes take no more. */
const MOST_INVENTORY = 65_536;

/** Which stage a report proves. `failed` ends the boot. */
const REACHED: Record<string, BootStage | undefined> = {
  network: "agent",
  inventory: "agent",
  "root-attached": "root",
  volume: "root",
  seeded: "root",
  "switch-root": "switched-root",
  booted: "booted",
};

const WORDS: Record<string, string> = {
  "network-kept": "the agent keeps the system's network programs from the root's interface",
  network: "the agent has the network",
  inventory: "the agent told what the board is",
  unheard: "the kernel cannot send what it prints",
  "root-attached": "the agent attached the root",
  volume: "the agent mounted a volume",
  seeded: "the agent wrote hostname, user and keys into the root",
  "switch-root": "the agent handed over to the image's own system",
  booted: "the system reports that it is up",
};

export interface AgentHooks {
  core: Core;
  current(nodeId: string): Boot | undefined;
  /** A boot that was given up has spoken: it goes on. */
  revive(nodeId: string, bootId: string): void;
  /** What happened in a boot, for its timeline. */
  step(node: Node, words: string, reached?: BootStage): void;
  fail(node: Node, words: string): void;
  /** The timeline ends at the hand-over: nothing in this root can report. */
  ended(node: Node): void;
  /** It ended as it was asked to. */
  stopped(node: Node, words: string): void;
  /** The node as this boot sees it: a rescue's root is not its own disk. */
  seen(node: Node, bootId: string): Node;
  /** A rescue that was asked for with the node's disks. */
  wantsDisks(bootId: string): boolean;
  /** Closes the node's disk to every boot. */
  dropDisk(node: Node): Promise<void>;
  /** A one-time override has done its work. */
  used(node: Node, bootId: string): Promise<void>;
  /** What the life cycle wants to know; resolves when it stands in the book. */
  heard(
    node: Node,
    bootId: string,
    told: { fact: "booted"; words: string } | { fact: "inventory"; text: string },
  ): Promise<void>;
  /** Opens the node's disk to this boot of it alone over NBD, and closes it to every boot before. */
  exportNbd(node: Node, bootId: string, address: string): Promise<NbdRoot>;
  /** The same over iSCSI: its clone and its volumes behind one target. */
  exportIscsi(node: Node, bootId: string, address: string): Promise<IscsiRoot>;
  /** Its volumes alone behind the target, beside a root that comes by another way. */
  exportVolumes(node: Node, bootId: string, address: string): Promise<IscsiSession>;
  /** Its clone and its volumes, as they are, for a boot that is not its own system's; undefined: it has neither. */
  exportDisks(node: Node, bootId: string, address: string): Promise<IscsiSession | undefined>;
  /** The node's tree over NFS, by a secret path. */
  exportNfs(node: Node, bootId: string, address: string): Promise<NfsRoot>;
  /** The ram root: a stream, and what it is. */
  ramRoot(node: Node): Promise<{ format: "tar" | "squashfs"; stream(): Readable }>;
  /** The boots that wait for their agent: hashes of their one-time token, by boot id; two after a restart of ours. */
  tokens: Map<
    string,
    {
      nodeId: string;
      hashes: readonly string[];
      used?: { address: string; atMs: number; answer: string | undefined };
      /** It was used before a restart of ours, from here. */
      onlyFrom?: string;
      /** A newer boot of the node has used its own: this one's is worth nothing any more. */
      replaced?: true;
    }
  >;
  /** By sha256 of the secret. */
  sessions: Map<string, Session>;
  /** Where nodes reach us, by our address. */
  agentUrl(address: string): string;
  now(): number;
}

export interface Session {
  node: Node;
  bootId: string;
  address: string;
  reports: number;
}

/** The routes of the node-facing listener. */
export function agentRoutes(hooks: AgentHooks): Route[] {
  const { core, sessions } = hooks;
  /** By node: the welcome that is under way. Two boots of one node are welcomed one after the other, so that disks change hands in that order. */
  const turns = new Map<string, Promise<unknown>>();

  /** Sessions belong to one boot and one address; a newer boot of the node ends them. */
  function session(request: HttpRequest): Session {
    const found = sessions.get(sha256(String(request.headers["x-bramble-session"] ?? "")));
    if (!found || found.address !== request.address)
      throw new BrambleError("TOKEN_REFUSED", "no such session");
    return found;
  }

  async function hello(request: HttpRequest): Promise<HttpAnswer> {
    const said = parseLines(request.body);
    const known = hooks.tokens.get(said.get("boot") ?? "");
    const node = known && core.registry.byId(known.nodeId);
    if (!known || !node || !known.hashes.includes(sha256(said.get("token") ?? ""))) {
      core.journal.event(
        "token",
        node?.id,
        `${request.address} came with a token that is not valid: refused`,
      );
      throw new BrambleError("TOKEN_REFUSED", "this boot's token is not valid");
    }
    const bootId = said.get("boot") ?? "";
    const refuse = (why: string): BrambleError => {
      core.journal.event("token", node.id, `${request.address} used this boot's token ${why}: refused`);
      return new BrambleError("TOKEN_REFUSED", `this boot's token was used ${why}`);
    };
    const now = hooks.now();
    if (known.replaced) throw refuse("after a newer boot of the node has used its own");
    if (known.onlyFrom !== undefined && known.onlyFrom !== request.address) throw refuse("a second time");
    if (known.used) {
      const { address, atMs, answer } = known.used;
      if (address === request.address && now - atMs < GRACE_MS) {
        return answer === undefined ? { status: 503, body: "error=still+at+work\n" } : { body: answer };
      }
      throw refuse("a second time");
    }
    known.used = { address: request.address, atMs: now, answer: undefined };
    // tokens stand in the order in which their boots began
    for (const [id, other] of hooks.tokens) {
      if (id === bootId) break;
      if (other.nodeId === node.id) other.replaced = true;
    }
    hooks.revive(node.id, bootId);
    // where another DHCP server gives addresses this may be the first time that we hear of it
    core.journal.bootUpdate(bootId, { address: request.address });
    const words = `the agent says hello from ${request.address}`;
    if (hooks.current(node.id)?.id === bootId) hooks.step(node, words, "agent");
    else core.journal.event("token", node.id, `${words}, for a boot that is not its newest`);
    try {
      const answer = await inTurn(node.id, () => welcome(node, bootId, request));
      known.used.answer = answer;
      return { body: answer };
    } catch (error) {
      delete known.used; // the disk was not to be had: the agent may ask again
      throw error;
    }
  }

  function inTurn<T>(nodeId: string, work: () => Promise<T>): Promise<T> {
    const mine = (turns.get(nodeId) ?? Promise.resolve()).catch(() => {}).then(work); // told to its own caller
    turns.set(nodeId, mine);
    const over = () => turns.get(nodeId) === mine && turns.delete(nodeId);
    mine.then(over, over);
    return mine;
  }

  async function welcome(
    node: Node,
    bootId: string,
    { address, localAddress }: HttpRequest,
  ): Promise<string> {
    for (const [key, other] of sessions) if (other.node.id === node.id) sessions.delete(key);
    await hooks.used(node, bootId);
    const seen = hooks.seen(node, bootId);
    const lines: Line[] = [
      ["hostname", node.name],
      ["seed", 1],
      ["reporter", 1],
      ...(await diskOrders(hooks, seen, { bootId, address, localAddress, own: seen === node })),
      ...(hooks.wantsDisks(bootId) ? await rescueDisks(hooks, node, { bootId, address, localAddress }) : []),
    ];
    if (!hooks.tokens.has(bootId)) {
      // its rights were withdrawn while we were at it
      await hooks.dropDisk(node);
      throw new BrambleError("TOKEN_REFUSED", "this boot's token is no longer valid");
    }
    lines.unshift(["session", await openSession(hooks, { node, bootId, address })]);
    return `${lines.map(([key, value]) => `${key}=${value}`).join("\n")}\n`;
  }

  async function report(request: HttpRequest): Promise<HttpAnswer> {
    const from = session(request);
    const said = parseLines(request.body);
    const step = said.get("step") ?? "";
    const detail = decodeDetail(said.get("detail") ?? "");
    // It has our answer: from now on the token is worth nothing, also after a restart of ours.
    if (from.reports === 0) core.journal.bootUpdate(from.bootId, { tokenHash: null });
    if (from.reports < MOST_REPORTS) hooks.revive(from.node.id, from.bootId);
    if (++from.reports > MOST_REPORTS || hooks.current(from.node.id)?.id !== from.bootId)
      return { status: 204 };
    const uptime = said.get("uptime");
    const tail = [detail, uptime && `after ${uptime} s`].filter(Boolean).join(", ");
    if (step === "failed") hooks.fail(from.node, `the agent failed: ${tail || "without a reason"}`);
    else if (step === "stopped")
      hooks.stopped(from.node, tail || "The agent ended this boot as it was asked to.");
    else {
      const words = WORDS[step] ?? `the agent: ${step.slice(0, 40)}`;
      hooks.step(from.node, tail ? `${words} (${tail})` : words, REACHED[step]);
      if (step === "network-kept") core.journal.event("network", from.node.id, `${words}: ${detail}`);
      const ends = step === "switch-root" && said.get("reporter") === "0";
      if (ends) hooks.ended(from.node);
      if (ends || step === "booted") await hooks.heard(from.node, from.bootId, { fact: "booted", words });
    }
    return { status: 204 };
  }

  async function inventory(request: HttpRequest): Promise<HttpAnswer> {
    const from = session(request);
    core.journal.event("inventory", from.node.id, request.body.slice(0, 4096));
    await hooks.heard(from.node, from.bootId, {
      fact: "inventory",
      text: request.body.slice(0, MOST_INVENTORY),
    });
    return { status: 204 };
  }

  async function seed(request: HttpRequest): Promise<HttpAnswer> {
    const { node: mine, bootId } = session(request);
    const node = hooks.seen(mine, bootId);
    const wish = {
      frozen: await core.profiles.frozen.of(bootId),
      serverUrl: hooks.agentUrl(request.localAddress),
      address: request.address,
      instance: await instanceOf(core, node),
      cloudInit: request.query.get("cloudinit") === "1",
    };
    let files: SeedFile[];
    try {
      files = seedFilesOf(core, node, wish);
    } catch (error) {
      // it could be rendered when the board was answered: somebody has changed something since
      core.journal.event("profile", node.id, `its seed cannot be made: ${(error as Error).message}`);
      throw error;
    }
    const given = tokenInSeed(core, node);
    if (given) core.journal.event("cluster", node.id, given);
    const tar = pack();
    for (const { path, mode, text } of files) tar.entry({ name: path, mode, mtime: new Date(0) }, text);
    tar.finalize();
    return { type: "application/x-tar", body: Readable.from(tar) };
  }

  async function root(request: HttpRequest): Promise<HttpAnswer> {
    const { node, bootId } = session(request);
    const { format, stream } = await hooks.ramRoot(hooks.seen(node, bootId));
    hooks.step(node, "the agent loads its root into memory");
    return { type: format === "tar" ? "application/x-tar" : "application/octet-stream", body: stream() };
  }

  return [
    { method: "POST", path: "/agent/hello", handle: hello },
    { method: "POST", path: "/agent/report", limit: 8192, handle: report },
    { method: "POST", path: "/agent/inventory", handle: inventory },
    { method: "GET", path: "/agent/seed", handle: seed },
    { method: "GET", path: "/agent/root", handle: root },
    ...clusterRoutes({ core, session, now: hooks.now }),
  ];
}

/** What went wrong, as one `error=` line; a stranger learns no more than that it was refused. */
export function agentError(error: unknown): HttpAnswer {
  const { code, message } = error as Partial<BrambleError>;
  if (code === "TOKEN_REFUSED" || code === "BAD_INPUT") return { status: 403, body: `error=${message}\n` };
  return { status: 503, body: `error=${encodeURIComponent(message ?? "the server failed")}\n` };
}

function parseLines(body: string): Map<string, string> {
  const out = new Map<string, string>();
  for (const line of body.split("\n")) {
    const at = line.indexOf("=");
    if (at > 0) out.set(line.slice(0, at), line.slice(at + 1).trim());
  }
  return out;
}

/** Percent-encoded free text; what is not is taken as it stands. Control characters would spoil a terminal. */
function decodeDetail(text: string): string {
  let plain = text;
  try {
    plain = decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    plain = text; // not encoded: busybox agents of other versions
  }
  return [...plain]
    .filter((c) => c >= " " && c !== "\u007f")
    .join("")
    .slice(0, 500);
}
