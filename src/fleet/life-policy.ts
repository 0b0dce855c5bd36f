import { BrambleError } from "../base/errors.ts";

/** What a person has decided for all nodes (docs/lifecycle.md). */
export interface LifePolicy {
  /** `home`: who is enrolled is deployed at once, nobody owns anything. `hosting`: nodes have owners, and are inspected and cleaned before anybody gets them. */
  name: "home" | "hosting";
  /** Whether a released node's boot firmware is checked before it is cleaned. `required` refuses releases: checking is not to be had yet. */
  firmware: "unchecked" | "required";
  /** A board's own disks (card, NVMe, USB) at cleaning: `leave` them as they are, or `refuse` to call such a node clean: wiping them is not to be had yet. */
  localDisks: "leave" | "refuse";
  /** Two boards that claim to be one node: `true` quarantines it. Whoever can send DHCP packets can cause that. */
  quarantineOnMove: boolean;
}

export const POLICIES: { readonly [N in LifePolicy["name"]]: LifePolicy } = {
  home: { name: "home", firmware: "unchecked", localDisks: "leave", quarantineOnMove: false },
  hosting: { name: "hosting", firmware: "required", localDisks: "refuse", quarantineOnMove: false },
};

/** A policy as it is kept, JSON; undefined is `home`. Throws BAD_INPUT. */
export function parsePolicy(text: string | undefined): LifePolicy {
  if (text === undefined) return POLICIES.home;
  const said = JSON.parse(text) as Partial<LifePolicy>;
  const standard = said.name && Object.hasOwn(POLICIES, said.name) ? POLICIES[said.name] : undefined;
  if (!standard)
    throw new BrambleError("BAD_INPUT", `${said.name} is no policy`, { hint: "home or hosting" });
  return { ...standard, ...said };
}
