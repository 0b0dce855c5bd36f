// iSCSI doors of the disk plane: one target for each node, its clone and its volumes behind it.
import { type IscsiClient, type IscsiServer, type IscsiTarget, serveIscsi } from "../../serve/iscsi.ts";
import type { DiskEvent } from "./disk-calls.ts";
import type { Fence, OpenSession } from "./fence.ts";
import { bootOf, type Grants, type IscsiGrant, nodeOf } from "./grants.ts";
import type { OpenClones } from "./open-clones.ts";
import type { LogicalUnits } from "./units.ts";

/** Of so many clients that are just logging in it is known whose disk they want. */
const MOST_REFUSED = 1_000;

export function iscsiDoors(parts: {
  clones: OpenClones;
  units: LogicalUnits;
  fence: Fence;
  grants: Grants;
  tell(event: DiskEvent): void;
}) {
  const { clones, units, fence, grants, tell } = parts;
  const servers: IscsiServer[] = [];
  let stopping = false;
  let sessions = 0;
  /** Told when the last session has ended. */
  let empty = () => {};
  const dropEverywhere = async (target: string, why: string) => {
    await Promise.all(servers.map((server) => server.drop(target, why)));
  };
  const ping = async (target: string, timeoutMs: number) =>
    (await Promise.all(servers.map((server) => server.ping(target, timeoutMs)))).some((answered) => answered);

  /** Whose disk a client asked for that was refused before it had a target: by its address and port. */
  const askedFor = new Map<string, string>();
  const remember = ({ address, port }: IscsiClient, name: string) => {
    if (askedFor.size >= MOST_REFUSED) askedFor.clear();
    askedFor.set(`${address} ${port}`, name);
  };

  function refusal(grant: IscsiGrant, { address, initiator }: IscsiClient): string | undefined {
    if (initiator !== grant.initiator) return `${initiator} is not the initiator that this target belongs to`;
    if (grants.isFenced(grant, address))
      return `${address} was an older boot of this node, which a newer one has replaced`;
    if (address !== grant.address && !grant.used)
      return `${address} is not the node that this target belongs to`;
    return undefined;
  }

  async function find(target: string, client: IscsiClient): Promise<IscsiTarget | { refused: string }> {
    if (stopping) return { refused: "the server stops: it is back soon" };
    const grant = await grants.find(target);
    if (grant?.kind !== "iscsi") return { refused: "no such target" };
    remember(client, grant.name);
    const refused = refusal(grant, client);
    if (refused !== undefined) return { refused };
    const { address, initiator } = client;
    const party = { node: nodeOf(grant), boot: bootOf(grant), address, kind: "iscsi" as const, initiator };
    const answer = await fence.ask({ party, paths: grant.paths });
    if ("refused" in answer) return answer;
    for (const { from, why } of answer.tookOver)
      tell({ kind: "tookOver", name: grant.name, address, from: from.address, why });
    const disks = await Promise.all(grant.luns.map((lun) => units.of(lun)));
    const session: OpenSession = {
      party,
      paths: grant.paths,
      ping: (timeoutMs) => ping(target, timeoutMs),
      drop: (why) => dropEverywhere(target, why),
    };
    const open = new Map<string, () => void>();
    const keyOf = ({ address: from, port, isid }: IscsiClient) => `${from} ${port} ${isid}`;
    return {
      name: target,
      chap: grant.chap,
      luns: new Map(grant.luns.map(({ lun }, i) => [lun, disks[i]?.lun] as const).filter(isThere)),
      session: {
        opened(who) {
          sessions += 1;
          for (const { held } of disks) held.sessions += 1;
          open.set(keyOf(who), fence.opened({ ...session }));
          if (grants.holds(grant)) arrived(target, address);
          else void dropEverywhere(target, "a newer boot of this node has logged in");
          tell({ kind: "opened", name: grant.name, address, how: "iSCSI" });
        },
        closed(who, why) {
          sessions -= 1;
          if (sessions === 0) empty();
          open.get(keyOf(who))?.();
          open.delete(keyOf(who));
          for (const { held, path } of disks) {
            held.sessions -= 1;
            if (held.sessions === 0) clones.hold(path); // starts the idle clock
          }
          tell({ kind: "closed", name: grant.name, address, how: "iSCSI", why });
        },
      },
    };
  }

  /** CHAP has said who it is: from now on the node may come from elsewhere when this session is dead. */
  function arrived(target: string, address: string): void {
    const grant = grants.peek(target);
    if (!grant) return;
    grant.used = true;
    if (grant.address === address) return;
    grants.moved(grant, address);
    tell({ kind: "moved", name: grant.name, address });
  }

  return {
    async listen({ host, port }: { host: string; port: number }): Promise<{ port: number }> {
      const server = await serveIscsi({
        ...{ host, port, find },
        discover: ({ address }) =>
          [...grants.all()].flatMap((grant) =>
            grant.kind === "iscsi" && grant.address === address ? [grant.key] : [],
          ),
        on({ kind, target, client, why }) {
          const asked = `${client.address} ${client.port}`;
          const name = target === undefined ? askedFor.get(asked) : grants.peek(target)?.name;
          askedFor.delete(asked);
          if (kind === "refused") tell({ kind, address: client.address, why, ...(name && { name }) });
          else if (kind === "error")
            tell({
              kind: "notice",
              words: `iSCSI session of ${client.address}: ${why}`,
              ...(name && { name }),
            });
        },
      });
      servers.push(server);
      return { port: server.port };
    },
    /** Asks the initiators to log out and come again, and waits until they have, or `withinMs` are over. Nobody is let in any more. */
    async farewell(withinMs: number): Promise<void> {
      stopping = true;
      if (sessions === 0) return;
      for (const server of servers) server.askToLogOut(Math.ceil(withinMs / 1000));
      await new Promise<void>((resolve) => {
        const late = setTimeout(resolve, withinMs);
        empty = () => {
          clearTimeout(late);
          resolve();
        };
      });
    },
    close: async () => {
      await Promise.all(servers.splice(0).map((server) => server.close()));
    },
  };
}

const isThere = <K, V>(entry: readonly [K, V | undefined]): entry is readonly [K, V] =>
  entry[1] !== undefined;
