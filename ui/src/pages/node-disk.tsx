import type { CloneView, NodeView } from "../../../src/api/contract.ts";
import { entry } from "../actions/action.ts";
import * as disk from "../actions/disk.ts";
import { size, time } from "../format.ts";
import { Card, Chip, Empty, Facts, List, Loading, Meter, Refusal } from "../parts/basics.tsx";
import { Actions } from "../parts/menu.tsx";
import { link } from "../place.ts";
import { useResource } from "../resource.ts";
import { ChangedFiles } from "./changed-files.tsx";

export function NodeDisk({ node }: { node: NodeView }) {
  const about = ["clone", "node", "boot"] as const;
  const { data, problem } = useResource("clone", { node: node.name }, about, node.id);
  const snapshots = useResource("snapshots", { node: node.name }, about, node.id);
  const volumes = useResource("volumes", {}, ["volume", "node"]);
  const clone = data.value;
  if (problem.value?.code === "CLONE_UNKNOWN") return <None node={node} />;
  if (problem.value) return <Refusal problem={problem.value} />;
  if (!clone) return <Loading />;
  const names = (snapshots.data.value ?? []).map(({ name }) => name);
  const mine = (volumes.data.value ?? []).filter((volume) => volume.node === node.name);
  const isTree = clone.kind === "tree";
  return (
    <div class="stack">
      <Card
        title={
          <>
            {isTree ? "Root over NFS" : "Disk"}{" "}
            {clone.inUse ? (
              <Chip tone="ok">{isTree ? "in use" : "open now"}</Chip>
            ) : (
              <Chip>{isTree ? "not in use" : "closed"}</Chip>
            )}
            {clone.ephemeral && <Chip tone="wait">made anew at every boot</Chip>}
          </>
        }
      >
        <Written clone={clone} />
        <Facts
          rows={[
            ["Image", clone.image],
            ["Kind", isTree ? "a tree of files, of which the host sees each" : "a disk"],
            ["Size", isTree ? undefined : size(clone.size)],
            ["Its own", size(clone.ownBytes)],
            ["In snapshots", size(clone.sharedBytes)],
            [isTree ? "Folder on the server" : "File on the server", <code key="path">{clone.path}</code>],
          ]}
        />
        <p class="row">
          <Actions
            shown={3}
            entries={[
              entry(disk.snapshot(clone)),
              entry(disk.rollback(clone, names)),
              entry(disk.reset(clone)),
              entry(disk.dropSnapshot(clone, names)),
              entry(disk.promote(clone, names)),
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
      {isTree && <ChangedFiles node={node} />}
      <Card title="Volumes">
        {mine.length === 0 ? (
          <p class="dim">
            No extra disk is attached. Volumes are made and attached on the page{" "}
            <a href={link("/disks")}>Disks</a>
            {isTree && "; containers need one, since overlay2 does not work over NFS"}.
          </p>
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

/** What there will be, and when. */
const None = ({ node }: { node: NodeView }) =>
  node.root === "nfs" ? (
    <Empty title="It has no root yet" command={`./bramble explain ${node.name}`}>
      <p>
        Its own tree of files over the image is made when it first boots, in milliseconds. From then on this
        page shows each file that it has changed. If it should have booted, this says why it has not:
      </p>
    </Empty>
  ) : (
    <Empty title="It has no disk yet" command={`./bramble explain ${node.name}`}>
      <p>
        Its own copy of the image is made when it first boots, in milliseconds. If it should have booted, this
        says why it has not:
      </p>
    </Empty>
  );

/** A disk is as big as it is; files take what they take, up to their quota, which does not count snapshots. */
const Written = ({ clone }: { clone: CloneView }) => {
  const isTree = clone.kind === "tree";
  const taken = clone.ownBytes + (isTree ? 0 : clone.sharedBytes);
  const most = clone.quota ?? (isTree ? undefined : clone.size);
  return (
    <>
      <p>
        {size(taken)} written
        {most !== undefined && ` of ${size(most)}`}
        {clone.quota !== undefined && " (its quota)"}; the rest is the image's.
      </p>
      {most !== undefined && <Meter label="Space written" part={taken / most} />}
    </>
  );
};
