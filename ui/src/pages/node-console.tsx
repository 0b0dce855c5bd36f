import { useEffect, useRef, useState } from "preact/hooks";
import type { NodeView } from "../../../src/api/contract.ts";
import type { ConsoleLine } from "../../../src/api/observe-contract.ts";
import { FieldInput } from "../actions/fields.tsx";
import { call, type Problem } from "../api.ts";
import { time } from "../format.ts";
import { onChange } from "../live.ts";
import { Empty, Loading, Refusal } from "../parts/basics.tsx";
import { useResource } from "../resource.ts";

const PAGE = 1_000;
/** Lines that the page holds; older ones stay on the server. */
const MOST_LINES = 5_000;
const EVERY_MS = 1_500;

/** What the node prints: the kernel by netconsole, the system by syslog; a boot at a time, live. */
export function NodeConsole({ node }: { node: NodeView }) {
  const boots = useResource("boots", { node: node.name, limit: 20 }, ["boot"], node.id);
  const [boot, setBoot] = useState<string | undefined>(undefined);
  return (
    <div class="stack">
      {(boots.data.value?.length ?? 0) > 1 && (
        <div
          style={{ maxWidth: "22rem" }}
          onChange={(event) => setBoot((event.target as HTMLSelectElement).value || undefined)}
        >
          <FieldInput
            field={{
              name: "boot",
              label: "Boot",
              kind: "select",
              hint: "the latest one unless you choose",
              options: (boots.data.value ?? []).map((one) => ({
                value: one.id,
                text: `${time(one.startedMs)} ${one.outcome ?? "on its way"}`,
              })),
            }}
          />
        </div>
      )}
      <Lines key={`${boot} ${node.boot?.id}`} node={node} boot={boot} />
    </div>
  );
}

function Lines({ node, boot }: { node: NodeView; boot: string | undefined }) {
  const [lines, setLines] = useState<readonly ConsoleLine[] | undefined>(undefined);
  const [problem, setProblem] = useState<Problem | undefined>(undefined);
  const box = useRef<HTMLElement>(null);
  const atEnd = useRef(true);
  useEffect(() => {
    let last = 0;
    let ended = false;
    let busy = false;
    const load = async () => {
      if (busy || ended) return;
      busy = true;
      try {
        for (;;) {
          const told = await call("nodeConsole", {
            node: node.name,
            limit: PAGE,
            after: last,
            ...(boot !== undefined && { boot }),
          });
          if (ended) return;
          last = Math.max(last, told.last);
          setLines((before = []) => [...before, ...told.lines].slice(-MOST_LINES));
          if (told.lines.length < PAGE) break;
        }
        setProblem(undefined);
      } catch (error) {
        setProblem(error as Problem);
      } finally {
        busy = false;
      }
    };
    void load();
    const timer = setInterval(() => void load(), EVERY_MS);
    const end = onChange(({ about }) => about === "all" && void load());
    return () => {
      ended = true;
      clearInterval(timer);
      end();
    };
  }, [node.name, boot]);
  useEffect(() => {
    if (box.current && atEnd.current) box.current.scrollTop = box.current.scrollHeight;
  }, [lines]);
  if (problem) return <Refusal problem={problem} />;
  if (!lines) return <Loading />;
  if (lines.length === 0)
    return (
      <Empty title="It has printed nothing yet">
        <p>
          Nodes that Bramble boots send their kernel's messages (netconsole) and their system's (syslog) here
          by themselves, where the profile allows it. What a serial console shows stays on the serial console.
        </p>
      </Empty>
    );
  return (
    <section
      class="console"
      ref={box}
      aria-label={`What ${node.name} printed`}
      tabIndex={0}
      onScroll={({ currentTarget: { scrollHeight, scrollTop, clientHeight } }) => {
        atEnd.current = scrollHeight - scrollTop - clientHeight < 40;
      }}
    >
      <pre>
        {lines.map((line) => (
          <div class="console-line" key={line.seq}>
            <span class="dim">{time(line.atMs)} </span>
            {line.app !== undefined && <span class="dim">{line.app}: </span>}
            <span class={(line.severity ?? 6) <= 3 ? "bad-text" : line.severity === 4 ? "wait-text" : ""}>
              {line.text}
            </span>
          </div>
        ))}
      </pre>
    </section>
  );
}
