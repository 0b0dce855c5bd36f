import type { TestContext } from "node:test";
import type { NfsTree } from "../../src/wire/nfs/tree.ts";
/** A node's tree over an ext4. */
export async function openTree(_t: TestContext, _image: string): Promise<NfsTree> {
  throw new Error("not yet");
}
