import assert from "node:assert/strict";
import { test } from "node:test";
import { memoryTree } from "./keep-testing.ts";

const modeOf = async ({ inside }: ReturnType<typeof memoryTree>["tree"], path: string) =>
  (await inside.look(path))?.mode;

test("put() gives a file the mode that was asked for, set-user-id and set-group-id too, whoever owns it", async () => {
  const { tree } = memoryTree();
  for (const mode of [0o4755, 0o2755, 0o6711, 0o4644, 0o755]) {
    const path = `usr/bin/tool-${mode.toString(8)}`;
    for (const what of ["new", "in the place of what is there"]) {
      await tree.inside.put(path, Buffer.from(`a program, ${what}`), { mode, uid: 0, gid: 12 });
      assert.equal((await modeOf(tree, path))?.toString(8), mode.toString(8), `${path}, ${what}`);
    }
  }
});

test("put() takes set-user-id from a file that is to be without it, and gives it to an empty one", async () => {
  const { tree } = memoryTree();
  await tree.inside.put("su", new Uint8Array(0), { mode: 0o4755, uid: 0, gid: 0 });
  assert.equal(await modeOf(tree, "su"), 0o4755);
  await tree.inside.put("su", Buffer.from("harmless"), { mode: 0o755, uid: 0, gid: 0 });
  assert.equal(await modeOf(tree, "su"), 0o755);
});
