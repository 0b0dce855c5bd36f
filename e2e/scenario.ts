/** A program of somebody else that a scenario cannot do without, and Debian's package that has it. */
export interface Need {
  tool: string;
  package: string;
}

/** Pieces that are built once, with a network, and kept in the cache; scenarios have no network but their own. */
export type AssetName =
  | "mini-image"
  | "nfs-kernel-image"
  | "docker-image"
  | "load-image"
  | "pi-image"
  | "agent-packages"
  | "growpart";

export interface Scenario {
  name: string;
  /** ci: in every run; full: only when asked for. */
  tier: "ci" | "full";
  /** More than this is a failure. Building assets does not count. */
  budgetSeconds: number;
  /** Its numbers are spoilt by another scenario beside it. */
  alone?: true;
  needs: Need[];
  assets: AssetName[];
  run(t: Stage): Promise<void>;
}

/**
 * What a scenario runs on: a process in network, process and mount namespaces of its own. Whatever it starts or leaves behind ends with it.
 */
export interface Stage {
  /** An empty folder, removed after a success. */
  folder: string;
  /** A folder for all scenarios of this run. */
  shared: string;
  asset(name: AssetName): string;
  /** A line of the report: numbers, decisions. */
  say(text: string): void;
  /** Runs at the end, last registered first, also after a failure. */
  atEnd(what: () => unknown): void;
}

export const QEMU: Need = { tool: "qemu-system-aarch64", package: "qemu-system-arm" };
