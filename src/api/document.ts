import { ROUTES } from "./contract.ts";
import { openApi } from "./openapi.ts";
import { API } from "./route.ts";
import { SESSION_ROUTES } from "./session-contract.ts";

/** OpenAPI 3.1 of all that a listener answers under /api/v1. */
export const apiDocument = (version: string) =>
  openApi({ ...ROUTES, ...SESSION_ROUTES }, { version, prefix: API });
