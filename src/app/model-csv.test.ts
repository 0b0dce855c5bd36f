import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { writePlaces } from "./model-csv.ts";
import { modelFolder } from "./testing/model-folder.ts";

test("places import: by name, serial or MAC; rows that are refused are told by line and cell, the others are taken", async (t) => {
  const { commands, board, events } = await modelFolder(t);
  const [a, b, c] = [board(1), board(2), board(3)];
  await commands.addGroup({ group: "web" });
  const csv = [
    "\ufeffNode;Serial;rack;unit;slot;Group;labels;address",
    `${a.name};;3;1;1;web;gpu row=b;10.0.0.1`,
    `;10000002;3;1;2;;"";`,
    `;DC:A6:32:00:00:03;3;1;3;;;`,
    `nobody;;3;1;4;;;`,
    `${c.name};;3;1;1;;;`,
    `${c.name};;3;1;9;;;`,
    `${b.name};10000003;;;;;;`,
    "x;y",
    `${c.name.toUpperCase()};;=1+1;;;;;`,
  ].join("\r\n");
  const tried = await commands.importPlaces({ csv, dryRun: true });
  assert.equal(a.place, undefined);
  const half = `node,site,rack,slot\n${a.name},here,=1,1\n`;
  assert.deepEqual([(await commands.importPlaces({ csv: half })).changed, a.place], [0, undefined]);
  const done = await commands.importPlaces({ csv });
  assert.deepEqual({ ...tried, dryRun: false }, done);
  assert.deepEqual([done.changed, done.same, done.refusedRows], [2, 0, 7]);
  assert.deepEqual(
    done.refused.map(({ line, column, field, why }) => `${line}:${column} ${field}: ${why}`),
    [
      "4:2 serial: there is no node dc:a6:32:00:00:03",
      "5:1 node: there is no node nobody",
      `6:5 slot: ${a.name} is at rack 3, unit 1, slot 1 already`,
      `7:1 node: ${c.name} is in line 6 already`,
      `8:2 serial: that is ${c.name}, and not ${b.name}`,
      "9:3 rack: 2 cells, and 8 columns",
      `10:1 node: ${c.name} is in line 6 already`,
    ],
  );
  assert.deepEqual(
    [a.place, a.group, a.labels, a.address, b.place, c.place],
    [
      { rack: "3", unit: "1", slot: "1" },
      "web",
      { gpu: "", row: "b" },
      "10.0.0.1",
      { rack: "3", unit: "1", slot: "2" },
      undefined,
    ],
  );
  assert.match(await events(), /places were imported for pi-\[10000001-10000002\], by cli/);
  assert.equal((await commands.importPlaces({ csv: `node,rack\n${c.name},=1+1\n` })).refused[0]?.column, 2);
});

test("places import --strict takes all rows or none", async (t) => {
  const { commands, board } = await modelFolder(t);
  const a = board(1);
  const csv = `node,rack\n${a.name},1\nnobody,1\n`;
  assert.deepEqual((await commands.importPlaces({ csv, strict: true })).dryRun, true);
  assert.equal(a.place, undefined);
  await commands.importPlaces({ csv });
  assert.deepEqual(a.place, { rack: "1" });
});

test("places import refuses what is no table of nodes, with the place", async (t) => {
  const { commands } = await modelFolder(t);
  for (const [csv, message] of [
    ["", /the CSV is empty/],
    ["rack,slot\n1,1", /^csv:1:1: no column says which node/],
    ["node,rak\n", /^csv:1:2: "rak" is no column/],
    ["node,rack,rack\n", /^csv:1:3: "rack" is there twice/],
    ['node,rack\n"a', /^csv:2:/],
    [`node\n${"x".repeat(20_000)}\n`, /^csv:/],
    ["x".repeat(10 * 2 ** 20 + 1), /more than 10485760 characters/],
    [`node\n${"a\n".repeat(20_001)}`, /more than 20000 rows/],
  ] as const)
    await assert.rejects(commands.importPlaces({ csv }), { code: "BAD_INPUT", message }, csv.slice(0, 40));
});

test("1,500 rows are in at once, and exported they are what came in", async (t) => {
  const { commands, core, board } = await modelFolder(t);
  for (let i = 0; i < 1500; i++) board(i + 1);
  const rows = core.registry.all().map(({ name }, i) => {
    const unit = Math.floor(i / 12);
    return `${name},${1 + Math.floor(unit / 40)},${1 + (unit % 40)},${1 + (i % 12)},sw-${1 + Math.floor(i / 48)},${1 + (i % 48)}`;
  });
  const csv = `node,rack,unit,slot,switch,port\n${rows.join("\n")}\n`;
  const done = await commands.importPlaces({ csv });
  assert.deepEqual([done.changed, done.refusedRows], [1500, 0]);
  const out = (await commands.exportPlaces({})).csv;
  const again = await commands.importPlaces({ csv: out });
  assert.deepEqual([again.changed, again.same, again.refusedRows], [0, 1500, 0]);
  assert.equal((await commands.places({ select: "rack=1,unit=7" })).length, 12, "a unit holds twelve");
});

test("any text is an import or BAD_INPUT; what it takes never puts two in one slot; and nothing exported is a formula", async (t) => {
  const { commands, core, board } = await modelFolder(t);
  for (let i = 1; i <= 4; i++) board(i);
  const cell = fc.oneof(
    fc.constantFrom("1", "2", "pi-10000001", "pi-10000002", "pi-10000003", "", "=1", "a b", "web", "x=1"),
    fc.string({ maxLength: 6 }),
  );
  const head = fc.constantFrom(
    "node,rack,slot",
    "node,slot,labels",
    "serial,node,slot,port,switch",
    "node,group,address",
  );
  await fc.assert(
    fc.asyncProperty(
      head,
      fc.array(fc.array(cell, { maxLength: 5 }), { maxLength: 6 }),
      async (first, rows) => {
        const csv = [first, ...rows.map((row) => row.join(","))].join("\n");
        await commands
          .importPlaces({ csv })
          .catch((error: { code: string }) => assert.equal(error.code, "BAD_INPUT"));
        const slots = core.registry
          .all()
          .flatMap(({ place }) => (place?.slot ? [JSON.stringify([place.rack, place.slot])] : []));
        assert.equal(new Set(slots).size, slots.length);
        const cells = writePlaces(core.registry.all()).split(/[,\r\n"]+/);
        assert.ok(cells.every((one) => !/^[=+\-@\t]/.test(one)));
        assert.equal((await commands.importPlaces({ csv: writePlaces(core.registry.all()) })).same, 4);
      },
    ),
    { numRuns: 60, seed: 9 },
  );
});
