import { parseIpv4 } from "../../base/addresses.ts";
import type { Lease } from "../../fleet/pool.ts";
import type { DhcpNetwork } from "../../serve/dhcp.ts";

/** How full the pools are that we give addresses from: leases that have not ended, and what is left. */
export function leasePools(
  networks: readonly DhcpNetwork[],
  leases: { all(): Iterable<Lease> },
  nowMs: number,
): { name: string; leased: number; free: number }[] {
  const pools = networks.flatMap(({ pool }) =>
    pool
      ? [{ name: `${pool.from}-${pool.to}`, from: parseIpv4(pool.from), to: parseIpv4(pool.to), leased: 0 }]
      : [],
  );
  for (const { address, expiresMs } of leases.all()) {
    const at = parseIpv4(address);
    const pool = pools.find(({ from, to }) => at >= from && at <= to);
    if (pool && expiresMs > nowMs) pool.leased += 1;
  }
  return pools.map(({ name, from, to, leased }) => ({
    name,
    leased,
    free: Math.max(0, to - from + 1 - leased),
  }));
}
