import { PassThrough } from "node:stream";
import { BrambleError } from "../base/errors.ts";
import { type Calls, ROUTES } from "./contract.ts";
import type { Context } from "./route.ts";

/** One request as the HTTP edge gives it; the same shape as serve/http.ts, which may not be imported from here. */
interface Request {
  params: Record<string, string>;
  query: URLSearchParams;
  body: string;
  signal: AbortSignal;
}

export const API = "/api/v1";
/** JSON bodies: ssh keys and patches, no images. */
const BODY_LIMIT = 256 * 1024;

/** The routes of the API. `only` leaves out everything but these methods: a listener that a browser can reach reads only. */
export function apiRoutes(commands: Calls, only?: readonly string[]) {
  return (Object.keys(ROUTES) as (keyof Calls)[])
    .filter((name) => !only || only.includes(ROUTES[name].method))
    .map((name) => {
      const route = ROUTES[name];
      const bound = commands[name] as unknown as (
        args: object,
        context: Partial<Context>,
      ) => Promise<unknown>;
      const call = (args: object, progress: Context["progress"], signal: AbortSignal) =>
        bound(args, { progress, signal });
      return {
        method: route.method,
        path: API + route.path,
        limit: BODY_LIMIT,
        async handle(request: Request) {
          const args = {
            ...Object.fromEntries(request.query),
            ...parseBody(request.body),
            ...request.params,
          };
          if (!route.long) {
            const value = await call(args, () => {}, request.signal);
            return { type: "application/json", body: `${JSON.stringify(value)}\n` };
          }
          const lines = new PassThrough();
          const line = (value: object) => lines.write(`${JSON.stringify(value)}\n`);
          call(args, (progress) => line({ progress }), request.signal)
            .then(
              (result) => line({ result }),
              (error) => line({ error: problem(error) }),
            )
            .finally(() => lines.end());
          return { type: "application/x-ndjson", body: lines };
        },
      };
    });
}

/** RFC 9457 problem details, with our code and hint. */
export function problem(thrown: unknown): { status: number; title: string; code: string; hint?: string } {
  const error = thrown as Partial<BrambleError>;
  const code = error.code ?? "INTERNAL";
  const status = /_UNKNOWN$/.test(code)
    ? 404
    : /_(IN_USE|BUSY|TAKEN|LOCKED|AMBIGUOUS)$/.test(code)
      ? 409
      : code === "INTERNAL"
        ? 500
        : 400;
  return {
    status,
    title: error.message ?? String(thrown),
    code,
    ...(error.hint !== undefined && { hint: error.hint }),
  };
}

/** The answer of a listener to a thrown error. */
export function apiFailure(thrown: unknown) {
  const body = problem(thrown);
  return { status: body.status, type: "application/problem+json", body: `${JSON.stringify(body)}\n` };
}

function parseBody(body: string): object {
  if (body.trim() === "") return {};
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch (cause) {
    throw new BrambleError("BAD_INPUT", `the body is no JSON: ${(cause as Error).message}`);
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  throw new BrambleError("BAD_INPUT", "the body must be a JSON object");
}
