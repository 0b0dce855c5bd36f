// What becomes of a node next: the verbs of its life, each with the reason where it is not to be had now.
import type { NodeView } from "../../../src/api/contract.ts";
import type { LifeView, PolicyView } from "../../../src/api/life-contract.ts";
import { imageOptions, profileOptions, ROOT_OPTIONS } from "../choices.ts";
import { action, entry, type Field } from "./action.ts";

type NodeAction = LifeView["actions"][number]["action"];

const IMAGE: Field = {
  name: "image",
  label: "Image",
  kind: "select",
  options: imageOptions,
  hint: "by default what it is set to",
};
const OWNER: Field = { name: "owner", label: "Owner", hint: "the tenant whose it becomes" };
const REASON: Field = { name: "reason", label: "Why", hint: "for the node's history" };

interface Words {
  title: string;
  words: string;
  danger?: true;
  fields?: readonly Field[];
}
const DEPLOY: readonly Field[] = [
  IMAGE,
  { name: "profile", label: "Profile", kind: "select", options: profileOptions },
  { name: "root", label: "Root disk", kind: "select", options: ROOT_OPTIONS },
  OWNER,
];
const WORDS: Record<NodeAction, Words> = {
  enrol: { title: "Enrol", words: "It may then boot; its firmware asks again by itself." },
  adopt: { title: "Adopt", words: "It is deployed with what it has: nothing is cleaned.", fields: [OWNER] },
  inspect: { title: "Inspect", words: "It boots to tell what it is, then powers off." },
  reserve: { title: "Reserve", words: "Kept for an owner until it is deployed.", fields: [OWNER] },
  unreserve: { title: "Give back", words: "It is ready for anybody again." },
  deploy: {
    title: "Deploy",
    words: "It gets a disk of its own over the image, and boots it.",
    fields: DEPLOY,
  },
  reinstall: {
    title: "Reinstall",
    words: "Its disk is made anew. What it wrote is lost.",
    danger: true,
    fields: DEPLOY,
  },
  rescue: { title: "Rescue", words: "It boots a system in memory; its disk stays as it is." },
  unrescue: { title: "End the rescue", words: "It boots its own disk again." },
  release: {
    title: "Release",
    words: "It is taken from its owner: its disk, volumes and secrets are dropped before it is ready again.",
    danger: true,
  },
  clean: { title: "Clean", words: "Its disk, volumes and secrets are dropped.", danger: true },
  abort: { title: "Abort", words: "What it is doing is given up." },
  "mark-broken": { title: "Mark as broken", words: "It is not booted any more until it is repaired." },
  repair: { title: "Repair", words: "It is inspected again." },
  quarantine: { title: "Quarantine", words: "It boots nothing until somebody accepts it.", danger: true },
  accept: { title: "Accept", words: "It is enrolled again, as what it is now." },
  retire: { title: "Retire", words: "It leaves the fleet for good.", danger: true },
  "install-local": { title: "Install to its own disk", words: "" },
  "wipe-local": { title: "Wipe its own disk", words: "" },
  "restore-firmware": { title: "Restore its firmware", words: "" },
};

/** Every verb of its life; those that are not to be had say why. */
export const lifeEntries = (node: NodeView, life: LifeView) =>
  [...life.actions]
    .sort((a, b) => Number(b.allowed) - Number(a.allowed))
    .map((one) => {
      const { title, words, danger, fields = [] } = WORDS[one.action];
      return entry(
        action({
          verb: "actNode",
          title,
          words: `${words}${one.to === undefined ? "" : ` It becomes ${one.to.replace("_", " ")}.`}`,
          ...(danger && { danger }),
          why: one.allowed ? undefined : one.why,
          fields: [...fields, REASON],
          fixed: { node: node.name, action: one.action, version: life.version },
          done: (next) => `${next.node} is ${next.state.replace("_", " ")}`,
        }),
      );
    });

export const maintenance = (node: NodeView) =>
  node.maintenance === undefined
    ? entry(
        action({
          verb: "setMaintenance",
          title: "Put into maintenance",
          words: "Nothing is done to it by itself: no power cycles, no deadlines.",
          fields: [{ ...REASON, required: true }],
          fixed: { node: node.name },
          done: (next) => `${next.node} is in maintenance`,
        }),
      )
    : entry(
        action({
          verb: "setMaintenance",
          title: "End maintenance",
          words: `It was: ${node.maintenance}.`,
          fields: [],
          fixed: { node: node.name, reason: null },
          done: (next) => `${next.node} is looked after again`,
        }),
      );

export const nextBoot = (node: NodeView) => [
  entry(
    action({
      verb: "setNextBoot",
      title: "Boot something else next",
      words: "Instead of what its state says.",
      fields: [
        {
          name: "boot",
          label: "Boot",
          kind: "select",
          required: true,
          value: "rescue",
          options: [
            { value: "rescue", text: "rescue: a system in memory, its disk untouched" },
            { value: "ram", text: "ram: its image in memory, nothing is kept" },
            { value: "custom", text: "custom: another image or profile" },
          ],
        },
        { ...IMAGE, hint: "for custom" },
        { name: "profile", label: "Profile", kind: "select", options: profileOptions, hint: "for custom" },
        { name: "disks", label: "Rescue: open its disks to it, unmounted", kind: "tick" },
        { name: "always", label: "Until it is taken back, not once", kind: "tick" },
      ],
      fixed: { node: node.name },
      done: (next) => `${next.node} boots ${next.override?.boot ?? "as before"} next`,
    }),
  ),
  ...(node.override
    ? [
        entry(
          action({
            verb: "setNextBoot",
            title: "Take back the other boot",
            words: `It would boot ${node.override.boot}, set by ${node.override.by}.`,
            fields: [],
            fixed: { node: node.name, boot: null },
            done: (next) => `${next.node} boots what its state says`,
          }),
        ),
      ]
    : []),
];

export const setPolicy = (now: PolicyView) =>
  action({
    verb: "setPolicy",
    title: "Change the policy",
    words:
      "At home a board that is enrolled is deployed at once. With tenants it is inspected and cleaned first.",
    fields: [
      {
        name: "name",
        label: "Policy",
        kind: "select",
        required: true,
        value: now.name,
        options: [
          { value: "home", text: "home: no ceremony" },
          { value: "hosting", text: "hosting: clean between tenants" },
        ],
      },
      {
        name: "quarantineOnMove",
        label: "Quarantine a board whose identity changes",
        kind: "tick",
        value: now.quarantineOnMove,
      },
    ],
    done: ({ name }) => `Policy: ${name}`,
  });
