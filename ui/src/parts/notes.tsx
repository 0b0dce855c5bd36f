import { size } from "../format.ts";
import { dismiss, type Note, notes } from "../tasks.ts";
import { Button, Meter, Refusal } from "./basics.tsx";
import { Icon } from "./icons.tsx";

const TONE = { running: "go", done: "", failed: "bad" } as const;

export const Notes = () => (
  <section class="notes" aria-label="Tasks and answers" aria-live="polite">
    {notes.value.map((note) => (
      <OneNote key={note.id} note={note} />
    ))}
  </section>
);

function OneNote({ note }: { note: Note }) {
  const { progress } = note;
  const part = progress?.total ? progress.bytes / progress.total : undefined;
  return (
    <div class={`note ${TONE[note.state]}`}>
      <div class="row">
        <strong>{note.title}</strong>
        <span style={{ marginLeft: "auto" }}>
          {note.state === "running" ? (
            <Button small kind="plain" label={`stop: ${note.title}`} onClick={() => note.abort?.abort()}>
              Stop
            </Button>
          ) : (
            <Button small kind="plain" label={`dismiss: ${note.title}`} onClick={() => dismiss(note.id)}>
              <Icon name="close" />
            </Button>
          )}
        </span>
      </div>
      {note.state === "running" && (
        <>
          <Meter label={note.title} part={part} />
          <p class="small dim num">
            {progress ? `${progress.phase} ${size(progress.bytes)}` : "starting"}
            {progress?.total ? ` of ${size(progress.total)}` : ""}
          </p>
        </>
      )}
      {note.words !== undefined && <p class="small">{note.words}</p>}
      <Refusal problem={note.problem} />
    </div>
  );
}
