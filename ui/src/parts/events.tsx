import type { EventView } from "../../../src/api/contract.ts";
import { time } from "../format.ts";
import { link } from "../place.ts";

/** Events as lines, newest first. `plain`: on the node's own page its name says nothing. */
export const EventList = ({ events, plain }: { events: readonly EventView[]; plain?: boolean }) =>
  events.length === 0 ? (
    <p class="dim">Nothing has happened yet.</p>
  ) : (
    <ol class="events">
      {events.map((event) => (
        <li key={event.id}>
          <time class="dim num" dateTime={new Date(event.atMs).toISOString()}>
            {time(event.atMs)}
          </time>
          <span class="what">
            {!plain && event.node !== undefined && (
              <>
                <a href={link(`/nodes/${event.node}`)}>{event.node}</a>{" "}
              </>
            )}
            <span class="kind">{event.kind}</span> {event.words}
          </span>
        </li>
      ))}
    </ol>
  );
