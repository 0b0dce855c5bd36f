// Pools of addresses for nodes.
import type { PoolView } from "../../../src/api/model-contract.ts";
import { count } from "../format.ts";
import { action, type Field } from "./action.ts";

const RANGE: Field[] = [
  { name: "from", label: "From", required: true, example: "10.0.3.10" },
  { name: "to", label: "To", required: true, example: "10.0.3.99" },
  { name: "for", label: "For the nodes", hint: "a selector such as rack=3; empty: all" },
];

export const addPool = () =>
  action({
    verb: "addAddressPool",
    title: "Make a pool",
    words: "Nodes that fit are given addresses of it, which stay theirs.",
    fields: [
      { name: "pool", label: "Name", required: true },
      ...RANGE,
      {
        name: "kind",
        label: "For",
        kind: "select",
        required: true,
        value: "client",
        options: [
          { value: "client", text: "the nodes themselves" },
          { value: "management", text: "their second way in, such as a BMC" },
        ],
      },
    ],
    done: ({ name, size }) => `Pool ${name}: ${count(size, "address", "addresses")}`,
  });

export const setPool = (pool: PoolView) =>
  action({
    verb: "setAddressPool",
    title: "Change",
    words: "Nodes whose addresses lie outside of it then are given others.",
    fields: RANGE.map((field) => ({ ...field, value: pool[field.name as "from" | "to" | "for"] })),
    args: ({ from, to, for: whom }) => ({
      pool: pool.name,
      from: String(from),
      to: String(to),
      for: String(whom ?? ""),
    }),
    done: ({ name }) => `Pool ${name} is changed`,
  });

export const removePool = (pool: PoolView) =>
  action({
    verb: "removeAddressPool",
    title: "Remove",
    danger: true,
    words: "Its addresses are taken back.",
    fields: [],
    fixed: { pool: pool.name },
    done: ({ name }) => `Pool ${name} is removed`,
  });
