// Users, tokens, webhooks, what holds for all.

import { signal } from "@preact/signals";
import type { TokenView, UserView } from "../../../src/api/access-contract.ts";
import { count, size, time } from "../format.ts";
import { action, type Field } from "./action.ts";

const ROLES: Field = {
  name: "role",
  label: "Role",
  kind: "select",
  required: true,
  value: "operator",
  options: [
    { value: "viewer", text: "viewer: sees everything, changes nothing" },
    { value: "tenant", text: "tenant: sees and changes the nodes it owns" },
    { value: "operator", text: "operator: runs nodes, images and profiles" },
    { value: "admin", text: "admin: everything, users too" },
  ],
};
const PASSWORD: Field = {
  name: "password",
  label: "Password",
  kind: "secret",
  hint: "10 characters at least",
};

/** A secret that is shown this once. */
export const shownOnce = signal<{ title: string; secret: string } | undefined>(undefined);

export const addUser = () =>
  action({
    verb: "addUser",
    title: "Make a user",
    fields: [
      { name: "name", label: "Name", required: true, hint: "lower-case letters, digits, dot, - and _" },
      ROLES,
      { ...PASSWORD, hint: "10 characters at least; without one, make a sign-in link" },
    ],
    done: ({ name }) => `User ${name} is there`,
  });

export const setUser = (user: UserView) =>
  action({
    verb: "setUser",
    title: "Change",
    words: "A new password ends this user's sessions.",
    fields: [{ ...ROLES, value: user.role }, PASSWORD],
    fixed: { user: user.name },
    done: ({ name }) => `${name} is changed`,
  });

export const removeUser = (user: UserView, mine: boolean) =>
  action({
    verb: "removeUser",
    title: "Remove",
    danger: true,
    words: "With all sessions and tokens.",
    why: mine ? "that is you" : undefined,
    fields: [],
    fixed: { user: user.name },
    done: ({ name }) => `${name} is removed`,
  });

export const loginLink = (user: UserView) =>
  action({
    verb: "makeLoginLink",
    title: "Make a sign-in link",
    words: "It signs them in once, within five minutes.",
    fields: [],
    fixed: { user: user.name },
    after: ({ secret }) => {
      shownOnce.value = {
        title: `Sign-in link of ${user.name}`,
        secret: `${location.origin}${location.pathname}#login=${secret}`,
      };
    },
    done: ({ expiresMs }) => `A link until ${time(expiresMs)}`,
  });

export const addToken = () =>
  action({
    verb: "addToken",
    title: "Make a token",
    words: "For programs. It is shown once, and cannot do more than you.",
    fields: [
      { name: "name", label: "Name", required: true, example: "ci" },
      { ...ROLES, required: false, hint: "yours unless it is less" },
      {
        name: "scopes",
        label: "Areas",
        kind: "list",
        hint: "one a line, such as nodes or images:read; empty: all",
      },
      { name: "days", label: "Days until it expires", kind: "number", value: 30 },
    ],
    after: ({ name, token }) => {
      shownOnce.value = { title: `Token ${name}`, secret: token };
    },
    done: ({ name }) => `Token ${name} is there`,
  });

export const removeToken = (token: TokenView) =>
  action({
    verb: "removeToken",
    title: "Revoke",
    danger: true,
    words: `What uses the token ${token.name} is refused from now on.`,
    fields: [],
    fixed: { token: token.id },
    done: ({ name }) => `${name} is revoked`,
  });

export const setEnrol = (rule: string) =>
  action({
    verb: "setEnrol",
    title: "Change who may boot",
    words: "Who may boot unasked. auto: every board; ask: none until somebody enrols it; or patterns.",
    fields: [
      {
        name: "rule",
        label: "Rule",
        required: true,
        value: rule,
        hint: "auto, ask, or patterns such as model=4B",
      },
    ],
    done: (next) => `Enrolment: ${next.rule}`,
  });

export const addWebhook = () =>
  action({
    verb: "addWebhook",
    title: "Add a webhook",
    words: "A web server is told of events from now on, signed with a secret that is shown once.",
    fields: [
      { name: "name", label: "Name", required: true },
      { name: "url", label: "URL", required: true, example: "https://example.org/bramble" },
      { name: "kinds", label: "Kinds of events", kind: "list", hint: "one a line; empty: all" },
    ],
    after: ({ name, secret }) => {
      shownOnce.value = { title: `Secret of the webhook ${name}`, secret };
    },
    done: ({ name }) => `${name} is told from now on`,
  });

const hook = (webhook: string) => ({ fields: [], fixed: { webhook } });
export const testWebhook = (name: string) =>
  action({
    verb: "testWebhook",
    title: "Send a test",
    ...hook(name),
    done: ({ delivered, answer }) => (delivered ? `Delivered: ${answer}` : `Not delivered: ${answer}`),
  });
export const replayWebhook = (name: string, dead: number) =>
  action({
    verb: "replayWebhook",
    title: "Try dead letters again",
    why: dead === 0 ? "there is none" : undefined,
    ...hook(name),
    done: ({ replayed }) => `${count(replayed, "event")} tried again`,
  });
export const removeWebhook = (name: string) =>
  action({
    verb: "removeWebhook",
    title: "Remove",
    danger: true,
    words: "What it was not told yet is forgotten.",
    ...hook(name),
    done: () => `${name} is told no more`,
  });

export const setRetention = (now: { eventDays: number; bootDays: number; consoleDays: number }) =>
  action({
    verb: "setRetention",
    title: "Change how long",
    fields: (
      [
        ["eventDays", "Events, days"],
        ["bootDays", "Boots, days"],
        ["consoleDays", "Consoles, days"],
      ] as const
    ).map(([name, label]) => ({ name, label, kind: "number", required: true, value: now[name] })),
    done: () => "Changed",
  });

export const prune = () =>
  action({
    verb: "prune",
    title: "Delete what is older now",
    danger: true,
    words: "It also happens by itself.",
    fields: [],
    done: ({ events, boots, bytes }) =>
      `${count(events, "event")} and ${count(boots, "boot")} deleted, ${size(bytes)} free again`,
  });
