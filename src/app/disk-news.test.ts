import assert from "node:assert/strict";
import { test } from "node:test";
import type { Node } from "../fleet/node.ts";
import { diskNews } from "./disk-news.ts";
import type { DiskEvent } from "./planes/disk-calls.ts";

const node = (id: string): Node => ({
  ...{
    id,
    name: `pi-${id}`,
    ...{ state: "deployed" as const, version: 1, stateSinceMs: 0, attempt: 0 },
    profile: "default",
    seed: {},
  },
  ...{ firstSeenMs: 0, lastSeenMs: 0 },
});

function pages() {
  const nodes = new Map([node("1"), node("2")].map((one) => [one.id, one]));
  const told: string[] = [];
  const news = diskNews({
    node: (id) => nodes.get(id),
    neighbour: (address) => (address === "10.0.0.2" ? nodes.get("2") : undefined),
    ownerOf: (path) => (path === "/clones/1.qcow2" ? nodes.get("1") : undefined),
    event: (kind, on, words) => told.push(`${on?.name ?? "nobody"} ${kind}: ${words}`),
    step: (on, words) => told.push(`${on.name} step: ${words}`),
    moved: ({ address }) => told.push(`moved to ${address}`),
  });
  return (event: DiskEvent) => {
    news(event);
    return told.splice(0);
  };
}

test("diskNews() puts a refusal and a takeover on the page of the owner and of the one who came", () => {
  const say = pages();
  assert.deepEqual(say({ kind: "refused", name: "1/b1", address: "10.0.0.2", why: "it lives" }), [
    "pi-1 disk: 10.0.0.2 asked for a disk and was refused: it lives",
    "pi-2 disk: it asked for the disk of pi-1: 10.0.0.2 asked for a disk and was refused: it lives",
    "pi-1 step: 10.0.0.2 was refused: it lives",
  ]);
  const took = say({ kind: "tookOver", name: "1/b1", address: "10.0.0.2", from: "10.0.0.1", why: "silence" });
  assert.deepEqual(
    took.map((words) => words.split(" ")[0]),
    ["pi-1", "pi-2"],
  );
  assert.equal(say({ kind: "refused", address: "10.0.0.9", why: "no such export" }).length, 1);
  assert.deepEqual(
    say({ kind: "refused", name: "2/b1", address: "10.0.0.2", why: "x" }).map((words) => words.slice(0, 9)),
    ["pi-2 disk", "pi-2 step"],
    "one page once",
  );
});

test("diskNews() tells of a quota and of layers on the page of the disk's node, of logins in its timeline too", () => {
  const say = pages();
  assert.deepEqual(say({ kind: "quota", path: "/clones/1.qcow2", ownBytes: 95, quota: 100 }), [
    "pi-1 quota: its disk has used 95 % of its quota",
  ]);
  assert.match(say({ kind: "notice", path: "/clones/1.qcow2", words: "w" })[0] ?? "", /^pi-1 disk: w/);
  assert.deepEqual(say({ kind: "opened", name: "1/b1", address: "10.0.0.1", how: "iSCSI" }), [
    "pi-1 disk: its disk was opened from 10.0.0.1 over iSCSI",
    "pi-1 step: its disk was opened from 10.0.0.1 over iSCSI",
  ]);
  assert.equal(say({ kind: "moved", name: "1/b1", address: "10.0.0.3" }).at(-1), "moved to 10.0.0.3");
});
