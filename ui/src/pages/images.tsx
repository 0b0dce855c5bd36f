import type { ImageView } from "../../../src/api/contract.ts";
import { ask, entry, whyNot } from "../actions/action.ts";
import { addFirmware, addImage, removeFirmware, removeImage } from "../actions/image.ts";
import { useDefaultImage } from "../actions/profile.ts";
import { count, size } from "../format.ts";
import { nodeList } from "../nodes.ts";
import { Ago, Button, Card, Chip, Empty, Facts, Head, List, Loading, Refusal } from "../parts/basics.tsx";
import { Actions } from "../parts/menu.tsx";
import { link } from "../place.ts";
import { useResource } from "../resource.ts";

export function Images() {
  const { data, problem } = useResource("images", {}, ["image"]);
  const wish = addImage();
  return (
    <>
      <Head title="Images" words="An SD-card image goes in once. Every node boots its own copy of it.">
        <Button kind="first" why={whyNot(wish)} onClick={() => ask(wish)}>
          Add an image
        </Button>
      </Head>
      <div class="stack">
        <Refusal problem={problem.value} />
        {!data.value && !problem.value && <Loading />}
        {data.value?.length === 0 && (
          <Empty title="No image yet" command="./bramble image add https://…/raspios.img.xz">
            <p>
              Any SD-card image for a Pi: .img, .img.xz, .img.zst or .zip, from a file on the server or a URL.
              The first one becomes every node's image unless told otherwise.
            </p>
          </Empty>
        )}
        {data.value?.map((image) => (
          <OneImage key={image.sha256} image={image} />
        ))}
        <Firmware />
      </div>
    </>
  );
}

const OneImage = ({ image }: { image: ImageView }) => {
  const { facts } = image;
  const reference = `${image.name}:${image.version}`;
  const users = nodeList.value.filter((node) => node.image === reference).length;
  const boots = facts.models.filter((one) => one.boots);
  const lacks = facts.models.filter((one) => !one.boots);
  return (
    <Card
      title={
        <>
          {image.name}
          <span class="dim">{image.version}</span>
          {image.aliases.map((alias) => (
            <Chip key={alias} tone="go">
              {alias}
            </Chip>
          ))}
        </>
      }
      more={<Actions shown={0} entries={[...useDefaultImage(reference), entry(removeImage(image))]} />}
    >
      <div class="cards">
        <Facts
          rows={[
            ["System", facts.distribution?.prettyName],
            ["Size", `${size(image.size)}, ${size(image.allocated)} on disk`],
            ["Added", <Ago key="added" ms={Date.parse(image.addedAt)} />],
            [
              "Nodes",
              users > 0 ? (
                <a key="users" href={link("/nodes", { filter: `image=${reference}` })}>
                  {count(users, "node")}
                </a>
              ) : (
                "none is set to it"
              ),
            ],
            ["From", image.source],
            ["SHA-256", <code key="sha">{image.sha256.slice(0, 16)}…</code>],
          ]}
        />
        <div class="stack">
          <div>
            <h3>Boots</h3>
            <p class="row">
              {boots.map(({ model }) => (
                <Chip key={model} tone="ok">
                  Pi {model}
                </Chip>
              ))}
              {boots.length === 0 && <span class="bad-text">no model that Bramble knows</span>}
            </p>
          </div>
          {lacks.length > 0 && (
            <details>
              <summary>Lacks files for {count(lacks.length, "model")}</summary>
              <ul class="small">
                {lacks.map(({ model, missing }) => (
                  <li key={model}>
                    Pi {model}: {missing.join(", ")}
                  </li>
                ))}
              </ul>
            </details>
          )}
          {facts.kernels.length > 0 && (
            <p class="small dim">
              Kernels:{" "}
              {facts.kernels.map((one) => `${one.file}${one.version ? ` (${one.version})` : ""}`).join(", ")}
            </p>
          )}
        </div>
      </div>
      <Partitions image={image} />
      {facts.notes.map((note) => (
        <p key={note} class="small wait-text">
          {note}
        </p>
      ))}
    </Card>
  );
};

/** The image's layout as a strip; in words for who does not see it. */
const Partitions = ({ image }: { image: ImageView }) => (
  <ul class="partitions" aria-label="Partitions">
    {image.facts.partitions.map((one) => {
      const root = one.number === image.facts.rootPartition;
      const boot = one.number === image.facts.bootPartition;
      return (
        <li
          key={one.number}
          class={root ? "root" : boot ? "boot" : ""}
          style={{ flexGrow: Math.max(0.12, one.size / image.size) }}
        >
          <strong>
            {one.number} {root ? "root" : boot ? "boot" : (one.label ?? "")}
          </strong>
          <span>
            {one.filesystem}, {size(one.size)}
          </span>
        </li>
      );
    })}
  </ul>
);

function Firmware() {
  const { data, problem } = useResource("firmwares", {}, ["image"]);
  const wish = addFirmware();
  return (
    <Card
      title="Boot files beside the images"
      more={
        <Button small why={whyNot(wish)} onClick={() => ask(wish)}>
          Add boot files
        </Button>
      }
    >
      <Refusal problem={problem.value} />
      {data.value?.length === 0 && (
        <p class="dim">
          None, and none are needed: a node boots the files of its own disk. A set is laid under them where an
          image is too old for a board.
        </p>
      )}
      {(data.value?.length ?? 0) > 0 && (
        <List label="Boot files" head={["Name", "Files", "Size", "From", ""]}>
          {data.value?.map((one) => (
            <tr key={`${one.name}:${one.version}`}>
              <td>
                {one.name}:{one.version}
              </td>
              <td class="num">{one.files}</td>
              <td class="num">{size(one.size)}</td>
              <td class="words">{one.source}</td>
              <td>
                <Actions shown={0} entries={[entry(removeFirmware(one))]} />
              </td>
            </tr>
          ))}
        </List>
      )}
    </Card>
  );
}
