import {
  addWebhook,
  prune,
  removeWebhook,
  replayWebhook,
  setEnrol,
  setRetention,
  testWebhook,
} from "../actions/access.ts";
import { ask, entry, whyNot } from "../actions/action.ts";
import { setPolicy } from "../actions/life.ts";
import { setSupervision } from "../actions/supervise.ts";
import { call } from "../api.ts";
import { duration, size } from "../format.ts";
import { Button, Card, Chip, Command, Facts, Head, List, Loading, Refusal } from "../parts/basics.tsx";
import { Actions } from "../parts/menu.tsx";
import { link } from "../place.ts";
import { useResource } from "../resource.ts";
import { lacksRole } from "../session.ts";
import { say } from "../tasks.ts";
import { ShownOnce } from "./people.tsx";

export const Settings = () => (
  <>
    <Head title="Settings" />
    <div class="stack">
      <Server />
      <Supervision />
      <Retention />
      <Webhooks />
      <Doctor />
      <Card title="In a terminal">
        <p>Everything here can be done there, too; every list takes --output json or yaml.</p>
        <Command text="./bramble --help" />
        <p>
          The API that both use: <a href="./api/docs">its page</a>,{" "}
          <a href="./api/v1/openapi.json">its description (OpenAPI 3.1)</a>.
        </p>
      </Card>
    </div>
    <ShownOnce />
  </>
);

function Server() {
  const { data, problem } = useResource("status", {}, ["setting"]);
  const policy = useResource("policy", {}, ["setting"]);
  const status = data.value;
  if (!status) return problem.value ? <Refusal problem={problem.value} /> : <Loading />;
  return (
    <Card
      title="This Bramble"
      more={
        <Actions
          shown={2}
          entries={[
            entry(setEnrol(status.enrol)),
            ...(policy.data.value ? [entry(setPolicy(policy.data.value))] : []),
          ]}
        />
      }
    >
      <Facts
        rows={[
          ["Version", status.version],
          ["Runs for", duration(Date.now() - status.startedMs)],
          ["Who may boot", status.enrol],
          ["Policy", policy.data.value?.name],
          ["Data folder", <code key="data">{status.data}</code>],
          ["Memory", size(status.rssBytes)],
          [
            "Listens",
            status.listening.map((one) => (
              <div key={one}>
                <code>{one}</code>
              </div>
            )),
          ],
          ["Lacks", status.capabilities.join("; ")],
          ...status.planes.map((plane): [string, string] => [
            PLANES[plane.name] ?? `Thread: ${plane.name}`,
            plane.restarts === 0 ? "well" : `started anew ${plane.restarts} times: ${plane.lastWhy}`,
          ]),
        ]}
      />
    </Card>
  );
}

/** Threads of the server, by what they do. */
const PLANES: Record<string, string> = {
  disk: "Disk server",
  boot: "Boot file server",
  nfs: "NFS server",
};

function Supervision() {
  const { data, problem } = useResource("supervision", {}, ["setting", "node"]);
  const now = data.value;
  return (
    <Card
      title="Boots that fail"
      more={
        <>
          <a href={link("/reliability")}>Reliability</a>
          {now && <Actions shown={1} entries={[entry(setSupervision(now))]} />}
        </>
      }
    >
      <Refusal problem={problem.value} />
      {now && (
        <Facts
          rows={[
            [
              "Power cycles",
              now.paused
                ? "paused: power is left alone"
                : `up to ${now.powerCycles}, after ${now.backOffSeconds.join(", ")} s`,
            ],
            [
              "Boots at once",
              `${now.bootsAtOnce}${now.limit === undefined ? ", no limit now" : `, ${now.limit} now`}`,
            ],
            ["Fetching now", String(now.fetching)],
            ["In line", String(now.waiting)],
            ["Deadlines", now.deadlineScale === 1 ? "by each node's history" : `times ${now.deadlineScale}`],
          ]}
        />
      )}
    </Card>
  );
}

function Retention() {
  const { data, problem } = useResource("retention", {}, ["setting"]);
  return (
    <Card
      title="How long things are kept"
      more={data.value && <Actions shown={1} entries={[entry(setRetention(data.value)), entry(prune())]} />}
    >
      <Refusal problem={problem.value} />
      {data.value && (
        <Facts
          rows={[
            ["Events", `${data.value.eventDays} days`],
            ["Boots", `${data.value.bootDays} days`],
            ["Consoles", `${data.value.consoleDays} days`],
          ]}
        />
      )}
    </Card>
  );
}

function Webhooks() {
  const lacks = lacksRole("operator");
  if (lacks !== undefined) return null;
  return <WebhookList />;
}

function WebhookList() {
  const { data, problem } = useResource("webhooks", {}, ["setting"]);
  const wish = addWebhook();
  return (
    <Card
      title="Webhooks"
      more={
        <Button small why={whyNot(wish)} onClick={() => ask(wish)}>
          Add a webhook
        </Button>
      }
    >
      <Refusal problem={problem.value} />
      {data.value?.length === 0 && <p class="dim">None: no other program is told of events.</p>}
      {(data.value?.length ?? 0) > 0 && (
        <List label="Webhooks" head={["Name", "URL", "Events", "Waiting", "Dead", ""]}>
          {data.value?.map((one) => (
            <tr key={one.name}>
              <td>{one.name}</td>
              <td class="words">
                {one.url}
                {one.error !== undefined && <div class="bad-text small">{one.error}</div>}
              </td>
              <td>{one.kinds.join(", ") || "all"}</td>
              <td class="num">{one.waiting}</td>
              <td class="num">{one.dead}</td>
              <td>
                <Actions
                  shown={0}
                  entries={[
                    entry(testWebhook(one.name)),
                    entry(replayWebhook(one.name, one.dead)),
                    entry(removeWebhook(one.name)),
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

const TONES = { ok: "ok", warning: "wait", problem: "bad" } as const;

function Doctor() {
  const { data, problem, reload } = useResource("doctor", {});
  const bundle = async () => {
    try {
      const { name, base64 } = await call("support", {});
      const anchor = document.createElement("a");
      const bytes = Uint8Array.from(atob(base64), (one) => one.charCodeAt(0));
      anchor.href = URL.createObjectURL(new Blob([bytes], { type: "application/gzip" }));
      anchor.download = name;
      anchor.click();
      URL.revokeObjectURL(anchor.href);
    } catch (error) {
      say((error as Error).message);
    }
  };
  return (
    <Card
      title="Doctor"
      more={
        <>
          <Button small onClick={() => void reload()}>
            Look again
          </Button>
          <Button small why={whyNot({ verb: "support" })} onClick={() => void bundle()}>
            Support bundle
          </Button>
        </>
      }
    >
      <p class="dim">
        What may keep boards from booting, as far as it can be seen without changing anything.
      </p>
      <Refusal problem={problem.value} />
      {!data.value && !problem.value && <Loading />}
      {data.value && (
        <List label="Findings" head={["", "What", "Found"]}>
          {data.value.map((one, i) => (
            <tr key={`${i} ${one.what}`}>
              <td>
                <Chip tone={TONES[one.state]}>{one.state}</Chip>
              </td>
              <td class="nowrap">{one.what}</td>
              <td class="words">
                {one.words}
                {one.hint !== undefined && <div class="dim small">{one.hint}</div>}
              </td>
            </tr>
          ))}
        </List>
      )}
    </Card>
  );
}
