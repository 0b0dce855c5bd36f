import assert from "node:assert/strict";
import { test } from "node:test";
import { quoteShell } from "../storage/template-quotes.ts";
import { seedCheck, seedFilesOf, tokenInSeed, whyUnseeded } from "./node-seed.ts";
import { modelFolder as folder } from "./testing/model-folder.ts";

test("a template that cannot be rendered is refused when it is set, and nothing of it is kept", async (t) => {
  const { commands, core } = await folder(t);
  const set = (patch: object) => commands.setTemplates({ profile: "default", patch });
  await assert.rejects(set({ commands: ["true"], userData: "a: {{ node.nmae | json }}" }), {
    code: "TEMPLATE_BAD",
    message: "user-data:1:7: there is no value node.nmae",
  });
  await assert.rejects(set({ cmdline: ["key={{ secret.key }}"] }), {
    code: "TEMPLATE_BAD",
    message: /^cmdline 1:1:8: there is no value secret$/,
  });
  assert.deepEqual(core.profiles.templates("default").commands, []);
  await set({ commands: ["{% if first %}echo {{ index }}{% endif %}"] });
  assert.equal(core.profiles.templates("default").commands.length, 1);
});

test("a secret goes in and never comes out: no view, event, error or file listing holds it", async (t) => {
  const { commands, core, board, events } = await folder(t);
  const node = board(1);
  const key = 'hunter2 \'s "key"';
  await commands.setSecret({ profile: "default", name: "key", value: key });
  const patch = {
    commands: ["login {{ secret.key | shell }}"],
    files: [{ path: "/etc/key.yaml", mode: 0o600, text: "key: {{ secret.key | json }}\n" }],
    userData: "#cloud-config\nkey: {{ secret.key | json }}\n",
  };
  await commands.setTemplates({ profile: "default", patch });
  const plain = await commands.nodeSeed({ node: node.name });
  const cloud = await commands.nodeSeed({ node: node.name, cloudInit: true });
  const shown = JSON.stringify([
    await commands.profile({ profile: "default" }),
    plain,
    cloud,
    await events(),
  ]);
  assert.doesNotMatch(shown, /hunter2/);
  assert.equal(cloud.files.find(({ path }) => path === "/etc/key.yaml")?.text, 'key: "SECRET-key"\n');
  const failing = commands.setTemplates({ profile: "default", patch: { commands: ["{{ secret.key }}"] } });
  await assert.rejects(failing, (error: Error) => !/hunter2/.test(error.message + error.stack));
  assert.equal(core.profiles.secrets("default").get("key"), key, "the node itself gets it");
  await commands.removeSecret({ profile: "default", name: "key" });
  assert.match(
    whyUnseeded(core, node, "http://10.0.0.1:8441") ?? "",
    /^user-data:2:\d: there is no value secret\.key \(bramble profile secret set PROFILE key\)$/,
  );
  await assert.rejects(commands.removeSecret({ profile: "default", name: "key" }), {
    code: "SECRET_UNKNOWN",
  });
});

test("a board's profile is tried again when anything that it prints has changed, and only then", async (t) => {
  const { commands, core, board } = await folder(t);
  const node = board(1);
  const check = seedCheck(core);
  const why = (url = "http://10.0.0.1:8441") => check(node, url);
  const line =
    "{% if secret.key == 'x' %}{{ node.nope }}{% endif %}{% if node.name == 'bad' %}{{ nope }}{% endif %}";
  await commands.setSecret({ profile: "default", name: "key", value: "y" });
  await commands.setTemplates({ profile: "default", patch: { commands: [line] } });
  assert.equal(why(), undefined);
  await core.registry.patch(node, { name: "bad" });
  assert.match(why() ?? "", /no value nope/);
  await core.registry.patch(node, { name: "good" });
  assert.equal(why(), undefined);
  await core.profiles.setSecret("default", "key", "x", 1);
  assert.match(why() ?? "", /no value node\.nope/);
  await core.profiles.put(
    "default",
    { ...core.profiles.templates("default"), commands: [] },
    { by: "test", note: "", atMs: 1 },
  );
  assert.equal(why(), undefined);
});

