import type { NodeView } from "../../../src/api/contract.ts";
import { size } from "../format.ts";
import { Card, List, Loading, Refusal } from "../parts/basics.tsx";
import { useResource } from "../resource.ts";

/** Rows that are drawn; the command line has all. */
const MOST = 200;
const WORDS = {
  added: "new",
  changed: "changed",
  attributes: "owner, mode or target",
  removed: "removed",
} as const;

/** What a node with an NFS root has changed of its image. */
export function ChangedFiles({ node }: { node: NodeView }) {
  const { data, problem } = useResource("diffClone", { node: node.name }, ["clone"], node.id);
  if (problem.value) return <Refusal problem={problem.value} />;
  const diff = data.value;
  if (!diff) return <Loading />;
  const { added, changed, attributes, removed, bytes } = diff.totals;
  const all = added + changed + attributes + removed;
  return (
    <Card title="Changed files">
      <p class={all === 0 ? "dim" : undefined}>
        {all === 0
          ? "None: it is the image as it is."
          : `${added} new, ${changed} changed (${size(bytes)} in both), ${attributes} with another owner, mode or target, ${removed} removed.`}
      </p>
      {all > 0 && (
        <List label="Changed files" head={["File", "What", "Size", "In the image"]}>
          {diff.entries.slice(0, MOST).map((one) => (
            <tr key={one.path}>
              <td>
                <code>{one.path}</code>
              </td>
              <td>{WORDS[one.what]}</td>
              <td class="num">{one.kind === "file" && one.what !== "removed" ? size(one.size) : one.kind}</td>
              <td class="num">{one.kind === "file" && one.what !== "added" ? size(one.before) : "–"}</td>
            </tr>
          ))}
        </List>
      )}
      {all > MOST && (
        <p class="dim">
          The first {Math.min(MOST, diff.entries.length)} of {all}:{" "}
          <code>bramble clone diff {node.name}</code> has more.
        </p>
      )}
    </Card>
  );
}
