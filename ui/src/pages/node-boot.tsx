import { useEffect, useState } from "preact/hooks";
import type { NodeView } from "../../../src/api/contract.ts";
import { Card, Empty, Loading, Refusal } from "../parts/basics.tsx";
import { Steps, Timeline } from "../parts/timeline.tsx";
import { useResource } from "../resource.ts";

export const NodeBoot = ({ node }: { node: NodeView }) =>
  node.boot ? (
    <OneBoot id={node.boot.id} going={node.boot.outcome === undefined} nodeId={node.id} />
  ) : (
    <Empty title="It has not booted yet" command={`./bramble explain ${node.name}`}>
      <p>Its first boot is drawn here as it happens: each stage, each file. The same in a terminal:</p>
    </Empty>
  );

/** One boot by its id; one that goes on is asked for again while it does. */
export function OneBoot({ id, going, nodeId }: { id: string; going: boolean; nodeId: string }) {
  const { data, problem, reload } = useResource("boot", { boot: id }, ["boot", "node"], nodeId);
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    void reload();
    if (!going) return undefined;
    const timer = setInterval(() => {
      setNow(Date.now());
      void reload();
    }, 1_000);
    return () => clearInterval(timer);
  }, [going, reload]);
  if (problem.value) return <Refusal problem={problem.value} />;
  const boot = data.value;
  if (!boot) return <Loading />;
  return (
    <div class="stack">
      <Card title="Timeline">
        <Timeline boot={boot} nowMs={boot.endedMs ?? now} />
      </Card>
      <Card title={`Steps (${boot.steps.length})`}>
        <Steps boot={boot} />
      </Card>
    </div>
  );
}
