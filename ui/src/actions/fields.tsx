import { useId } from "preact/hooks";
import type { Field, Option, Values } from "./action.ts";

const optionsOf = (field: Field): readonly Option[] =>
  typeof field.options === "function" ? field.options() : (field.options ?? []);

/** One field with its label and hint. */
export function FieldInput({ field }: { field: Field }) {
  const id = useId();
  const { kind = "text", name, label, hint, example, required = false } = field;
  const isHelped = hint !== undefined || example !== undefined;
  const common = {
    id,
    name,
    required: required && kind !== "tick",
    ...(isHelped && { "aria-describedby": `${id}-hint` }),
  };
  const words = isHelped && (
    <span class="hint" id={`${id}-hint`}>
      {hint}
      {hint !== undefined && example !== undefined && "; "}
      {example !== undefined && <Example text={example} />}
    </span>
  );
  const value = field.value === undefined ? "" : String(field.value);
  if (kind === "tick")
    return (
      <div class="field tick">
        <input type="checkbox" {...common} defaultChecked={field.value === true} />
        <label for={id}>{label}</label>
        {words}
      </div>
    );
  return (
    <div class="field">
      <label for={id}>
        {label}
        {!required && <span class="dim small"> (optional)</span>}
      </label>
      {words}
      {kind === "select" ? (
        <select {...common}>
          {!required && <option value="">–</option>}
          {optionsOf(field).map((option) => (
            <option key={option.value} value={option.value} selected={option.value === value}>
              {option.text}
            </option>
          ))}
        </select>
      ) : kind === "long" || kind === "list" || kind === "json" ? (
        <textarea {...common} spellcheck={false} defaultValue={value} />
      ) : (
        <input
          {...common}
          type={kind === "secret" ? "password" : kind === "number" ? "number" : "text"}
          step={kind === "number" ? "any" : undefined}
          autocomplete={kind === "secret" ? "new-password" : "off"}
          spellcheck={false}
          defaultValue={value}
        />
      )}
    </div>
  );
}

/** An input as it may look; it stays in sight while one types. Several lines stand below each other. */
const Example = ({ text }: { text: string }) => (
  <>
    for example{text.includes("\n") ? <br /> : " "}
    <code>{text}</code>
  </>
);

const UNITS = "KMGT";

/** "10G" in bytes, as the command line reads it (1024 each); undefined: that is no size. */
export function parseSize(text: string): number | undefined {
  const [, digits, unit] = /^(\d+(?:\.\d+)?)\s*(?:([KMGT])(?:i?B)?)?$/i.exec(text.trim()) ?? [];
  if (digits === undefined) return undefined;
  const bytes = Number(digits) * 1024 ** (unit ? UNITS.indexOf(unit.toUpperCase()) + 1 : 0);
  return Math.ceil(bytes / 2 ** 20) * 2 ** 20;
}

/** What the form holds, by the kinds of its fields; throws an Error in words where a text is no size or no JSON. */
export function readFields(form: HTMLFormElement, fields: readonly Field[]): Values {
  const data = new FormData(form);
  const values: Values = {};
  for (const field of fields) {
    const { kind = "text", name, label } = field;
    const text = String(data.get(name) ?? "");
    if (kind === "tick") {
      values[name] = data.has(name);
    } else if (text.trim() === "") {
      if (field.emptyIsNull) values[name] = null;
    } else if (kind === "number") {
      values[name] = Number(text);
    } else if (kind === "size") {
      const bytes = parseSize(text);
      if (bytes === undefined) throw new Error(`${label}: "${text}" is no size; write 512M or 10G`);
      values[name] = bytes;
    } else if (kind === "list") {
      values[name] = text.split("\n").flatMap((line) => (line.trim() === "" ? [] : [line.trimEnd()]));
    } else if (kind === "json") {
      values[name] = readJson(label, text);
    } else {
      values[name] = kind === "long" || kind === "secret" ? text : text.trim();
    }
  }
  return values;
}

function readJson(label: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${label}: ${(error as Error).message}`);
  }
}
