// One boot as a picture: stages as a band of time, each file as a bar below it. Everything in it is also in the table.
import type { BootDetail } from "../../../src/api/contract.ts";
import { duration, size, time } from "../format.ts";
import { List } from "./basics.tsx";

type Step = BootDetail["steps"][number];
export interface Phase {
  name: string;
  fromMs: number;
  toMs: number;
  state: "done" | "going" | "failed";
}

/** Spans of a boot by what was asked of us last: first DISCOVER to first file, files, kernel until its agent speaks, agent. */
export function phasesOf(boot: BootDetail, nowMs: number): Phase[] {
  const endMs = boot.endedMs ?? nowMs;
  const files = boot.steps.filter((step) => step.kind === "tftp");
  const agent = boot.steps.filter((step) => step.kind === "agent" || step.kind === "disk");
  const kernel = files.filter(
    (step) => step.result === "sent" && /kernel|vmlinu|initr|agent\.img|\.img$/.test(step.path ?? ""),
  );
  const marks: [string, number | undefined][] = [
    ["Address", boot.startedMs],
    ["Boot files", startOf(files[0])],
    ["Kernel starts", (kernel.at(-1) ?? files.findLast((step) => step.result === "sent"))?.atMs],
    ["Agent and root", agent[0]?.atMs],
  ];
  // A stage that came earlier than the one before it never stood alone.
  const known = marks.filter((mark): mark is [string, number] => mark[1] !== undefined);
  const seen = known.filter(
    ([name]) =>
      name !== "Kernel starts" || ["kernel", "agent", "root", "switched-root", "booted"].includes(boot.stage),
  );
  return seen.map(([name, fromMs], i) => {
    const next = seen[i + 1]?.[1];
    const last = next === undefined;
    return {
      name,
      fromMs,
      toMs: Math.max(fromMs, next ?? endMs),
      state: !last
        ? "done"
        : boot.outcome === undefined
          ? "going"
          : boot.outcome === "failed"
            ? "failed"
            : "done",
    };
  });
}

const startOf = (step: Step | undefined): number | undefined => step && step.atMs - (step.tookMs ?? 0);
/** The picture shows the files that took longest; the table has all. */
const MOST_BARS = 40;

export function Timeline({ boot, nowMs }: { boot: BootDetail; nowMs: number }) {
  const phases = phasesOf(boot, nowMs);
  const endMs = Math.max(boot.endedMs ?? nowMs, ...boot.steps.map((step) => step.atMs));
  const total = Math.max(1, endMs - boot.startedMs);
  const at = (ms: number) => `${((ms - boot.startedMs) / total) * 100}%`;
  const wide = (ms: number) => `max(2px, ${(ms / total) * 100}%)`;
  const files = boot.steps
    .filter((step) => step.path !== undefined && step.result === "sent")
    .sort((a, b) => (b.tookMs ?? 0) - (a.tookMs ?? 0))
    .slice(0, MOST_BARS)
    .sort((a, b) => a.atMs - b.atMs);
  const missing = boot.steps.filter((step) => step.result === "missing" || step.result === "broken");
  return (
    <figure class="timeline" aria-label={words(boot, phases)} role="img">
      <div class="axis" aria-hidden="true">
        {[0, 0.25, 0.5, 0.75, 1].map((part) => (
          <span key={part} style={{ left: `${part * 100}%` }}>
            {duration(total * part)}
          </span>
        ))}
      </div>
      <div class="band" aria-hidden="true">
        {phases.map((phase) => (
          <span
            key={phase.name}
            class={phase.state}
            style={{ left: at(phase.fromMs), width: wide(phase.toMs - phase.fromMs) }}
            title={`${phase.name}: ${duration(phase.toMs - phase.fromMs)}`}
          >
            {phase.name}
          </span>
        ))}
      </div>
      <div class="files" aria-hidden="true">
        {files.map((step) => (
          <div key={`${step.atMs} ${step.path}`}>
            <span class="name" title={step.path}>
              {shortPath(step.path ?? "")}
            </span>
            <span class="lane">
              <i
                style={{ left: at(startOf(step) ?? 0), width: wide(step.tookMs ?? 0) }}
                title={`${step.path}: ${size(step.bytes)} in ${duration(step.tookMs)}`}
              />
            </span>
            <span class="num dim">{size(step.bytes)}</span>
          </div>
        ))}
        {missing.length > 0 && (
          <div>
            <span class="name">not there</span>
            <span class="lane">
              {missing.map((step, i) => (
                <b key={`${i} ${step.path}`} style={{ left: at(step.atMs) }} title={step.path} />
              ))}
            </span>
            <span class="num dim">{missing.length}</span>
          </div>
        )}
      </div>
    </figure>
  );
}

const shortPath = (path: string): string =>
  path
    .split("/")
    .slice(-2)
    .join("/")
    .replace(/^[0-9a-f]{8}\//, "");

const words = (boot: BootDetail, phases: readonly Phase[]): string =>
  `Boot of ${boot.node}: ${phases.map((phase) => `${phase.name} ${duration(phase.toMs - phase.fromMs)}`).join(", ")}`;

/** Every step in words. */
export const Steps = ({ boot }: { boot: BootDetail }) => (
  <List label="Steps of this boot" head={["After", "From", "What", "Size", "Took", "Origin"]}>
    {boot.steps.map((step, i) => (
      <tr key={`${i} ${step.atMs}`}>
        <td class="num nowrap dim" title={time(step.atMs)}>
          +{((step.atMs - boot.startedMs) / 1_000).toFixed(2)} s
        </td>
        <td>{step.kind}</td>
        <td class={`words ${step.result === "broken" ? "bad-text" : ""}`}>
          {step.path === undefined ? step.words : <code>{step.path}</code>}
          {step.result !== undefined && step.result !== "sent" && <span class="dim"> {step.result}</span>}
        </td>
        <td class="num nowrap">
          {step.bytes === undefined || step.result === "probed" ? "" : size(step.bytes)}
        </td>
        <td class="num nowrap">{step.tookMs === undefined ? "" : duration(step.tookMs)}</td>
        <td class="words dim">{step.origin ?? ""}</td>
      </tr>
    ))}
  </List>
);
