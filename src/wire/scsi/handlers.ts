// Which function answers which command.
import * as basics from "./basics.ts";
import { read, write } from "./blocks.ts";
import { inquiry } from "./inquiry.ts";
import type { CommandName } from "./opcodes.ts";
import type { DiskOrder, Outcome, State, Steps, Task } from "./state.ts";

export type Handler = (state: State, task: Task) => Outcome | DiskOrder | Steps;

export const HANDLERS: { readonly [name in CommandName]?: Handler } = {
  "TEST UNIT READY": basics.testUnitReady,
  "REQUEST SENSE": basics.requestSense,
  INQUIRY: inquiry,
  "READ CAPACITY(10)": basics.readCapacity10,
  "READ CAPACITY(16)": basics.readCapacity16,
  "MODE SENSE(6)": basics.modeSense,
  "MODE SENSE(10)": basics.modeSense,
  "MODE SELECT(6)": basics.modeSelect,
  "MODE SELECT(10)": basics.modeSelect,
  "START STOP UNIT": basics.startStop,
  "SEND DIAGNOSTIC": basics.sendDiagnostic,
  "READ DEFECT DATA(10)": basics.readDefects,
  "READ DEFECT DATA(12)": basics.readDefects,
  "READ(6)": read,
  "READ(10)": read,
  "READ(12)": read,
  "READ(16)": read,
  "WRITE(6)": write,
  "WRITE(10)": write,
  "WRITE(12)": write,
  "WRITE(16)": write,
};
