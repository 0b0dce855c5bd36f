import { ask, entry, whyNot } from "../actions/action.ts";
import { attachVolume, createVolume, detachVolume, removeVolume, resizeVolume } from "../actions/disk.ts";
import { count, size } from "../format.ts";
import { Button, Card, Chip, Empty, Head, List, Loading, Refusal } from "../parts/basics.tsx";
import { Actions } from "../parts/menu.tsx";
import { link } from "../place.ts";
import { useResource } from "../resource.ts";

/** Disks that take most come first; more than these are on their nodes' own pages. */
const MOST = 100;

export function Disks() {
  const wish = createVolume();
  return (
    <>
      <Head title="Disks" words="Each node's own disk, and extra ones. Only what a node writes takes space.">
        <Button kind="first" why={whyNot(wish)} onClick={() => ask(wish)}>
          Make a volume
        </Button>
      </Head>
      <div class="stack">
        <Volumes />
        <Clones />
      </div>
    </>
  );
}

function Clones() {
  const { data, problem } = useResource("clones", {}, ["clone"]);
  const clones = data.value;
  const sorted = clones?.toSorted((a, b) => b.ownBytes + b.sharedBytes - a.ownBytes - a.sharedBytes);
  const total = clones?.reduce((sum, clone) => sum + clone.ownBytes + clone.sharedBytes, 0) ?? 0;
  return (
    <Card title="Nodes' disks">
      <Refusal problem={problem.value} />
      {!clones && !problem.value && <Loading />}
      {clones?.length === 0 && (
        <p class="dim">None yet: a node's disk is made when it first boots, in milliseconds.</p>
      )}
      {sorted && sorted.length > 0 && (
        <>
          <p>
            {count(sorted.length, "disk")} {sorted.length === 1 ? "takes" : "take"} {size(total)} beside the
            images
            {sorted.length > MOST && `; the ${MOST} that take most`}.
          </p>
          <List label="Disks" head={["Node", "Image", "Written", "In snapshots", "Size", "State"]}>
            {sorted.slice(0, MOST).map((clone) => (
              <tr key={clone.node}>
                <td>
                  <a href={link(`/nodes/${clone.node}/disk`)}>{clone.node}</a>
                </td>
                <td>{clone.image}</td>
                <td class="num">{size(clone.ownBytes)}</td>
                <td class="num">{size(clone.sharedBytes)}</td>
                <td class="num">{clone.kind === "tree" ? "files, over NFS" : size(clone.size)}</td>
                <td>{clone.inUse ? <Chip tone="ok">open</Chip> : <Chip>closed</Chip>}</td>
              </tr>
            ))}
          </List>
        </>
      )}
    </Card>
  );
}

function Volumes() {
  const { data, problem } = useResource("volumes", {}, ["volume", "node"]);
  const volumes = data.value;
  return (
    <Card title="Volumes">
      <Refusal problem={problem.value} />
      {!volumes && !problem.value && <Loading />}
      {volumes?.length === 0 && (
        <Empty
          title="No volume yet"
          command="./bramble volume create containers 20G --mount /var/lib/containers"
        >
          <p>An extra disk for what a root disk is not good at, such as containers or a database.</p>
        </Empty>
      )}
      {volumes && volumes.length > 0 && (
        <List label="Volumes" head={["Name", "Node", "Mounted at", "Size", "Written", "State", ""]}>
          {volumes.map((volume) => (
            <tr key={volume.id}>
              <td>{volume.name}</td>
              <td>{volume.node ? <a href={link(`/nodes/${volume.node}/disk`)}>{volume.node}</a> : "–"}</td>
              <td>{volume.mountpoint ?? "–"}</td>
              <td class="num">{size(volume.size)}</td>
              <td class="num">{size(volume.ownBytes)}</td>
              <td>{volume.inUse ? <Chip tone="ok">open</Chip> : <Chip>closed</Chip>}</td>
              <td>
                <Actions
                  shown={0}
                  entries={[
                    entry(attachVolume(volume)),
                    entry(detachVolume(volume)),
                    entry(resizeVolume(volume)),
                    entry(removeVolume(volume)),
                  ]}
                />
              </td>
            </tr>
          ))}
        </List>
      )}
    </Card>
  );
}
