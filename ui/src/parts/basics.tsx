// The small pieces that every page is made of.
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { Problem } from "../api.ts";
import { ago, time } from "../format.ts";
import { Icon } from "./icons.tsx";

export type Tone = "ok" | "go" | "wait" | "bad" | "idle";

export const Chip = ({ tone = "idle", children }: { tone?: Tone; children: ComponentChildren }) => (
  <span class={`chip ${tone}`}>{children}</span>
);

interface ButtonWish {
  children: ComponentChildren;
  onClick?(event: MouseEvent): void;
  /** Why it cannot be done now: it stays in reach of keyboard and screen reader, and says so. */
  why?: string | undefined;
  kind?: "first" | "danger" | "plain" | "danger first";
  small?: boolean;
  label?: string;
  type?: "button" | "submit";
  pressed?: boolean;
}

export const Button = ({
  children,
  onClick,
  why,
  kind,
  small,
  label,
  type = "button",
  pressed,
}: ButtonWish) => (
  <button
    type={type}
    class={`button ${kind ?? ""} ${small ? "small" : ""}`}
    aria-disabled={why === undefined ? undefined : "true"}
    aria-label={label === undefined ? undefined : why === undefined ? label : `${label}: ${why}`}
    title={why}
    aria-pressed={pressed}
    onClick={(event) => (why === undefined ? onClick?.(event) : event.preventDefault())}
  >
    {children}
    {why !== undefined && label === undefined && <span class="unseen">: {why}</span>}
  </button>
);

/** The same words in the terminal, to copy. */
export function Command({ text }: { text: string }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Without https a browser has no clipboard: what is selected can be copied by hand.
      const range = document.createRange();
      const code = document.getElementById(`cmd-${text}`);
      if (code) range.selectNodeContents(code);
      getSelection()?.removeAllRanges();
      getSelection()?.addRange(range);
      document.execCommand("copy");
    }
    setCopied(true);
    setTimeout(() => setCopied(false), 2_000);
  };
  return (
    <div class="command">
      <code
        id={`cmd-${text}`}
        tabIndex={0}
        aria-label={`command: ${text}`}
        role="textbox"
        aria-readonly="true"
      >
        {text}
      </code>
      <Button small kind="plain" label={`copy: ${text}`} onClick={copy}>
        <Icon name="copy" />
        <span role="status">{copied ? "copied" : ""}</span>
      </Button>
    </div>
  );
}

/** Nothing to see yet, and the next step. */
export const Empty = ({
  title,
  children,
  command,
}: {
  title: string;
  children?: ComponentChildren;
  command?: string | undefined;
}) => (
  <div class="empty">
    <h2>{title}</h2>
    {children}
    {command !== undefined && <Command text={command} />}
  </div>
);

export const Refusal = ({ problem }: { problem: Problem | undefined }) =>
  problem === undefined ? null : (
    <div class="problem" role="alert">
      <p>
        {problem.at && `line ${problem.at.line}, column ${problem.at.column}: `}
        {problem.message}
      </p>
      {problem.hint !== undefined && <p class="hint">{problem.hint}</p>}
      <p class="hint small">
        <code>{problem.code}</code>
      </p>
    </div>
  );

/** A time as "3 min ago" that goes on counting; the exact one under the pointer. */
export function Ago({ ms }: { ms: number }) {
  const [, again] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => again((n) => n + 1), 15_000);
    return () => clearInterval(timer);
  }, []);
  return (
    <time dateTime={new Date(ms).toISOString()} title={time(ms)} class="nowrap">
      {ago(ms)}
    </time>
  );
}

export const Head = ({
  title,
  crumb,
  words,
  chips,
  children,
}: {
  title: string;
  crumb?: { href: string; text: string };
  words?: ComponentChildren;
  chips?: ComponentChildren;
  children?: ComponentChildren;
}) => {
  useEffect(() => {
    document.title = `${title} · Bramble`;
  }, [title]);
  return (
    <header class="page-head">
      {crumb && (
        <nav class="crumb" aria-label="Back">
          <a href={crumb.href}>← {crumb.text}</a>
        </nav>
      )}
      <h1>{title}</h1>
      {chips}
      {children !== undefined && <div class="actions">{children}</div>}
      {words !== undefined && <p class="words">{words}</p>}
    </header>
  );
};

export const Card = ({
  title,
  more,
  children,
  className = "",
}: {
  title?: ComponentChildren;
  more?: ComponentChildren;
  children: ComponentChildren;
  className?: string;
}) => (
  <section class={`card ${className}`}>
    {title !== undefined && (
      <h2>
        {title}
        {more !== undefined && <span class="more row">{more}</span>}
      </h2>
    )}
    {children}
  </section>
);

export const Facts = ({ rows }: { rows: readonly (readonly [string, ComponentChildren])[] }) => (
  <dl class="facts">
    {rows
      .filter(([, value]) => value !== undefined && value !== "" && value !== null && value !== false)
      .map(([name, value]) => (
        <>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </>
      ))}
  </dl>
);

/** A table that scrolls by itself where it is too wide, in reach of the keyboard. */
export const List = ({
  label,
  head,
  children,
}: {
  label: string;
  head: readonly (string | JSX.Element)[];
  children: ComponentChildren;
}) => (
  <section class="scroll" aria-label={label} tabIndex={0}>
    <table class="list">
      <thead>
        <tr>
          {head.map((cell) =>
            cell === "" ? (
              <th key="actions">
                <span class="unseen">Actions</span>
              </th>
            ) : (
              <th scope="col">{cell}</th>
            ),
          )}
        </tr>
      </thead>
      <tbody>{children}</tbody>
    </table>
  </section>
);

export const Meter = ({ label, part }: { label: string; part: number | undefined }) => (
  <div
    class={`meter ${part === undefined ? "unknown" : ""}`}
    role="progressbar"
    aria-label={label}
    aria-valuemin={0}
    aria-valuemax={100}
    {...(part !== undefined && { "aria-valuenow": Math.round(part * 100) })}
  >
    <div style={part === undefined ? {} : { width: `${Math.min(1, part) * 100}%` }} />
  </div>
);

export const Loading = () => (
  <p class="dim" role="status">
    Loading…
  </p>
);
