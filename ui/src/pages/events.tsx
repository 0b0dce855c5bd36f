import { useState } from "preact/hooks";
import type { EventView } from "../../../src/api/contract.ts";
import { call, type Problem } from "../api.ts";
import { addEvents, recent } from "../live.ts";
import { Button, Card, Head, Refusal } from "../parts/basics.tsx";
import { EventList } from "../parts/events.tsx";
import { Icon } from "../parts/icons.tsx";
import { go, here } from "../place.ts";

const MORE = 200;

/** Everything that was decided about nodes, newest first, live. */
export function Events() {
  const filter = here.value.query.get("filter") ?? "";
  const [older, setOlder] = useState<readonly EventView[]>([]);
  const [ended, setEnded] = useState(false);
  const [problem, setProblem] = useState<Problem | undefined>(undefined);
  const all = [...recent.value, ...older.filter((one) => !recent.value.some(({ id }) => id === one.id))];
  const wanted = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = (event: EventView) => {
    const text = `${event.node ?? ""} ${event.kind} ${event.words}`.toLowerCase();
    return wanted.every((word) => text.includes(word));
  };
  const shown = wanted.length === 0 ? all : all.filter(fits);
  const load = async () => {
    try {
      const before = all.at(-1)?.id;
      const found = await call("events", { limit: MORE, ...(before !== undefined && { before }) });
      if (recent.value.length === 0) addEvents(found);
      else setOlder((had) => [...had, ...found.toReversed()]);
      setEnded(found.length < MORE);
    } catch (error) {
      setProblem(error as Problem);
    }
  };
  return (
    <>
      <Head
        title="Events"
        words="What was asked, what was answered, and why; also why nothing was answered."
      />
      <div class="filters">
        <div class="search">
          <Icon name="search" />
          <input
            type="search"
            aria-label="Filter events"
            aria-describedby="filter-help"
            value={filter}
            onInput={(event) => go("/events", { filter: event.currentTarget.value }, true)}
          />
        </div>
      </div>
      <p id="filter-help" class="filter-help">
        A node, a kind such as <code>dhcp</code>, or words of what was said: all of them must occur.
      </p>
      <Card>
        <EventList events={shown} />
      </Card>
      <Refusal problem={problem} />
      <p class="row" style={{ marginTop: "1rem" }}>
        <Button onClick={() => void load()} why={ended ? "these are all that are kept" : undefined}>
          Load older ones
        </Button>
        <span class="dim small" role="status">
          {shown.length} shown
        </span>
      </p>
    </>
  );
}
