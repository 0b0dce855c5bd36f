import type { NodeView } from "../../../src/api/contract.ts";
import { entry } from "../actions/action.ts";
import { model } from "../actions/model.ts";
import { settings } from "../actions/node.ts";
import { Card, List, Loading, Refusal } from "../parts/basics.tsx";
import { Actions } from "../parts/menu.tsx";
import { valueWords } from "../parts/values.tsx";
import { useResource } from "../resource.ts";

/** What it is set to, and who said so: the nearest wins. */
export function NodeSettings({ node }: { node: NodeView }) {
  const { data, problem } = useResource(
    "nodeSettings",
    { node: node.name },
    ["node", "profile", "group"],
    node.id,
  );
  return (
    <Card
      title="Settings, and where each comes from"
      more={<Actions shown={1} entries={[entry(settings(node)), ...model(node)]} />}
    >
      <Refusal problem={problem.value} />
      {!data.value && !problem.value && <Loading />}
      {data.value && (
        <List label="Settings" head={["Setting", "Value", "From", "Stands before"]}>
          {data.value.settings.map((one) => (
            <tr key={one.name}>
              <td>{one.name}</td>
              <td class="words">{valueWords(one.value)}</td>
              <td class="nowrap">{one.from}</td>
              <td class="words dim">
                {one.over.map(({ value, from }) => `${valueWords(value)} (${from})`).join(", ")}
              </td>
            </tr>
          ))}
        </List>
      )}
    </Card>
  );
}
