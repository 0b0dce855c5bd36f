import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Route } from "../serve/http.ts";
import { packageFolder } from "./package.ts";

/** The first plain status page: one file, no script from elsewhere, reads the API every second. */
export function statusPage(): Route[] {
  const html = readFileSync(join(packageFolder("ui"), "status.html"), "utf8");
  const headers = {
    "content-security-policy":
      "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
  };
  return [
    { method: "GET", path: "/", handle: () => ({ type: "text/html; charset=utf-8", headers, body: html }) },
  ];
}
