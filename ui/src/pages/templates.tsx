// A profile's templates, edited beside what the draft becomes for a node, with line and column where it is wrong.
import { useEffect, useRef, useState } from "preact/hooks";
import type { PreviewView, ProfileDetail, TemplatesPatch } from "../../../src/api/profile-contract.ts";
import { ask, whyNot } from "../actions/action.ts";
import { FieldInput } from "../actions/fields.tsx";
import { rollbackTemplates } from "../actions/profile.ts";
import { call, type Problem, tagOf } from "../api.ts";
import { time } from "../format.ts";
import { nodeList } from "../nodes.ts";
import { Button, Card, Chip, List, Refusal } from "../parts/basics.tsx";
import { useResource } from "../resource.ts";
import { lacksRole } from "../session.ts";
import { say } from "../tasks.ts";

type Lists = "cmdline" | "config" | "packages" | "commands";
type Texts = "userData" | "metaData" | "networkConfig" | "ipxe";
const KINDS: readonly (readonly [Lists | Texts, string, string])[] = [
  ["cmdline", "cmdline.txt", "words that the kernel gets beside its own"],
  ["config", "config.txt", "lines added behind the image's own"],
  ["userData", "user-data", "cloud-init's, YAML or a script"],
  ["metaData", "meta-data", "cloud-init's; instance-id and local-hostname are the server's to set"],
  ["networkConfig", "network-config", "cloud-init's"],
  ["ipxe", "iPXE script", "for servers that boot by iPXE"],
  ["packages", "Packages", "installed at the first boot, one a line"],
  ["commands", "Commands", "run once at the first boot, one a line"],
];
const isList = (kind: Lists | Texts): kind is Lists => /^(cmdline|config|packages|commands)$/.test(kind);
const textOf = ({ templates }: ProfileDetail, kind: Lists | Texts): string =>
  isList(kind) ? templates[kind].join("\n") : (templates[kind] ?? "");

/** What the form says otherwise than the profile. */
function patchOf(form: HTMLFormElement, profile: ProfileDetail): TemplatesPatch {
  const data = new FormData(form);
  const read = (name: string) => String(data.get(name) ?? "").replaceAll("\r\n", "\n");
  const patch: TemplatesPatch = {};
  for (const [kind] of KINDS) {
    const text = read(kind);
    if (text === textOf(profile, kind)) continue;
    if (isList(kind)) patch[kind] = text.split("\n").filter((line) => line.trim() !== "");
    else patch[kind] = text.trim() === "" ? null : text;
  }
  const path = read("file-path").trim();
  if (path !== "") {
    const text = read("file-text");
    const mode = Number.parseInt(read("file-mode") || "644", 8);
    patch.files = [{ path, mode, text: text === "" ? null : text }];
  }
  const values = valuesPatch(read("values"), profile.templates.values);
  if (Object.keys(values).length > 0) patch.values = values;
  return patch;
}

function valuesPatch(
  text: string,
  before: Readonly<Record<string, string | null>>,
): Record<string, string | null> {
  const now = new Map<string, string>();
  for (const line of text.split("\n")) {
    const [, name, value] = /^\s*([^=\s]+)\s*=(.*)$/.exec(line) ?? [];
    if (name !== undefined) now.set(name, value ?? "");
  }
  const patch: Record<string, string | null> = {};
  for (const [name, value] of now) if ((before[name] ?? "") !== value) patch[name] = value;
  for (const name of Object.keys(before)) if (!now.has(name)) patch[name] = null;
  return patch;
}

const TYPING_MS = 350;

export function Templates({ profile }: { profile: ProfileDetail }) {
  const form = useRef<HTMLFormElement>(null);
  const [problem, setProblem] = useState<Problem | undefined>(undefined);
  const [busy, setBusy] = useState(false);
  const [draft, setDraft] = useState<TemplatesPatch>({});
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  const typed = () => {
    clearTimeout(timer.current);
    timer.current = setTimeout(() => form.current && setDraft(patchOf(form.current, profile)), TYPING_MS);
  };
  const save = async (event: SubmitEvent) => {
    event.preventDefault();
    if (!form.current) return;
    setBusy(true);
    try {
      const tag = tagOf(profile);
      await call(
        "setTemplates",
        { profile: profile.name, patch: patchOf(form.current, profile) },
        tag === undefined ? {} : { ifMatch: tag },
      );
      setProblem(undefined);
      setDraft({});
      say(`${profile.name}: templates saved; nodes get them at their next boot`);
    } catch (error) {
      setProblem(error as Problem);
    } finally {
      setBusy(false);
    }
  };
  const values = Object.entries(profile.templates.values);
  return (
    <Card title={`Templates, version ${profile.templatesVersion}`} more={<Versions profile={profile} />}>
      <p class="dim">
        Liquid, strict: an unknown variable is an error with its place, before anything boots. There are{" "}
        <code>{"{{ node.name }}"}</code>, <code>{"{{ value.NAME }}"}</code>,{" "}
        <code>{"{{ secret.NAME }}"}</code> and more. Beside it: what your draft becomes for one node.
      </p>
      <div class="template">
        <form class="stack" ref={form} onSubmit={save} onInput={typed}>
          {KINDS.map(([kind, label, hint]) => (
            <FieldInput
              key={`${kind} ${profile.templatesVersion}`}
              field={{ name: kind, label, hint, kind: "long", value: textOf(profile, kind) }}
            />
          ))}
          <FieldInput
            field={{
              name: "values",
              label: "Values",
              kind: "long",
              hint: "one NAME=text a line: value.NAME in templates; without a text, each node has to say it",
              value: values.map(([name, value]) => `${name}=${value ?? ""}`).join("\n"),
            }}
          />
          <FieldInput
            field={{
              name: "file-path",
              label: "A file, by its path on the node",
              example: "/etc/motd",
              hint: `there are: ${profile.templates.files.map((file) => file.path).join(", ") || "none"}`,
            }}
          />
          <FieldInput field={{ name: "file-mode", label: "Its mode", example: "644" }} />
          <FieldInput
            field={{ name: "file-text", label: "Its text", kind: "long", hint: "empty removes the file" }}
          />
          <Refusal problem={problem} />
          <p class="row">
            <Button
              type="submit"
              kind="first"
              why={whyNot({ verb: "setTemplates" }) ?? (busy ? "it is being done" : undefined)}
            >
              Save the templates
            </Button>
            {Object.keys(draft).length > 0 && (
              <span class="dim small" role="status">
                changed: {Object.keys(draft).join(", ")}
              </span>
            )}
          </p>
        </form>
        <Preview profile={profile} draft={draft} />
      </div>
    </Card>
  );
}

