import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import type { Boot, BootStage, Fact, Outcome, Step } from "./boots.ts";
import { type Cause, diagnose, type Evidence, RULES } from "./diagnosis.ts";

const step = (more: Partial<Step>): Step => ({ atMs: 1, kind: "dhcp", words: "", ...more });
const proves = (fact: Fact, words = "these words"): Step => step({ fact, words });
const file = (path: string, result: NonNullable<Step["result"]>, bytes = 0): Step =>
  step({ kind: "tftp", path, result, bytes, words: `${path}: ${result}` });
const ended = (stage: BootStage, steps: Step[] = [], more: Partial<Boot> = {}): Boot => ({
  id: "b",
  nodeId: "n",
  startedMs: 0,
  endedMs: 60_000,
  stage,
  reached: { dhcp: 0 },
  silences: {},
  steps,
  outcome: "failed",
  ...more,
});
const started = { reached: { power: 0 } };
const before = (outcome: Outcome, stage: BootStage, times: number) =>
  Array.from({ length: times }, () => ({ outcome, stage }));

/** For each rule: what was injected, and a word that its sentence must have. A rule without a line here fails the test below. */
const CASES: { [C in Cause]: [evidence: Evidence, says: RegExp][] } = {
  "boot-loop": [
    [
      {
        boot: ended("kernel", [], { outcome: "superseded" }),
        before: [...before("superseded", "kernel", 2), ...before("booted", "booted", 1)],
      },
      /3 times in a row/,
    ],
  ],
  restarted: [
    [
      {
        boot: ended("root", [], { outcome: "superseded" }),
        before: [
          { outcome: "superseded", stage: "root" },
          ...before("booted", "booted", 1),
          ...before("superseded", "root", 3),
        ],
      },
      /started anew after the root disk/,
    ],
  ],
  "not-ready": [[{ boot: ended("firmware", [proves("not-ready", "no kernel in it")]) }, /no kernel in it/]],
  "root-refused": [
    [{ boot: ended("agent", [proves("root-refused", "10.0.0.9 has it open")]) }, /10\.0\.0\.9/],
  ],
  "agent-failed": [[{ boot: ended("agent", [proves("gave-up", "the agent failed: no disk")]) }, /no disk/]],
  "port-fault": [
    [{ boot: ended("power", [], started), power: { state: "fault", detail: "overload" } }, /overload/],
  ],
  "no-powered-device": [[{ boot: ended("power", [], started), power: { state: "searching" } }, /no powered/]],
  "power-off": [[{ boot: ended("power", [], started), power: { state: "off" } }, /gives no power/]],
  "no-link": [[{ boot: ended("power", [], started), power: { state: "on" }, link: "down" }, /link/]],
  stp: [
    [{ boot: ended("dhcp", [], { reached: { power: 0, dhcp: 31_000 } }) }, /31 s after its power/],
    [
      { boot: ended("dhcp", [], { reached: { power: 0, dhcp: 32_000 } }), link: "down" },
      /32 s after its power/, // a link that was seen down before it spoke
    ],
    [
      {
        boot: ended("power", [], started),
        model: "3B",
        power: { state: "on" },
        before: before("booted", "booted", 1),
      },
      /spanning tree/,
    ],
  ],
  "no-dhcp": [
    [{ boot: ended("power", [], started), power: { state: "on" }, link: "up" }, /no DHCP request/],
    [{ boot: ended("power", [], started), model: "4B", before: before("booted", "booted", 1) }, /no DHCP/],
    [{ boot: ended("power", [], started), model: "3B" }, /no DHCP/],
  ],
  duplicate: [[{ boot: ended("dhcp", [proves("duplicate", "serial x from two MACs")]) }, /two MACs/]],
  "address-conflict": [
    [{ boot: ended("dhcp", [proves("address-conflict", "10.0.0.7 answers")]) }, /10\.0\.0\.7/],
    [{ boot: ended("agent", [proves("address-conflict", "10.0.0.7 answers")]) }, /10\.0\.0\.7/],
  ],
  "other-server": [[{ boot: ended("dhcp", [proves("other-server", "it took 10.0.0.254's")]) }, /254/]],
  "rom-relay": [[{ boot: ended("dhcp", [proves("rom3"), proves("relayed")]) }, /relay/]],
  "rom-deaf": [[{ boot: ended("dhcp", [proves("rom3"), proves("answered")]) }, /boot ROM/]],
  "no-address": [[{ boot: ended("dhcp", [proves("answered")]), dhcp: "proxy" }, /router/]],
  "wrong-model": [
    [
      {
        boot: ended("firmware", [file("a/config.txt", "sent"), file("a/start4.elf", "missing")]),
        model: "4B",
        lacks: ["start4.elf"],
      },
      /not made for a Pi 4B: it has no start4\.elf/,
    ],
    [{ boot: ended("firmware", [file("start4.elf", "missing"), file("pieeprom.sig", "missing")]) }, /start4/],
  ],
  "block-wrap": [
    [{ boot: ended("firmware", [file("initramfs8", "broken", 65_535 * 512)]) }, /block numbers/],
  ],
  "path-mtu": [
    [
      {
        boot: ended("firmware", [
          file("config.txt", "sent", 200),
          file("start4.elf", "broken"),
          file("start.elf", "broken"),
        ]),
      },
      /first block/,
    ],
  ],
  "file-timeout": [
    [{ boot: ended("firmware", [file("start4.elf", "broken", 8192)]) }, /start4\.elf broke off/],
    [{ boot: ended("firmware", [], { fetching: { path: "kernel8.img", size: 9 } }) }, /kernel8\.img/],
    [{ boot: ended("firmware", [file("start4.elf", "broken", 0)]) }, /start4\.elf/],
  ],
  "mixed-firmware": [
    [
      { boot: ended("firmware", [file("a/start4.elf", "sent", 9), file("a/fixup4.dat", "missing")]) },
      /fixup4/,
    ],
  ],
  "asks-in-loop": [
    [
      {
        boot: ended(
          "firmware",
          Array.from({ length: 4 }, () => file("a/start4.elf", "sent", 0)),
        ),
      },
      /start4\.elf 4 times/,
    ],
  ],
  "missing-file": [
    [
      {
        boot: ended("firmware", [
          file("config.txt", "sent", 9),
          file("pieeprom.sig", "missing"),
          file("kernel8.img", "missing"),
        ]),
      },
      /Missing: kernel8\.img\./,
    ],
  ],
  "eeprom-old": [
    [{ boot: ended("dhcp", [proves("eeprom-old"), proves("answered")]), dhcp: "full" }, /EEPROM is old/],
    [{ boot: ended("firmware", [proves("eeprom-old"), file("config.txt", "sent", 9)]) }, /EEPROM/],
  ],
  "no-file-request": [
    [{ boot: ended("dhcp", [proves("answered")]) }, /never asked for a file/],
    [
      { boot: ended("dhcp", [proves("answered")], { address: "10.0.0.3" }), dhcp: "proxy" },
      /never asked for a file/,
    ],
    [{ boot: ended("dhcp", [], { reached: { power: 0, dhcp: 5_000 } }) }, /never asked for a file/],
  ],
  "firmware-stopped": [
    [
      {
        boot: ended(
          "firmware",
          Array.from({ length: 4 }, () => file("a/config.txt", "sent", 9)),
        ),
      },
      /config\.txt/,
    ],
    [{ boot: ended("firmware", [file("config.txt", "sent", 9), file("vl805.sig", "missing")]) }, /vl805/],
  ],
  "no-kernel-root": [
    [
      { boot: ended("kernel", [proves("kernel-root"), file("kernel8.img", "sent", 9)]) },
      /never asked for its root over NFS/,
    ],
  ],
  "agent-silent": [[{ boot: ended("kernel", [file("kernel8.img", "sent", 9)]) }, /agent never spoke/]],
  "root-lost": [
    [
      {
        boot: ended("root", [
          step({ kind: "disk", fact: "root-opened" }),
          step({ kind: "disk", fact: "root-closed", words: "its disk was closed (timeout)" }),
        ]),
      },
      /timeout/,
    ],
  ],
  "no-root": [[{ boot: ended("agent", [step({ kind: "agent", words: "hello" })]) }, /no root\. Last: hello/]],
  "no-system": [[{ boot: ended("root", [step({ kind: "disk", fact: "root-opened" })]) }, /did not start/]],
  "os-silent": [[{ boot: ended("switched-root") }, /never reported/]],
};

