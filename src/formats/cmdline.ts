// A kernel command line: words between blanks, `name=value` or `name`; double quotes keep blanks (Documentation/admin-guide/kernel-parameters.rst).

/** The words of a command line in order, quotes kept as they stand. Newlines count as blanks: cmdline.txt is one line. */
export function splitCmdline(text: string): string[] {
  return text.match(/(?:[^\s"]|"[^"]*"?)+/g) ?? [];
}

/** The name of a word: `root` of `root=/dev/sda2`. The kernel takes - and _ for the same. */
export const wordName = (word: string): string => (word.split("=", 1)[0] ?? "").replaceAll("-", "_");

/** The last value of a parameter, as the kernel takes it; undefined where it is absent. */
export function cmdlineValue(text: string, name: string): string | undefined {
  const words = splitCmdline(text).filter((word) => wordName(word) === name.replaceAll("-", "_"));
  return words.at(-1)?.slice(name.length + 1);
}
