import type { HttpAnswer, Route } from "../../serve/http.ts";
import type { Metrics } from "./metrics.ts";

/** Why a token or session was refused, as the metric names it. */
const REASONS: readonly [RegExp, string][] = [
  [/used before/, "replay"],
  [/no longer valid/, "expired"],
  [/session/, "session"],
  [/./, "invalid"],
];

/** The same routes and the same refusals, counted. */
export function agentCounts(metrics: Metrics) {
  const count = (answer: HttpAnswer): HttpAnswer => {
    metrics.http.inc({ code: String(answer.status ?? 200) });
    return answer;
  };
  return {
    routes: (routes: readonly Route[]): Route[] =>
      routes.map((route) => ({ ...route, handle: async (request) => count(await route.handle(request)) })),
    failed: (failed: (error: unknown) => HttpAnswer) => (error: unknown) => {
      const { code, message = "" } = error as { code?: string; message?: string };
      if (code === "TOKEN_REFUSED")
        metrics.tokenRejects.inc({
          reason: REASONS.find(([words]) => words.test(message))?.[1] ?? "invalid",
        });
      return count(failed(error));
    },
  };
}
