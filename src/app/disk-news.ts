// What the disk plane tells, on the pages that it concerns.
import type { Fact } from "../fleet/boots.ts";
import type { Node } from "../fleet/node.ts";
import type { DiskEvent } from "./planes/disk-calls.ts";

export interface DiskNewsOptions {
  node(id: string): Node | undefined;
  /** Whose address is it, as far as we have heard? */
  neighbour(address: string): Node | undefined;
  /** The node whose disk lies at this path. */
  ownerOf(path: string): Node | undefined;
  event(kind: string, node: Node | undefined, words: string): void;
  /** A line of the timeline of the node's present boot. */
  step(node: Node, words: string, fact: Fact): void;
  moved(told: Extract<DiskEvent, { kind: "moved" }>): void;
}

export function diskNews(options: DiskNewsOptions): (told: DiskEvent) => void {
  const { event } = options;
  const nodeOf = (name: string | undefined) => options.node(name?.split("/")[0] ?? "");

  /** On the owner's page, and on the page of the one who came. */
  function both(owner: Node | undefined, address: string, words: string): void {
    event("disk", owner, words);
    const other = options.neighbour(address);
    if (other && other.id !== owner?.id)
      event("disk", other, `it asked for the disk of ${owner?.name ?? "nobody"}: ${words}`);
  }

  return (told) => {
    const node = "name" in told ? nodeOf(told.name) : undefined;
    switch (told.kind) {
      case "refused":
        both(node, told.address, `${told.address} asked for a disk and was refused: ${told.why}`);
        if (node) options.step(node, `${told.address} was refused: ${told.why}`, "root-refused");
        return;
      case "tookOver":
        both(node, told.address, `${told.address} took its disk over from ${told.from}: ${told.why}`);
        return;
      case "moved":
        both(node, told.address, `the node has its disk from ${told.address} now`);
        options.moved(told);
        return;
      case "notice":
        event("disk", node ?? options.ownerOf(told.path ?? ""), told.words);
        return;
      case "quota": {
        const percent = Math.floor((told.ownBytes / told.quota) * 100);
        const then =
          percent < 100
            ? ""
            : ": new writes fail until files are deleted and trimmed, or the quota is raised";
        event("quota", options.ownerOf(told.path), `its disk has used ${percent} % of its quota${then}`);
        return;
      }
      default: {
        const words =
          told.kind === "opened"
            ? `its disk was opened from ${told.address} over ${told.how}`
            : `its disk was closed (${told.why ?? told.address})`;
        event("disk", node, words);
        if (node) options.step(node, words, told.kind === "opened" ? "root-opened" : "root-closed");
      }
    }
  };
}
