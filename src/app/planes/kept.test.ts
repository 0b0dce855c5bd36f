import assert from "node:assert/strict";
import { test } from "node:test";
import { restartAfter } from "./back-off.ts";
import { Kept } from "./kept.ts";
import { DISK_LASTING, NFS_LASTING } from "./lasting.ts";

const nbd = (name: string, secretHash: string) => ({ name, secretHash, path: "/c", address: "10.0.0.7" });
const target = (name: string, path: string) => ({ target: "iqn.x:n1", name, luns: [{ lun: 1, path }] });

test("Kept tells a new thread the newest export of each node, then the doors, on the ports that they had", () => {
  const kept = new Kept(DISK_LASTING);
  kept.answered("listen", { host: "10.0.0.1", port: 0 }, { port: 41000 });
  kept.answered("export", nbd("n1/b1", "aa"), {});
  kept.answered("export", nbd("n2/b1", "bb"), {});
  kept.answered("read", { path: "/c", offset: 0, length: 1 }, new Uint8Array(1));
  kept.answered("export", nbd("n1/b2", "cc"), {});
  kept.answered("exportIscsi", target("n1/b3", "/c"), {});
  assert.deepEqual(kept.again(), [
    { name: "export", args: nbd("n2/b1", "bb") },
    { name: "exportIscsi", args: target("n1/b3", "/c") },
    { name: "listen", args: { host: "10.0.0.1", port: 41000 } },
  ]);
  kept.answered("drop", { name: "n1/b3", why: "" }, undefined);
  kept.answered("drop", { name: "n2/b1", why: "" }, undefined);
  assert.deepEqual(
    kept.again().map(({ name }) => name),
    ["listen"],
  );
});

test("Kept tells of both ways by which a boot has its disks, and of neither when a newer boot has come", () => {
  const kept = new Kept(DISK_LASTING);
  kept.answered("export", nbd("n1/b1", "aa"), {});
  kept.answered("exportIscsi", target("n1/b1", "/v"), {});
  const names = () => kept.again().map(({ name }) => name);
  assert.deepEqual(names(), ["export", "exportIscsi"]);
  kept.answered("export", nbd("n1/b1", "bb"), {});
  assert.deepEqual(names(), ["exportIscsi", "export"], "asked again: the secret before is gone");
  kept.answered("exportIscsi", target("n1/b1", "/c"), {});
  assert.deepEqual(names(), ["exportIscsi"], "the same disk by another way");
  kept.answered("export", nbd("n1/b2", "cc"), {});
  assert.deepEqual(names(), ["export"]);
});

test("Kept lets tools have an export beside the node's, and forgets neither for the other", () => {
  const kept = new Kept(DISK_LASTING);
  kept.answered("export", nbd("n1/b1", "aa"), {});
  kept.answered("export", nbd("n1/tools", "bb"), {});
  assert.equal(kept.again().length, 2);
  kept.answered("export", nbd("n1/b2", "cc"), {});
  assert.deepEqual(
    kept.again().map(({ args }) => (args as { name: string }).name),
    ["n1/b2"],
    "a newer boot takes it from the tools as well",
  );
});

test("Kept knows two doors of one host apart", () => {
  const kept = new Kept(DISK_LASTING);
  kept.answered("listen", { host: "h", port: 0 }, { port: 1 });
  kept.answered("listen", { host: "h", port: 0 }, { port: 2 });
  kept.answered("listen", { host: "h", port: 1 }, { port: 1 });
  assert.deepEqual(
    kept.again().map(({ args }) => (args as { port: number }).port),
    [1, 2],
  );
});

test("restartAfter() is at once, then slower, then no more; a minute of peace forgives", () => {
  const waits: (number | undefined)[] = [];
  const deaths: number[] = [];
  for (let i = 0; i < 6; i++) {
    deaths.push(1_000_000 + i * 1000);
    waits.push(restartAfter(deaths));
  }
  assert.deepEqual(waits, [0, 100, 200, 400, 800, undefined]);
  assert.equal(restartAfter([...deaths.slice(0, 5), 1_070_000]), 0);
});

test("Kept tells a new NFS plane who has which tree, then its doors", () => {
  const kept = new Kept(NFS_LASTING);
  kept.answered("listenNfs", { host: "10.0.0.1", port: 0 }, { port: 2049 });
  kept.answered("bind", { id: "n1", bootId: "b1", address: "10.0.0.7" }, { ended: false });
  kept.answered("bind", { id: "n2", bootId: "b1", address: "10.0.0.8" }, { ended: false });
  kept.answered("bind", { id: "n1", bootId: "b2", address: "10.0.0.9" }, { ended: true });
  kept.answered("unbind", { id: "n2", why: "" }, undefined);
  assert.deepEqual(kept.again(), [
    { name: "bind", args: { id: "n1", bootId: "b2", address: "10.0.0.9" } },
    { name: "listenNfs", args: { host: "10.0.0.1", port: 2049 } },
  ]);
});
