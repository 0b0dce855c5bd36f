import type { Node } from "../../fleet/node.ts";

/** What a view of a node tells of its life. */
export const lifeFields = ({
  version,
  owner,
  maintenance,
  stateSinceMs,
  deadlineMs,
  attempt,
  override,
}: Node) => ({
  ...{ version, stateSinceMs, attempt },
  ...(owner !== undefined && { owner }),
  ...(maintenance !== undefined && { maintenance }),
  ...(deadlineMs !== undefined && { deadlineMs }),
  ...(override && { override }),
});
