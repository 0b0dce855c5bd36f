import { BrambleError } from "../base/errors.ts";
import type { ProfileFile, ProfileTemplates } from "./profiles.ts";

/** What a person or program asks to be changed: null clears, lists are given whole, a file with a null text goes. */
export type PatchOfTemplates = {
  [K in "userData" | "metaData" | "networkConfig" | "ipxe"]?: string | null;
} & {
  [K in "packages" | "commands" | "cmdline" | "config"]?: string[] | null;
} & {
  files?: (Omit<ProfileFile, "text"> & { text: string | null })[] | null;
  values?: Record<string, string | null>;
  cluster?: boolean;
};

const TEXTS = ["userData", "metaData", "networkConfig", "ipxe"] as const;
const LISTS = ["packages", "commands", "cmdline", "config"] as const;
const KNOWN: readonly string[] = [...TEXTS, ...LISTS, "files", "values", "cluster"];

const bad = (what: string) => new BrambleError("BAD_INPUT", what);
const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The templates with the patch in them; its shape is checked, for it comes from outside. Throws BAD_INPUT. */
export function patchTemplates(before: ProfileTemplates, patch: PatchOfTemplates): ProfileTemplates {
  const next: ProfileTemplates = { ...before, values: { ...before.values }, files: [...before.files] };
  for (const key of Object.keys(patch)) if (!KNOWN.includes(key)) throw bad(`a profile has no ${key}`);
  for (const key of TEXTS) {
    const value: unknown = patch[key];
    if (value === null) delete next[key];
    else if (typeof value === "string") next[key] = value;
    else if (value !== undefined) throw bad(`${key} must be text`);
  }
  for (const key of LISTS) {
    const value: unknown = patch[key];
    if (value === undefined) continue;
    if (value !== null && !(Array.isArray(value) && value.every((one) => typeof one === "string")))
      throw bad(`${key} must be a list of texts`);
    next[key] = (value as string[] | null) ?? [];
  }
  if (patch.files === null) next.files = [];
  else if (patch.files !== undefined) next.files = patchFiles(next.files, patch.files);
  if (patch.values !== undefined) {
    if (!isObject(patch.values)) throw bad("values must be names with their texts");
    for (const [name, value] of Object.entries(patch.values)) {
      if (value === null) delete next.values[name];
      else if (typeof value === "string") next.values[name] = value;
      else throw bad(`the value ${name} must be text`);
    }
  }
  if (patch.cluster !== undefined) next.cluster = patch.cluster === true;
  return next;
}

function patchFiles(before: ProfileFile[], files: unknown): ProfileFile[] {
  if (!Array.isArray(files)) throw bad("files must be a list");
  const next = new Map(before.map((file) => [file.path, file]));
  for (const file of files as unknown[]) {
    if (!isObject(file) || typeof file["path"] !== "string") throw bad("a file needs a path");
    const { path, mode, text } = file as { path: string; mode: unknown; text: unknown };
    if (text === null) next.delete(path);
    else if (typeof text === "string" && typeof mode === "number") next.set(path, { path, mode, text });
    else throw bad(`${path}: a file has a mode and a text`);
  }
  return [...next.values()];
}
