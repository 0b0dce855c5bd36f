import { type Command, Option } from "commander";

/** Words for the shell: the commands, and the names of nodes and images as they are now. */
export function completionCommand(program: Command): void {
  program
    .command("completion")
    .description("a completion script for your shell: source <(bramble completion)")
    .addOption(new Option("--shell <shell>", "which one").choices(["bash", "zsh", "fish"]).default("bash"))
    .action(({ shell }: { shell: "bash" | "zsh" | "fish" }) => {
      console.log(shell === "fish" ? fish(program) : bash(program, shell === "zsh"));
    });
}

const names = (command: Command): string[] => command.commands.map((one) => one.name());
const flags = (command: Command): string[] => command.options.flatMap((option) => option.long ?? []);

/** `"image list"` → the words that may follow it. */
function tree(program: Command): Map<string, string[]> {
  const out = new Map<string, string[]>();
  const walk = (command: Command, path: string) => {
    out.set(path, [...names(command), ...flags(command)]);
    for (const sub of command.commands) walk(sub, `${path} ${sub.name()}`.trim());
  };
  walk(program, "");
  return out;
}

const NAMED = [
  "node show",
  "node set",
  "node tree",
  "node forget",
  "node enrol",
  "explain",
  ...["show", "reset", "serve", "snapshot", "snapshots", "drop", "rollback"].map((verb) => `clone ${verb}`),
  ...["export", "promote", "rebase", "resize", "quota", "merge"].map((verb) => `clone ${verb}`),
];

function bash(program: Command, zsh: boolean): string {
  const cases = [...tree(program)].map(([path, words]) => `    "${path}") words="${words.join(" ")}" ;;`);
  return `${zsh ? "autoload -U +X bashcompinit && bashcompinit\n" : ""}_bramble() {
  local path="" word words="" i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="\${COMP_WORDS[i]}"
    case "$word" in -*) ;; *) path="\${path:+$path }$word" ;; esac
  done
  case "$path" in
${cases.join("\n")}
  esac
  case "$path" in
    ${NAMED.map((path) => `"${path}"`).join("|")}) words="$words $(bramble node list -o json 2>/dev/null | sed -n 's/^    "name": "\\(.*\\)",/\\1/p')" ;;
    "image show"|"image rm") words="$words $(bramble image list -o json 2>/dev/null | sed -n 's/^    "name": "\\(.*\\)",/\\1/p')" ;;
    "volume show"|"volume attach"|"volume detach"|"volume resize"|"volume rm") words="$words $(bramble volume list -o json 2>/dev/null | sed -n 's/^    "name": "\\(.*\\)",/\\1/p')" ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -F _bramble bramble ./bramble`;
}

function fish(program: Command): string {
  const lines = [...tree(program)].flatMap(([path, words]) => {
    const seen = path
      .split(" ")
      .filter((word) => word !== "")
      .map((word) => `__fish_seen_subcommand_from ${word}`)
      .join("; and ");
    return words
      .filter((word) => !word.startsWith("--"))
      .map((word) => `complete -c bramble -f -n '${seen || "__fish_use_subcommand"}' -a ${word}`);
  });
  return lines.join("\n");
}
