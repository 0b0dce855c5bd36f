// NBD doors of the disk plane.
import { createHash } from "node:crypto";
import type { Disk } from "../../base/disk.ts";
import { TOOLS } from "../../fleet/fencing.ts";
import { type NbdServer, serveNbd } from "../../serve/nbd.ts";
import type { DiskEvent } from "./disk-calls.ts";
import type { Fence, OpenSession } from "./fence.ts";
import { bootOf, type Grants, nodeOf } from "./grants.ts";
import type { OpenClones } from "./open-clones.ts";

interface NbdDoor {
  server: NbdServer;
  host: string;
}

export function nbdDoors(parts: {
  clones: OpenClones;
  fence: Fence;
  grants: Grants;
  tell(event: DiskEvent): void;
  /** May lay something around a disk. */
  counted?(disk: Disk): Disk;
}) {
  const { clones, fence, grants, tell, counted = (disk) => disk } = parts;
  const doors: NbdDoor[] = [];
  const dropEverywhere = async (name: string, why: string) => {
    await Promise.all(doors.map(({ server }) => server.drop(name, why)));
  };

  async function find(secret: string, client: { address: string }) {
    const grant = await grants.find(createHash("sha256").update(secret).digest("hex"));
    const { address } = client;
    const refuse = (why: string, name?: string) => {
      tell({ kind: "refused", address, why, ...(name && { name }) });
      return undefined;
    };
    if (grant?.kind !== "nbd") return refuse("no such export");
    const { name, path } = grant;
    // The secret went over the wire in the clear: whoever has it at another address may have heard it.
    if (grant.address !== address)
      return refuse(`${address} is not the node that this disk belongs to`, name);
    const party = { node: nodeOf(grant), boot: bootOf(grant), address, kind: "nbd" as const };
    const answer = await fence.ask({ party, paths: grant.paths });
    if ("refused" in answer) return refuse(answer.refused, name);
    for (const { from, why } of answer.tookOver)
      tell({ kind: "tookOver", name, address, from: from.address, why });
    // A boot's connection takes the place of the one before: what that one had on its way must not come after it.
    if (bootOf(grant) !== TOOLS) await dropEverywhere(name, "the node has connected anew");
    const held = clones.hold(path);
    const disk = counted(await held.clone);
    const session: OpenSession = {
      party,
      paths: grant.paths,
      ping: async () => true, // NBD has no question that a client must answer
      drop: (why) => dropEverywhere(name, why),
    };
    let gone = () => {};
    return {
      disk,
      name,
      readOnly: grant.readOnly,
      single: bootOf(grant) !== TOOLS,
      session: {
        opened() {
          held.sessions += 1;
          gone = fence.opened(session);
          if (!grants.holds(grant)) void dropEverywhere(name, "a newer boot of this node has logged in");
          tell({ kind: "opened", name, address, how: "NBD" });
        },
        closed() {
          held.sessions -= 1;
          gone();
          tell({ kind: "closed", name, address, how: "NBD" });
          if (held.sessions === 0) clones.hold(path); // starts the idle clock
        },
      },
    };
  }

  return {
    async listen({ host, port }: { host: string; port: number }): Promise<{ port: number }> {
      const there = port === 0 ? doors.find((door) => door.host === host) : undefined;
      if (there) return { port: there.server.port };
      const server = await serveNbd({ host, port, find });
      doors.push({ server, host });
      return { port: server.port };
    },
    close: async () => {
      await Promise.all(doors.splice(0).map(({ server }) => server.close()));
    },
  };
}
