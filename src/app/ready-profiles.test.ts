import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { sampleFacts, templateValues } from "../fleet/profile-values.ts";
import { checkTemplates, type ProfileTemplates, renderBootLines, renderSeed } from "../fleet/profiles.ts";
import { readyProfile, readyProfiles } from "../storage/ready-profiles.ts";
import { renderTemplate } from "../storage/templates.ts";

const seedOf = (templates: ProfileTemplates, values: Record<string, string>, name = "pi-1") => {
  const facts = { ...sampleFacts("k3s", 0), values: { ...templates.values, ...values } };
  return renderSeed(
    templates,
    templateValues({ ...facts, node: { ...facts.node, name }, secrets: new Map() }),
    renderTemplate,
  );
};

test("every shipped profile renders, gives Pi kernels their memory cgroup, and its scripts are scripts", async () => {
  const all = await readyProfiles("profiles");
  assert.deepEqual(
    all.map(({ name }) => name),
    ["docker-swarm", "k3s"],
  );
  for (const { name, templates } of all) {
    checkTemplates(templates);
    const facts = { ...sampleFacts(name, 0), values: { ...templates.values, install: "/root/k3s" } };
    const { cmdline } = renderBootLines(templates, templateValues(facts), renderTemplate);
    assert.deepEqual(cmdline, ["cgroup_enable=memory", "cgroup_memory=1"]);
    for (const file of seedOf(templates, { install: "/root/k3s" }).files)
      if (file.text.startsWith("#!/bin/sh"))
        assert.equal(spawnSync("sh", ["-n"], { input: file.text }).status, 0, file.path);
  }
});

/** Options of `k3s server` and `k3s agent` that these files use, as docs.k3s.io lists them (CLI Tools: server, agent). */
const AGENT_OPTIONS = ["server", "token-file", "node-name", "node-ip"];
const SERVER_OPTIONS = [...AGENT_OPTIONS, "agent-token", "tls-san"];
/** Variables of the install script (docs.k3s.io, Environment Variables). */
const INSTALL_VARIABLES = ["INSTALL_K3S_EXEC", "INSTALL_K3S_VERSION"];

/** Runs the k3s profile's script in a folder of its own, with programs that only write down how they were called. */
async function runK3s(t: TestContext, answer: string, given: { install: string; text: string }) {
  const root = mkdtempSync(join(tmpdir(), "k3s-"));
  t.after(() => rmSync(root, { recursive: true }));
  const profile = await readyProfile("profiles", "k3s");
  if (!profile) throw new Error("no k3s profile");
  const put = (path: string, text: string) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  const at = (text: string) => text.replace(/(^|[\s"'=])(\/(?:etc|var|run|usr\/local)\/)/gm, `$1${root}$2`);
  const { files } = seedOf(profile.templates, { install: given.install }, 'pi "1": x');
  for (const { path, text } of files) put(path, at(text));
  put(
    "run/bramble/member",
    `if [ "$1" = made ]; then echo "$2 $(cat)" > ${root}/made; else printf '${answer}'; fi\n`,
  );
  put("given", given.text);
  const program = (name: string, line: string) => {
    put(`bin/${name}`, `#!/bin/sh\n${line}\n`);
    chmodSync(join(root, "bin", name), 0o755);
  };
  program("curl", `cp ${root}/given "$3"; echo "$4" > ${root}/fetched`);
  program(
    "systemctl",
    `echo "$@" >> ${root}/systemctl; mkdir -p ${root}/var/lib/rancher/k3s/server; echo K10abc::server:x > ${root}/var/lib/rancher/k3s/server/agent-token`,
  );
  mkdirSync(join(root, "etc/systemd/system"), { recursive: true });
  const done = spawnSync("sh", [join(root, "usr/local/lib/bramble/k3s.sh")], {
    env: { ...process.env, PATH: `${root}/bin:${process.env["PATH"]}` },
    encoding: "utf8",
    timeout: 20_000,
  });
  assert.equal(done.status, 0, done.stderr + done.stdout);
  const read = (path: string) =>
    existsSync(join(root, path)) ? readFileSync(join(root, path), "utf8") : undefined;
  const config = `${read("etc/rancher/k3s/config.yaml")}${read("etc/rancher/k3s/config.yaml.d/50-role.yaml")}`;
  return { root, read, config, keys: [...config.matchAll(/^([a-z-]+):/gm)].map(([, key]) => key ?? "") };
}

test("k3s: the first node is the server, with published options, and reports the agents' token", async (t) => {
  const { root, read, config, keys } = await runK3s(t, "role=first\\n", {
    install: "https://example.org/k3s-arm64",
    text: "\x7fELF",
  });
  assert.deepEqual(keys.sort(), ["agent-token", "node-ip", "node-name", "tls-san"]);
  for (const key of keys) assert.ok(SERVER_OPTIONS.includes(key), key);
  assert.match(config, /^node-name: "pi \\"1\\": x"$/m, "what a person typed stays in its quotes");
  assert.match(config, /^agent-token: "[0-9a-f]{64}"$/m);
  assert.equal(read("fetched"), "https://example.org/k3s-arm64\n");
  assert.match(
    read("etc/systemd/system/k3s.service") ?? "",
    new RegExp(`^ExecStart=${root}/usr/local/bin/k3s server$`, "m"),
  );
  assert.equal(read("systemctl"), "daemon-reload\nenable --now k3s\n");
  assert.equal(read("made"), "192.0.2.10:6443 K10abc::server:x\n");
});

test("k3s: the others are agents of the server that they are told, by the install script that was given", async (t) => {
  const install = `#!/bin/sh\nenv | grep ^INSTALL_K3S > "$(dirname "$0")/env"\n`;
  const answer = "role=join\\naddress=10.0.0.2:6443\\ntoken=K10abc::server:x\\n";
  const { read, config, keys } = await runK3s(t, answer, { install: "https://get.k3s.io", text: install });
  assert.deepEqual(keys.sort(), ["node-ip", "node-name", "server", "token-file"]);
  for (const key of keys) assert.ok(AGENT_OPTIONS.includes(key), key);
  assert.match(config, /^server: "https:\/\/10\.0\.0\.2:6443"$/m);
  assert.doesNotMatch(config, /K10abc/, "the token stands in a file of its own");
  assert.equal(read("etc/rancher/k3s/join-token"), "K10abc::server:x");
  const variables = (read("usr/local/lib/bramble/env") ?? "").trim().split("\n").sort();
  assert.deepEqual(variables, ["INSTALL_K3S_EXEC=agent", "INSTALL_K3S_VERSION="]);
  for (const line of variables) assert.ok(INSTALL_VARIABLES.includes(line.split("=")[0] ?? ""), line);
  assert.equal(read("made"), undefined);
});
