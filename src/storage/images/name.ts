import { BrambleError } from "../../base/errors.ts";

/** What people call an image: "raspios-trixie:2025-10-01". */
export interface ImageName {
  name: string;
  /** Absent where neither the user nor the file name said one: the hash's beginning stands in. */
  version?: string;
}

const NAME = /^[a-z0-9][a-z0-9._-]{0,127}$/;
const VERSION = /^[A-Za-z0-9][A-Za-z0-9._+-]{0,127}$/;
const PACKED = /\.(img|raw|bin|iso|tar|tgz|txz|xz|zst|zstd|gz|zip|part)$/i;

/** "name" or "name:version" as a user types it; throws BAD_INPUT. */
export function parseImageName(text: string): ImageName {
  const colon = text.indexOf(":");
  const name = colon < 0 ? text : text.slice(0, colon);
  const version = colon < 0 ? undefined : text.slice(colon + 1);
  if (!NAME.test(name) || (version !== undefined && !VERSION.test(version))) {
    throw new BrambleError("BAD_INPUT", `"${text}" is no image name`, {
      hint: "write it as name:version, in lower-case letters, digits and . _ -: raspios-trixie:2025-10-01",
    });
  }
  return version === undefined ? { name } : { name, version };
}

/**
 * The name that a file's own name suggests. A date or a dotted number in it is the version:
 * `2025-10-01-raspios-trixie-arm64-lite.img.xz` is raspios-trixie-arm64-lite:2025-10-01,
 * `ubuntu-24.04.3-preinstalled-server-arm64+raspi.img.xz` is ubuntu-preinstalled-server-arm64-raspi:24.04.3.
 */
export function nameOfFile(file: string): ImageName {
  let stem = file.replace(/^.*[/\\]/, "");
  while (PACKED.test(stem)) stem = stem.replace(PACKED, "");
  const version =
    /(?:^|[-_. ])(\d{4}-\d{2}-\d{2})(?=$|[-_. ])/.exec(stem) ??
    /(?:^|[-_ ])(20\d{6})(?=$|[-_. ])/.exec(stem) ??
    /(?:^|[-_ ])v?(\d+(?:\.\d+)+)(?=$|[-_ ])/i.exec(stem);
  const rest = version ? stem.replace(version[0], "-") : stem;
  const name = rest
    .toLowerCase()
    .replace(/[^a-z0-9.]+/g, "-")
    .replace(/^[-.]+|[-.]+$/g, "")
    .slice(0, 128);
  return { name: name || "image", ...(version?.[1] ? { version: version[1] } : {}) };
}

/**
 * The version after this one: a number counts on, anything else gets a count behind a +, so that no date lies.
 * "3" is followed by "4", "2025-10-01" by "2025-10-01+1", that by "2025-10-01+2". Versions that are `taken` are passed over.
 */
export function nextVersion(version: string, taken: readonly string[]): string {
  const [, before = "", digits = "0"] = /^(|.*\+)(\d{1,15})$/.exec(version) ?? [undefined, `${version}+`];
  for (let n = Number(digits) + 1; ; n++) if (!taken.includes(`${before}${n}`)) return `${before}${n}`;
}
