// Fields from a route's own schema: a verb whose form nobody has drawn by hand still has one.
import { ROUTES, type Schema } from "virtual:routes";
import type { Verb } from "../api.ts";
import type { Field } from "./action.ts";

/** The fields of a verb's arguments, but those that are known already. */
export function schemaFields(
  verb: Verb,
  known: readonly string[] = [],
  properties: Readonly<Record<string, Schema>> = ROUTES[verb]?.args?.properties ?? {},
): Field[] {
  const args = ROUTES[verb]?.args;
  return Object.entries(properties)
    .filter(([name]) => !known.includes(name))
    .map(([name, schema]) => fieldOf(name, schema, args?.required?.includes(name) ?? false));
}

const words = (name: string): string =>
  name
    .replace(/([a-z])([A-Z])/g, (_, a: string, b: string) => `${a} ${b.toLowerCase()}`)
    .replace(/^./, (c) => c.toUpperCase());

function fieldOf(name: string, schema: Schema, required: boolean): Field {
  const nullable = schema.anyOf?.some((one) => one.type === "null" || one.const === null) ?? false;
  const inner = schema.anyOf?.filter((one) => one.type !== "null" && one.const !== null) ?? [];
  const only = inner.length === 1 ? inner[0] : undefined;
  if (only)
    return {
      ...fieldOf(name, { ...only, ...(schema.description && { description: schema.description }) }, required),
      emptyIsNull: nullable,
    };
  const choices =
    schema.enum ?? (inner.every((one) => one.const !== undefined) ? inner.map((one) => one.const) : []);
  return {
    name,
    label: schema.title ?? words(name),
    required: required && schema.type !== "boolean",
    ...(schema.description !== undefined && { hint: schema.description }),
    ...(nullable && { emptyIsNull: true }),
    ...kindOf(
      name,
      schema,
      choices.filter((one) => one !== null && one !== undefined) as (string | number)[],
    ),
  };
}

function kindOf(
  name: string,
  schema: Schema,
  choices: readonly (string | number)[],
): Pick<Field, "kind" | "options"> {
  if (choices.length > 0)
    return { kind: "select", options: choices.map((one) => ({ value: String(one), text: String(one) })) };
  if (schema.type === "boolean") return { kind: "tick" };
  if (schema.type === "integer" || schema.type === "number") return { kind: "number" };
  if (schema.type === "array") return { kind: schema.items?.type === "string" ? "list" : "json" };
  if (schema.type === "object" || schema.anyOf) return { kind: "json" };
  return { kind: /password|secret|community|authKey|privKey/i.test(name) ? "secret" : "text" };
}
