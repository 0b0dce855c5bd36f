/** A kernel of a card, and what the agent is built for. */
export interface AgentKernels<K> {
  arch: "arm64" | "armhf";
  kernels: K[];
}

/**
 * Which of a card's kernels the agent is for: its programs run on 64-bit kernels or on 32-bit ones. The 64-bit ones where there are any. By
 * their version's ending: Raspberry Pi's are -v6, -v7, -v7l, -v8 and -2712 ("6.12.47+rpt-rpi-v8"), Debian's -arm64 and -armmp.
 * The oldest, -v6, are left out: Debian's armhf needs an ARMv7.
 */
export function agentKernels<K extends { version: string }>(all: readonly K[]): AgentKernels<K> {
  const old = all.filter(({ version }) => /-(v7l?|armmp(-lpae)?)\+?$/.test(version));
  const older = all.filter(({ version }) => /-(v6|rpi)\+?$/.test(version));
  const kernels = all.filter((one) => !old.includes(one) && !older.includes(one));
  return kernels.length > 0 || old.length === 0
    ? { arch: "arm64", kernels }
    : { arch: "armhf", kernels: old };
}
