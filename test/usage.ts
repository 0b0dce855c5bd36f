/** What `parse` reads from the command line; with words that it refuses, or --help, this tells what there is and ends the program. */
export function orUsage<T>(usage: string, parse: () => T): T {
  if (process.argv.includes("--help")) {
    console.log(usage);
    process.exit(0);
  }
  try {
    return parse();
  } catch (error) {
    console.error(`${(error as Error).message}\n${usage}`);
    process.exit(2);
  }
}
