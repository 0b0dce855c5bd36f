// RFC 9457 problem details, with our code and hint.
import type { BrambleError, Code } from "../base/errors.ts";

export interface Problem {
  type: string;
  title: string;
  status: number;
  code: string;
  hint?: string;
  /** Where in a text it is wrong, from 1. */
  line?: number;
  column?: number;
  request?: string;
}

const STATUS: { [C in Code]?: number } = {
  AUTH_NEEDED: 401,
  AUTH_REFUSED: 401,
  TOKEN_REFUSED: 403,
  FORBIDDEN: 403,
  CSRF_REFUSED: 403,
  METHOD_REFUSED: 405,
  STALE: 412,
  BODY_TOO_LONG: 413,
  KEY_REUSED: 422,
  TOO_MANY: 429,
  DISK_FULL: 507,
  DOWNLOAD_FAILED: 502,
  SERVER_NEEDED: 503,
  SERVER_GONE: 503,
  PLANE_DIED: 500,
  DISK_IO: 500,
  INTERNAL: 500,
};

export const statusOf = (code: string): number =>
  STATUS[code as Code] ??
  (/_UNKNOWN$/.test(code)
    ? 404
    : /_(IN_USE|BUSY|TAKEN|LOCKED|AMBIGUOUS|OVER|STATE|SUPERSEDED|AVAILABLE)$/.test(code)
      ? 409
      : 400);

/** Errors of ours keep their words; of anything else, strangers learn that it was our own fault and no more. */
export function problemOf(thrown: unknown, request?: string): Problem {
  const error = thrown as Partial<BrambleError> & { line?: number; column?: number };
  const ours = error.name === "BrambleError" && error.code !== undefined;
  const code = ours && error.code ? error.code : "INTERNAL";
  const at = / ?(?:line )?(\d+):(\d+)/.exec(ours && code === "TEMPLATE_BAD" ? (error.message ?? "") : "");
  const [line, column] = [
    error.line ?? (at ? Number(at[1]) : undefined),
    error.column ?? (at ? Number(at[2]) : undefined),
  ];
  return {
    type: `urn:bramble:error:${code}`,
    title: ours && error.message ? error.message : "something of ours failed",
    status: statusOf(code),
    code,
    ...(ours && error.hint !== undefined && { hint: error.hint }),
    ...(line !== undefined && { line }),
    ...(column !== undefined && { column }),
    ...(request !== undefined && { request }),
  };
}
