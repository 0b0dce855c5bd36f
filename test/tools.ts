import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";

/** Debian's sbin folders are not on everybody's PATH, mke2fs and dnsmasq live there. */
const PATHS = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/sbin", "/usr/lib/qemu"];

/** Where a program is, or undefined. */
export const which = (tool: string): string | undefined =>
  PATHS.map((folder) => join(folder, tool)).find((path) => existsSync(path));

/**
 * Is a foreign tool here? If not, the test is skipped loudly (in CI: it fails), naming the Debian package.
 * `if (!needs(t, "qemu-img", "qemu-utils")) return;`
 */
export function needs(t: TestContext, tool: string, aptPackage: string): boolean {
  if (which(tool)) return true;
  const reason = `needs ${tool}: apt install ${aptPackage}`;
  if (process.env["CI"]) throw new Error(reason);
  t.skip(reason);
  return false;
}

/** Runs a foreign tool and gives its output; an exit code other than 0 throws with its stderr. */
export const run = (tool: string, args: string[], options: { input?: string | Uint8Array } = {}): string =>
  execFileSync(which(tool) ?? tool, args, {
    encoding: "utf8",
    maxBuffer: 1 << 28,
    stdio: ["pipe", "pipe", "pipe"],
    ...options,
  });

function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "package.json"))) folder = dirname(folder);
  return folder;
}

/** A file of the shared facts folder beside the checkout; where it is absent the test is skipped loudly. */
export function shared(t: TestContext, path: string): string | undefined {
  const file = join(packageRoot(), "../shared", path);
  if (existsSync(file)) return file;
  t.skip(`needs ../shared/${path}, which is not here`);
  return undefined;
}
