import type { Signal } from "@preact/signals";
import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { type Args, call, Problem, type Verb } from "../api.ts";
import { didSomething } from "../live.ts";
import { Button, Refusal } from "../parts/basics.tsx";
import { inBackground, say } from "../tasks.ts";
import { type Action, asked } from "./action.ts";
import { FieldInput, readFields } from "./fields.tsx";
import { schemaFields } from "./schema-fields.ts";

/** A native dialog: it keeps the focus, gives it back, and Escape closes it. */
export function Dialog({
  title,
  onClose,
  wide,
  children,
}: {
  title: string;
  onClose(): void;
  wide?: boolean;
  children: ComponentChildren;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    dialog.current?.showModal();
    return () => before?.isConnected && before.focus();
  }, []);
  return (
    <dialog ref={dialog} aria-label={title} class={wide ? "wide" : ""} onClose={onClose}>
      {children}
    </dialog>
  );
}

/** The verb that is being asked for, wherever it was chosen. */
export const ActionDialog = () =>
  asked.value === undefined ? null : <Asking key={asked.value} wish={asked.value as Action} />;

function Asking({ wish }: { wish: Action }) {
  const state = useMemo(() => ({ busy: signal(false), problem: signal<Problem | undefined>(undefined) }), []);
  const fields = useMemo(() => wish.fields ?? schemaFields(wish.verb, Object.keys(wish.fixed ?? {})), [wish]);
  const close = () => {
    if (asked.value === (wish as never)) asked.value = undefined;
  };
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    try {
      const values = readFields(event.currentTarget as HTMLFormElement, fields);
      const args = wish.args ? wish.args(values) : ({ ...wish.fixed, ...values } as Args<Verb>);
      await perform(wish, args, state.busy);
      close();
    } catch (error) {
      state.problem.value =
        error instanceof Problem
          ? error
          : new Problem({ status: 400, title: (error as Error).message, code: "BAD_INPUT" });
    }
  };
  return (
    <Dialog title={wish.title} onClose={close}>
      <form onSubmit={submit} noValidate={false}>
        <h2>{wish.title}</h2>
        {wish.words !== undefined && <p class="dim">{wish.words}</p>}
        {fields.map((field) => (
          <FieldInput key={field.name} field={field} />
        ))}
        <Refusal problem={state.problem.value} />
        <div class="foot">
          <Button onClick={close}>Cancel</Button>
          <Button
            type="submit"
            kind={wish.danger ? "danger first" : "first"}
            why={state.busy.value ? "it is being done" : undefined}
          >
            {wish.title}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

async function perform(wish: Action, args: Args<Verb>, busy: Signal<boolean>): Promise<void> {
  if (wish.long) {
    void inBackground(wish.title, wish.verb, args, (result) => wish.done?.(result) ?? "Done");
    return;
  }
  busy.value = true;
  try {
    const result = await call(wish.verb, args, wish.ifMatch === undefined ? {} : { ifMatch: wish.ifMatch });
    say(wish.done?.(result) ?? `${wish.title}: done`);
    didSomething();
    wish.after?.(result);
  } finally {
    busy.value = false;
  }
}
