import { useState } from "preact/hooks";
import type { SwitchPortView } from "../../../src/api/power-contract.ts";
import { ask, entry, whyNot } from "../actions/action.ts";
import { Dialog } from "../actions/dialog.tsx";
import { addSwitch, portEntries, removeSwitch, scanSwitch, setSwitch } from "../actions/power.ts";
import { count, duration } from "../format.ts";
import { standing } from "../node-facts.ts";
import { nodeList } from "../nodes.ts";
import { Ago, Button, Card, Chip, Empty, Facts, Head, List, Loading, Refusal } from "../parts/basics.tsx";
import { Actions } from "../parts/menu.tsx";
import { PowerWord } from "../parts/power-mark.tsx";
import { link } from "../place.ts";
import { useResource } from "../resource.ts";

export function Switches() {
  const { data, problem } = useResource("switches", {}, ["switch"]);
  const wish = addSwitch();
  return (
    <>
      <Head
        title="Switches"
        words="What gives boards their power: PoE switches, PDUs, plugs. By them Bramble cycles what hangs."
      >
        <Button kind="first" why={whyNot(wish)} onClick={() => ask(wish)}>
          Add a switch
        </Button>
      </Head>
      <Refusal problem={problem.value} />
      {!data.value && !problem.value && <Loading />}
      {data.value?.length === 0 && (
        <Empty title="No switch yet" command="./bramble switch add sw-1 --driver snmp --address 10.0.0.2">
          <p>
            With one, Bramble switches boards on and off, cycles those whose boot fails, and draws which board
            hangs on which port. Without, boards boot all the same; a person switches them.
          </p>
        </Empty>
      )}
      {(data.value?.length ?? 0) > 0 && (
        <Card>
          <List label="Switches" head={["Name", "Kind", "Address", "Ports", "Nodes", "State", ""]}>
            {data.value?.map((one) => (
              <tr key={one.id}>
                <td>
                  <a href={link(`/switches/${one.name}`)}>{one.name}</a>
                </td>
                <td>{one.driver}</td>
                <td class="mono">{one.address ?? ""}</td>
                <td class="num">{one.ports}</td>
                <td class="num">{one.nodes.length}</td>
                <td class="words">
                  {one.error === undefined ? (
                    <Chip tone="ok">answers</Chip>
                  ) : (
                    <>
                      <Chip tone="bad">silent</Chip> <span class="small">{one.error}</span>
                    </>
                  )}
                </td>
                <td>
                  <Actions
                    shown={0}
                    entries={[entry(scanSwitch(one)), entry(setSwitch(one)), entry(removeSwitch(one))]}
                  />
                </td>
              </tr>
            ))}
          </List>
        </Card>
      )}
    </>
  );
}

export function SwitchPage({ name }: { name: string }) {
  const { data, problem } = useResource("switch", { switch: name }, ["switch"]);
  const ports = useResource("switchPorts", { switch: name }, ["switch", "power"]);
  const [open, setOpen] = useState<string | undefined>(undefined);
  const crumb = { href: link("/switches"), text: "Switches" };
  const one = data.value;
  if (!one)
    return (
      <>
        <Head title={name} crumb={crumb} />
        {problem.value ? <Refusal problem={problem.value} /> : <Loading />}
      </>
    );
  const chosen = ports.data.value?.find((port) => port.name === open);
  return (
    <>
      <Head
        title={one.name}
        crumb={crumb}
        chips={one.error === undefined ? <Chip tone="ok">answers</Chip> : <Chip tone="bad">silent</Chip>}
      >
        <Actions
          shown={2}
          entries={[entry(scanSwitch(one)), entry(setSwitch(one)), entry(removeSwitch(one))]}
        />
      </Head>
      <div class="stack">
        {one.error !== undefined && <div class="banner bad">{one.error}</div>}
        <Card>
          <Facts
            rows={[
              ["Kind", one.driver],
              ["Address", one.address],
              ["Runs for", one.upTimeMs === undefined ? undefined : duration(one.upTimeMs)],
              ["Scanned", one.scannedMs === undefined ? "never" : <Ago key="scanned" ms={one.scannedMs} />],
              ["Nodes", count(one.nodes.length, "node")],
            ]}
          />
        </Card>
        <Card title="Ports">
          <Refusal problem={ports.problem.value} />
          {ports.data.value?.length === 0 && (
            <Empty title="Its ports are not known yet" command={`./bramble switch scan ${one.name}`}>
              <p>Scan it: Bramble then knows which board hangs where.</p>
            </Empty>
          )}
          <ul class="ports">
            {ports.data.value?.map((port) => (
              <li key={port.name}>
                <Port port={port} open={() => setOpen(port.name)} />
              </li>
            ))}
          </ul>
        </Card>
      </div>
      {chosen && <PortDialog port={chosen} close={() => setOpen(undefined)} />}
    </>
  );
}

const Port = ({ port, open }: { port: SwitchPortView; open(): void }) => {
  const { actual } = port.power ?? {};
  const tone = actual === "on" ? "on" : actual === "fault" || port.power?.alarm !== undefined ? "fault" : "";
  const node = nodeList.value.find(({ name }) => name === port.node);
  const who = port.node ?? port.seen[0] ?? port.neighbour ?? port.alias ?? "";
  const words = [
    `Port ${port.name}`,
    who,
    actual && `power ${actual}`,
    port.guard !== undefined && `guarded: ${port.guard}`,
    node && standing(node).word,
  ].filter(Boolean);
  return (
    <button
      type="button"
      class={`port ${tone}`}
      onClick={open}
      title={words.join(", ")}
      aria-label={words.join(", ")}
    >
      <strong>{port.name}</strong>
      <span class="who">{who || "–"}</span>
      {actual ? <PowerWord state={actual} /> : <span>{port.port === undefined ? "no power" : ""}</span>}
    </button>
  );
};

const PortDialog = ({ port, close }: { port: SwitchPortView; close(): void }) => (
  <Dialog title={`Port ${port.name}`} onClose={close}>
    <div class="inside">
      <h2>
        {port.switch}, port {port.name}
      </h2>
      <Facts
        rows={[
          [
            "Node",
            port.node && (
              <a key="node" href={link(`/nodes/${port.node}`)}>
                {port.node}
              </a>
            ),
          ],
          ["Seen here", port.seen.join(", ")],
          ["Neighbour", port.neighbour],
          ["Addresses", port.macs.join(", ")],
          ["Link", port.up === undefined ? undefined : port.up ? "up" : "down"],
          [
            "Power",
            port.power && <PowerWord key="power" state={port.power.actual} watts={port.power.watts} />,
          ],
          ["Known by", port.power?.proof],
          ["Guard", port.guard ?? (port.allowed ? "it may be switched, by hand" : undefined)],
          ["Trouble", port.power?.alarm ?? port.power?.error],
        ]}
      />
      <div class="row">
        <Actions
          shown={8}
          entries={portEntries(port).map((one) => ({
            ...one,
            run() {
              close();
              one.run();
            },
          }))}
        />
      </div>
      <div class="foot">
        <Button kind="first" onClick={close}>
          Close
        </Button>
      </div>
    </div>
  </Dialog>
);
