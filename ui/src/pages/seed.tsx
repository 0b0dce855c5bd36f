import type { NodeView } from "../../../src/api/contract.ts";
import { Card, Loading, Refusal } from "../parts/basics.tsx";
import { useResource } from "../resource.ts";

/** The profile's templates as this node would get them; in place of secrets stand words. */
export function Seed({ node }: { node: NodeView }) {
  const { data, problem } = useResource(
    "nodeSeed",
    { node: node.name },
    ["node", "profile", "group"],
    node.id,
  );
  const seed = data.value;
  const texts: [string, string][] = seed
    ? [
        ["cmdline.txt, added words", seed.cmdline.join(" ")],
        ["config.txt, added lines", seed.config.join("\n")],
        ...seed.files.map((file): [string, string] => [`${file.path} (${file.mode.toString(8)})`, file.text]),
      ]
    : [];
  const filled = texts.filter(([, text]) => text !== "");
  return (
    <Card title="What its profile writes for it">
      <Refusal problem={problem.value} />
      {!seed && !problem.value && <Loading />}
      {seed && filled.length === 0 && <p class="dim">The profile {seed.profile} has no templates.</p>}
      <div class="stack">
        {filled.map(([name, text]) => (
          <details key={name}>
            <summary>
              <code>{name}</code>
            </summary>
            <pre class="text" tabIndex={0}>
              {text}
            </pre>
          </details>
        ))}
      </div>
    </Card>
  );
}
