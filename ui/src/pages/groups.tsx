import type { GroupView } from "../../../src/api/model-contract.ts";
import { ask, entry, whyNot } from "../actions/action.ts";
import { addGroup, joinGroup, leaveGroup, removeGroup, setGroup } from "../actions/model.ts";
import { call, type Problem } from "../api.ts";
import { count } from "../format.ts";
import { Button, Card, Empty, Facts, Head, Loading, Refusal } from "../parts/basics.tsx";
import { Actions } from "../parts/menu.tsx";
import { valueWords } from "../parts/values.tsx";
import { link } from "../place.ts";
import { useResource } from "../resource.ts";
import { say } from "../tasks.ts";

export function Groups() {
  const { data, problem } = useResource("groups", {}, ["group", "node"]);
  const wish = addGroup();
  return (
    <>
      <Head
        title="Groups"
        words="What nodes share beside their profile. A node's own settings stand before its group's, a group's before the profile's."
      >
        <Button kind="first" why={whyNot(wish)} onClick={() => ask(wish)}>
          Make a group
        </Button>
      </Head>
      <Refusal problem={problem.value} />
      {!data.value && !problem.value && <Loading />}
      {data.value?.length === 0 && (
        <Empty title="No group yet" command="./bramble group add web">
          <p>
            Make one where some nodes of a profile differ from the others: another image to try, another user.
          </p>
        </Empty>
      )}
      <div class="cards">
        {data.value?.map((group) => (
          <OneGroup key={group.name} group={group} />
        ))}
      </div>
    </>
  );
}

const OneGroup = ({ group }: { group: GroupView }) => (
  <Card title={group.name}>
    {group.about !== undefined && <p class="dim">{group.about}</p>}
    <Facts
      rows={[
        [
          "Nodes",
          group.nodes.length === 0 ? (
            "none"
          ) : (
            <a key="nodes" href={link("/nodes", { filter: `group=${group.name}` })}>
              {count(group.nodes.length, "node")}
            </a>
          ),
        ],
        ...Object.entries(group.settings)
          .filter(([, value]) => value !== undefined)
          .map(([name, value]): [string, string] => [name, valueWords(value)]),
        [
          "Values",
          Object.entries(group.values)
            .map(([name, value]) => `${name}=${value}`)
            .join(", "),
        ],
      ]}
    />
    <p class="row" style={{ marginTop: "0.8rem" }}>
      <Actions
        entries={[
          { ...entry(setGroup(group)), run: () => void change(group.name) },
          entry(joinGroup(group)),
          entry(leaveGroup(group)),
          entry(removeGroup(group)),
        ]}
      />
    </p>
  </Card>
);

/** As it is now, with its version: the list may be older than the one that a person wants to change. */
async function change(name: string): Promise<void> {
  try {
    ask(setGroup(await call("group", { group: name })));
  } catch (error) {
    say((error as Problem).message);
  }
}
