// Agent-facing: how the nodes of a profile become one cluster. The join token goes from the first node's session to the other
// members' sessions and nowhere else: not into events, logs or views.
import { BrambleError } from "../base/errors.ts";
import { clusterRole } from "../fleet/cluster.ts";
import type { Node } from "../fleet/node.ts";
import type { HttpAnswer, HttpRequest, Route } from "../serve/http.ts";
import type { Core } from "./core.ts";
import { instanceOf } from "./node-seed.ts";

/** One line of printable ASCII each: they go into shell scripts and command lines of the nodes. */
const TOKEN = /^[\x21-\x7e]{8,4096}$/;
const ADDRESS = /^[A-Za-z0-9.:[\]/-]{3,200}$/;
const MOST_WORDS = 500;
/** What happened once is told: reports of a boot beyond this many are dropped. */
const MOST_TOLD = 20;

export interface ClusterHooks {
  core: Core;
  /** Whose request it is, by session and address; throws TOKEN_REFUSED. */
  session(request: HttpRequest): { node: Node; bootId: string };
  now(): number;
}

export function clusterRoutes({ core, session, now }: ClusterHooks): Route[] {
  const { profiles, registry, journal } = core;
  /** What was said in which boot: a node asks again and again. */
  const told = new Map<string, { bootId: string; words: Set<string> }>();

  function tell(node: Node, bootId: string, kind: string, words: string): void {
    let before = told.get(node.id);
    if (before?.bootId !== bootId) before = { bootId, words: new Set() };
    told.set(node.id, before);
    if (before.words.has(words) || before.words.size >= MOST_TOLD) return;
    before.words.add(words);
    journal.event(kind, node.id, words);
  }

  async function roleOf(node: Node) {
    if (!profiles.templates(node.profile).cluster)
      return { role: "stopped", why: `the nodes of profile ${node.profile} form no cluster` } as const;
    return clusterRole({
      profile: node.profile,
      nodeId: node.id,
      instance: await instanceOf(core, node),
      index: profiles.index(node, registry.all()),
      cluster: profiles.cluster(node.profile),
    });
  }

  async function ask(request: HttpRequest): Promise<HttpAnswer> {
    const { node, bootId } = session(request);
    const role = await roleOf(node);
    if (role.role === "stopped") tell(node, bootId, "cluster", role.why);
    if (role.role === "join") {
      const words = `it was given the join token of ${node.profile}: it joins ${role.address}`;
      tell(node, bootId, "cluster", words);
    }
    const lines = Object.entries(role).map(([key, value]) => `${key}=${value}\n`);
    return { headers: { "cache-control": "no-store" }, body: lines.join("") };
  }

  async function made(request: HttpRequest): Promise<HttpAnswer> {
    const { node, bootId } = session(request);
    const { role } = await roleOf(node);
    if (role !== "first") {
      tell(node, bootId, "cluster", "it reported a cluster that is not its to make: refused");
      throw new BrambleError("TOKEN_REFUSED", "this node does not make the cluster");
    }
    const said = new Map(
      request.body.split("\n").map((line) => line.split(/=(.*)/s).slice(0, 2) as [string, string]),
    );
    const [address = "", token = ""] = [said.get("address"), said.get("token")];
    if (!TOKEN.test(token) || !ADDRESS.test(address))
      throw new BrambleError("BAD_INPUT", "a cluster is reported as address= and token=");
    const instance = await instanceOf(core, node);
    const before = profiles.cluster(node.profile);
    await profiles.setCluster(node.profile, { nodeId: node.id, instance, address, token, atMs: now() });
    if (!before)
      journal.event(
        "cluster",
        node.id,
        `it made the cluster of ${node.profile}; the others join it at ${address}`,
      );
    return { status: 204 };
  }

  /** How what is done once went; the timeline of the boot may have ended before. */
  function once(request: HttpRequest): HttpAnswer {
    const { node, bootId } = session(request);
    const [what = "", ...rest] = request.body.slice(0, MOST_WORDS).split("\n");
    const words = [...rest.join(" ")].filter((c) => c >= " " && c !== "\u007f").join("");
    if (what === "failed") tell(node, bootId, "once", words);
    else if (what === "done") tell(node, bootId, "once", `what its profile does once is done: ${words}`);
    else throw new BrambleError("BAD_INPUT", "failed or done, and words");
    return { status: 204 };
  }

  return [
    { method: "GET", path: "/agent/cluster", handle: ask },
    { method: "POST", path: "/agent/cluster", limit: 8192, handle: made },
    { method: "POST", path: "/agent/once", limit: 2048, handle: once },
  ];
}
