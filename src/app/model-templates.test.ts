import assert from "node:assert/strict";
import { test } from "node:test";
import { bootLinesOf, frozenNow, seedCheck, seedFilesOf, whyUnseeded } from "./node-seed.ts";
import { modelFolder } from "./testing/model-folder.ts";

const URL = "http://10.0.0.1:8441";
const by = { kind: "operator", name: "ann" } as const;

test("templates print labels, place, group, management address; a label that is not there may be asked for, not printed", async (t) => {
  const { commands, core, board } = await modelFolder(t);
  const node = board(1);
  await commands.addGroup({ group: "web", patch: { values: { vlan: "7" } } });
  await core.registry.patch(node, {
    labels: JSON.parse('{"gpu":"h1","constructor":"x"}'),
    ...{ group: "web", place: { rack: "3", unit: "12" }, management: "10.9.0.1" },
  });
  const line = (text: string) =>
    commands.previewProfile({ profile: "default", node: node.name, patch: { cmdline: [text] } });
  for (const [text, expected] of [
    ["a={{ node.labels.gpu }}", "a=h1"],
    ["a={{ node.labels['constructor'] }}", "a=x"],
    ["a={{ node.place.rack }}.{{ node.place.unit }}", "a=3.12"],
    ["a={{ node.group }}:{{ value.vlan }}", "a=web:7"],
    ["a={{ node.management }}", "a=10.9.0.1"],
    ["a={% if node.labels.none %}y{% else %}n{% endif %}", "a=n"],
    ["a={% if node.labels.gpu == 'h1' %}y{% endif %}", "a=y"],
    ["a={{ node.labels.none | default: 'd' }}", "a=d"],
  ] as const)
    assert.equal((await line(text)).parts[0]?.text, expected, text);
  assert.equal(core.profiles.knownIndex(node), undefined, "looking gives no number");
  for (const text of [
    "a={{ node.labels.none }}",
    "a={{ node.labels.toString }}",
    "a={{ node.labels.__proto__ }}",
    "a={{ node.labels.hasOwnProperty }}",
    "a={{ node.labels }}",
    "a={{ node.place.slot }}",
    "a={{ node.place.shelf }}",
    "a={{ node.place.constructor }}",
    "a={% include '../../etc/passwd' %}",
    "a={% render './x' %}",
    "a={% for i in (1..1000000000) %}x{% endfor %}",
    "a={{ node.labels.gpu.constructor }}",
  ]) {
    const { parts, ok } = await line(text);
    assert.ok(parts[0]?.error && !ok, `${text}: ${parts[0]?.text}`);
    assert.deepEqual([parts[0].part, parts[0].error.line], ["cmdline 1", 1]);
  }
});

