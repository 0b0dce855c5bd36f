import { CommanderError } from "commander";
import { complain } from "./cli/print.ts";
import type { GlobalOptions } from "./cli/session.ts";
import { makeProgram } from "./program.ts";

const program = makeProgram();
try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode;
  else {
    const { output, verbose } = program.opts<GlobalOptions>();
    complain(error, output, verbose === true);
    process.exitCode = 1;
  }
}
