/**
 * The path of a request as the tree knows it ("a/b"): a Pi 5 asks for "da591740//config.txt", others for "/config.txt".
 * Undefined where it could lead out of the tree or could not be the name of a boot file. Backslashes are letters like others.
 */
export function treePath(asked: string): string | undefined {
  const parts = asked.split("/").filter((part) => part !== "");
  if (parts.length === 0 || parts.includes(".") || parts.includes("..")) return undefined;
  for (let i = 0; i < asked.length; i++) {
    const code = asked.charCodeAt(i);
    if (code < 0x20 || code === 0x7f) return undefined; // NUL and what would write into somebody's terminal
  }
  return parts.join("/");
}
