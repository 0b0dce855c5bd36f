// Boots of the last day, by hour and outcome. The drawing is one file of its own, loaded when it is wanted.
import { useEffect, useRef } from "preact/hooks";
import type { BootView } from "../../../src/api/contract.ts";
import { count } from "../format.ts";
import { useResource } from "../resource.ts";
import { theme } from "../theme.ts";
import { Loading, Refusal } from "./basics.tsx";

const HOUR_MS = 3_600_000;

/** Good and failed boots per hour, the last 24 of them. */
export function perHour(boots: readonly BootView[], now: number) {
  const first = Math.floor(now / HOUR_MS) - 23;
  const hours = Array.from({ length: 24 }, (_, i) => (first + i) * HOUR_MS);
  const good = new Array<number>(24).fill(0);
  const failed = new Array<number>(24).fill(0);
  for (const boot of boots) {
    const at = Math.floor(boot.startedMs / HOUR_MS) - first;
    const into = boot.outcome === "failed" ? failed : boot.outcome === "superseded" ? undefined : good;
    if (into && at >= 0 && at < 24) into[at] = (into[at] ?? 0) + 1;
  }
  return { hours, good, failed };
}

export function BootsChart() {
  const { data, problem } = useResource("boots", { limit: 1_000 }, ["boot"]);
  const box = useRef<HTMLDivElement>(null);
  const boots = data.value;
  const shown = theme.value;
  useEffect(() => {
    const into = box.current;
    if (!into || !boots || boots.length === 0) return;
    let plot: { destroy(): void } | undefined;
    let gone = false;
    void import("./draw.ts").then(({ drawBoots }) => {
      if (!gone) plot = drawBoots(into, perHour(boots, Date.now()));
    });
    return () => {
      gone = true;
      plot?.destroy();
    };
  }, [boots, shown]);
  if (problem.value) return <Refusal problem={problem.value} />;
  if (!boots) return <Loading />;
  const day = boots.filter((boot) => boot.startedMs > Date.now() - 24 * HOUR_MS);
  const failed = day.filter((boot) => boot.outcome === "failed").length;
  return (
    <>
      <p>
        {count(day.length, "boot")} in the last 24 hours
        {boots.length === 1_000 ? " (of the latest 1,000)" : ""}, {failed} failed.
      </p>
      {boots.length > 0 && <div class="plot" ref={box} aria-hidden="true" />}
    </>
  );
}
