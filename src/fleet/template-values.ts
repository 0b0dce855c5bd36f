/** Where a template's output goes, which decides how a value must be written there. */
export type TemplateKind = "shell" | "yaml" | "text" | "words";

export interface Template {
  /** What a person calls it: `user-data`, `file /etc/motd`, `command 2`. */
  name: string;
  text: string;
  kind: TemplateKind;
}

/** Values that may be asked for by any name, such as labels: one that is not there is no mistake. */
export class OpenValues {
  readonly values: Readonly<Record<string, string>>;
  /** What every other name is. */
  readonly other: string | null;
  constructor(values: Readonly<Record<string, string>>, other: string | null = null) {
    this.values = values;
    this.other = other;
  }
}

/** Nested plain data. Null: this board has no such thing; printing it is an error, asking for it with `if` is not. */
export type TemplateValue =
  | string
  | number
  | boolean
  | null
  | OpenValues
  | TemplateValues
  | readonly TemplateValue[];
export interface TemplateValues {
  [name: string]: TemplateValue;
}

/** Throws TEMPLATE_BAD with name:line:column. */
export type Render = (template: Template, values: TemplateValues) => string;
