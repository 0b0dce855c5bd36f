import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Pages } from "../api/pages.ts";
import { packageFolder } from "./package.ts";

/** The UI as it was built; where it was not, the plain status page, one file that reads the API every second. */
export function operatorPage(): Pages["ui"] {
  const folder = packageFolder("dist/ui");
  return existsSync(join(folder, "index.html"))
    ? { folder }
    : { html: readFileSync(join(packageFolder("ui"), "status.html"), "utf8") };
}
