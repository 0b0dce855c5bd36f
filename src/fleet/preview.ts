// What each text of a profile becomes for one board, or the place where it fails: one by one, so that a person sees all of them.
import type { BrambleError } from "../base/errors.ts";
import { NO_TEMPLATES, type ProfileTemplates, renderBootLines, renderSeed } from "./profiles.ts";
import type { Render, TemplateValues } from "./template-values.ts";

export interface PreviewPart {
  /** `cmdline 2`, `user-data`, `file /etc/motd` … */
  part: string;
  text?: string;
  error?: { line: number; column: number; message: string; hint?: string };
}

/** `bootValues` hold no secret, `seedValues` words where secrets stand. Never throws what a template did. */
export function previewTemplates(
  templates: ProfileTemplates,
  { bootValues, seedValues }: { bootValues: TemplateValues; seedValues: TemplateValues },
  render: Render,
): PreviewPart[] {
  const parts: PreviewPart[] = [];
  const boot = (part: string, only: Partial<ProfileTemplates>): void => {
    parts.push(
      tried(part, () => {
        const { cmdline, config, ipxe } = renderBootLines({ ...NO_TEMPLATES, ...only }, bootValues, render);
        return ipxe ?? [...cmdline, ...config].join("\n");
      }),
    );
  };
  const seed = (part: string, only: Partial<ProfileTemplates>): void => {
    parts.push(
      tried(part, () => {
        const one = renderSeed({ ...NO_TEMPLATES, ...only }, seedValues, render);
        const { userData, metaData, networkConfig, files, packages, commands } = one;
        return (
          userData ?? metaData ?? networkConfig ?? files[0]?.text ?? [...packages, ...commands].join("\n")
        );
      }),
    );
  };
  const { cmdline, config, ipxe, userData, metaData, networkConfig, files, packages, commands } = templates;
  cmdline.forEach((_, i) => {
    boot(`cmdline ${i + 1}`, { cmdline: only(cmdline, i) });
  });
  config.forEach((_, i) => {
    boot(`config.txt line ${i + 1}`, { config: only(config, i) });
  });
  if (ipxe !== undefined) boot("ipxe", { ipxe });
  if (userData !== undefined) seed("user-data", { userData });
  if (metaData !== undefined) seed("meta-data", { metaData });
  if (networkConfig !== undefined) seed("network-config", { networkConfig });
  for (const file of files) seed(`file ${file.path}`, { files: [file] });
  packages.forEach((_, i) => {
    seed(`package ${i + 1}`, { packages: only(packages, i) });
  });
  commands.forEach((_, i) => {
    seed(`command ${i + 1}`, { commands: only(commands, i) });
  });
  return parts;
}

/** The others empty, so that it keeps its number in what an error says. */
const only = (list: readonly string[], i: number): string[] => list.map((text, at) => (at === i ? text : ""));

function tried(part: string, work: () => string): PreviewPart {
  try {
    return { part, text: work() };
  } catch (thrown) {
    const error = thrown as BrambleError;
    if (error.code !== "TEMPLATE_BAD") throw thrown;
    // name:line:column: what; names of files may hold colons, so it is read from what is last
    const [, line, column, message] = /^.*?:(\d+):(\d+): (.*)$/s.exec(error.message) ?? [];
    return {
      part,
      error: {
        line: Number(line ?? 1),
        column: Number(column ?? 1),
        message: message ?? error.message,
        ...(error.hint !== undefined && { hint: error.hint }),
      },
    };
  }
}
