import { computed } from "@preact/signals";
import type { ComponentChildren } from "preact";
import type { NodeView } from "../../../src/api/contract.ts";
import { ask, whyNot } from "../actions/action.ts";
import { enrol } from "../actions/node.ts";
import { power } from "../actions/power.ts";
import { count, duration, size } from "../format.ts";
import { recent } from "../live.ts";
import { standing } from "../node-facts.ts";
import { nodeList, nodesLoaded, nodesProblem } from "../nodes.ts";
import { Ago, Button, Card, Command, Empty, Head, Loading, Refusal } from "../parts/basics.tsx";
import { BootsChart } from "../parts/boots-chart.tsx";
import { EventList } from "../parts/events.tsx";
import { StageDots } from "../parts/stages.tsx";
import { link } from "../place.ts";
import { useResource } from "../resource.ts";

/** More than these are behind a link: what is wrong with 300 nodes is usually one thing. */
const MOST = 12;
const MOST_NAMES = 6;

const groups = computed(() => {
  const found: Record<"booting" | "failed" | "waiting" | "up" | "idle", NodeView[]> = {
    booting: [],
    failed: [],
    waiting: [],
    up: [],
    idle: [],
  };
  for (const node of nodeList.value) found[standing(node).kind].push(node);
  found.failed.sort((a, b) => (b.boot?.endedMs ?? 0) - (a.boot?.endedMs ?? 0));
  return found;
});
/** How many nodes have each trouble, for the rail. */
export const troubles = computed(() => ({
  failed: groups.value.failed.length,
  waiting: groups.value.waiting.length,
}));

export function Overview() {
  const images = useResource("images", {}, ["image"]);
  const { booting, failed, waiting, up, idle } = groups.value;
  const total = nodeList.value.length;
  return (
    <>
      <Head title="Overview" words="What is booting now, what failed and why, and who waits for you." />
      <Refusal problem={nodesProblem.value} />
      {!nodesLoaded.value && !nodesProblem.value && <Loading />}
      {nodesLoaded.value && (
        <div class="stack">
          <Figures
            rows={[
              ["nodes", total, link("/nodes"), ""],
              ["booted", up.length, link("/nodes", { show: "up" }), "ok"],
              ["booting", booting.length, link("/nodes", { show: "booting" }), "go"],
              ["failed", failed.length, link("/nodes", { show: "failed" }), "bad"],
              ["waiting", waiting.length, link("/nodes", { show: "waiting" }), "wait"],
              ["idle", idle.length, link("/nodes", { show: "idle" }), ""],
            ]}
          />
          {images.data.value?.length === 0 && <FirstImage />}
          {total === 0 && images.data.value?.length !== 0 && <FirstNode />}
          {total > 0 && (
            <div class="cards third">
              <Card title="Booting now" more={more(booting, "booting")}>
                <Rows nodes={booting} none="Nothing boots right now.">
                  {(node) =>
                    node.boot && (
                      <>
                        <StageDots boot={node.boot} />
                        <Ago ms={node.boot.startedMs} />
                      </>
                    )
                  }
                </Rows>
              </Card>
              <Card title="Failed, and why" more={more(failed, "failed")}>
                <Failures nodes={failed} />
              </Card>
              <Card title="Waiting" more={more(waiting, "waiting")}>
                <Rows nodes={waiting} none="Nobody waits for you.">
                  {(node) => <Waits node={node} />}
                </Rows>
              </Card>
            </div>
          )}
          {total > 0 && (
            <div class="cards">
              <Card title="Boots">
                <BootsChart />
              </Card>
              <Card title="Latest events" more={<a href={link("/events")}>all events</a>}>
                <EventList events={recent.value.slice(0, 7)} />
              </Card>
            </div>
          )}
          <Server />
        </div>
      )}
    </>
  );
}

const more = (nodes: readonly NodeView[], show: string) =>
  nodes.length > MOST ? <a href={link("/nodes", { show })}>all {nodes.length}</a> : undefined;

const Figures = ({ rows }: { rows: readonly (readonly [string, number, string, string])[] }) => (
  <ul class="figures">
    {rows.map(([name, value, href, tone]) => (
      <li key={name}>
        <a href={href}>
          <strong class={value > 0 && tone ? `${tone}-text num` : "num"}>{value.toLocaleString()}</strong>
          <span>{name}</span>
        </a>
      </li>
    ))}
  </ul>
);

