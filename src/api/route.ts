import type { Static, TObject, TSchema } from "typebox";
import type { Actor } from "../fleet/actor.ts";

export const API = "/api/v1";

/** Least role that may call, in this order. A viewer reads; a tenant reads and changes, of its own nodes only. */
export type Role = "viewer" | "tenant" | "operator" | "admin";

/** How far a long call has come. */
export interface Progress {
  phase: string;
  bytes: number;
  /** Undefined where the source does not say. */
  total?: number;
}

/** What a call knows beside its arguments. */
export interface Context {
  by: Actor;
  /** Of the request that it came with; it stands in the audit log. */
  requestId?: string;
  progress(progress: Progress): void;
  signal: AbortSignal;
}

export interface RouteFacts {
  method: "GET" | "POST" | "PATCH" | "PUT" | "DELETE";
  /** Under /api/v1; `:name` parts are taken from the arguments. */
  path: string;
  /** It takes long: a listener answers 202 and a task, whose progress, end and result are at /tasks/:task. Callers of `Calls` wait for the result. */
  long?: boolean;
  /** A body may have so many bytes; absent: a MiB. */
  bodyBytes?: number;
}

/**
 * How a tenant, who has only the nodes whose `owner` is its name, meets a route. Absent: it may call it when it names a node of its
 * own in the argument `node`. `filtered`: rows with a `node` (or that are nodes) of others are left out; one such thing is unknown to it.
 * `shared`: nothing in it is anybody's.
 */
export type TenantRule = "filtered" | "shared";

/** A route that describes itself: OpenAPI, checks of what comes in and the types of UI and CLI are made from it. */
export interface DescribedRoute<A extends TObject = TObject, R extends TSchema = TSchema> extends RouteFacts {
  /** One sentence for the API's page. */
  summary: string;
  role: Role;
  tenant?: TenantRule;
  /** A list that comes in pages: the field of a row that the argument `after` takes to go on behind it. */
  cursor?: string;
  /** Without a limit all rows are meant: over HTTP they come in pages, which our client follows. */
  whole?: boolean;
  /** Path, query and body together; `additionalProperties: false`. */
  args: A;
  result: R;
}

export const route = <A extends TObject, R extends TSchema>(described: DescribedRoute<A, R>) => described;

/** The functions behind described routes. Callers may leave the context out where they hold `Calls`. */
export type CommandsOf<Routes> = {
  [Name in keyof Routes]: Routes[Name] extends DescribedRoute<infer A, infer R>
    ? (args: Static<A>, context: Context) => Promise<Static<R>>
    : never;
};

/** The same functions for callers: what of the context they do not give is the data folder's owner, no progress, no end. */
export type CallsOf<C> = {
  [N in keyof C]: C[N] extends (args: infer A, ...rest: never[]) => infer R
    ? (args: A, context?: Partial<Context>) => R
    : never;
};
