import { hostFolder } from "./host-folder.ts";
import { cloneFiles } from "./layers-index.ts";

/** Removes a clone that nobody has open, with its layers. Half way through it is no clone any more, and called again it goes on. */
export function removeCloneFiles(path: string): void {
  for (const file of cloneFiles(path, hostFolder)) hostFolder.remove(file);
}
