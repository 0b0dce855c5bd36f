import type { Metric, Registry } from "prom-client";

interface Held {
  labels: Record<string, string>;
  buckets: number[];
  sum: number;
}

export interface BucketHistogram {
  /** Adds observations that were sorted into buckets already: one number for each bound, and one more. `sum` in seconds. */
  add(labels: Record<string, string>, buckets: readonly number[], sum: number): void;
}

/** A histogram that is fed by bunches: prom-client's own takes one observation at a time. */
export function bucketHistogram(
  registry: Registry,
  { name, help, bounds }: { name: string; help: string; bounds: readonly number[] },
): BucketHistogram {
  const rows = new Map<string, Held>();

  function values() {
    return [...rows.values()].flatMap(({ labels, buckets, sum }) => {
      let count = 0;
      const cumulative = buckets.map((n, i) => {
        count += n;
        const le = bounds[i] ?? "+Inf";
        return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: count };
      });
      return [
        ...cumulative,
        { metricName: `${name}_sum`, labels, value: sum },
        { metricName: `${name}_count`, labels, value: count },
      ];
    });
  }

  // The registry asks a metric for its name and for get(); its type names only prom-client's own classes.
  registry.registerMetric({
    name,
    help,
    get: async () => ({ name, help, type: "histogram", aggregator: "sum", values: values() }),
    reset: () => rows.clear(),
  } as unknown as Metric);

  return {
    add(labels, buckets, sum) {
      const key = JSON.stringify(labels);
      const held = rows.get(key) ?? {
        labels,
        buckets: new Array<number>(bounds.length + 1).fill(0),
        sum: 0,
      };
      rows.set(key, held);
      for (const [i, n] of buckets.entries()) held.buckets[i] = (held.buckets[i] ?? 0) + n;
      held.sum += sum;
    },
  };
}
