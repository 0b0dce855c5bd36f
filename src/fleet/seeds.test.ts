import assert from "node:assert/strict";
import { test } from "node:test";
import { cloudInitSeed, plainSeed, type Seed } from "./seeds.ts";

const seed: Seed = { hostname: "pi-1", instanceId: "i-1", user: "ada", sshKeys: ["ssh-ed25519 A"] };
const named = (files: { path: string; text: string }[]) =>
  new Map(files.map(({ path, text }) => [path.split("/").at(-1), text]));

test("NoCloud has all four files, whatever a profile gives", () => {
  for (const profile of [
    {},
    { userData: "#!/bin/sh\n" },
    { metaData: "a: b", networkConfig: "version: 2\n" },
  ]) {
    const files = cloudInitSeed(seed, profile);
    assert.deepEqual(
      files.map(({ path, mode }) => `${path} ${mode.toString(8)}`),
      ["meta-data 644", "user-data 600", "vendor-data 644", "network-config 644"].map(
        (f) => `var/lib/cloud/seed/nocloud/${f}`,
      ),
    );
  }
});

test("a profile's user-data comes behind ours in an archive, byte for byte", () => {
  const userData = '#cloud-config\npackages: ["a"]\n# ütf\n';
  const text = named(cloudInitSeed(seed, { userData })).get("user-data") ?? "";
  const [first, ...rest] = text.split("\n");
  assert.equal(first, "#cloud-config-archive");
  const [ours, theirs] = JSON.parse(rest.join("\n")) as { type?: string; content: string }[];
  assert.equal(ours?.type, "text/cloud-config");
  assert.match(ours?.content ?? "", /^#cloud-config\n[\s\S]*"hostname": "pi-1"/);
  assert.deepEqual(theirs, { content: userData }, "cloud-init tells its kind by its first line");
});

test("meta-data keeps the node's identity before a profile's lines; the network is the profile's if it says so", () => {
  const files = named(cloudInitSeed(seed, { metaData: "dsmode: local\n", networkConfig: "version: 2\n" }));
  assert.equal(files.get("meta-data"), 'instance-id: "i-1"\nlocal-hostname: "pi-1"\ndsmode: local\n');
  assert.equal(files.get("network-config"), "version: 2\n");
});

test("plainSeed() says nothing of what is not set", () => {
  const [file] = plainSeed({ hostname: "pi-1", instanceId: "i-1" }, (text) => `<${text}>`);
  assert.deepEqual(file, { path: "bramble-seed", mode: 0o600, text: "hostname=<pi-1>\n" });
});
