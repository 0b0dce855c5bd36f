// A stage reads config.txt: the file, then what it includes, by the stage's own rules.
import { latin1 } from "../base/text.ts";
import type { Stage } from "../formats/config-txt/filters.ts";
import { type ConfigTxt, interpretation } from "../formats/config-txt.ts";
import type { Bench } from "./board.ts";
import type { Run } from "./machine.ts";
import { type Fetched, probeAndRead, read } from "./tftp-client.ts";

interface Pass {
  stage: Stage;
  /** Put before every name: "", "12345678/", "12345678//". */
  prefix: string;
  /** start*.elf asks first whether the file is there. */
  probes: boolean;
  firstPass?: boolean;
}

/** `found` is false where there is no such file: the stage goes on as with an empty one. */
export function* readConfig(bench: Bench, pass: Pass): Run<{ config: ConfigTxt; found: boolean }> {
  const name = bench.pi.tryboot ? "tryboot.txt" : "config.txt";
  const get = (file: string): Run<Fetched | undefined> =>
    (pass.probes ? probeAndRead : read)(bench, pass.prefix + file);
  const file = yield* get(name);
  const steps = interpretation(latin1(file?.bytes ?? new Uint8Array(0)), {
    board: bench.board,
    stage: pass.stage,
    tryboot: bench.pi.tryboot ?? false,
    firmwareDate: bench.pi.firmwareDate,
    firstPass: pass.firstPass ?? false,
  });
  let step = steps.next(undefined);
  while (!step.done) {
    const included: Fetched | undefined = yield* get(step.value);
    step = steps.next(included && latin1(included.bytes));
  }
  bench.boot.notes.splice(0, Number.POSITIVE_INFINITY, ...step.value.notes);
  return { config: step.value, found: file !== undefined };
}
