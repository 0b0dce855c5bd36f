// The life of nodes: every change of state goes through here (docs/lifecycle.md).
import { BrambleError } from "../../base/errors.ts";
import { type Actor, SYSTEM } from "../../fleet/actor.ts";
import { asBooted, type BootAnswer, bootAnswer } from "../../fleet/boot-answer.ts";
import { steps } from "../../fleet/life-actions.ts";
import { type LifePolicy, parsePolicy } from "../../fleet/life-policy.ts";
import type { Ask, LifeFacts, StepArgs } from "../../fleet/lifecycle.ts";
import { type Effect, type EffectKind, STATES } from "../../fleet/lifecycle-table.ts";
import type { Node, NodeLife } from "../../fleet/node.ts";
import type { Book } from "../../storage/book.ts";
import type { Journal } from "../journal.ts";
import type { NewsDesk } from "../news.ts";
import type { Registry } from "../registry.ts";
import { lifeOf } from "../registry-rows.ts";
import { readSetting, writeSetting } from "../settings.ts";
import { eventView } from "../views.ts";
import { besideState } from "./beside.ts";
import { addEvent, type ChangeOptions, changeNode, type Draft } from "./change.ts";
import { deadlines } from "./deadlines.ts";
import { type Job, outbox } from "./outbox.ts";
import type { PowerHand } from "./power-hand.ts";

export interface LifeParts {
  book: Book;
  registry: Registry;
  journal: Journal;
  news: NewsDesk;
  now(): number;
  warn(words: string): void;
}

/** What a doer is given: the node, its job, and the way to end the job in an event, in one transaction. */
export interface Work {
  node: Node;
  job: Job;
  finish(asks: readonly Ask[], words: string, args?: StepArgs & { records?: object }): Promise<void>;
}
export type Doer = (work: Work) => Promise<string | undefined>;

export interface ApplyMore {
  /** The version that the caller has seen: another one is NODE_CHANGED. */
  version?: number;
  /** For people: why. */
  words?: string;
  args?: StepArgs & { records?: object };
}

export type Life = Awaited<ReturnType<typeof openLife>>;

const SETTING = "policy";
/** Work that fails like this for a busy node will not do better the next time. */
const HOPELESS =
  /^(NOT_AVAILABLE|BAD_INPUT|NODE_STATE|[A-Z_]*_UNKNOWN|IMAGE_NO_BOOT|CLONE_DAMAGED|IMAGE_DAMAGED)$/;
const TRIES = 3;