for (const { cause } of RULES) {
  test(`diagnose() finds ${cause}`, () => {
    const cases = CASES[cause];
    assert.ok(cases.length > 0);
    for (const [evidence, says] of cases) {
      const found = diagnose(evidence);
      assert.equal(found.cause, cause, found.words);
      assert.match(found.words, says);
      assert.ok(found.todo);
    }
  });
}

test("each cause stands once, and is said in one line", () => {
  assert.equal(new Set(RULES.map(({ cause }) => cause)).size, RULES.length);
  for (const [evidence] of Object.values(CASES).flat())
    assert.doesNotMatch(diagnose(evidence).words, /\n|undefined/);
});

test("every boot that failed at whatever stage, without any other evidence, has a cause", () => {
  for (const stage of ["power", "dhcp", "firmware", "kernel", "agent", "root", "switched-root"] as const)
    assert.ok(diagnose({ boot: ended(stage) }).cause, stage);
});

test("a boot that came up has no cause, and says at which try", () => {
  const up = (tries: number) =>
    diagnose({ boot: ended("booted", [], { outcome: "booted", endedMs: 61_000, tries }) });
  assert.deepEqual(up(1), { words: "The system came up 61.0 s after the first DHCP request." });
  assert.deepEqual(up(3), { words: "The system came up 61.0 s after the first DHCP request, at try 3." });
});

test("a virtual board that was stopped after its kernel has no cause", () => {
  assert.equal(diagnose({ boot: ended("kernel", [], { outcome: "stopped" }) }).cause, undefined);
});

test("the table in the documentation is the table in the code", () => {
  const page = readFileSync("docs/supervision.md", "utf8");
  const rows = page.split("\n").flatMap((line) => {
    const [, cause, when, todo] = /^\| `([a-z][a-z0-9-]*)` \| (.*?) \| (.*) \|$/.exec(line) ?? [];
    return cause ? [{ cause, when, todo }] : [];
  });
  assert.deepEqual(
    rows,
    RULES.map(({ cause, when, todo }) => ({ cause, when, todo })),
  );
});
