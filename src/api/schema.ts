// Small words for the schemas of the contract.
import Type, { type TProperties, type TSchema } from "typebox";

/** Arguments: unknown fields are refused, not dropped. */
export const args = <P extends TProperties>(properties: P) =>
  Type.Object(properties, { additionalProperties: false });

/** What is answered; `name` is its name in the OpenAPI document. */
export const view = <P extends TProperties>(name: string, properties: P) =>
  Type.Object(properties, { title: name });

export const oneOf = <const T extends string[]>(...words: T) => Type.Unsafe<T[number]>(Type.Enum(words));

export const orNull = <S extends TSchema>(schema: S) => Type.Union([schema, Type.Null()]);

const text = (most: number, description: string) =>
  Type.String({ minLength: 1, maxLength: most, description });

/** A name, serial, MAC or the beginning of a name. */
export const NODE = text(255, "a node's name, serial or MAC, or the beginning of its name");
export const NAME = Type.String({ minLength: 1, maxLength: 255 });
/** Nodes that are meant: by a selector or hostlist, or one by one. */
export const CHOSEN = {
  select: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 64 * 1024,
      description: "a selector (rack=3,model in (4B,5),!broken) or a hostlist (pi[01-30,40])",
    }),
  ),
  nodes: Type.Optional(
    Type.Array(NAME, { minItems: 1, maxItems: 10_000, description: "instead of select: their ids or names" }),
  ),
};
/** Integer ms since 1970. */
export const MS = Type.Integer({ description: "ms since 1970" });
export const BYTES = Type.Integer({ description: "bytes" });
export const LIMIT = Type.Integer({ minimum: 1, maximum: 1000, description: "at most this many rows" });
export const NamedView = view("NamedView", { name: Type.String() });
export const NO_ARGS = args({});