export async function openLife(parts: LifeParts) {
  const { book, registry, journal, news, now } = parts;
  let policy = parsePolicy(await readSetting(book, SETTING));
  let power: PowerHand | undefined;
  const doers = new Map<EffectKind, Doer>();
  /** One change at a time for a node. */
  const lines = new Map<string, Promise<unknown>>();
  /** Nodes whose last boot may still open something. */
  const held = new Set<string>();

  function inLine<T>(nodeId: string, work: () => Promise<T>): Promise<T> {
    const mine = (lines.get(nodeId) ?? Promise.resolve()).then(work, work);
    const settled = mine.catch(() => {}); // told to whoever asked
    lines.set(nodeId, settled);
    void settled.then(() => lines.get(nodeId) === settled && lines.delete(nodeId));
    return mine;
  }

  const factsOf = ({ state, owner }: Pick<NodeLife, "state" | "owner">): LifeFacts => ({
    ...{ state, policy },
    ...(owner !== undefined && { owner }),
  });

  /** Changes a node by what `draft` says of how it stands in the book. */
  function change(nodeId: string, options: Omit<ChangeOptions, "now">, draft: (life: NodeLife) => Draft) {
    return inLine(nodeId, async () => {
      await registry.written(); // a node that was just heard
      const changed = await changeNode(book, nodeId, { ...options, now: now() }, draft);
      const node = registry.byId(nodeId);
      if (!changed || !node) return node;
      registry.live(node, changed.life);
      times.set(node);
      if (changed.effects?.some(({ kind }) => kind === "revoke")) held.add(nodeId);
      else if (changed.effects) held.delete(nodeId);
      for (const event of changed.events) news.tell({ about: "event", event: eventView(event, registry) });
      registry.onSaved(nodeId);
      work.kick(nodeId);
      return node;
    });
  }
  const bound = (nodeId: string): boolean => power?.isBound(nodeId) ?? false;

  function drafted(nodeId: string, asks: readonly Ask[], by: Actor, { words, args = {} }: ApplyMore) {
    return (life: NodeLife): Draft => {
      const taken = steps(factsOf(life), asks, by, args);
      const last = taken.at(-1);
      const to = last?.to ?? life.state;
      const { owner: _, deadlineMs: __, ...kept } = life;
      return {
        happened: taken.map((one, i) => ({
          event: one.event,
          to: one.to,
          words: `${one.from} → ${one.to}, ${one.event.replaceAll("_", "-")} by ${by.name}${words && i === taken.length - 1 ? `: ${words}` : ""}`,
          ...(Object.keys(args).length > 0 && { args }),
        })),
        effects: taken.flatMap(({ effects }) => effects),
        life: {
          ...kept,
          state: to,
          stateSinceMs: now(),
          ...times.begun(to, nodeId),
          ...(last?.owner !== undefined && { owner: last.owner }),
        },
      };
    };
  }

  /** Takes a node one or several steps on. Resolves when it stands in the book; the work begins then. Throws NODE_STATE, FORBIDDEN, NODE_CHANGED, NOT_AVAILABLE. */
  const apply = (
    nodeId: string,
    ask: Ask | readonly Ask[],
    by: Actor,
    { version, ...more }: ApplyMore = {},
    consumes?: number,
  ) => {
    const asks = typeof ask === "string" ? [ask] : ask;
    const options = {
      by,
      ...(version !== undefined && { version }),
      ...(consumes !== undefined && { consumes }),
    };
    return change(nodeId, options, drafted(nodeId, asks, by, more));
  };

  /** Changes something beside the state; what is being done goes on. */
  const amend = (
    nodeId: string,
    by: Actor,
    more: { event: string; words: string; version?: number; adds?: readonly Effect[] },
    next: (life: NodeLife) => Omit<NodeLife, "version">,
  ) => {
    const { version, event, words, adds = [] } = more;
    return change(nodeId, { by, ...(version !== undefined && { version }) }, (life) => ({
      ...{ happened: [{ event, to: life.state, words }], life: next(life), adds },
    }));
  };

  const work = outbox({
    book,
    now,
    async perform(job) {
      const node = registry.byId(job.nodeId);
      const doer = doers.get(job.effect.kind);
      if (!node) return undefined; // forgotten: nothing is left to be done for it
      if (!doer) throw new Error(`nobody does ${job.effect.kind}`);
      return doer({
        node,
        job,
        finish: async (asks, words, args) => {
          await apply(node.id, asks, SYSTEM, { words, ...(args && { args }) }, job.id);
        },
      });
    },
    async done(trx, { nodeId, effect }, words) {
      const event =
        words === undefined ? undefined : await addEvent(trx, { nodeId, atMs: now(), kind: "life", words });
      return () => {
        if (effect.kind === "revoke") held.delete(nodeId);
        if (event) news.tell({ about: "event", event: eventView(event, registry) });
        news.tell({ about: "node", id: nodeId });
      };
    },
    async failed(job, error) {
      const node = registry.byId(job.nodeId);
      const code = (error as { code?: string }).code ?? "";
      const words = `${WORK[job.effect.kind]}: ${error.message}`;
      const givesUp = HOPELESS.test(code) || job.tries >= TRIES;
      if (node && STATES[node.state].kind === "busy" && givesUp) {
        await apply(node.id, "fail", SYSTEM, { words });
        return false;
      }
      if (job.tries <= TRIES || job.tries % 60 === 0) {
        const row = { nodeId: job.nodeId, atMs: now(), kind: "life", words: `${words}; it is tried again` };
        news.tell({ about: "event", event: eventView(await addEvent(book, row), registry) });
      }
      return true;
    },
    waits: ({ nodeId, effect }) =>
      effect.kind === "power" && registry.byId(nodeId)?.maintenance !== undefined,
  });

  const times = deadlines({
    now,
    registry,
    bound,
    again: async ({ id, state, version }, words) => {
      const adds: Effect[] = STATES[state].waitsForBoard ? [{ kind: "power", want: "cycle" }] : [];
      await amend(id, SYSTEM, { event: "retry", words, version, adds }, (life) => ({
        ...life,
        ...times.begun(life.state, id),
        attempt: life.attempt + 1,
      }));
    },
    over: async (node, event, words) => {
      await apply(node.id, event, SYSTEM, { words, version: node.version });
    },
    failed: (error) => parts.warn(`a deadline could not be kept: ${error.message}`),
  });
  for (const node of registry.all()) times.set(node);

  return {
    policy: (): LifePolicy => policy,
    async setPolicy(next: LifePolicy, by: Actor): Promise<LifePolicy> {
      await writeSetting(book, SETTING, JSON.stringify(next));
      policy = next;
      journal.event("policy", undefined, `policy ${JSON.stringify(next)}, set by ${by.name}`);
      news.tell({ about: "setting", id: SETTING });
      return policy;
    },
    facts: factsOf,
    /** Throws what `apply` would throw, and changes nothing. */
    check(node: Node, asks: readonly Ask[], by: Actor, args: StepArgs, version?: number): void {
      if (version !== undefined && version !== node.version)
        throw new BrambleError(
          "NODE_CHANGED",
          `${node.name} has changed: it is at version ${node.version}, not ${version}`,
        );
      steps(factsOf(node), asks, by, args);
    },
    apply,
    amend,
    /** For the boot path, which waits for no disk: it counts at once, and is written behind. After a kill in between the board is heard anew. */
    soon(node: Node, asks: readonly Ask[], by: Actor, words: string): void {
      const { life } = drafted(node.id, asks, by, { words })(node);
      registry.live(node, { ...life, version: node.version });
      apply(node.id, asks, by, { words }).catch(async (error: Error) => {
        parts.warn(`${node.name}: ${error.message}`);
        const row = await book.selectFrom("node").selectAll().where("id", "=", node.id).executeTakeFirst();
        if (row) registry.live(node, lifeOf(row));
      });
    },
    /** What a node boots now. */
    answer: (node: Node): BootAnswer => bootAnswer(node.state, node.override, held.has(node.id)),
    /** The node as such a boot sees it. */
    seen: asBooted,
    ...besideState({ amend, journal, until: times.until }),
    /** The board was heard in a state that waits for it: from now on the time of the state counts. */
    heard(node: Node): void {
      times.heard(node);
    },
    does(kind: EffectKind, doer: Doer): void {
      doers.set(kind, doer);
    },
    usePower(hand: PowerHand): void {
      power = hand;
    },
    power: () => power,
    /** Takes up what was left to be done; once every doer is there, and before a door opens. Nodes that it is for. */
    async resume(): Promise<number> {
      const left = await work.all();
      for (const { nodeId, effect } of left) if (effect.kind === "revoke") held.add(nodeId);
      const nodes = new Set(left.map(({ nodeId }) => nodeId));
      for (const nodeId of nodes) work.kick(nodeId);
      return nodes.size;
    },
    tick(): void {
      work.tick();
      times.tick();
    },
    /** Ends when all that can be done now is done. */
    async settled(): Promise<void> {
      await Promise.all(lines.values());
      await work.settled();
    },
    async close(): Promise<void> {
      await Promise.all(lines.values());
      await work.close();
    },
  };
}

const WORK: { [K in EffectKind]: string } = {
  revoke: "its rights could not be withdrawn",
  dropClone: "its clone could not be dropped",
  makeClone: "its clone could not be made",
  dropVolumes: "its volumes could not be dropped",
  dropSecrets: "its secrets could not be dropped",
  power: "it could not be switched",
  goOn: "it could not go on",
  checkFirmware: "its firmware could not be checked",
  checkCleaned: "whether it is clean could not be told",
};
