// What a node's profile gives it, rendered: for its boot files, for its seed, and beforehand to see whether it can be.
import { createHash } from "node:crypto";
import type { BrambleError } from "../base/errors.ts";
import { addressOf } from "../fleet/address-plan.ts";
import { clusterRole } from "../fleet/cluster.ts";
import { valuesFor } from "../fleet/inherit.ts";
import type { Node } from "../fleet/node.ts";
import { onceScript } from "../fleet/once.ts";
import { sampleFacts, type TemplateFacts, templateValues } from "../fleet/profile-values.ts";
import { type BootLines, type ProfileTemplates, renderBootLines, renderSeed } from "../fleet/profiles.ts";
import { cloudInitSeed, plainSeed, type Seed, type SeedFile } from "../fleet/seeds.ts";
import { quoteShell } from "../storage/template-quotes.ts";
import { templatesRenderer } from "../storage/templates.ts";
import type { Core } from "./core.ts";
import type { Frozen } from "./model-frozen.ts";

/** A sample is given less time than a node: what passes here passes on a busier machine. */
const SAMPLE_MS = 1_000;
export const ONCE_FILE = "bramble-once";
const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");
const base64 = (text: string): string => Buffer.from(text).toString("base64");

/** The life of a clone, or of a tree: another value after each reset. */
export async function instanceOf(core: Pick<Core, "book" | "registry">, node: Node): Promise<string> {
  const made = await core.book
    .selectFrom(core.registry.resolve(node).root === "nfs" ? "tree" : "clone")
    .select("createdMs")
    .where("nodeId", "=", node.id)
    .executeTakeFirst();
  return `i-${node.id}-${made?.createdMs ?? 0}`;
}

type Parts = Pick<Core, "registry" | "profiles">;

/** What a node's templates are made from now. `peek`: only to look, it is given no number for it; nor where another profile is only tried. */
export function frozenNow({ registry, profiles }: Parts, node: Node, peek = false): Frozen {
  const templates = profiles.templates(node.profile);
  const { id, name, serial, mac, model, labels, group, place, address, management, planned } = node;
  return {
    version: profiles.version(node.profile),
    templates,
    facts: {
      node: {
        ...{ id, name },
        ...(serial !== undefined && { serial }),
        ...(mac !== undefined && { mac }),
        ...(model !== undefined && { model }),
        ...(labels && { labels }),
        ...(group !== undefined && { group }),
        ...(place && { place }),
        ...(address !== undefined && { address }),
        ...(management !== undefined && { management }),
        ...(planned && { planned }),
      },
      address: addressOf(node, "client")?.address,
      image: registry.resolve(node).image,
      profile: node.profile,
      index:
        peek || registry.byId(id)?.profile !== node.profile
          ? profiles.nextIndex(node, registry.all())
          : profiles.index(node, registry.all()),
      values: valuesFor(node, registry.groups.get(node.group), templates.values),
    },
  };
}

/** Words and lines for boot files; no secret is in them. Throws TEMPLATE_BAD. */
export function bootLinesOf(
  core: Parts,
  node: Node,
  serverUrl: string,
  { templates, facts }: Frozen = frozenNow(core, node),
): BootLines {
  return renderBootLines(templates, templateValues({ ...facts, serverUrl }), templatesRenderer());
}

export interface SeedWish {
  serverUrl: string;
  address: string | undefined;
  instance: string;
  cloudInit: boolean;
  /** For people's eyes: words stand where secrets would. */
  masked?: boolean;
  /** What its boot was given; default: what holds now. */
  frozen?: Frozen | undefined;
}

