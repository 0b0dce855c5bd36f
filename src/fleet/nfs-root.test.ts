import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BrambleError } from "../base/errors.ts";
import {
  checkExternal,
  exportPath,
  externalMount,
  externalWords,
  nfsRootWords,
  parseExportPath,
  parseExternal,
  whyNoNfsRoot,
} from "./nfs-root.ts";

const badInput = (error: unknown) => error instanceof BrambleError && error.code === "BAD_INPUT";
const TOKEN = "0123456789abcdef".repeat(4);

test("nfsRootWords() says all that a kernel needs, within what a kernel takes", () => {
  const words = nfsRootWords({
    server: "192.168.100.200",
    port: 32049,
    nodeId: "dc-a6-32-00-00-01",
    token: TOKEN,
  });
  assert.equal(
    words.join(" "),
    `root=/dev/nfs nfsroot=192.168.100.200:/nodes/dc-a6-32-00-00-01/${TOKEN},vers=3,tcp,port=32049,mountport=32049,mountproto=tcp,nolock,nocto,actimeo=600,rsize=1048576,wsize=1048576 ip=dhcp rw`,
  );
  assert.ok((words[1] ?? "").length <= "nfsroot=".length + 256);
  const long = { server: "192.168.100.200", port: 32049, nodeId: "x".repeat(64), token: TOKEN };
  assert.throws(() => nfsRootWords(long), badInput, "a kernel would cut it off");
});

test("parseExportPath() takes apart what exportPath() puts together, and nothing else", () => {
  const id = fc.stringMatching(/^[0-9A-Za-z-]{1,64}$/);
  const token = fc.stringMatching(/^[0-9a-f]{64}$/);
  fc.assert(
    fc.property(id, token, (nodeId, secret) => {
      assert.deepEqual(parseExportPath(exportPath(nodeId, secret)), { nodeId, token: secret, below: "" });
    }),
  );
  assert.equal(parseExportPath(`/nodes/a/${TOKEN}/boot/firmware`)?.below, "boot/firmware");
  const bad = ["", "/", "/nodes", "/nodes/a", `/nodes/../${TOKEN}`, `/nodes/a/${TOKEN}0`, `nodes/a/${TOKEN}`];
  for (const path of bad) assert.equal(parseExportPath(path), undefined, path);
});

test("whyNoNfsRoot() finds it in a kernel's configuration, else in what its modules were built beside", () => {
  const config = "CONFIG_NFS_V3=y\nCONFIG_ROOT_NFS=y\nCONFIG_IP_PNP=y\nCONFIG_IP_PNP_DHCP=y\n";
  assert.equal(whyNoNfsRoot({ config }), undefined);
  const debian = "CONFIG_NFS_V3=m\n# CONFIG_IP_PNP is not set\n";
  assert.match(whyNoNfsRoot({ config: debian }) ?? "", /ROOT_NFS.*IP_PNP.*NFS_V3/);
  const builtin = "kernel/fs/nfs/nfs.ko\nkernel/fs/nfs/nfsv3.ko\n";
  assert.equal(whyNoNfsRoot({ builtin }), undefined);
  assert.match(
    whyNoNfsRoot({ builtin: "kernel/fs/ext4/ext4.ko\nkernel/fs/nfsd/xnfs.ko\n" }) ?? "",
    /modules/,
  );
  assert.match(whyNoNfsRoot({ config: debian, builtin }) ?? "", /lacks/, "the configuration knows better");
  assert.match(whyNoNfsRoot({}) ?? "", /nothing/);
});

test("parseExternal() reads what externalWords() writes, and refuses what a shell would take for more", () => {
  for (const text of [
    "nfs:10.0.0.9:/srv/nodes/{node},vers=4.2,hard",
    "nfs:nas.lan:/",
    "nfs:[fd00::1]:/a/b-c_d",
  ])
    assert.equal(externalWords(parseExternal(text)), text);
  for (const text of [
    "",
    "nfs:",
    "nfs:host",
    "nfs:host:rel",
    "nfs:a b:/x",
    "nfs:h:/$(x)",
    "nfs:h:/a b",
    "nfs:h:/a,x;y",
    "nfs:h:/a,,b",
    "iscsi:h:/a",
  ])
    assert.throws(() => parseExternal(text), badInput, text);
  assert.throws(() => checkExternal({ type: "nfs", server: "h", path: "/a'b" }), badInput);
});

test("externalMount() puts the node in the path, and asks for version 3 where nobody has said otherwise", () => {
  const node = { id: "abc", name: "pi-1" };
  assert.deepEqual(externalMount(parseExternal("nfs:h:/n/{node}/{id}"), node), {
    server: "h",
    path: "/n/pi-1/abc",
    options: "nolock,vers=3",
  });
  assert.equal(
    externalMount(parseExternal("nfs:h:/n,nfsvers=4.2,hard"), node).options,
    "nolock,nfsvers=4.2,hard",
  );
});
