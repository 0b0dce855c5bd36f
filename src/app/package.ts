import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** Our own package's folder, from the sources as well as from the build. */
function root(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "package.json"))) folder = dirname(folder);
  return folder;
}

/** A folder that is shipped beside the code: "agent", "ui". */
export const packageFolder = (name: string): string => join(root(), name);
