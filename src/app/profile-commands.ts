import type { ProfileCommands, ProfileDetail } from "../api/profile-contract.ts";
import type { Context } from "../api/route.ts";
import { BrambleError } from "../base/errors.ts";
import { DEFAULT_PROFILE, hostName, type Node } from "../fleet/node.ts";
import { checkTemplates, NO_TEMPLATES, type ProfileTemplates } from "../fleet/profiles.ts";
import { type PatchOfTemplates, patchTemplates } from "../fleet/templates-patch.ts";
import { readyProfile, readyProfiles } from "../storage/ready-profiles.ts";
import type { Core } from "./core.ts";
import { previewProfile, SOME_SERVER } from "./model-preview.ts";
import {
  bootLinesOf,
  checkWithSamples,
  instanceOf,
  ONCE_FILE,
  seedFilesOf,
  whyUnseeded,
} from "./node-seed.ts";
import { packageFolder } from "./package.ts";
import { profileView } from "./views.ts";

/** What people do with profiles, templates and secrets; no value of a secret is in any answer or event. */
export function profileCommands(
  core: Pick<Core, "registry" | "profiles" | "journal" | "book" | "news">,
  changed: () => Promise<void> | undefined,
): ProfileCommands {
  const { registry, profiles, journal, news } = core;
  const shipped = packageFolder("profiles");

  const members = (profile: string): Node[] =>
    registry
      .all()
      .filter((node) => node.profile === profile && node.state !== "discovered")
      .map((node) => ({ node, number: profiles.knownIndex(node) ?? Number.MAX_SAFE_INTEGER }))
      .sort((one, other) => one.number - other.number)
      .map(({ node }) => node);

  function detail(name: string): ProfileDetail {
    const cluster = profiles.cluster(name);
    return {
      ...profileView(registry.profile(name)),
      templates: profiles.templates(name),
      templatesVersion: profiles.version(name),
      secrets: profiles.secretNames(name),
      nodes: members(name).map((node) => node.name),
      ...(cluster && {
        cluster: {
          first: registry.byId(cluster.nodeId)?.name ?? cluster.nodeId,
          address: cluster.address,
          atMs: cluster.atMs,
        },
      }),
    };
  }

  /** A new profile: another's settings and templates, without its secrets and its cluster. */
  async function add(profile: string, from: string | undefined, context: Context): Promise<void> {
    const other = registry.profiles().find(({ name }) => name === from);
    const ready = other ? undefined : await readyProfile(shipped, from ?? profile);
    if (from !== undefined && !other && !ready) {
      const names = [...registry.profiles(), ...(await readyProfiles(shipped))].map(({ name }) => name);
      throw new BrambleError("PROFILE_UNKNOWN", `there is no profile ${from}, and none is shipped`, {
        hint: `there are: ${[...new Set(names)].join(", ")}`,
      });
    }
    const templates = other ? profiles.templates(other.name) : (ready?.templates ?? NO_TEMPLATES);
    checkTemplates(templates);
    const base = other ?? registry.profile(DEFAULT_PROFILE);
    await registry.addProfile({ ...base, name: profile, seed: { ...base.seed }, version: 1 });
    const note = `made${from ? ` like ${from}` : ""}`;
    await profiles.put(profile, templates, { by: context.by.name, note, atMs: Date.now() });
    told(profile, `was ${note}`, context);
  }

  async function change(profile: string, next: ProfileTemplates, note: string, context: Context) {
    checkTemplates(next);
    checkWithSamples(profile, next, profiles.secrets(profile));
    const version = await profiles.put(profile, next, { by: context.by.name, note, atMs: Date.now() });
    await changed();
    told(profile, `${note}, which is version ${version} of its templates`, context);
    return detail(profile);
  }

  function told(profile: string, words: string, { by }: Context): void {
    news.tell({ about: "profile", id: profile });
    journal.event("profile", undefined, `profile ${profile}: ${words}, by ${by.name}`);
  }

  return {
    profile: async ({ profile }) => detail(registry.profile(profile).name),
    async addProfile({ profile, from }, context) {
      if (typeof profile !== "string" || hostName(profile) !== profile)
        throw new BrambleError("BAD_INPUT", `${profile} is no name of a profile`, {
          hint: `perhaps ${hostName(String(profile))}`,
        });
      await add(profile, from, context);
      return detail(profile);
    },
    async removeProfile({ profile }, context) {
      const { name } = registry.profile(profile);
      const nodes = registry.all().filter((node) => node.profile === name);
      if (name === DEFAULT_PROFILE || nodes.length > 0)
        throw new BrambleError("PROFILE_IN_USE", `profile ${name} cannot go`, {
          hint:
            nodes.length > 0 ? `it is set for ${nodes.map((n) => n.name).join(", ")}` : "new boards get it",
        });
      await profiles.forget(name);
      await registry.removeProfile(name);
      told(name, "was removed, with its secrets", context);
      return { name };
    },
    async setTemplates({ profile, patch }, context) {
      const { name } = registry.profile(profile);
      const next = patchTemplates(profiles.templates(name), patch as PatchOfTemplates);
      return change(name, next, `set ${Object.keys(patch).join(", ")}`, context);
    },
    previewProfile: async (wish) => previewProfile(core, wish),
    async templateVersions({ profile }) {
      const { name } = registry.profile(profile);
      const current = profiles.version(name);
      return (await profiles.versions(name)).map((one) => ({ ...one, current: one.version === current }));
    },
    templateVersion: async ({ profile, version }) =>
      profiles.templatesAt(registry.profile(profile).name, version),
    async rollbackTemplates({ profile, version }, context) {
      const { name } = registry.profile(profile);
      const templates = await profiles.templatesAt(name, version);
      return change(name, templates, `back to version ${version}`, context);
    },
    async setSecret({ profile, name, value }, context) {
      registry.profile(profile);
      const setMs = Date.now();
      await profiles.setSecret(profile, name, String(value ?? ""), setMs);
      told(profile, `the secret ${name} was set`, context);
      return { name, setMs };
    },
    async removeSecret({ profile, name }, context) {
      registry.profile(profile);
      await profiles.removeSecret(profile, name);
      told(profile, `the secret ${name} was removed`, context);
      return { name };
    },
    async applyProfile({ profile, nodes }, context) {
      if (!Array.isArray(nodes) || nodes.length === 0)
        throw new BrambleError("BAD_INPUT", "which nodes?", { hint: "bramble profile apply PROFILE NODE…" });
      const found = nodes.map((name) => registry.need(String(name)));
      const made = !registry.profiles().some(({ name }) => name === profile);
      if (made) {
        if (!(await readyProfile(shipped, profile))) registry.profile(profile); // says which there are
        await add(profile, undefined, context);
      }
      const templates = profiles.templates(profile);
      checkWithSamples(profile, templates, profiles.secrets(profile));
      for (const node of found) {
        if (node.profile !== profile) {
          await registry.patch(node, { profile });
          journal.event("set", node.id, `profile: ${profile}, by ${context.by.name}`);
        }
        profiles.index(node, registry.all()); // in the order given: the first that comes makes the cluster
      }
      await changed();
      return { profile, made, nodes: found.map((node) => applied(node, templates)) };
    },
    async forgetCluster({ profile }, context) {
      registry.profile(profile);
      await profiles.forgetCluster(profile);
      told(profile, "its cluster was forgotten; the first node makes a new one", context);
      return { name: profile };
    },
    async readyProfiles() {
      return (await readyProfiles(shipped)).map(({ name, about }) => ({ name, about }));
    },
    async nodeSeed({ node: reference, cloudInit }) {
      const node = registry.need(reference);
      const why = whyUnseeded(core, node, SOME_SERVER);
      if (why) throw new BrambleError("TEMPLATE_BAD", why);
      const files = seedFilesOf(core, node, {
        serverUrl: SOME_SERVER,
        address: node.address ?? "192.0.2.10",
        instance: await instanceOf(core, node),
        cloudInit: cloudInit === true,
        masked: true,
      });
      const named = files.map(({ path, ...file }) => ({
        ...file,
        path: path === ONCE_FILE ? path : `/${path}`,
      }));
      return {
        node: node.name,
        profile: node.profile,
        files: named,
        ...bootLinesOf(core, node, SOME_SERVER),
      };
    },
  };

  function applied(node: Node, { cluster }: ProfileTemplates) {
    const number = profiles.index(node, registry.all());
    const maker = profiles.cluster(node.profile)?.nodeId;
    const isFirst = maker === undefined ? number === 0 : maker === node.id;
    const does = cluster ? (isFirst ? "makes the cluster" : "joins the cluster") : "gets it";
    const when =
      node.state !== "discovered"
        ? "at its next boot"
        : `once it is enrolled: bramble node enrol ${node.name}`;
    return { node: node.name, number, does: `${does} ${when}` };
  }
}
