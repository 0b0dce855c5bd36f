import assert from "node:assert/strict";
import { file, linkTo } from "./given.ts";
import { cuts } from "./sizes.ts";
import { good } from "./user.ts";
import { ANN, group } from "./world.ts";

group("ftruncate", [
  ...cuts("ftruncate()", async (user, path, size) => (await user.open(path, "modify")).truncate(size)),
  {
    promises: "ftruncate() of a file whose mode has gone since it was opened works for its owner",
    given: { file: file("text", ANN) },
    check: async ({ ann }) => {
      const open = await ann.open("file", "modify");
      await ann.chmod("file", 0o400);
      await open.truncate(2);
      assert.equal(await ann.text("file"), "te");
    },
  },
  {
    promises: "ftruncate() goes by the file, not by the name that it was opened with",
    given: { one: file("the file"), other: linkTo("one"), new: file("another") },
    check: async ({ root }) => {
      const open = await root.open("one", "modify");
      await root.rename("new", "one");
      await open.truncate(3);
      assert.deepEqual([await root.text("one"), await root.text("other")], ["another", "the"]);
    },
  },
  {
    promises: "a file grows by ftruncate() between two unstable writes, and keeps both",
    given: { file: file("", ANN) },
    check: async ({ ann, tree }) => {
      const open = await ann.open("file", "modify");
      await open.write("begin", 0, 0);
      await open.truncate(10_000);
      await open.write("end", 9_000, 0);
      await good(tree.commit(open.ino, 0, 0));
      const text = await ann.text("file");
      assert.equal(text, `${"begin".padEnd(9000, "\0")}end`.padEnd(10_000, "\0"));
    },
  },
]);
