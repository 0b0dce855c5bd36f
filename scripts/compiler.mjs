import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * The TypeScript compiler, a script for Node: the native one (7), a fifth of the work, where this machine has its program, else 6, which knip needs.
 * @returns {string} a path; what they emit is the same
 */
export function compiler() {
  const native = fileURLToPath(import.meta.resolve("typescript-native/package.json"));
  const packages = dirname(dirname(native));
  return existsSync(join(packages, `@typescript/typescript-${process.platform}-${process.arch}`))
    ? join(dirname(native), "bin/tsc")
    : join(packages, "typescript/lib/tsc.js");
}
