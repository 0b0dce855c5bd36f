// Calls of the API by verb; paths and methods come from the contract's own table.
import { ROUTES } from "virtual:routes";
import type { Commands } from "../../src/api/contract.ts";
import type { Progress } from "../../src/api/route.ts";

export type Verb = keyof Commands;
export type Args<V extends Verb> = Parameters<Commands[V]>[0];
export type Result<V extends Verb> = Awaited<ReturnType<Commands[V]>>;

/** A refusal in the API's own words (RFC 9457 with our code and hint). */
export class Problem extends Error {
  readonly status: number;
  readonly code: string;
  readonly hint: string | undefined;
  readonly at: { line: number; column: number } | undefined;

  constructor(told: {
    status: number;
    title: string;
    code: string;
    hint?: string;
    line?: number;
    column?: number;
  }) {
    super(told.title);
    this.status = told.status;
    this.code = told.code;
    this.hint = told.hint;
    this.at = told.line === undefined ? undefined : { line: told.line, column: told.column ?? 1 };
  }
}

const API = "./api/v1";
/** Tells our own page from a form on somebody else's; the server asks for it beside the session's cookie. */
let csrf: string | undefined;
export const setCsrf = (token: string | undefined): void => {
  csrf = token;
};
/** What happens when the server no longer knows who we are. */
let signedOut = (): void => {};
export const onSignedOut = (what: () => void): void => {
  signedOut = what;
};

export interface More {
  signal?: AbortSignal;
  progress?(progress: Progress): void;
  /** The version that was read: a change made meanwhile by somebody else is then refused. */
  ifMatch?: string;
}

/** Splits arguments into path, query and body as the contract's route wants them. */
export function requestOf(verb: Verb, args: Record<string, unknown>) {
  const route = ROUTES[verb];
  if (!route) {
    throw new Problem({ status: 404, title: `this Bramble does not know ${verb}`, code: "VERB_UNKNOWN" });
  }
  const rest = Object.fromEntries(Object.entries(args).filter(([, value]) => value !== undefined));
  const path = route.path.replace(/:(\w+)/g, (_, key: string) => {
    const value = String(rest[key] ?? "");
    delete rest[key];
    return encodeURIComponent(value);
  });
  const inQuery = route.method === "GET" || route.method === "DELETE";
  const query = new URLSearchParams(Object.entries(rest).map(([k, v]): [string, string] => [k, String(v)]));
  return {
    method: route.method,
    url: `${API}${path}${inQuery && query.size > 0 ? `?${query}` : ""}`,
    body: inQuery ? undefined : JSON.stringify(rest),
  };
}

const tags = new WeakMap<object, string>();
/** The version of a thing as it was read, for a change of it that is to be refused where somebody else was quicker. */
export const tagOf = (thing: object): string | undefined => tags.get(thing);

/** Calls a verb; a long one is waited for, its progress told. Throws Problem. */
export async function call<V extends Verb>(verb: V, args: Args<V>, more: More = {}): Promise<Result<V>> {
  const { method, url, body } = requestOf(verb, args as Record<string, unknown>);
  const answer = await send(url, {
    method,
    ...(body !== undefined && { body }),
    ...(more.signal && { signal: more.signal }),
    ...(more.ifMatch && { headers: { "if-match": more.ifMatch } }),
  });
  const value = (await answer.json()) as { id: string };
  const tag = answer.headers.get("etag");
  if (tag !== null) tags.set(value, tag);
  return (answer.status === 202 ? await waitFor(value.id, more) : value) as Result<V>;
}

/** One request with our headers; throws Problem where the answer is not 2xx. */
export async function send(url: string, wish: RequestInit & { headers?: Record<string, string> }) {
  let answer: Response;
  try {
    answer = await fetch(url, {
      ...wish,
      credentials: "same-origin",
      headers: {
        accept: "application/json",
        ...(wish.body !== undefined && { "content-type": "application/json" }),
        ...(csrf !== undefined && { "x-bramble-csrf": csrf }),
        ...wish.headers,
      },
    });
  } catch (error) {
    if ((error as Error).name === "AbortError") throw error;
    throw new Problem({
      status: 0,
      title: "Bramble does not answer",
      code: "SERVER_GONE",
      hint: "Is it running? It starts with: ./bramble up",
    });
  }
  if (answer.ok) return answer;
  const told = (await answer.json().catch(() => ({}))) as ConstructorParameters<typeof Problem>[0];
  const problem = new Problem({
    ...told,
    status: answer.status,
    title: told.title ?? answer.statusText,
    code: told.code ?? "INTERNAL",
  });
  if (answer.status === 401) signedOut();
  throw problem;
}

/** A task's answer waits up to 20 s for something new, so this asks seldom. */
async function waitFor(id: string, { signal, progress }: More): Promise<unknown> {
  signal?.addEventListener("abort", () => void call("cancelTask", { task: id }).catch(() => undefined), {
    once: true,
  });
  for (let seen: number | undefined; ; ) {
    const task = await call(
      "task",
      { task: id, ...(seen !== undefined && { seen }) },
      { ...(signal && { signal }) },
    );
    seen = task.version;
    if (task.progress) progress?.(task.progress);
    if (task.state === "done") return task.result;
    if (task.state !== "running") {
      const told = task.error ?? { title: `It was ${task.state}`, code: "TASK_ENDED" };
      throw new Problem({ status: 400, ...told });
    }
  }
}
