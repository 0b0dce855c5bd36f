// Who is here, and what they may do.
import { signal } from "@preact/signals";
import type { Role } from "../../src/api/route.ts";
import type { SessionView } from "../../src/api/session-contract.ts";
import { onSignedOut, type Problem, send, setCsrf } from "./api.ts";
import { connect, disconnect } from "./live.ts";
import { go } from "./place.ts";
import { forgetResources } from "./resource.ts";

const API = "./api/v1";
export type Door = "asking" | "in" | "out" | "setup" | "unreachable";
export const door = signal<Door>("asking");
export const me = signal<SessionView | undefined>(undefined);
export const doorProblem = signal<Problem | undefined>(undefined);
/** The secret of the link that was printed at the first start. */
export const setupSecret = signal<string | undefined>(undefined);

const RANK: readonly Role[] = ["viewer", "tenant", "operator", "admin"];

/** Why this person's role is not enough; undefined where it is. */
export function lacksRole(needed: Role | undefined): string | undefined {
  const role = me.value?.role;
  if (needed === undefined || (role !== undefined && RANK.indexOf(role) >= RANK.indexOf(needed)))
    return undefined;
  return `it takes the role ${needed}; yours is ${role ?? "none"}`;
}

async function ask<T>(method: string, path: string, body?: object): Promise<T> {
  const answer = await send(API + path, { method, ...(body && { body: JSON.stringify(body) }) });
  return (await answer.json()) as T;
}

function enter(session: SessionView): void {
  me.value = session;
  setCsrf(session.csrf);
  doorProblem.value = undefined;
  door.value = "in";
  connect(`${API}/stream`);
}

onSignedOut(() => {
  if (door.value === "in") void leave();
});

/** Looks for a link's secret in the address, then for a session; else a person must sign in. */
export async function arrive(): Promise<void> {
  const [, kind, secret] = /^#(setup|login)=([^&]+)$/.exec(location.hash) ?? [];
  if (secret !== undefined) go("/", {}, true); // the secret leaves the address before anything else happens
  try {
    if (kind === "login" && secret !== undefined) return enter(await ask("POST", "/login/link", { secret }));
    if (kind === "setup") setupSecret.value = secret;
    return enter(await ask<SessionView>("GET", "/me"));
  } catch (error) {
    const problem = error as Problem;
    if (problem.status === 0) {
      doorProblem.value = problem;
      door.value = "unreachable";
      return;
    }
    if (problem.status !== 401) doorProblem.value = problem;
  }
  await out();
}

async function out(): Promise<void> {
  try {
    const { setup } = await ask<{ setup: boolean }>("GET", "/start");
    door.value = setup ? "setup" : "out";
  } catch (error) {
    doorProblem.value = error as Problem;
    door.value = "unreachable";
  }
}

export async function signIn(user: string, password: string): Promise<void> {
  enter(await ask("POST", "/login", { user, password }));
}

export async function setUp(secret: string, user: string, password: string): Promise<void> {
  enter(await ask("POST", "/setup", { secret, user, password }));
}

export async function changePassword(old: string, password: string): Promise<void> {
  await ask("POST", "/me/password", { old, password });
}

export async function signOut(): Promise<void> {
  await ask("POST", "/logout").catch((error: Problem) => {
    if (error.status !== 401) throw error;
  });
  await leave();
}

async function leave(): Promise<void> {
  disconnect();
  me.value = undefined;
  setCsrf(undefined);
  forgetResources();
  await out();
}