/** What the draft becomes; asked anew at each change. */
function Preview({ profile, draft }: { profile: ProfileDetail; draft: TemplatesPatch }) {
  const nodes = nodeList.value.filter((node) => node.profile === profile.name);
  const [name, setName] = useState<string | undefined>(undefined);
  const node = nodes.find((one) => one.name === name) ?? nodes[0];
  const [view, setView] = useState<PreviewView | undefined>(undefined);
  const [problem, setProblem] = useState<Problem | undefined>(undefined);
  const refused = lacksRole("operator");
  useEffect(() => {
    if (refused !== undefined) return undefined;
    const abort = new AbortController();
    call(
      "previewProfile",
      {
        profile: profile.name,
        ...(node ? { node: node.name } : { board: { name: "example", model: "4B" } }),
        ...(Object.keys(draft).length > 0 && { patch: draft }),
      },
      { signal: abort.signal },
    ).then(
      (told) => {
        setView(told);
        setProblem(undefined);
      },
      (error: Problem) => !abort.signal.aborted && setProblem(error),
    );
    return () => abort.abort();
  }, [profile.name, profile.templatesVersion, node?.id, draft, refused]);
  if (refused !== undefined) return <p class="dim">The preview: {refused}.</p>;
  return (
    <div
      class="stack top"
      onChange={(event) => event.target instanceof HTMLSelectElement && setName(event.target.value)}
    >
      {nodes.length > 0 && (
        <FieldInput
          field={{
            name: "preview",
            label: "Preview for",
            kind: "select",
            required: true,
            ...(node && { value: node.name }),
            options: nodes.slice(0, 500).map((one) => ({ value: one.name, text: one.name })),
          }}
        />
      )}
      <Refusal problem={problem} />
      {view && (
        <>
          <p class="row" role="status">
            {view.ok ? <Chip tone="ok">it would boot</Chip> : <Chip tone="bad">it would not boot</Chip>}
            <span class="dim">{view.board}</span>
          </p>
          {view.parts.map(({ part, text, error }) => (
            <section key={part} aria-label={part}>
              <h3 class="mono">{part}</h3>
              {error && (
                <div class="problem">
                  <p>
                    line {error.line}, column {error.column}: {error.message}
                  </p>
                  {error.hint !== undefined && <p class="hint">{error.hint}</p>}
                </div>
              )}
              {text !== undefined && (
                <pre class="text" tabIndex={0}>
                  {text}
                </pre>
              )}
            </section>
          ))}
        </>
      )}
    </div>
  );
}

/** Earlier versions, to go back to. */
function Versions({ profile }: { profile: ProfileDetail }) {
  if (profile.templatesVersion === 0) return null;
  const wish = rollbackTemplates(profile);
  return (
    <Button small why={whyNot(wish)} onClick={() => ask(wish)}>
      Go back to a version
    </Button>
  );
}

export function VersionList({ profile }: { profile: ProfileDetail }) {
  const { data, problem } = useResource(
    "templateVersions",
    { profile: profile.name },
    ["profile"],
    profile.name,
  );
  return (
    <Card title="Versions of its templates">
      <Refusal problem={problem.value} />
      {data.value?.length === 0 && (
        <p class="dim">None yet. Each change makes one; a boot keeps the one that it used.</p>
      )}
      {(data.value?.length ?? 0) > 0 && (
        <List label="Versions" head={["Version", "When", "Who", "What was changed"]}>
          {data.value?.map((one) => (
            <tr key={one.version}>
              <td class="num">
                {one.version} {one.current && <Chip tone="ok">now</Chip>}
              </td>
              <td class="nowrap">{time(one.atMs)}</td>
              <td>{one.by}</td>
              <td class="words">{one.note}</td>
            </tr>
          ))}
        </List>
      )}
    </Card>
  );
}
