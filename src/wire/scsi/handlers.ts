// Which function answers which command.

import { compareAndWrite, orWrite } from "./atomic.ts";
import * as basics from "./basics.ts";
import { read, write } from "./blocks.ts";
import * as cache from "./cache.ts";
import * as copy from "./copy.ts";
import { inquiry } from "./inquiry.ts";
import type { CommandName } from "./opcodes.ts";
import * as provisioning from "./provisioning.ts";
import * as report from "./report.ts";
import * as reserving from "./reserving.ts";
import type { DiskOrder, Outcome, State, Steps, Task } from "./state.ts";
import { verify, writeAndVerify } from "./verify.ts";

export type Handler = (state: State, task: Task) => Outcome | DiskOrder | Steps;

export const HANDLERS: { readonly [name in CommandName]: Handler | undefined } = {
  "REPORT LUNS": undefined, // the target's to answer: luns.ts
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
  "WRITE AND VERIFY(10)": writeAndVerify,
  "WRITE AND VERIFY(12)": writeAndVerify,
  "WRITE AND VERIFY(16)": writeAndVerify,
  "VERIFY(10)": verify,
  "VERIFY(12)": verify,
  "VERIFY(16)": verify,
  "PRE-FETCH(10)": cache.preFetch,
  "PRE-FETCH(16)": cache.preFetch,
  "SYNCHRONIZE CACHE(10)": cache.synchronize,
  "SYNCHRONIZE CACHE(16)": cache.synchronize,
  "COMPARE AND WRITE": compareAndWrite,
  "ORWRITE(16)": orWrite,
  UNMAP: provisioning.unmap,
  "WRITE SAME(10)": provisioning.writeSame,
  "WRITE SAME(16)": provisioning.writeSame,
  "GET LBA STATUS": provisioning.lbaStatus,
  "SANITIZE BLOCK ERASE": provisioning.blockErase,
  "SANITIZE EXIT FAILURE MODE": provisioning.exitFailureMode,
  "EXTENDED COPY(LID1)": copy.extendedCopy,
  "RECEIVE COPY STATUS(LID1)": copy.copyStatus,
  "RECEIVE COPY OPERATING PARAMETERS": copy.copyParameters,
  "REPORT SUPPORTED OPERATION CODES": report.reportOpcodes,
  "REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS": report.reportTaskManagement,
  "RESERVE(6)": reserving.reserve,
  "RESERVE(10)": reserving.reserve,
  "RELEASE(6)": reserving.release,
  "RELEASE(10)": reserving.release,
  "PRIN READ KEYS": reserving.readKeys,
  "PRIN READ RESERVATION": reserving.readReservation,
  "PRIN REPORT CAPABILITIES": reserving.reportCapabilities,
  "PRIN READ FULL STATUS": reserving.readFullStatus,
  "PROUT REGISTER": reserving.reserveOut,
  "PROUT RESERVE": reserving.reserveOut,
  "PROUT RELEASE": reserving.reserveOut,
  "PROUT CLEAR": reserving.reserveOut,
  "PROUT PREEMPT": reserving.reserveOut,
  "PROUT PREEMPT AND ABORT": reserving.reserveOut,
  "PROUT REGISTER AND IGNORE": reserving.reserveOut,
};
