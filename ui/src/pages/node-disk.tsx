import type { NodeView } from "../../../src/api/contract.ts";
import { entry } from "../actions/action.ts";
import * as disk from "../actions/disk.ts";
import { size, time } from "../format.ts";
import { Card, Chip, Empty, Facts, List, Loading, Meter, Refusal } from "../parts/basics.tsx";
import { Actions } from "../parts/menu.tsx";
import { useResource } from "../resource.ts";
import { ChangedFiles } from "./changed-files.tsx";

export function NodeDisk({ node }: { node: NodeView }) {
  const about = ["clone", "node", "boot"] as const;
  const { data, problem } = useResource("clone", { node: node.name }, about, node.id);
  const snapshots = useResource("snapshots", { node: node.name }, about, node.id);
  const volumes = useResource("volumes", {}, ["volume", "node"]);
  const clone = data.value;
  if (problem.value)
    return (
      <Empty title="It has no disk yet">
        <p>Its own copy of the image is made when it first boots, in milliseconds.</p>
        <Refusal problem={problem.value} />
      </Empty>
    );
  if (!clone) return <Loading />;
  const names = (snapshots.data.value ?? []).map(({ name }) => name);
  const mine = (volumes.data.value ?? []).filter((volume) => volume.node === node.name);
  const taken = clone.ownBytes + clone.sharedBytes;
  const most = clone.quota ?? clone.size;
  return (
    <div class="stack">
      <Card
        title={
          <>
            Disk {clone.inUse ? <Chip tone="ok">open now</Chip> : <Chip>closed</Chip>}
            {clone.ephemeral && <Chip tone="wait">made anew at every boot</Chip>}
          </>
        }
      >
        <p>
          {size(taken)} written of {size(most)}
          {clone.quota === undefined ? "" : " (its quota)"}; the rest is the image's.
        </p>
        <Meter label="Space written" part={taken / most} />
        <Facts
          rows={[
            ["Image", clone.image],
            ["Kind", clone.kind === "tree" ? "a tree of files, over NFS" : "a disk"],
            ["Size", size(clone.size)],
            ["Its own", size(clone.ownBytes)],
            ["Snapshots'", size(clone.sharedBytes)],
            [
              clone.kind === "tree" ? "Folder on the server" : "File on the server",
              <code key="path">{clone.path}</code>,
            ],
          ]}
        />
        <p class="row">
          <Actions
            shown={3}
            entries={[
              entry(disk.snapshot(node.name)),
              entry(disk.rollback(node.name, names)),
              entry(disk.reset(node.name)),
              entry(disk.dropSnapshot(node.name, names)),
              entry(disk.promote(node.name, names)),
              entry(disk.rebase(clone)),
              entry(disk.resize(clone)),
              entry(disk.quota(clone)),
              entry(disk.exportDisk(clone, names)),
              entry(disk.merge(clone)),
              entry(disk.serveDisk(clone)),
            ]}
          />
        </p>
      </Card>
      <Card title="Snapshots">
        {names.length === 0 ? (
          <p class="dim">None. Take one before an upgrade: it costs nothing and is the way back.</p>
        ) : (
          <List label="Snapshots" head={["Name", "Taken", "Its own"]}>
            {snapshots.data.value?.map((one) => (
              <tr key={one.name}>
                <td>{one.name}</td>
                <td>{time(one.createdMs)}</td>
                <td class="num">{size(one.ownBytes)}</td>
              </tr>
            ))}
          </List>
        )}
      </Card>
      {clone.kind === "tree" && <ChangedFiles node={node} />}
      <Card title="Volumes">
        {mine.length === 0 ? (
          <p class="dim">No extra disk is attached. Volumes are made and attached on the page Disks.</p>
        ) : (
          <List label="Volumes" head={["Name", "Size", "Mounted at", "Unit"]}>
            {mine.map((volume) => (
              <tr key={volume.id}>
                <td>{volume.name}</td>
                <td class="num">{size(volume.size)}</td>
                <td>{volume.mountpoint ?? "–"}</td>
                <td class="num">{volume.lun ?? "–"}</td>
              </tr>
            ))}
          </List>
        )}
      </Card>
    </div>
  );
}
