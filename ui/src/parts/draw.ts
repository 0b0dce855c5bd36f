import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

const colour = (name: string): string =>
  getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const HEIGHT = 150;

/** Steps of an axis that counts: there are no half boots. */
const WHOLE = [1, 2, 5]
  .flatMap((n) => [1, 10, 100, 1_000, 10_000].map((times) => n * times))
  .sort((a, b) => a - b);

function axes(values?: (self: uPlot, ticks: number[]) => string[]): uPlot.Axis[] {
  const common = {
    stroke: colour("--dim"),
    grid: { stroke: colour("--line"), width: 1 },
    ticks: { show: false },
  };
  return [
    { ...common, grid: { show: false } },
    { ...common, size: 46, ...(values ? { values } : { incrs: WHOLE }) },
  ];
}

/** Bars of good and failed boots per hour. */
export function drawBoots(
  into: HTMLElement,
  { hours, good, failed }: { hours: number[]; good: number[]; failed: number[] },
): uPlot {
  const bars = uPlot.paths.bars?.({ size: [0.7] });
  const all = good.map((n, i) => n + (failed[i] ?? 0));
  return keepWidth(
    into,
    new uPlot(
      {
        width: into.clientWidth,
        height: HEIGHT,
        cursor: { show: false },
        legend: { show: false },
        scales: { y: { range: (_, _min, max) => [0, Math.max(4, max)] } },
        axes: axes(),
        series: [
          {},
          {
            label: "booted",
            fill: colour("--ok"),
            width: 0,
            points: { show: false },
            ...(bars && { paths: bars }),
          },
          {
            label: "failed",
            fill: colour("--bad"),
            width: 0,
            points: { show: false },
            ...(bars && { paths: bars }),
          },
        ],
      },
      [hours.map((ms) => ms / 1_000), all, failed],
      into,
    ),
  );
}

/** How long each boot took; failed ones as a mark of their own. */
export function drawDurations(
  into: HTMLElement,
  rows: { atMs: number; seconds: number; failed: boolean }[],
): uPlot {
  return keepWidth(
    into,
    new uPlot(
      {
        width: into.clientWidth,
        height: HEIGHT,
        cursor: { show: false },
        legend: { show: false },
        scales: { y: { range: (_, _min, max) => [0, Math.max(1, max * 1.1)] } },
        axes: axes((_, ticks) => ticks.map((tick) => `${tick} s`)),
        series: [
          {},
          {
            label: "booted",
            stroke: colour("--ok"),
            width: 1.5,
            points: { show: true, size: 6, fill: colour("--ok") },
          },
          { label: "failed", stroke: "transparent", points: { show: true, size: 8, fill: colour("--bad") } },
        ],
      },
      [
        rows.map((row) => row.atMs / 1_000),
        rows.map((row) => (row.failed ? null : row.seconds)),
        rows.map((row) => (row.failed ? row.seconds : null)),
      ],
      into,
    ),
  );
}

function keepWidth(into: HTMLElement, plot: uPlot): uPlot {
  const watch = new ResizeObserver(() => plot.setSize({ width: into.clientWidth, height: HEIGHT }));
  watch.observe(into);
  const destroy = plot.destroy.bind(plot);
  plot.destroy = () => {
    watch.disconnect();
    destroy();
  };
  return plot;
}
