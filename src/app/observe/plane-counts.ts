import type { Counts } from "../planes/tally.ts";
import type { Metrics } from "./metrics.ts";

/** What a plane has counted in the last second. */
export function addCounts(metrics: Metrics, { tftp, block = {} }: Counts): void {
  if (tftp) {
    for (const [result, n] of Object.entries(tftp.results)) metrics.tftpRequests.inc({ result }, n);
    metrics.tftpBytes.inc(tftp.bytes);
    metrics.tftpRetransmits.inc(tftp.retransmits);
    metrics.tftpSeconds.add({}, tftp.transfers.buckets, tftp.transfers.sumMs / 1000);
  }
  for (const [name, { buckets, sumMs, bytes }] of Object.entries(block)) {
    const [proto = "", op = ""] = name.split(" ");
    metrics.blockSeconds.add({ proto, op }, buckets, sumMs / 1000);
    if (bytes > 0) metrics.blockBytes.inc({ proto, op }, bytes);
  }
}
