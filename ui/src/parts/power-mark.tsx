import type { NodeView } from "../../../src/api/contract.ts";

/** Power as it was last observed; nothing where nobody knows. */
export const PowerMark = (_: { node: NodeView }) => null;
export const PowerFacts = (_: { node: NodeView }) => null;