test("a preview shows every text with its mistake, for a node, or a board that is not there, and changes nothing", async (t) => {
  const { commands, core, board } = await modelFolder(t);
  const node = board(1);
  await commands.addGroup({ group: "web", patch: { values: { vlan: "7" } } });
  await commands.addProfile({ profile: "web" });
  await commands.setSecret({ profile: "web", name: "key", value: "hunter2" });
  await commands.setTemplates({
    profile: "web",
    patch: {
      values: { vlan: "1" },
      cmdline: ["vlan={{ value.vlan }}"],
      config: ["dtparam=x{{ index }}"],
      ipxe: "#!ipxe\necho {{ node.name }}\n",
      userData: "#cloud-config\nkey: {{ secret.key | json }}\n",
      metaData: "rack: {{ node.place.rack | default: 'none' | json }}",
      networkConfig: "version: 2",
      files: [{ path: "/etc/x", mode: 0o644, text: "{{ node.serial }}" }],
      packages: ["curl"],
      commands: ["echo {{ node.model }}"],
    },
  });
  const draft = { commands: ["true", "x\n {{ node.nmae }}"], values: { vlan: null } };
  const before = JSON.stringify([core.registry.all(), core.profiles.templates("web")]);
  const shown = await commands.previewProfile({ profile: "web", node: node.name, patch: draft });
  assert.deepEqual(
    shown.parts.map(({ part, text, error }) => [part, text ?? `${error?.line}:${error?.column}`]),
    [
      ["cmdline 1", "1:9"],
      ["config.txt line 1", "dtparam=x0"],
      ["ipxe", `#!ipxe\necho ${node.name}\n`],
      ["user-data", '#cloud-config\nkey: "SECRET-key"\n'],
      ["meta-data", 'rack: "none"'],
      ["network-config", "version: 2"],
      ["file /etc/x", "10000001"],
      ["package 1", "curl"],
      ["command 1", "true"],
      ["command 2", "2:5"],
    ],
  );
  assert.equal(shown.ok, false);
  assert.match(shown.parts.at(-1)?.error?.hint ?? "", /did you mean node\.name/);
  const board2 = { model: "5", serial: "abcd0001", group: "web", place: { rack: "9" }, number: 4 };
  const other = await commands.previewProfile({ profile: "web", board: board2 });
  assert.equal(other.ok, true, JSON.stringify(other.parts));
  const texts = Object.fromEntries(other.parts.map(({ part, text }) => [part, text]));
  assert.deepEqual(
    [texts["cmdline 1"], texts["config.txt line 1"], texts["command 1"], texts["meta-data"]],
    ["vlan=7", "dtparam=x4", "echo 5", 'rack: "9"'],
  );
  assert.match(other.board, /Pi 5 called pi-abcd0001, in the group web/);
  assert.equal(JSON.stringify([core.registry.all(), core.profiles.templates("web")]), before);
  assert.equal(core.profiles.knownIndex({ ...node, profile: "web" }), undefined, "no number was given");
  for (const bad of [
    { profile: "web", board: { model: "9" } },
    { profile: "web", board: { labels: { rack: "1" } } },
    { profile: "web", board: { group: "none" } },
    { profile: "web", board: {}, node: node.name },
    { profile: "web", patch: { ipxe: "echo" } },
    { profile: "web", version: 99 },
  ])
    await assert.rejects(commands.previewProfile(bad), /./, JSON.stringify(bad));
});

test("templates have versions: who, what, back to one, and at most fifty are kept", async (t) => {
  const f = await modelFolder(t);
  const { commands } = f;
  const set = (line: string) =>
    commands.setTemplates({ profile: "default", patch: { commands: [line] } }, { by });
  assert.deepEqual(await commands.templateVersions({ profile: "default" }), []);
  assert.equal((await set("echo 1")).templatesVersion, 1);
  assert.equal((await set("echo 2")).templatesVersion, 2);
  assert.equal((await set("echo 2")).templatesVersion, 2, "as before: no version");
  await assert.rejects(set("{{ nope }}"), { code: "TEMPLATE_BAD" });
  const rolled = await commands.rollbackTemplates({ profile: "default", version: 1 }, { by });
  assert.deepEqual([rolled.templatesVersion, rolled.templates.commands], [3, ["echo 1"]]);
  const all = await commands.templateVersions({ profile: "default" });
  assert.deepEqual(
    all.map(({ version, by: who, note, current }) => [version, who, note, current]),
    [
      [3, "ann", "back to version 1", true],
      [2, "ann", "set commands", false],
      [1, "ann", "set commands", false],
    ],
  );
  assert.deepEqual((await commands.templateVersion({ profile: "default", version: 2 })).commands, ["echo 2"]);
  await assert.rejects(commands.rollbackTemplates({ profile: "default", version: 9 }), {
    code: "TEMPLATE_VERSION_UNKNOWN",
  });
  for (let i = 0; i < 50; i++) await set(`echo n${i}`);
  assert.equal((await commands.templateVersions({ profile: "default" })).length, 50);
  await assert.rejects(commands.templateVersion({ profile: "default", version: 3 }), {
    code: "TEMPLATE_VERSION_UNKNOWN",
  });
  const none = await commands.rollbackTemplates({ profile: "default", version: 0 });
  assert.deepEqual(none.templates.commands, []);
  await f.close();
  const again = await modelFolder(t, f.path);
  assert.equal((await again.commands.profile({ profile: "default" })).templatesVersion, 54);
});

