// What the address plan and the profiles say to DHCP: which address is whose, and what iPXE is told to load.
import { managementName } from "../fleet/address-hosts.ts";
import { addressOf } from "../fleet/address-plan.ts";
import { IPXE_FILE } from "../fleet/boot-tree.ts";
import type { FleetAnswer } from "../fleet/dhcp-context.ts";
import type { BootStage, Sender } from "../fleet/identify.ts";
import type { Node } from "../fleet/node.ts";
import type { DhcpEvent, DhcpInterface } from "../serve/dhcp.ts";
import type { Core } from "./core.ts";

/** What UEFI and U-Boot of a node are offered, from its own boot partition: the path that removable media have (UEFI 2.10, 3.5.1.1). */
const EFI_FILE = "EFI/BOOT/BOOTAA64.EFI";
const EFI_STAGES: readonly BootStage[] = ["uefi", "uboot"];

type Parts = Pick<Core, "registry" | "profiles" | "journal">;

export function plannedAnswers({ registry, profiles }: Omit<Parts, "journal">) {
  return {
    /** The address that a node is to have, drawn from the plan's pools where it has none yet. */
    address(node: Node): Pick<FleetAnswer, "reservedAddress"> {
      registry.addresses.planFor(node);
      const planned = addressOf(node, "client");
      return planned ? { reservedAddress: planned.address } : {};
    },
    /** A client that is no node: perhaps a node's management interface, which boots nothing from us. */
    other({ mac }: Pick<Sender, "mac">): FleetAnswer {
      const node = registry.addresses.managedBy(mac);
      if (!node) return { answer: false, reason: "not a Raspberry Pi's firmware, and no node of ours" };
      registry.addresses.planFor(node);
      const planned = addressOf(node, "management");
      return {
        answer: false,
        hostname: managementName(node.name),
        reason: `the management interface of ${node.name}`,
        ...(planned && { reservedAddress: planned.address }),
      };
    },
    bootFile(node: Node, stage: BootStage): Pick<FleetAnswer, "bootFile"> {
      if (stage === "ipxe")
        return profiles.templates(node.profile).ipxe === undefined ? {} : { bootFile: IPXE_FILE };
      return EFI_STAGES.includes(stage) ? { bootFile: EFI_FILE } : {};
    },
  };
}

/** Says on a node's page that somebody else's DHCP server gave it another address than it should have. */
export function addressNews(
  { registry, journal }: Omit<Parts, "profiles">,
  interfaces: readonly DhcpInterface[],
) {
  return (told: Pick<DhcpEvent, "mac" | "serial" | "learned" | "interface">): void => {
    const { learned } = told;
    const on = interfaces.find(({ name, address }) => (name ?? address) === told.interface);
    if (learned === undefined || on === undefined || on.mode === "full") return;
    const node = registry.byMac(told.mac) ?? (told.serial ? registry.bySerial(told.serial) : undefined);
    const planned = node && addressOf(node, "client");
    if (!planned || planned.address === learned) return;
    const words = `it has ${learned} from another DHCP server, and not ${planned.address} of the plan (${planned.from}): Bramble gives no addresses here (mode ${on.mode})`;
    journal.event("address", node.id, words);
  };
}
