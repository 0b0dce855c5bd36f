import { useState } from "preact/hooks";
import type { NodeView, TreeView } from "../../../src/api/contract.ts";
import { Dialog } from "../actions/dialog.tsx";
import { call, type Problem } from "../api.ts";
import { size } from "../format.ts";
import { Button, Card, Chip, Facts, List, Loading, Refusal } from "../parts/basics.tsx";
import { useResource } from "../resource.ts";
import { Seed } from "./seed.tsx";

/** The files that this board would fetch now, and why, without booting it. */
export function NodeTree({ node }: { node: NodeView }) {
  const { data, problem } = useResource(
    "nodeTree",
    { node: node.name },
    ["node", "profile", "image", "clone"],
    node.id,
  );
  const [path, setPath] = useState<string | undefined>(undefined);
  const tree = data.value;
  return (
    <div class="stack">
      <Refusal problem={problem.value} />
      {!tree && !problem.value && <Loading />}
      {tree && (
        <>
          <Card
            title={
              <>
                What a Pi {tree.model} would fetch{" "}
                {tree.missing.length > 0 ? (
                  <Chip tone="bad">{tree.missing.length} missing</Chip>
                ) : (
                  <Chip tone="ok">complete</Chip>
                )}
              </>
            }
          >
            <Facts
              rows={[
                ["Image", tree.image],
                ["Kernel", tree.kernel && <code key="kernel">{tree.kernel}</code>],
                ["Laid over", tree.changes.join("; ")],
              ]}
            />
            <Files tree={tree} own={node.root === "nfs" ? "its own root" : "its own disk"} open={setPath} />
          </Card>
          {tree.notes.length > 0 && (
            <Card title="Lines of config.txt that Bramble leaves out or changes">
              <List label="Lines" head={["Line", "Text", "Why"]}>
                {tree.notes.map((note) => (
                  <tr key={`${note.file}:${note.line}`}>
                    <td class="nowrap">
                      {note.file}:{note.line}
                    </td>
                    <td>
                      <code>{note.text}</code>
                    </td>
                    <td class="words">{note.why}</td>
                  </tr>
                ))}
              </List>
            </Card>
          )}
        </>
      )}
      <Seed node={node} />
      {path !== undefined && <BootFile node={node.name} path={path} close={() => setPath(undefined)} />}
    </div>
  );
}

const TEXTUAL = /\.(txt|cfg|conf|ini)$|^cmdline|issue$/;
const origin = (from: TreeView["files"][number]["origin"], own: string): string =>
  from === undefined
    ? "missing"
    : from.from === "clone"
      ? own
      : from.from === "firmware"
        ? `boot files ${from.name}`
        : `made by Bramble: ${from.why}`;

const Files = ({ tree, own, open }: { tree: TreeView; own: string; open(path: string): void }) => (
  <List label="Files" head={["File", "What for", "Size", "From", ""]}>
    {tree.files.map((file) => (
      <tr key={file.path}>
        <td>
          <code>{file.path}</code>
        </td>
        <td class="words">{file.why}</td>
        <td class="num nowrap">{file.size === undefined ? "" : size(file.size)}</td>
        <td class={!file.origin && file.needed ? "bad-text" : ""}>
          {!file.origin && !file.needed ? "not there, not needed" : origin(file.origin, own)}
        </td>
        <td>
          {file.origin && TEXTUAL.test(file.path) && (
            <Button small label={`Read ${file.path}`} onClick={() => open(file.path)}>
              Read
            </Button>
          )}
        </td>
      </tr>
    ))}
  </List>
);

function BootFile({ node, path, close }: { node: string; path: string; close(): void }) {
  const [text, setText] = useState<string | undefined>(undefined);
  const [problem, setProblem] = useState<Problem | undefined>(undefined);
  if (text === undefined && problem === undefined) {
    call("nodeFile", { node, path }).then(
      ({ base64 }) =>
        setText(new TextDecoder().decode(Uint8Array.from(atob(base64), (one) => one.charCodeAt(0)))),
      setProblem,
    );
  }
  return (
    <Dialog title={path} onClose={close} wide>
      <div class="inside">
        <h2>
          <code>{path}</code>
        </h2>
        <Refusal problem={problem} />
        {text === undefined ? (
          !problem && <Loading />
        ) : (
          <pre class="text" tabIndex={0}>
            {text}
          </pre>
        )}
        <div class="foot">
          <Button kind="first" onClick={close}>
            Close
          </Button>
        </div>
      </div>
    </Dialog>
  );
}
