// node scripts/openapi.mjs: writes docs/openapi.json from the routes of the build.
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { apiDocument } from "../dist/src/api/document.js";
import { VERSION } from "../dist/src/app/commands.js";

const to = fileURLToPath(new URL("../docs/openapi.json", import.meta.url));
writeFileSync(to, `${JSON.stringify(apiDocument(VERSION), undefined, 1)}\n`);
console.log(to);