test("a boot is given what it began with, whatever changes meanwhile, also after a restart; the next boot gets the change", async (t) => {
  const f = await modelFolder(t);
  const { commands, core, board } = f;
  const node = board(1);
  await commands.addGroup({ group: "web", patch: { values: { vlan: "1" } } });
  await core.registry.patch(node, { group: "web", labels: { a: "1" } });
  const words = (value: string) => [`v=${value}:{{ value.vlan }}:{{ node.labels.a }}`];
  await commands.setTemplates({
    profile: "default",
    patch: { cmdline: words("1"), commands: words("1"), values: { vlan: "0" } },
  });
  const row = core.profiles.frozen.keep("boot-1", frozenNow(core, node));
  assert.equal((await core.profiles.frozen.of("boot-1"))?.version, 1, "before it stands in the book");
  await core.book
    .insertInto("boot")
    .values({ id: "boot-1", nodeId: node.id, startedMs: 1, stage: "dhcp", templates: row } as never)
    .execute();
  await commands.setTemplates({ profile: "default", patch: { cmdline: words("2"), commands: words("2") } });
  await commands.setGroup({ group: "web", patch: { values: { vlan: "2" } } });
  await core.registry.patch(node, { labels: { a: "2" } });
  const once = (frozen?: ReturnType<typeof frozenNow>, of = core) =>
    seedFilesOf(of, of.registry.need(node.id), {
      ...{ serverUrl: URL, address: "10.0.0.9", instance: "i", cloudInit: false },
      frozen,
    }).find(({ path }) => path === "bramble-once")?.text;
  const kept = await core.profiles.frozen.of("boot-1");
  assert.match(once(kept) ?? "", /v=1:1:1/);
  assert.deepEqual(bootLinesOf(core, node, URL, kept).cmdline, ["v=1:1:1"]);
  assert.match(once() ?? "", /v=2:2:2/);
  assert.deepEqual(bootLinesOf(core, node, URL).cmdline, ["v=2:2:2"]);
  await f.close();
  const again = await modelFolder(t, f.path);
  assert.match(once(await again.core.profiles.frozen.of("boot-1"), again.core) ?? "", /v=1:1:1/);
  assert.equal(await again.core.profiles.frozen.of("boot-2"), undefined);
});

test("a group's value is asked for before anything boots: a node whose group leaves one out is not booted", async (t) => {
  const { commands, core, board } = await modelFolder(t);
  const node = board(1);
  const check = seedCheck(core);
  await commands.addGroup({ group: "web", patch: { values: { vlan: "1" } } });
  await core.registry.patch(node, { group: "web" });
  // the sample boards that a template is tried with have no group: it must ask
  const line = "{% if node.group %}vlan={{ value.vlan }}{% endif %}";
  await assert.rejects(commands.setTemplates({ profile: "default", patch: { cmdline: [line] } }), {
    code: "TEMPLATE_BAD",
  });
  await commands.setTemplates({ profile: "default", patch: { cmdline: [line], values: { vlan: "0" } } });
  assert.equal(check(node, URL), undefined);
  assert.deepEqual(bootLinesOf(core, node, URL).cmdline, ["vlan=1"]);
  await commands.setGroup({ group: "web", patch: { values: { vlan: "a b;c" } } });
  assert.match(check(node, URL) ?? "", /^cmdline 1:1:\d+: a value holds characters/);
  assert.match(whyUnseeded(core, node, URL) ?? "", /^cmdline 1/);
});
