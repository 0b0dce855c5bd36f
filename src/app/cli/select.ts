import { type Command, InvalidArgumentError } from "commander";
import type { Calls } from "../../api/contract.ts";
import { isSelector } from "../../fleet/select.ts";
import { foldHostlist } from "../../fleet/select-hostlist.ts";

/** What `selecting()` adds. */
export interface SelectOptions {
  select?: string;
}

/** Adds `-l` to a verb that takes several nodes. */
export const selecting = (command: Command): Command =>
  command.option("-l, --select <selector>", "the nodes that fit: rack=3,model in (4B,5),!broken");

/** One text that means nodes, for the API: names and hostlists of the arguments, or `-l`. */
export function selection(names: readonly string[], { select }: SelectOptions): string {
  if (select !== undefined && names.length > 0)
    throw new InvalidArgumentError("name nodes, or give -l: not both");
  if (select !== undefined)
    // the API tells a selector from a hostlist by its signs; a label alone has none
    return isSelector(select) ? select : select.replace(/^([^,]+)/, "$1=*");
  if (names.length === 0)
    throw new InvalidArgumentError("which nodes? name them, pi[01-30], or give -l SELECTOR");
  return names.join(",");
}

/** The same where no nodes mean all. */
export const someOrAll = (names: readonly string[], given: SelectOptions): { select?: string } =>
  names.length === 0 && given.select === undefined ? {} : { select: selection(names, given) };

/** Names of the nodes that are meant. One name alone may be the beginning of one, as everywhere. */
export async function nodesMeant(
  commands: Pick<Calls, "places">,
  names: readonly string[],
  given: SelectOptions,
): Promise<string[]> {
  const [only] = names;
  if (only !== undefined && names.length === 1 && given.select === undefined && !/[[\]*?,\s]/.test(only))
    return [only];
  return (await commands.places({ select: selection(names, given) })).map(({ node }) => node);
}

/** "3: pi[1-3] are labelled." */
export const manyWords = (nodes: readonly string[], what: string): string =>
  nodes.length === 0 ? "No node fits." : `${nodes.length}: ${foldHostlist(nodes)} ${what}.`;
