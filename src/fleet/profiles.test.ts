import assert from "node:assert/strict";
import { test } from "node:test";
import {
  checkTemplates,
  kindOf,
  NO_TEMPLATES,
  type ProfileTemplates,
  renderBootLines,
  renderSeed,
} from "./profiles.ts";
import type { Render, Template } from "./template-values.ts";
import { patchTemplates } from "./templates-patch.ts";

const plain: Render = ({ text }) => text;
const file = (path: string, mode = 0o644) => ({ ...NO_TEMPLATES, files: [{ path, mode, text: "" }] });

test("checkTemplates() takes files of the root, and none that would be lost or stand outside", () => {
  for (const path of ["/etc/motd", "/usr/local/bin/a b", "/root/..x"]) checkTemplates(file(path));
  for (const path of [
    "etc/motd",
    "/",
    "/etc/../etc/motd",
    "/etc//motd",
    "/run/x",
    "/proc/x",
    "/dev/x",
    "/boot/firmware/config.txt",
    "/a\nb",
  ])
    assert.throws(() => checkTemplates(file(path)), { code: "BAD_INPUT" }, path);
  assert.throws(() => checkTemplates(file("/etc/motd", 0o10000)), { code: "BAD_INPUT" });
  assert.throws(() => checkTemplates({ ...NO_TEMPLATES, values: { "A-b": "" } }), { code: "BAD_INPUT" });
  assert.throws(() => checkTemplates({ ...NO_TEMPLATES, commands: Array(201).fill("x") }), {
    code: "BAD_INPUT",
  });
  assert.throws(() => checkTemplates({ ...NO_TEMPLATES, userData: "x".repeat(1 << 20) }), {
    code: "BAD_INPUT",
  });
});

test("scripts take a shell's quotes, YAML takes JSON's, other files either", () => {
  assert.equal(kindOf("#!/bin/sh\n", "/etc/x.yaml"), "shell");
  assert.equal(kindOf("a: b", "/etc/x.yaml"), "yaml");
  assert.equal(kindOf("a=b", "/etc/x.conf"), "text");
  const asked: Template[] = [];
  const templates: ProfileTemplates = {
    ...NO_TEMPLATES,
    userData: "#!/bin/sh",
    metaData: "a: b",
    networkConfig: "version: 2",
    files: [{ path: "/etc/x.yml", mode: 0o600, text: "a: b" }],
    packages: ["curl"],
    commands: ["true"],
  };
  renderSeed(templates, {}, (template) => {
    asked.push(template);
    return template.text;
  });
  assert.deepEqual(asked.map(({ name, kind }) => `${name}: ${kind}`).sort(), [
    "command 1: shell",
    "file /etc/x.yml: yaml",
    "meta-data: yaml",
    "network-config: yaml",
    "package 1: words",
    "user-data: shell",
  ]);
});

test("renderSeed() leaves the node's identity to the server, and packages their names", () => {
  for (const metaData of ["instance-id: x", '"local-hostname" : x', "a: b\ninstance-id: x"])
    assert.throws(
      () => renderSeed({ ...NO_TEMPLATES, metaData }, {}, plain),
      { code: "TEMPLATE_BAD" },
      metaData,
    );
  assert.throws(() => renderSeed({ ...NO_TEMPLATES, packages: ["-o Dir=/"] }, {}, plain), {
    code: "TEMPLATE_BAD",
  });
  const empty = renderSeed({ ...NO_TEMPLATES, packages: [" "], commands: ["\n"] }, {}, plain);
  assert.deepEqual([empty.packages, empty.commands], [[], []], "what becomes nothing is left out");
});

test("renderBootLines() adds words and lines, and none that would boot something else", () => {
  const lines = (more: Partial<ProfileTemplates>) => renderBootLines({ ...NO_TEMPLATES, ...more }, {}, plain);
  assert.deepEqual(lines({ cmdline: ["a=1 b", " "], config: ["dtparam=audio=off"] }), {
    cmdline: ["a=1", "b"],
    config: ["dtparam=audio=off"],
  });
  for (const word of ["root=/dev/sda", "ip=dhcp", "bramble.server=http://evil", "init=/x/firstboot"])
    assert.throws(() => lines({ cmdline: [word] }), { code: "TEMPLATE_BAD" }, word);
  for (const line of ["initramfs x", "include y", "os_prefix=z/", "cmdline=x", "a\nb", "x".repeat(99)])
    assert.throws(() => lines({ config: [line] }), { code: "TEMPLATE_BAD" }, line);
});

test("patchTemplates() changes what is named, by its shape and no other", () => {
  const before: ProfileTemplates = {
    ...NO_TEMPLATES,
    userData: "u",
    files: [{ path: "/a", mode: 0o644, text: "a" }],
    values: { x: "1", y: "2" },
    packages: ["curl"],
  };
  const kept = structuredClone(before);
  const next = patchTemplates(before, {
    userData: null,
    files: [
      { path: "/b", mode: 0o600, text: "b" },
      { path: "/a", mode: 0, text: null },
    ],
    values: { x: null, z: "3" },
    packages: null,
    cluster: true,
  });
  assert.deepEqual(next, {
    ...NO_TEMPLATES,
    files: [{ path: "/b", mode: 0o600, text: "b" }],
    values: { y: "2", z: "3" },
    cluster: true,
  });
  assert.deepEqual(before, kept, "the one before stays as it was");
  assert.deepEqual(patchTemplates(before, { files: null }).files, []);
  for (const patch of [
    { userData: 1 },
    { commands: "x" },
    { commands: [1] },
    { files: [{}] },
    { files: {} },
    { values: [] },
    { values: { a: 1 } },
    { nothing: 1 },
  ])
    assert.throws(() => patchTemplates(before, patch as never), { code: "BAD_INPUT" }, JSON.stringify(patch));
});
