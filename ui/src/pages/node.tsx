// One node: what it is doing and why, what it would get, its disk, what it prints, what happened to it.
import type { ComponentChildren } from "preact";
import type { NodeView } from "../../../src/api/contract.ts";
import { entry } from "../actions/action.ts";
import { lifeEntries, maintenance, nextBoot } from "../actions/life.ts";
import { model } from "../actions/model.ts";
import { enrol, forget, rename, settings } from "../actions/node.ts";
import { bindPower, power, unbindPower } from "../actions/power.ts";
import { retry } from "../actions/supervise.ts";
import { board, duration } from "../format.ts";
import { addressNow, placeWords, standing } from "../node-facts.ts";
import { nodeNamed, nodesLoaded } from "../nodes.ts";
import { Ago, Chip, Empty, Facts, Head, Loading, Refusal } from "../parts/basics.tsx";
import { Labels } from "../parts/labels.tsx";
import { Actions, Menu } from "../parts/menu.tsx";
import { PowerFacts } from "../parts/power-mark.tsx";
import { link } from "../place.ts";
import { powers } from "../powers.ts";
import { useResource } from "../resource.ts";
import { NodeBoot } from "./node-boot.tsx";
import { NodeConsole } from "./node-console.tsx";
import { NodeDisk } from "./node-disk.tsx";
import { NodeHistory } from "./node-history.tsx";
import { NodeSettings } from "./node-settings.tsx";
import { NodeTree } from "./node-tree.tsx";

const TABS: readonly (readonly [string, string, (node: NodeView) => ComponentChildren])[] = [
  ["boot", "Last boot", (node) => <NodeBoot node={node} />],
  ["tree", "What it would get", (node) => <NodeTree node={node} />],
  ["disk", "Disk", (node) => <NodeDisk node={node} />],
  ["console", "Console", (node) => <NodeConsole node={node} />],
  ["history", "History", (node) => <NodeHistory node={node} />],
  ["settings", "Settings", (node) => <NodeSettings node={node} />],
];

export function NodePage({ name, tab }: { name: string; tab: string }) {
  const live = nodeNamed(name);
  // A name that is not in the list yet may still be a serial or a MAC.
  const { data, problem } = useResource("node", { node: name }, live ? [] : ["node"]);
  const node = live ?? data.value;
  const crumb = { href: link("/nodes"), text: "Nodes" };
  if (!node && (problem.value || nodesLoaded.value)) {
    return (
      <>
        <Head title={name} crumb={crumb} />
        {problem.value ? (
          <Empty title="There is no such node">
            <Refusal problem={problem.value} />
          </Empty>
        ) : (
          <Loading />
        )}
      </>
    );
  }
  if (!node) return <Loading />;
  const stands = standing(node);
  const now = addressNow(node);
  const shown = TABS.find(([key]) => key === tab) ?? TABS[0];
  return (
    <>
      <Head title={node.name} crumb={crumb} chips={<Chip tone={stands.tone}>{stands.word}</Chip>}>
        <NodeActions node={node} />
      </Head>
      <div class="stack">
        <Verdict node={node} />
        <section class="card" aria-label="Facts">
          <div class="cards thin">
            <Facts
              rows={[
                ["Board", board(node.model)],
                ["Serial", node.serial && <code>{node.serial}</code>],
                ["MAC", node.mac && <code>{node.mac}</code>],
                ["Address", now && <code>{now}</code>],
                ["Planned address", node.address !== now && node.address && <code>{node.address}</code>],
                ["Heard", <Ago key="heard" ms={node.lastSeenMs} />],
              ]}
            />
            <Facts
              rows={[
                [
                  "State",
                  node.maintenance === undefined
                    ? node.state
                    : `${node.state}, maintenance: ${node.maintenance}`,
                ],
                ["Image", node.image],
                ["Root disk", node.root],
                [
                  "Profile",
                  <a key="profile" href={link(`/profiles/${node.profile}`)}>
                    {node.profile}
                  </a>,
                ],
                ["Group", node.group],
                ["Owner", node.owner],
              ]}
            />
            <Facts
              rows={[
                ["Power", <PowerFacts key="power" node={node} />],
                ["Place", placeWords(node)],
                [
                  "Switch port",
                  node.place?.switch && (
                    <a key="switch" href={link(`/switches/${node.place.switch}`)}>
                      {node.place.switch} {node.place.port}
                    </a>
                  ),
                ],
                [
                  "Labels",
                  node.labels && Object.keys(node.labels).length > 0 && (
                    <Labels key="labels" labels={node.labels} />
                  ),
                ],
                [
                  "Next boot",
                  node.override &&
                    `${node.override.boot}, ${node.override.once ? "once" : "until it is taken back"}`,
                ],
              ]}
            />
          </div>
        </section>
        <div>
          <nav class="tabs" aria-label={`Parts of ${node.name}`}>
            {TABS.map(([key, text]) => (
              <a
                key={key}
                ref={key === shown?.[0] ? intoSight : null}
                href={link(`/nodes/${node.name}/${key}`)}
                aria-current={key === shown?.[0] ? "page" : undefined}
              >
                {text}
              </a>
            ))}
          </nav>
          {shown?.[2](node)}
        </div>
      </div>
    </>
  );
}

