// A supervisor over a real book, a clock that stands still, and a power desk that remembers what it was asked.
import type { TestContext } from "node:test";
import { type BootStage, Boots, type Do } from "../../fleet/boots.ts";
import type { Node } from "../../fleet/node.ts";
import { bootRecord } from "../boot-record.ts";
import { fakeCore } from "../testing/fake-core.ts";
import type { PowerSeam, PowerSight, PowerState } from "./power-seam.ts";
import { supervisor } from "./supervisor.ts";

/** A power desk that remembers what it was asked, and ends when it is told to. */
function fakePower() {
  const asked: { nodeId: string; why: string; done(): void; fail(code: string): void }[] = [];
  const bound = new Set<string>();
  const sights = new Map<string, PowerSight>();
  const links = new Map<string, boolean>();
  let listener: (nodeId: string, reading: { state: PowerState }) => void = () => {};
  const power: PowerSeam = {
    isBound: (nodeId) => bound.has(nodeId),
    set: (nodeId, _, { why }) =>
      new Promise((resolve, reject) => {
        const fail = (code: string) => reject(Object.assign(new Error("the switch is away"), { code }));
        asked.push({ nodeId, why, done: () => resolve(undefined), fail });
      }),
    view: (nodeId) => sights.get(nodeId) ?? {},
    link: async (nodeId) => links.get(nodeId),
    on(listen) {
      listener = listen;
    },
  };
  const read = (node: Node, state: PowerState) => listener(node.id, { state });
  return { power, asked, bound, sights, links, read };
}

export type World = Awaited<ReturnType<typeof world>>;

export async function world(t: TestContext, given: { core?: Awaited<ReturnType<typeof fakeCore>> } = {}) {
  const fake = given.core ?? (await fakeCore(t));
  const power = fakePower();
  const clock = { now: 1_000_000 };
  const now = () => clock.now;
  const said: string[] = [];
  let boots = 0;
  const desk = new Boots({
    deadlineMs: (nodeId, stage) => watch.deadlineMs(nodeId, stage),
    diagnose: (boot) => watch.diagnose(boot),
  });
  const core = Object.assign(Object.create(fake.core) as typeof fake.core, { power: power.power });
  const record = bootRecord({
    ...core,
    journal: core.journal,
    registry: core.registry,
    now,
    say: () => {},
    closed: () => {},
  });
  const obey = (orders: Do[]) => {
    for (const order of orders) {
      watch.heard(order);
      record(order);
    }
  };
  const watch = supervisor({
    core,
    boots: desk,
    obey,
    now,
    newId: () => `boot-${clock.now}-${++boots}`,
    lacks: () => [],
    dhcpMode: () => "full",
    bootsAtAll: (one) => one.state !== "discovered",
    say: (words) => said.push(words),
  });
  await watch.restore();
  /** One tick of the server, so many ms later, and what it has begun. */
  async function later(ms: number) {
    clock.now += ms;
    obey(desk.tick(clock.now));
    watch.tick();
    await settled();
  }
  async function settled() {
    await fake.core.journal.flush();
    await watch.settled();
    for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
  }
  /** A boot that comes as far as `stage` and stands still. */
  async function stall(node: Node, stage: BootStage) {
    obey(desk.discover(node.id, `own-${clock.now}-${++boots}`, clock.now, false).orders);
    if (stage !== "dhcp")
      obey(desk.step(node.id, { atMs: clock.now, kind: "agent", words: "it came" }, stage));
    await later(watch.deadlineMs(node.id, stage));
  }
  return { fake, core, power, clock, desk, watch, obey, later, settled, stall, said };
}

export const node = async ({ fake }: World, serial = "10000001", state: Node["state"] = "deployed") => {
  const one = await fake.node(serial);
  one.state = state;
  return one;
};
