import { CommanderError, InvalidArgumentError } from "commander";
import { complain } from "./cli/complain.ts";
import type { GlobalOptions } from "./cli/session.ts";
import { makeProgram } from "./program.ts";

const program = makeProgram();
try {
  await program.parseAsync();
} catch (error) {
  // commander has printed its own; one that a command threw while it ran has not been told yet
  if (error instanceof CommanderError && !(error instanceof InvalidArgumentError))
    process.exitCode = error.exitCode;
  else {
    const { output, verbose } = program.opts<GlobalOptions>();
    complain(error, output, verbose === true);
    process.exitCode = 1;
  }
}