test("profile apply makes a shipped profile, numbers its nodes in the order given, and they keep their numbers", async (t) => {
  const f = await folder(t);
  const [a, b, c] = [f.board(1), f.board(2), f.board(3)];
  const done = await f.commands.applyProfile({ profile: "docker-swarm", nodes: [b.name, a.name] });
  assert.deepEqual(
    [done.made, done.nodes.map(({ node, number }) => [node, number])],
    [
      true,
      [
        [b.name, 0],
        [a.name, 1],
      ],
    ],
  );
  assert.match(done.nodes.map(({ does }) => does).join(), /^makes the cluster.*,joins the cluster/);
  await f.commands.applyProfile({ profile: "docker-swarm", nodes: [c.name] });
  await f.core.registry.patch(a, { profile: "default" });
  await f.close();

  const again = await folder(t, f.path);
  const d = again.board(4);
  const nodes = async () => (await again.commands.profile({ profile: "docker-swarm" })).nodes;
  assert.deepEqual(await nodes(), [b.name, c.name], "numbers 0 and 2");
  await again.commands.applyProfile({ profile: "docker-swarm", nodes: [d.name, a.name] });
  assert.deepEqual(await nodes(), [b.name, d.name, c.name, a.name], "who left makes room");
  await again.core.profiles.settled();
  await assert.rejects(again.commands.applyProfile({ profile: "swarm", nodes: [a.name] }), {
    code: "PROFILE_UNKNOWN",
  });
});

test("a member's templates know where to join, once there is a cluster, and people see no token", async (t) => {
  const { commands, core, board, events } = await folder(t);
  const [first, second, other] = [board(1), board(2), board(3)];
  await commands.addProfile({ profile: "web" });
  const line =
    "{% if cluster.token %}join {{ cluster.address }} {{ cluster.token | shell }}{% else %}wait{% endif %}";
  await commands.setTemplates({ profile: "web", patch: { commands: [line], cluster: true } });
  await commands.applyProfile({ profile: "web", nodes: [first.name, second.name] });
  await commands.applyProfile({ profile: "default", nodes: [other.name] });
  const wish = { serverUrl: "http://10.0.0.1:8441", address: "10.0.0.3", instance: "i-1", cloudInit: false };
  const lastLines = (node = second) =>
    seedFilesOf(core, node, wish).find(({ path }) => path === "bramble-once")?.text;
  assert.match(lastLines() ?? "", /sh -c 'wait'/);
  const token = "SWMTKN-it's";
  await core.profiles.setCluster("web", {
    nodeId: first.id,
    instance: "i-1",
    address: "10.0.0.2:2377",
    token,
    atMs: 1,
  });
  assert.ok(lastLines()?.includes(quoteShell(`join 10.0.0.2:2377 ${quoteShell(token)}`)), lastLines());
  assert.match(lastLines(first) ?? "", /sh -c 'wait'/, "it is its own");
  assert.equal(lastLines(other), undefined);
  const shown = JSON.stringify([
    await commands.nodeSeed({ node: second.name }),
    await commands.profile({ profile: "web" }),
    await events(),
  ]);
  assert.match(shown, /JOIN-TOKEN/);
  assert.doesNotMatch(shown, /SWMTKN/);
  assert.equal(tokenInSeed(core, second), "its seed was given the join token of web");
  assert.equal(tokenInSeed(core, first), undefined);
});

test("profiles are made, copied without secrets, and removed when no node has them", async (t) => {
  const { commands, board, core } = await folder(t);
  const node = board(1);
  await commands.addProfile({ profile: "web" });
  await commands.setTemplates({
    profile: "web",
    patch: { values: { colour: "it's red" }, packages: ["nginx"] },
  });
  await commands.setSecret({ profile: "web", name: "key", value: "x" });
  const copy = await commands.addProfile({ profile: "web-2", from: "web" });
  assert.deepEqual([copy.templates.packages, copy.secrets], [["nginx"], []]);
  await assert.rejects(commands.addProfile({ profile: "web" }), { code: "PROFILE_TAKEN" });
  await assert.rejects(commands.addProfile({ profile: "x", from: "nobody" }), { code: "PROFILE_UNKNOWN" });
  await assert.rejects(commands.addProfile({ profile: "Not a name" }), { code: "BAD_INPUT" });
  await commands.applyProfile({ profile: "web", nodes: [node.name] });
  await assert.rejects(commands.removeProfile({ profile: "web" }), { code: "PROFILE_IN_USE" });
  await core.registry.patch(node, { profile: "web-2" });
  await commands.removeProfile({ profile: "web" });
  await assert.rejects(commands.removeProfile({ profile: "default" }), { code: "PROFILE_IN_USE" });
  assert.equal(await core.book.selectFrom("profileSecret").selectAll().executeTakeFirst(), undefined);
});
