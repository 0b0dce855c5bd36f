import type { NodeView } from "../../../src/api/contract.ts";
import type { Result } from "../api.ts";
import { size } from "../format.ts";
import { Button, Card, List, Loading, Refusal } from "../parts/basics.tsx";
import { useResource } from "../resource.ts";

type Diff = Result<"diffClone">;
type Change = Diff["entries"][number];

/** Rows that are drawn; the command line has all. */
const MOST = 200;
const WORDS: Record<Change["what"], string> = {
  added: "new",
  changed: "changed",
  attributes: "owner, mode or target",
  removed: "removed",
};

/** What a node with an NFS root has changed of its image. Nobody tells when it writes: whoever wants to know looks again. */
export function ChangedFiles({ node }: { node: NodeView }) {
  const { data, problem, reload } = useResource("diffClone", { node: node.name }, ["clone"], node.id);
  return (
    <Card
      title="Changed files"
      more={
        <Button small onClick={() => void reload()} label="Look again at the changed files">
          Look again
        </Button>
      }
    >
      <Refusal problem={problem.value} />
      {!data.value && !problem.value && <Loading />}
      {data.value && <Changes node={node.name} diff={data.value} />}
    </Card>
  );
}

const Changes = ({ node, diff }: { node: string; diff: Diff }) => {
  const { added, changed, attributes, removed } = diff.totals;
  const all = added + changed + attributes + removed;
  if (all === 0)
    return (
      <p class="dim">
        None: it is the image as it is. A package that is installed in the node, or a file that is edited,
        shows here.
      </p>
    );
  return (
    <>
      <p>{summary(diff)}.</p>
      <p class="dim small">
        Some are Bramble's own, which make the image this node's: host name, /etc/fstab, machine-id, ssh keys,
        /var/lib/bramble.
      </p>
      <List label="Changed files" head={["File", "What", "Size", "In the image"]}>
        {diff.entries.slice(0, MOST).map((one) => (
          <tr key={one.path}>
            <td>
              <code>{one.path}</code>
            </td>
            <td>{one.kind === "file" ? WORDS[one.what] : `${WORDS[one.what]}: ${one.kind}`}</td>
            <td class="num nowrap">{one.kind === "file" && one.what !== "removed" ? size(one.size) : "–"}</td>
            <td class="num nowrap">{one.kind === "file" && one.what !== "added" ? size(one.before) : "–"}</td>
          </tr>
        ))}
      </List>
      {all > MOST && (
        <p class="dim">
          The first {Math.min(MOST, diff.entries.length)} of {all}: <code>./bramble clone diff {node}</code>{" "}
          has more.
        </p>
      )}
    </>
  );
};

/** "6 new, 3 changed (1.0 MiB in both), 1 removed". */
function summary({ totals: { added, changed, attributes, removed, bytes } }: Diff): string {
  const parts = [
    added > 0 && `${added} new`,
    changed > 0 && `${changed} changed`,
    attributes > 0 && `${attributes} with another owner, mode or target`,
    removed > 0 && `${removed} removed`,
  ].filter((part) => part !== false);
  return `${parts.join(", ")}; new and changed ones hold ${size(bytes)}`;
}
