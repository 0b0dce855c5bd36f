// What a board would get from a profile, or from a draft of one: also a board that is not there.
import type { PreviewBoard, PreviewView } from "../api/profile-contract.ts";
import { formatIpv4, parseIpv4, parseMac } from "../base/addresses.ts";
import { BrambleError } from "../base/errors.ts";
import { patchValues } from "../fleet/groups.ts";
import { patchLabels } from "../fleet/labels.ts";
import { hostName, type Node } from "../fleet/node.ts";
import { patchPlace } from "../fleet/places.ts";
import { previewTemplates } from "../fleet/preview.ts";
import { templateValues } from "../fleet/profile-values.ts";
import { checkTemplates, type ProfileTemplates } from "../fleet/profiles.ts";
import { type PatchOfTemplates, patchTemplates } from "../fleet/templates-patch.ts";
import { MODELS, modelNamed } from "../formats/boards.ts";
import { templatesRenderer } from "../storage/templates.ts";
import type { Core } from "./core.ts";
import { frozenNow } from "./node-seed.ts";

/** Stands for our own address where nobody has asked yet. */
export const SOME_SERVER = "http://192.0.2.1:8441";
const SOME_ADDRESS = "192.0.2.10";

interface Wish {
  profile: string;
  node?: string;
  board?: PreviewBoard;
  version?: number;
  patch?: object;
}

/** Changes nothing: the node is given no number, nobody is told. Throws BAD_INPUT for a draft or a board that cannot be. */
export async function previewProfile(
  core: Pick<Core, "registry" | "profiles">,
  { profile: name, node: reference, board, version, patch }: Wish,
): Promise<PreviewView> {
  const { registry, profiles } = core;
  const profile = registry.profile(name).name;
  if (reference !== undefined && board)
    throw new BrambleError("BAD_INPUT", "a node, or a board that is not there: not both");
  const base =
    version === undefined ? profiles.templates(profile) : await profiles.templatesAt(profile, version);
  const templates: ProfileTemplates = patch ? patchTemplates(base, patch as PatchOfTemplates) : base;
  checkTemplates(templates);

  const node: Node =
    reference === undefined ? boardOf(core, profile, board ?? {}) : { ...registry.need(reference), profile };
  const { facts } = frozenNow(core, node, true);
  const asked = {
    ...facts,
    ...(board?.number !== undefined && { index: board.number }),
    address: facts.address ?? SOME_ADDRESS,
    serverUrl: SOME_SERVER,
    values: ownValues(templates, core, node),
  };
  const secrets = new Map([...profiles.secrets(profile).keys()].map((one) => [one, `SECRET-${one}`]));
  const joins = templates.cluster && asked.index > 0;
  const parts = previewTemplates(
    templates,
    {
      // in boot files an address is known only where it is fixed
      bootValues: templateValues({ ...asked, address: facts.address }),
      seedValues: templateValues({
        ...asked,
        secrets,
        ...(joins && { cluster: { address: "192.0.2.1:1", token: "JOIN-TOKEN" } }),
      }),
    },
    templatesRenderer(),
  );
  return {
    profile,
    version: version ?? profiles.version(profile),
    board: reference === undefined ? boardWords(node) : node.name,
    parts,
    ok: parts.every(({ error }) => error === undefined),
  };
}

/** The draft's values, below what the node's group and the node itself say. */
const ownValues = (
  templates: ProfileTemplates,
  { registry }: Pick<Core, "registry">,
  node: Node,
): Record<string, string | null> => ({
  ...templates.values,
  ...registry.groups.get(node.group)?.values,
  ...node.values,
});

function boardOf(core: Pick<Core, "registry">, profile: string, board: PreviewBoard): Node {
  const { registry } = core;
  const model = modelNamed((board.model ?? "4B").replace(/^pi\s*/i, ""));
  if (!model)
    throw new BrambleError("BAD_INPUT", `${board.model} is no model`, {
      hint: `one of ${MODELS.join(", ")}`,
    });
  const serial = (board.serial ?? "10000001").toLowerCase();
  const labels = patchLabels(undefined, board.labels ?? {});
  const place = patchPlace(undefined, board.place ?? {});
  const values = patchValues(undefined, board.values ?? {});
  if (board.name !== undefined && hostName(board.name) !== board.name)
    throw new BrambleError("BAD_INPUT", `${board.name} is no host name`);
  const address = (text: string | undefined) => text && formatIpv4(parseIpv4(text));
  return {
    id: serial.slice(-8),
    serial: serial.slice(-8),
    mac: parseMac(board.mac ?? "dc:a6:32:00:00:01"),
    model,
    name: board.name ?? `pi-${serial.slice(-8)}`,
    profile,
    seed: {},
    ...{ state: "deployed", version: 0, stateSinceMs: 0, attempt: 0, firstSeenMs: 0, lastSeenMs: 0 },
    ...(labels && { labels }),
    ...(place && { place }),
    ...(board.group !== undefined && { group: registry.groups.need(board.group).name }),
    ...(board.address && { address: address(board.address) as string }),
    ...(board.management && { management: address(board.management) as string }),
    ...(Object.keys(values).length > 0 && { values }),
  };
}

const boardWords = ({ name, model, group }: Node): string =>
  `a Pi ${model} called ${name}${group === undefined ? "" : `, in the group ${group}`}, which is not there`;
