// The API for people, from its document: one page without a script.
interface Operation {
  operationId: string;
  summary: string;
  tags: string[];
  "x-role": string;
  parameters?: { name: string; in: string; required: boolean; schema: unknown; description?: string }[];
  requestBody?: { content: Record<string, { schema: unknown }> };
  responses: Record<string, { description?: string; content?: Record<string, { schema: unknown }> }>;
}

const escaped = (text: string): string => text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
const code = (value: unknown): string => `<pre>${escaped(JSON.stringify(value, undefined, 2))}</pre>`;

function operation(path: string, method: string, one: Operation): string {
  const inUrl = (one.parameters ?? []).map(
    ({ name, in: where, required, schema, description }) =>
      `<tr><td><code>${escaped(name)}</code><td>${where}${required ? ", needed" : ""}<td>${escaped(
        description ??
          (schema as { description?: string }).description ??
          (schema as { type?: string }).type ??
          "",
      )}`,
  );
  const body = one.requestBody?.content["application/json"]?.schema;
  // errors are the same shape everywhere: their numbers are enough
  const [[status, { description = "", content = {} }] = ["", {}], ...errors] = Object.entries(one.responses);
  const [[type, media] = ["", undefined]] = Object.entries(content);
  const answers = [
    `<li><b>${status}</b> ${escaped(description)} <small>${escaped(type)}</small>${media ? code(media.schema) : ""}`,
    `<li><small>${errors.map(([number]) => number).join(", ")}</small>: a problem`,
  ];
  return `<details id="${escaped(one.operationId)}"><summary><b class="${method}">${method.toUpperCase()}</b> <code>${escaped(path)}</code> ${escaped(one.summary)} <small>${escaped(one["x-role"])}</small></summary>
<p><code>${escaped(one.operationId)}</code>${inUrl.length > 0 ? `<table>${inUrl.join("")}</table>` : ""}${body ? `<h4>Body</h4>${code(body)}` : ""}<h4>Answers</h4><ul>${answers.join("")}</ul></details>`;
}

/** HTML of an OpenAPI document. */
export function docsPage(document: Record<string, unknown>): string {
  const paths = document["paths"] as Record<string, Record<string, Operation>>;
  const schemas = (document["components"] as { schemas: Record<string, unknown> }).schemas;
  const groups = new Map<string, string[]>();
  for (const [path, methods] of Object.entries(paths)) {
    for (const [method, one] of Object.entries(methods)) {
      const tag = one.tags[0] ?? "";
      groups.set(tag, [...(groups.get(tag) ?? []), operation(path, method, one)]);
    }
  }
  const parts = [...groups].map(([tag, all]) => `<h2>${escaped(tag)}</h2>${all.join("")}`);
  const views = Object.entries(schemas).map(
    ([name, schema]) =>
      `<details id="schema-${escaped(name)}"><summary><code>${escaped(name)}</code></summary>${code(schema)}</details>`,
  );
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Bramble API</title>
<style>:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:0 auto;padding:1rem}
pre{overflow:auto;padding:.6rem;border:1px solid GrayText;border-radius:.4rem;font-size:.85rem}summary{cursor:pointer;padding:.25rem 0}
small{opacity:.8}td{padding:0 1rem 0 0;vertical-align:top}details{border-bottom:1px solid color-mix(in srgb,GrayText 40%,transparent)}</style>
<main><h1>Bramble API</h1><p>The same as a document: <a href="/api/v1/openapi.json">/api/v1/openapi.json</a>. The word in small letters is the role that a route needs.</p>
${parts.join("\n")}<h2>Schemas</h2>${views.join("\n")}</main></html>`;
}
