/** The cluster of a profile, as it was reported by who made it. */
export interface ClusterState {
  nodeId: string;
  /** The clone that it was made on. */
  instance: string;
  address: string;
  token: string;
}

/** What a node is to do about its profile's cluster. */
export type ClusterRole =
  | { role: "first" }
  | { role: "wait"; why: string }
  | { role: "join"; address: string; token: string }
  | { role: "stopped"; why: string };

/**
 * The first node of a profile makes the cluster, once: a clone that was reset since must not make another beside the one that
 * the other nodes are in, so it stops and says what to do.
 */
export function clusterRole(asks: {
  profile: string;
  nodeId: string;
  instance: string;
  /** Its number in the profile. */
  index: number;
  cluster: ClusterState | undefined;
}): ClusterRole {
  const { profile, cluster } = asks;
  if (!cluster) {
    return asks.index === 0
      ? { role: "first" }
      : { role: "wait", why: `the first node of ${profile} has not made the cluster yet` };
  }
  if (cluster.nodeId !== asks.nodeId) return { role: "join", address: cluster.address, token: cluster.token };
  if (cluster.instance === asks.instance) return { role: "first" };
  return {
    role: "stopped",
    why:
      `this node made the cluster of ${profile}, and its disk was reset since: the other nodes are still members of the old one. ` +
      `To begin a new cluster: bramble profile forget-cluster ${profile}, bramble clone reset for each of the others, and boot all of them`,
  };
}
