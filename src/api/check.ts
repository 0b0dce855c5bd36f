// Checks what comes in against a route's own description. Nothing is dropped, and nothing but a URL's text becomes another type.
import type { TObject, TSchema } from "typebox";
import { Compile } from "typebox/compile";
import { Value } from "typebox/value";
import { BrambleError } from "../base/errors.ts";
import type { DescribedRoute, RouteFacts } from "./route.ts";

type Check = ReturnType<typeof Compile>;
/** Made at the first use of each: all at once would cost the start of every command. */
const compiled = new WeakMap<TSchema, Check>();
const checkOf = (schema: TSchema): Check => {
  const found = compiled.get(schema) ?? Compile(schema);
  compiled.set(schema, found);
  return found;
};

/** Does a value fit a schema? What does not, in words: for tests of answers. */
export const misfits = (schema: TSchema, value: unknown): string[] =>
  checkOf(schema).Check(value) ? [] : words(schema, value);

/** Throws BAD_INPUT, with what is wrong and where. A route that does not describe itself takes anything. */
export function checkArgs(route: RouteFacts | DescribedRoute, value: Record<string, unknown>): void {
  if (!("args" in route)) return;
  if (checkOf(route.args).Check(value)) return;
  const wrong = words(route.args, value);
  const fields = Object.keys(route.args.properties);
  throw new BrambleError("BAD_INPUT", wrong.slice(0, 5).join("; ") || "the arguments do not fit", {
    hint: fields.length > 0 ? `it takes ${fields.join(", ")}` : "it takes no arguments",
  });
}

/** What stands in a URL is text: numbers and booleans where the schema wants them, lists of one. */
export function fromText(schema: TObject, text: Record<string, string | string[]>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(text).map(([name, value]) => {
      const wanted = schema.properties[name];
      if (!wanted) return [name, value];
      const { type } = wanted as { type?: string };
      if (type === "string" && typeof value === "string") return [name, value];
      const list = type === "array" && typeof value === "string";
      return [name, Value.Convert(wanted, list ? [value] : value)];
    }),
  );
}

interface Wrong {
  keyword: string;
  instancePath: string;
  message: string;
  params: { additionalProperties?: string[]; requiredProperties?: string[]; allowedValues?: unknown[] };
}

/** What is wrong, a line each: "patch.root must be one of auto, iscsi". */
function words(schema: TSchema, value: unknown): string[] {
  const errors = checkOf(schema).Errors(value) as unknown as Wrong[];
  const lines = errors.flatMap(({ keyword, instancePath, message, params }) => {
    const at = instancePath.slice(1).replaceAll("/", ".");
    const inside = at ? `${at}: ` : "";
    if (keyword === "additionalProperties")
      return (params.additionalProperties ?? []).map((name) => `${inside}there is no field "${name}"`);
    if (keyword === "required")
      return (params.requiredProperties ?? []).map((name) => `${inside}${name} is missing`);
    if (keyword === "enum")
      return [`${at || "it"} must be one of ${(params.allowedValues ?? []).join(", ")}`];
    // "schema is false" comes beside additionalProperties; of a choice, what each branch says comes before
    if (keyword === "boolean" || keyword === "anyOf" || keyword === "const") return [];
    return [`${at || "it"} ${message}`];
  });
  return [...new Set(lines)];
}
