import { useEffect, useRef, useState } from "preact/hooks";
import type { BootView, NodeView } from "../../../src/api/contract.ts";
import { Dialog } from "../actions/dialog.tsx";
import { duration, time } from "../format.ts";
import { OUTCOME_TONES, OUTCOME_WORDS } from "../node-facts.ts";
import { Button, Card, Chip, List, Loading, Refusal } from "../parts/basics.tsx";
import { EventList } from "../parts/events.tsx";
import { useResource } from "../resource.ts";
import { theme } from "../theme.ts";
import { OneBoot } from "./node-boot.tsx";

/** Its boots, how long they took, and every decision about it. */
export function NodeHistory({ node }: { node: NodeView }) {
  const boots = useResource("boots", { node: node.name, limit: 100 }, ["boot"], node.id);
  const events = useResource("events", { node: node.name, limit: 200 }, ["node", "boot", "power"], node.id);
  const [open, setOpen] = useState<BootView | undefined>(undefined);
  const list = boots.data.value;
  return (
    <div class="stack">
      <Card title="Boots">
        <Refusal problem={boots.problem.value} />
        {!list && !boots.problem.value && <Loading />}
        {list?.length === 0 && <p class="dim">It has not booted yet.</p>}
        {list && list.length > 1 && <Durations boots={list} />}
        {list && list.length > 0 && (
          <List label="Boots" head={["Began", "Outcome", "Took", "Verdict", ""]}>
            {list.map((boot) => (
              <tr key={boot.id}>
                <td class="nowrap">{time(boot.startedMs)}</td>
                <td>
                  {boot.outcome === undefined ? (
                    <Chip tone="go">on its way</Chip>
                  ) : (
                    <Chip tone={OUTCOME_TONES[boot.outcome]}>{OUTCOME_WORDS[boot.outcome]}</Chip>
                  )}
                </td>
                <td class="num nowrap">
                  {boot.endedMs === undefined ? "" : duration(boot.endedMs - boot.startedMs)}
                </td>
                <td class="words">{boot.verdict ?? ""}</td>
                <td>
                  <Button
                    small
                    label={`Open the boot of ${time(boot.startedMs)}`}
                    onClick={() => setOpen(boot)}
                  >
                    Open
                  </Button>
                </td>
              </tr>
            ))}
          </List>
        )}
      </Card>
      <Card title="Events">
        <Refusal problem={events.problem.value} />
        {events.data.value ? <EventList plain events={events.data.value.toReversed()} /> : <Loading />}
      </Card>
      {open && (
        <Dialog title={`Boot of ${time(open.startedMs)}`} onClose={() => setOpen(undefined)} wide>
          <div class="inside">
            <h2>Boot of {time(open.startedMs)}</h2>
            {open.verdict !== undefined && <p>{open.verdict}</p>}
            <OneBoot id={open.id} going={open.outcome === undefined} nodeId={node.id} />
            <div class="foot">
              <Button kind="first" onClick={() => setOpen(undefined)}>
                Close
              </Button>
            </div>
          </div>
        </Dialog>
      )}
    </div>
  );
}

/** How long each boot took; the table below says the same in figures. */
function Durations({ boots }: { boots: readonly BootView[] }) {
  const box = useRef<HTMLDivElement>(null);
  const shown = theme.value;
  useEffect(() => {
    const into = box.current;
    if (!into) return;
    let plot: { destroy(): void } | undefined;
    let gone = false;
    const rows = boots
      .filter((boot) => boot.endedMs !== undefined && boot.outcome !== "superseded")
      .map((boot) => ({
        atMs: boot.startedMs,
        seconds: ((boot.endedMs ?? 0) - boot.startedMs) / 1_000,
        failed: boot.outcome === "failed",
      }))
      .reverse();
    void import("../parts/draw.ts").then(({ drawDurations }) => {
      if (!gone && rows.length > 1) plot = drawDurations(into, rows);
    });
    return () => {
      gone = true;
      plot?.destroy();
    };
  }, [boots, shown]);
  return <div class="plot" ref={box} aria-hidden="true" />;
}
