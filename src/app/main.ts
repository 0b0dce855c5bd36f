import { CommanderError } from "commander";
import { complain } from "./cli/print.ts";
import { makeProgram } from "./program.ts";

const program = makeProgram();
try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode;
  else {
    complain(error, program.opts()["verbose"] === true);
    process.exitCode = 1;
  }
}