/** The files of a node's seed, by their paths in its root, and ONCE_FILE beside them. Throws TEMPLATE_BAD. */
export function seedFilesOf(core: Parts, node: Node, wish: SeedWish): SeedFile[] {
  const { serverUrl, instance, cloudInit, masked } = wish;
  const { templates, facts } = wish.frozen ?? frozenNow(core, node);
  const secrets = core.profiles.secrets(facts.profile);
  const shown = new Map([...secrets.keys()].map((name) => [name, `SECRET-${name}`]));
  const role = clusterRole({
    profile: facts.profile,
    nodeId: node.id,
    instance,
    index: facts.index,
    cluster: templates.cluster ? core.profiles.cluster(facts.profile) : undefined,
  });
  const cluster = role.role === "join" ? { ...role, ...(masked && { token: "JOIN-TOKEN" }) } : undefined;
  const values = templateValues({
    ...{ ...facts, serverUrl },
    address: wish.address ?? facts.address,
    secrets: masked ? shown : secrets,
    cluster,
  });
  const rendered = renderSeed(templates, values, templatesRenderer());
  const own = core.registry.resolve(node).seed;
  const seed: Seed = { ...own, hostname: node.name, instanceId: instance };
  if (masked && own.passwordHash !== undefined) seed.passwordHash = "PASSWORD-HASH";
  const { packages, commands } = rendered;
  const once = onceScript({ instance, packages, commands, digest: sha256, quote: quoteShell });
  return [
    ...(cloudInit ? cloudInitSeed(seed, rendered) : plainSeed(seed, masked ? (text) => text : base64)),
    ...rendered.files.map(({ path, mode, text }) => ({ path: path.slice(1), mode, text })),
    ...(once === undefined ? [] : [{ path: ONCE_FILE, mode: 0o700, text: once }]),
  ];
}

/** For the record: whether its templates put the profile's join token into this node's seed. */
export function tokenInSeed({ profiles }: Pick<Core, "profiles">, node: Node): string | undefined {
  const cluster = profiles.cluster(node.profile);
  const asks = /\bcluster\.token\b/.test(JSON.stringify(profiles.templates(node.profile)));
  return cluster && cluster.nodeId !== node.id && asks
    ? `its seed was given the join token of ${node.profile}`
    : undefined;
}

/** Why this node's templates cannot be rendered, `name:line:column: what (hint)`; undefined where they can. */
export function whyUnseeded(
  core: Parts,
  node: Node,
  serverUrl: string,
  frozen = frozenNow(core, node),
): string | undefined {
  try {
    bootLinesOf(core, node, serverUrl, frozen);
    // its address is known by the time that it asks
    const address = frozen.facts.address ?? "192.0.2.10";
    seedFilesOf(core, node, { serverUrl, address, instance: "i-0", cloudInit: true, frozen });
    return undefined;
  } catch (error) {
    const { message, hint } = error as BrambleError;
    return `${message}${hint ? ` (${hint})` : ""}`;
  }
}

/** The same, rendered again only when something of it has changed: boards ask many times in a storm. */
export function seedCheck(core: Parts): (node: Node, serverUrl: string) => string | undefined {
  const known = new WeakMap<Node, { of: string; why: string | undefined }>();
  return (node, serverUrl) => {
    const frozen = frozenNow(core, node);
    const of = JSON.stringify([core.profiles.revision, frozen.facts, serverUrl]);
    const before = known.get(node);
    if (before?.of === of) return before.why;
    const why = whyUnseeded(core, node, serverUrl, frozen);
    known.set(node, { of, why });
    return why;
  };
}

/** Renders templates for two nodes that do not exist, the first and another. Throws TEMPLATE_BAD. */
export function checkWithSamples(
  profile: string,
  templates: ProfileTemplates,
  secrets: ReadonlyMap<string, string>,
): void {
  for (const index of [0, 1]) {
    const render = templatesRenderer(SAMPLE_MS);
    const facts: TemplateFacts = { ...sampleFacts(profile, index), values: templates.values };
    const cluster = index > 0 ? { address: "192.0.2.10:1", token: "join-token" } : undefined;
    renderBootLines(templates, templateValues(facts), render);
    renderSeed(templates, templateValues({ ...facts, secrets, cluster }), render);
  }
}
