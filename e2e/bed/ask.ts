import type { Guest } from "./guest.ts";

let asked = 0;

/** What a command prints on a guest's console. */
export async function ask(guest: Guest, command: string, seconds = 60): Promise<string> {
  const n = asked++;
  // doubled by quotes: the line as it was typed is on the console too
  guest.type(`echo "BE""GIN ${n}"; ${command}; echo "EN""D ${n}."`);
  const [, text = ""] = await guest.saw(new RegExp(`BEGIN ${n}\\s([\\s\\S]*?)END ${n}\\.`), seconds);
  return text.replaceAll("\r", "").trim();
}