const Rows = ({
  nodes,
  none,
  children,
}: {
  nodes: readonly NodeView[];
  none: string;
  children(node: NodeView): ComponentChildren;
}) =>
  nodes.length === 0 ? (
    <p class="dim">{none}</p>
  ) : (
    <ul class="rows">
      {nodes.slice(0, MOST).map((node) => (
        <li key={node.id}>
          <a href={link(`/nodes/${node.name}`)}>{node.name}</a>
          {children(node)}
        </li>
      ))}
    </ul>
  );

/** What is wrong with many nodes is usually one thing: the same sentence is said once. */
const Failures = ({ nodes }: { nodes: readonly NodeView[] }) => {
  const reasons = new Map<string, NodeView[]>();
  for (const node of nodes) {
    const why = node.boot?.verdict ?? standing(node).word;
    const same = reasons.get(why);
    if (same) same.push(node);
    else reasons.set(why, [node]);
  }
  const sorted = [...reasons].sort(([, a], [, b]) => b.length - a.length);
  return sorted.length === 0 ? (
    <p class="dim">No node's last boot failed.</p>
  ) : (
    <ul class="rows reasons">
      {sorted.slice(0, MOST).map(([why, same]) => (
        <li key={why}>
          <span class="why">
            {same.length > 1 && <strong class="bad-text num">{same.length} nodes: </strong>}
            {why}
          </span>
          <span class="row">
            {same.slice(0, MOST_NAMES).map((node) => (
              <a key={node.id} href={link(`/nodes/${node.name}`)}>
                {node.name}
              </a>
            ))}
            {same.length > MOST_NAMES && (
              <a
                href={link("/nodes", { show: "failed", filter: why.replace(/[^\w .-]/g, " ").slice(0, 60) })}
              >
                and {same.length - MOST_NAMES} more
              </a>
            )}
            {same.length === 1 && same[0]?.boot?.endedMs !== undefined && <Ago ms={same[0].boot.endedMs} />}
            {same.length === 1 && same[0] && <PowerCycle node={same[0]} />}
          </span>
        </li>
      ))}
    </ul>
  );
};

const PowerCycle = ({ node }: { node: NodeView }) => {
  const wish = power(node, "cycle");
  return (
    <Button small why={whyNot(wish)} onClick={() => ask(wish)} label={`Power cycle ${node.name}`}>
      Power cycle
    </Button>
  );
};

const Waits = ({ node }: { node: NodeView }) => {
  if (node.line !== undefined) return <span class="why">{node.line}. in line: others boot before it</span>;
  const wish = enrol(node);
  return (
    <>
      <span class="why">
        {node.serial ?? node.mac} was heard <Ago ms={node.lastSeenMs} /> and may not boot yet
      </span>
      <Button small kind="first" why={whyNot(wish)} onClick={() => ask(wish)} label={`Enrol ${node.name}`}>
        Enrol
      </Button>
    </>
  );
};

const FirstImage = () => (
  <Empty title="First, an image" command="./bramble image add raspios.img.xz">
    <p>
      An SD-card image goes in once; every board boots its own copy of it. Add one on the{" "}
      <a href={link("/images")}>images page</a>, or in a terminal:
    </p>
  </Empty>
);

const FirstNode = () => (
  <Empty title="Now switch a board on">
    <p>
      Connect a Pi by cable, without an SD card. It appears here when it first asks for an address. A Pi 4 may
      need its boot order set once; this says how, and checks your network:
    </p>
    <Command text="./bramble doctor" />
    <p>
      No board at hand? A virtual one asks this server just as a board does, and appears here. It boots where
      Bramble gives the addresses (<code>up --mode full</code>); beside a router it is only heard:
    </p>
    <Command text="./bramble sim" />
  </Empty>
);

function Server() {
  const { data } = useResource("status", {}, ["setting"]);
  const status = data.value;
  if (!status) return null;
  const again = status.planes.filter((plane) => plane.restarts > 0);
  return (
    <p class="dim small">
      Bramble {status.version}, up {duration(Date.now() - status.startedMs)}, {size(status.rssBytes)} of
      memory, enrolment: {status.enrol}.
      {again.map(
        (plane) =>
          ` The ${plane.name} plane was started anew ${count(plane.restarts, "time")} (${plane.lastWhy}).`,
      )}{" "}
      <a href={link("/settings")}>Settings</a>
    </p>
  );
}
