// Where boards stand: a drawing of each rack, a cell for each slot, in the colour of how its node stands.
import { useComputed } from "@preact/signals";
import { useEffect, useMemo, useState } from "preact/hooks";
import type { NodeView } from "../../../src/api/contract.ts";
import { ask, entry, whyNot } from "../actions/action.ts";
import { importPlaces } from "../actions/model.ts";
import { addPool, removePool, setPool } from "../actions/pools.ts";
import { call } from "../api.ts";
import { count, naturalKey } from "../format.ts";
import { standing } from "../node-facts.ts";
import { nodeList, nodesLoaded } from "../nodes.ts";
import { Button, Card, Command, Empty, Head, List, Loading, Refusal } from "../parts/basics.tsx";
import { Actions } from "../parts/menu.tsx";
import { link } from "../place.ts";
import { useResource } from "../resource.ts";
import { say } from "../tasks.ts";

interface Unit {
  name: string;
  nodes: NodeView[];
}
interface Rack {
  key: string;
  site: string | undefined;
  name: string;
  units: Unit[];
  nodes: number;
}

/** Racks with their units, in the order that people count; nodes without a place are not in it. */
export function racksOf(nodes: readonly NodeView[]): Rack[] {
  const racks = new Map<string, { rack: Rack; units: Map<string, Unit> }>();
  for (const node of nodes) {
    const { site, rack: name, unit = "" } = node.place ?? {};
    if (name === undefined) continue;
    const key = `${site ?? ""}/${name}`;
    let found = racks.get(key);
    if (!found) {
      found = { rack: { key, site, name, units: [], nodes: 0 }, units: new Map() };
      racks.set(key, found);
    }
    let row = found.units.get(unit);
    if (!row) {
      row = { name: unit, nodes: [] };
      found.units.set(unit, row);
      found.rack.units.push(row);
    }
    row.nodes.push(node);
    found.rack.nodes += 1;
  }
  const order = (a: string, b: string) => (naturalKey(a) < naturalKey(b) ? -1 : 1);
  const all = [...racks.values()].map(({ rack }) => rack);
  for (const rack of all) {
    rack.units.sort((a, b) => order(b.name, a.name)); // the lowest unit stands at the bottom
    for (const unit of rack.units)
      unit.nodes.sort((a, b) => order(a.place?.slot ?? a.name, b.place?.slot ?? b.name));
  }
  return all.sort((a, b) => order(a.key, b.key));
}

export function Racks() {
  const racks = useComputed(() => racksOf(nodeList.value)).value;
  const drawn = useSlices(racks.length);
  const placeless = nodeList.value.filter((node) => node.place?.rack === undefined).length;
  const wish = importPlaces();
  return (
    <>
      <Head
        title="Racks"
        words={
          racks.length > 0
            ? `${count(racks.length, "rack")}; ${count(placeless, "node")} without a place.`
            : undefined
        }
      >
        <Button why={whyNot({ verb: "exportPlaces" })} onClick={() => void exportCsv()}>
          Export CSV
        </Button>
        <Button kind="first" why={whyNot(wish)} onClick={() => ask(wish)}>
          Import places
        </Button>
      </Head>
      {!nodesLoaded.value && <Loading />}
      {nodesLoaded.value && racks.length === 0 && (
        <Empty title="No node has a place yet">
          <p>
            Say where each board stands, and this page draws it: which slot of which unit is down. For one
            node: its page, More, Change its place. For many, a CSV:
          </p>
          <pre class="text">
            {"node,site,rack,unit,slot,switch,port\npi-01,hall-1,3,7,1,sw-3,1\npi-02,hall-1,3,7,2,sw-3,2"}
          </pre>
          <Command text="./bramble place import places.csv" />
        </Empty>
      )}
      {racks.length > 0 && <Legend />}
      <div class="racks">
        {racks.slice(0, drawn).map((rack) => (
          <OneRack key={rack.key} rack={rack} />
        ))}
      </div>
      <Pools />
    </>
  );
}

