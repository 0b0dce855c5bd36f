import { addressOf } from "./address-plan.ts";
import type { Node } from "./node.ts";
import { PLACE_KEYS } from "./places.ts";
import { OpenValues, type TemplateValues } from "./template-values.ts";

/** What the templates of a profile are rendered for. */
export interface TemplateFacts {
  node: Pick<
    Node,
    | ("id" | "name" | "serial" | "mac" | "model" | "labels" | "group" | "place")
    | ("address" | "management" | "planned")
  >;
  /** Where the node is; undefined where that is not known yet. */
  address: string | undefined;
  /** `name:version` */
  image: string | undefined;
  profile: string;
  /** What a label is that the node does not have; for samples. */
  everyLabel?: string;
  /** 0 for the first node of the profile; a node keeps its number while it stays. */
  index: number;
  /** Where nodes reach the server, `http://10.0.0.1:8441`. */
  serverUrl: string;
  values: Readonly<Record<string, string | null>>;
  /** Undefined where secrets may not be printed. */
  secrets?: ReadonlyMap<string, string>;
  /** Where this node joins its profile's cluster, and how: a secret too. Undefined: there is none yet, or it is not for this node. */
  cluster?: { address: string; token: string } | undefined;
}

/** The names that a template may print. */
export function templateValues(facts: TemplateFacts): TemplateValues {
  const { node, index, secrets, cluster } = facts;
  const [name = null, version = null] = facts.image?.split(":") ?? [];
  return {
    node: {
      name: node.name,
      id: node.id,
      serial: node.serial ?? null,
      mac: node.mac ?? null,
      model: node.model ?? null,
      address: facts.address ?? null,
      management: addressOf(node, "management")?.address ?? null,
      group: node.group ?? null,
      labels: new OpenValues(node.labels ?? {}, facts.everyLabel ?? null),
      place: Object.fromEntries(PLACE_KEYS.map((key) => [key, node.place?.[key] ?? null])),
    },
    image: { name, version },
    profile: { name: facts.profile },
    index,
    first: index === 0,
    server: { url: facts.serverUrl, address: /^\w+:\/\/([^:/]+)/.exec(facts.serverUrl)?.[1] ?? null },
    value: { ...facts.values },
    ...(secrets && {
      secret: Object.fromEntries(secrets),
      cluster: { address: cluster?.address ?? null, token: cluster?.token ?? null },
    }),
  };
}

/** Somebody who has everything: what a template prints for nobody, it is not checked with. */
export const sampleFacts = (profile: string, index: number): Omit<TemplateFacts, "values" | "secrets"> => ({
  node: {
    id: "10000001",
    name: `sample-${index}`,
    serial: "10000001",
    mac: "dc:a6:32:00:00:01",
    model: "4B",
    management: "192.0.2.110",
    group: "sample",
    place: {
      ...{ site: "site", rack: "1", unit: "1", slot: "1" },
      ...{ switch: "switch", port: "1" },
    },
  },
  everyLabel: "sample",
  address: "192.0.2.10",
  image: "sample:1",
  profile,
  index,
  serverUrl: "http://192.0.2.1:8441",
});
