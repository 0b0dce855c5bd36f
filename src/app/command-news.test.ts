import assert from "node:assert/strict";
import { test } from "node:test";
import type { Node } from "../fleet/node.ts";
import { tellOf } from "./command-news.ts";
import { type News, newsDesk } from "./news.ts";

test("tellOf() tells of a disk by its node's id, of a volume by its name, and of nothing that only reads", () => {
  const news = newsDesk();
  const heard: News[] = [];
  news.listen((one) => heard.push(one));
  const registry = { need: () => ({ id: "1000abcd" }) as Node } as never;
  tellOf({ news, registry }, "snapshotClone", { node: "pi-1", name: "before" });
  tellOf({ news, registry }, "createVolume", { name: "scratch", size: 1 });
  tellOf({ news, registry }, "clones", {});
  assert.deepEqual(heard, [
    { about: "clone", id: "1000abcd" },
    { about: "volume", id: "scratch" },
  ]);
});
