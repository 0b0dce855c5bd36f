// Who has which address, for DHCP and people: in memory, with what the plan's pools give.
import {
  ADDRESS_KINDS,
  addressOf,
  type Planned,
  type PlanTrouble,
  planAddresses,
} from "../fleet/address-plan.ts";
import type { Node } from "../fleet/node.ts";
import type { AddressPools } from "./model-groups.ts";
import { setOrDrop } from "./settings-patch.ts";

export interface PlannedNodes {
  all(): readonly Node[];
  saveAll(nodes: readonly Node[]): Promise<void>;
}

export class Addresses {
  readonly #nodes: PlannedNodes;
  readonly #pools: AddressPools;
  /** Made when they are asked for. */
  #reserved: ReadonlyMap<string, Node> | undefined;
  #managed: ReadonlyMap<string, Node> | undefined;
  /** Nodes that the plan has seen since they were enrolled. */
  readonly #considered = new WeakSet<Node>();

  constructor(nodes: PlannedNodes, pools: AddressPools) {
    this.#nodes = nodes;
    this.#pools = pools;
  }

  /** Nodes, or what they are set to, have changed. */
  changed(): void {
    this.#reserved = undefined;
    this.#managed = undefined;
  }

  /** Whose address it is, by a person's word or by the plan. */
  ownerOf(address: string): Node | undefined {
    this.#reserved ??= new Map(
      this.#nodes.all().flatMap((node) =>
        ADDRESS_KINDS.flatMap((kind): [string, Node][] => {
          const has = addressOf(node, kind);
          return has ? [[has.address, node]] : [];
        }),
      ),
    );
    return this.#reserved.get(address);
  }

  /** The node whose management interface has this MAC. */
  managedBy(mac: string): Node | undefined {
    this.#managed ??= new Map(
      this.#nodes
        .all()
        .flatMap((node): [string, Node][] =>
          node.managementMac === undefined ? [] : [[node.managementMac, node]],
        ),
    );
    return this.#managed.get(mac);
  }

  /** Draws addresses where this node may be new to the plan; they are there at once, and in the book soon. */
  planFor(node: Node): void {
    if (node.state === "discovered" || this.#considered.has(node) || this.#pools.all().length === 0) return;
    this.plan().catch(() => {}); // whoever closes the registry is told
  }

  /** The same for one node whose labels or place have changed: who else waits for an address has to wait on. */
  async planNode(node: Node): Promise<void> {
    if (this.#pools.all().length === 0) return;
    this.ownerOf("");
    const others = [...(this.#reserved ?? [])].flatMap(([address, owner]) =>
      owner === node ? [] : [address],
    );
    const { planned } = planAddresses([node], this.#pools.all(), others);
    await this.#put([node], planned);
  }

  /** Gives addresses of the pools to the nodes that they are for; who has one that still fits keeps it. */
  async plan(): Promise<PlanTrouble[]> {
    const nodes = this.#nodes.all();
    const { planned, trouble } = planAddresses(nodes, this.#pools.all());
    await this.#put(nodes, planned);
    return trouble;
  }

  async #put(nodes: readonly Node[], planned: ReadonlyMap<string, Planned | undefined>): Promise<void> {
    const changed = nodes.filter(
      (node) => JSON.stringify(node.planned) !== JSON.stringify(planned.get(node.id)),
    );
    for (const node of nodes) if (node.state !== "discovered") this.#considered.add(node);
    for (const node of changed) setOrDrop(node, "planned", planned.get(node.id) ?? null);
    if (changed.length > 0) this.changed();
    await this.#nodes.saveAll(changed);
  }
}
