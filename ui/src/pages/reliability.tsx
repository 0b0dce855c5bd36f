import type { ReliabilityRow } from "../../../src/api/supervise-contract.ts";
import { Card, Chip, Empty, Head, List, Loading, Refusal } from "../parts/basics.tsx";
import { go, here, link } from "../place.ts";
import { useResource } from "../resource.ts";

const BY = ["model", "node", "image", "switch"] as const;
type By = (typeof BY)[number];

/** How reliably boards boot: which model, image or switch is the one that fails. */
export function Reliability() {
  const by = (here.value.query.get("by") ?? "model") as By;
  const { data, problem } = useResource("reliability", { by, limit: 200 }, ["boot"]);
  return (
    <>
      <Head
        title="Reliability"
        words="Boots of the last 30 days. A board that tried three times counts once."
      />
      <fieldset class="segments" aria-label="By">
        {BY.map((one) => (
          <button
            key={one}
            type="button"
            aria-pressed={by === one}
            onClick={() => go("/reliability", { by: one }, true)}
          >
            by {one}
          </button>
        ))}
      </fieldset>
      <Refusal problem={problem.value} />
      {!data.value && !problem.value && <Loading />}
      {data.value?.length === 0 && (
        <Empty title="No boot has ended yet">
          <p>
            As soon as boards boot, this says how often they come up at the first try, how long it takes, and
            why not.
          </p>
        </Empty>
      )}
      {(data.value?.length ?? 0) > 0 && (
        <Card className="spaced">
          <List
            label="Reliability"
            head={["Of", "Boots", "First try", "Half took", "95 % took", "Given up", "Why tries failed"]}
          >
            {data.value?.map((row) => (
              <Row key={row.of} row={row} by={by} />
            ))}
          </List>
        </Card>
      )}
    </>
  );
}

const seconds = (n: number | undefined) =>
  n === undefined ? "–" : `${n < 10 ? n.toFixed(1) : Math.round(n)} s`;

const Row = ({ row, by }: { row: ReliabilityRow; by: By }) => (
  <tr>
    <td>
      {by === "node" ? (
        <a href={link(`/nodes/${row.of}/history`)}>{row.of}</a>
      ) : (
        <a href={link("/nodes", { filter: `${by}=${row.of}` })}>{row.of}</a>
      )}{" "}
      {row.flaky && <Chip tone="wait">flaky</Chip>}
    </td>
    <td class="num">{row.boots}</td>
    <td class="num">{row.boots === 0 ? "–" : `${Math.round(row.firstTry * 100)} %`}</td>
    <td class="num">{seconds(row.seconds?.p50)}</td>
    <td class="num">{seconds(row.seconds?.p95)}</td>
    <td class={row.givenUp > 0 ? "num bad-text" : "num"}>{row.givenUp}</td>
    <td class="words">{row.causes.map(({ cause, times }) => `${cause} (${times})`).join(", ")}</td>
  </tr>
);
