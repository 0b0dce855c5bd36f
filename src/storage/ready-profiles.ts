// The profiles that Bramble ships: a folder each, with profile.json and the files that it names.
import { readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { BrambleError } from "../base/errors.ts";
import { NO_TEMPLATES, type ProfileTemplates } from "../fleet/profiles.ts";

interface Shipped extends Omit<Partial<ProfileTemplates>, "files" | "userData"> {
  about: string;
  /** `mode` in octal; `from` a file of the folder. */
  files?: { path: string; mode: string; from: string }[];
}

export interface ReadyProfile {
  name: string;
  about: string;
  templates: ProfileTemplates;
}

/** Undefined where no such profile is shipped. Throws BAD_INPUT where its folder is not as it must be. */
export async function readyProfile(folder: string, name: string): Promise<ReadyProfile | undefined> {
  if (!(await names(folder)).includes(name)) return undefined;
  const text = (file: string) => readFile(join(folder, name, basename(file)), "utf8");
  let shipped: Shipped;
  try {
    shipped = JSON.parse(await text("profile.json")) as Shipped;
  } catch (cause) {
    throw new BrambleError("BAD_INPUT", `${join(folder, name)} holds no readable profile.json`, { cause });
  }
  const { about, files = [], ...rest } = shipped;
  const read = files.map(async ({ path, mode, from }) => ({
    path,
    mode: Number.parseInt(mode, 8),
    text: await text(from),
  }));
  return { name, about, templates: { ...NO_TEMPLATES, ...rest, files: await Promise.all(read) } };
}

export async function readyProfiles(folder: string): Promise<ReadyProfile[]> {
  const all = await Promise.all((await names(folder)).map((name) => readyProfile(folder, name)));
  return all.filter((one) => one !== undefined);
}

const names = async (folder: string): Promise<string[]> =>
  (await readdir(folder, { withFileTypes: true }))
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort();