/** How many of `all` are drawn now: some more in each turn of the page's thread, so that none takes long. */
function useSlices(all: number): number {
  const [drawn, draw] = useState(AT_ONCE);
  useEffect(() => {
    if (drawn >= all) return undefined;
    const timer = setTimeout(() => draw(drawn + AT_ONCE));
    return () => clearTimeout(timer);
  }, [drawn, all]);
  return drawn;
}
/** Racks of 200 boards and more. */
const AT_ONCE = 2;

const Legend = () => (
  <p class="legend small" aria-hidden="true">
    {(["up", "booting", "waiting", "failed", "idle"] as const).map((kind) => (
      <span key={kind}>
        <i class={`cell ${kind}`} /> {kind === "up" ? "booted" : kind}
      </span>
    ))}
  </p>
);

const OneRack = ({ rack }: { rack: Rack }) => (
  <section class="rack card" aria-label={`Rack ${rack.name}`}>
    <h2>
      <a href={link("/nodes", { filter: `rack=${rack.name}` })}>
        {rack.site === undefined ? "" : `${rack.site} / `}
        {rack.name}
      </a>
      <span class="more dim">{count(rack.nodes, "node")}</span>
    </h2>
    <ol>
      {rack.units.map((unit) => (
        <OneUnit key={unit.name} unit={unit} />
      ))}
    </ol>
  </section>
);

/** Drawn anew only when one of its nodes changed. */
const OneUnit = ({ unit }: { unit: Unit }) =>
  useMemo(
    () => (
      <li>
        <span class="unit">{unit.name || "–"}</span>
        <span class="slots">
          {unit.nodes.map((node) => (
            <Cell key={node.id} node={node} text={node.place?.slot ?? ""} />
          ))}
        </span>
      </li>
    ),
    [unit.name, ...unit.nodes],
  );

/** One board: colour and sign say how it stands, words say it to everybody else. */
export const Cell = ({ node, text }: { node: NodeView; text: string }) => {
  const stands = standing(node);
  const words = `${text === "" ? "" : `slot ${text}: `}${node.name}, ${stands.word}`;
  return (
    <a class={`cell ${stands.kind}`} href={link(`/nodes/${node.name}`)} title={words} aria-label={words}>
      {text || <span aria-hidden="true">·</span>}
    </a>
  );
};

async function exportCsv(): Promise<void> {
  try {
    const { csv } = await call("exportPlaces", {});
    const url = URL.createObjectURL(new Blob([csv], { type: "text/csv" }));
    const anchor = document.createElement("a");
    anchor.href = url;
    anchor.download = "places.csv";
    anchor.click();
    URL.revokeObjectURL(url);
  } catch (error) {
    say((error as Error).message);
  }
}

function Pools() {
  const { data, problem } = useResource("addressPools", {}, ["setting", "node"]);
  const wish = addPool();
  return (
    <Card
      title="Address pools"
      className="pools"
      more={
        <Button small why={whyNot(wish)} onClick={() => ask(wish)}>
          Make a pool
        </Button>
      }
    >
      <Refusal problem={problem.value} />
      {data.value?.length === 0 && (
        <p class="dim">
          None: addresses come from the DHCP server's own pool, or from your router beside Bramble.
        </p>
      )}
      {(data.value?.length ?? 0) > 0 && (
        <List label="Address pools" head={["Name", "For", "From", "To", "Used", ""]}>
          {data.value?.map((pool) => (
            <tr key={pool.name}>
              <td>{pool.name}</td>
              <td>{`${pool.for || "all nodes"}${pool.kind === "management" ? ", management" : ""}`}</td>
              <td class="mono">{pool.from}</td>
              <td class="mono">{pool.to}</td>
              <td class="num">
                {pool.used} of {pool.size}
              </td>
              <td>
                <Actions shown={0} entries={[entry(setPool(pool)), entry(removePool(pool))]} />
              </td>
            </tr>
          ))}
        </List>
      )}
    </Card>
  );
}
