import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Holder, mayLogIn, type Party, TOOLS } from "./fencing.ts";

const node: Party = { node: "n1", boot: "b1", address: "10.0.0.7", kind: "iscsi", initiator: "iqn.x:init-1" };
const held = (more: Partial<Holder> = {}): Holder => ({ ...node, alive: true, ...more });

test("mayLogIn() lets in the first, and the same one again", () => {
  assert.deepEqual(mayLogIn(undefined, node), { how: "take" });
  assert.deepEqual(mayLogIn(held(), node), { how: "take" });
});

test("mayLogIn() refuses another address, another way, another initiator and tools while the holder answers", () => {
  const others: Partial<Party>[] = [
    { address: "10.0.0.8" },
    { kind: "nbd" },
    { initiator: "iqn.x:other" },
    { boot: TOOLS, address: "127.0.0.1", kind: "nbd" },
  ];
  for (const other of others) {
    const asking = { ...node, ...other };
    assert.equal(mayLogIn(held(), asking).how, "refuse", JSON.stringify(other));
    const { alive: _, ...unasked } = held();
    assert.equal(mayLogIn(unasked, asking).how, "ping", JSON.stringify(other));
    const verdict = mayLogIn(held({ alive: false }), asking);
    assert.equal(verdict.how, "takeOver", JSON.stringify(other));
  }
});

test("mayLogIn() gives the disk to a newer boot, and to the node before tools", () => {
  const newer = mayLogIn(held(), { ...node, boot: "b2" });
  assert.deepEqual(newer, { how: "takeOver", why: "a newer boot of this node has logged in" });
  const tools = held({ boot: TOOLS, address: "127.0.0.1", kind: "nbd" });
  assert.equal(mayLogIn(tools, node).how, "takeOver");
});

test("mayLogIn() knows no newer boot between two nodes: a volume in use stays where it is", () => {
  const other = mayLogIn(held(), { ...node, node: "n2", boot: "b9", address: "10.0.0.9" });
  assert.deepEqual(other, { how: "refuse", why: "it is n1's at 10.0.0.7" });
});

test("mayLogIn() never lets two different parties in side by side", () => {
  const party = fc.record({
    node: fc.constantFrom("n1", "n2"),
    boot: fc.constantFrom("b1", "b2", TOOLS),
    address: fc.constantFrom("10.0.0.7", "10.0.0.8"),
    kind: fc.constantFrom<"iscsi" | "nbd">("iscsi", "nbd"),
  });
  fc.assert(
    fc.property(party, party, fc.constantFrom(true, false, undefined), (holder, asking, alive) => {
      const verdict = mayLogIn({ ...holder, ...(alive !== undefined && { alive }) }, asking);
      const same = JSON.stringify(holder) === JSON.stringify(asking);
      assert.equal(verdict.how === "take", same, "side by side only with itself");
      if (asking.node !== holder.node && verdict.how === "takeOver") assert.equal(alive, false);
      if (asking.boot === TOOLS && holder.boot !== TOOLS && verdict.how === "takeOver") {
        assert.equal(alive, false, "tools take nothing from a node that lives");
      }
    }),
  );
});
