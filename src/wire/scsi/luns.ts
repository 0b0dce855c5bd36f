// Which units there are (SPC-4 6.33), and commands to one that is not there (SPC-4 6.6.2, SAM-5 5.11).
import { Writer } from "../../base/bytes.ts";
import { u16, u32 } from "./cdb.ts";
import { encodeSense, SENSE, type Sense, STATUS } from "./sense.ts";
import { badField, give, type Outcome, type Task } from "./state.ts";

const REPORT_LUNS = 0xa0;
const INQUIRY = 0x12;
const REQUEST_SENSE = 0x03;

/** Eight bytes for each LUN, peripheral or flat space addressing (SAM-5 4.7.7); SELECT REPORT 1 and 10h..12h: well-known ones, of which there are none. */
export function reportLuns({ cdb }: Task, luns: readonly number[]): Outcome {
  const select = cdb[2] as number;
  if (u32(cdb, 6) < 16) return badField(6);
  if (select > 2 && !(select >= 0x10 && select <= 0x12)) return badField(2);
  const listed = select === 0 || select === 2 ? luns : [];
  const w = new Writer(8 + 8 * listed.length).u32(8 * listed.length).u32(0);
  for (const lun of listed) w.u16(lun < 256 ? lun : 0x4000 | lun).zeros(6);
  return give(w.done(), u32(cdb, 6));
}

/** REPORT LUNS to any LUN, and everything to a LUN that has no unit. */
export function answerWithoutUnit(
  task: Task,
  luns: readonly number[],
): { status: number; sense?: Uint8Array; dataIn?: Uint8Array } {
  const { cdb } = task;
  if (cdb[0] === REPORT_LUNS) return encoded(reportLuns(task, luns));
  if (cdb[0] === INQUIRY && ((cdb[1] as number) & 1) === 0 && cdb[2] === 0) {
    // Qualifier 011b, type 1Fh: the target could have a unit here, and has none.
    const standard = new Writer(36).u8(0x7f).u8(0).u8(6).u8(2).u8(31).zeros(31).done();
    return encoded(give(standard, u16(cdb, 3)));
  }
  const sense: Sense = { code: SENSE.NO_SUCH_UNIT };
  if (cdb[0] === REQUEST_SENSE)
    return encoded(give(encodeSense(sense, ((cdb[1] as number) & 1) !== 0), cdb[4] as number));
  return encoded({ status: STATUS.CHECK_CONDITION, sense });
}

const encoded = ({
  status,
  sense,
  dataIn,
}: Outcome): { status: number; sense?: Uint8Array; dataIn?: Uint8Array } => ({
  status,
  ...(sense ? { sense: encodeSense(sense, false) } : {}),
  ...(dataIn ? { dataIn } : {}),
});