/** On a phone the tabs are wider than the window; only they are moved, not the page. */
const intoSight = (tab: HTMLElement | null) => {
  const row = tab?.parentElement;
  if (row) row.scrollLeft = tab.offsetLeft - row.offsetLeft - row.clientWidth / 3;
};

const NodeActions = ({ node }: { node: NodeView }) => {
  const switches = useResource("switches", {}, ["switch"]);
  return (
    <>
      <Actions
        shown={2}
        entries={
          node.state === "discovered"
            ? [entry(enrol(node)), entry(power(node, "cycle"))]
            : [
                entry(power(node, "cycle")),
                entry(power(node, powers.value.get(node.name)?.actual === "off" ? "on" : "off")),
              ]
        }
      />
      <LifeMenu node={node} />
      <Menu
        entries={[
          entry(power(node, "on")),
          entry(power(node, "off")),
          entry(settings(node)),
          ...model(node),
          entry(rename(node)),
          bindPower(node, switches.data.value ?? []),
          unbindPower(node),
          entry(forget(node)),
        ]}
      >
        More
      </Menu>
    </>
  );
};

const LifeMenu = ({ node }: { node: NodeView }) => {
  const { data } = useResource("life", { node: node.name }, ["node"], node.id);
  const life = data.value ? lifeEntries(node, data.value) : [];
  return <Menu entries={[entry(retry(node)), maintenance(node), ...nextBoot(node), ...life]}>Life</Menu>;
};

/** What an operator wants to know first. */
const Verdict = ({ node }: { node: NodeView }) => {
  const stands = standing(node);
  const { boot } = node;
  const words =
    node.line !== undefined
      ? `It waits, ${node.line}. in line: others boot before it. It asks again by itself.`
      : node.state === "discovered"
        ? "It was heard and may not boot yet: enrol it, and it boots by itself."
        : boot?.outcome === undefined && boot !== undefined
          ? `On its way; it has reached: ${boot.stage}.`
          : (boot?.verdict ?? "It has not asked to boot yet. Switch it on, or cycle its power.");
  return (
    <div class={`verdict ${stands.tone}`} role="status">
      <p>{words}</p>
      {boot && (
        <p class="dim small">
          Boot of <Ago ms={boot.startedMs} />
          {boot.endedMs !== undefined && `, ${duration(boot.endedMs - boot.startedMs)}`}
          {(boot.tries ?? 1) > 1 && `, took ${boot.tries} tries`}
        </p>
      )}
    </div>
  );
};
