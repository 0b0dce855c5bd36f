// INQUIRY: standard data and vital product data (SPC-4 6.6 and 7.8, SBC-3 6.6).
import { Writer } from "../../base/bytes.ts";
import { toLatin1 } from "../../base/text.ts";
import { u16 } from "./cdb.ts";
import { MOST_TRANSFER } from "./opcodes.ts";
import { badField, give, type Outcome, type State, type Task, type UnitFacts } from "./state.ts";

export const LIMITS = {
  /** One UNMAP: blocks, descriptors. */
  unmapBlocks: 1 << 20,
  unmapDescriptors: 256,
  /** One WRITE SAME. */
  sameBlocks: 1 << 15,
  /** COMPARE AND WRITE, ORWRITE. */
  compareBlocks: 255,
} as const;

/** SAM-5, SPC-4, SBC-3, iSCSI: no version claimed (SPC-4 6.6.2, annex E.13). */
const VERSIONS = [0x00a0, 0x0460, 0x04c0, 0x0960];

const padded = (text: string, length: number): Uint8Array =>
  toLatin1(text.slice(0, length).padEnd(length, " "));

export function inquiry(state: State, { cdb }: Task): Outcome {
  const most = u16(cdb, 3);
  const [evpd, page] = [(cdb[1] as number) & 1, cdb[2] as number];
  if ((cdb[1] as number) & 0xfe) return badField(1);
  if (!evpd) return page ? badField(2) : give(standard(state.facts), most);
  const make = PAGES.get(page);
  if (!make) return badField(2);
  const body = make(state.facts);
  return give(new Writer(4 + body.length).u8(0).u8(page).u16(body.length).bytes(body).done(), most);
}

/** SPC-4 6.6.2: direct access, version 6 (SPC-4), response format 2, CMDQUE, 96 bytes. */
function standard(facts: UnitFacts): Uint8Array {
  const w = new Writer(96).u8(0).u8(0).u8(6).u8(0x12).u8(91).u8(0).u8(0).u8(0x02);
  w.bytes(padded("BRAMBLE", 8)).bytes(padded(facts.product, 16)).bytes(padded("1", 4)).zeros(22);
  for (const version of VERSIONS) w.u16(version);
  return w.zeros(96 - w.length).done();
}

const PAGES: ReadonlyMap<number, (facts: UnitFacts) => Uint8Array> = new Map([
  [0x00, () => Uint8Array.from(PAGES.keys())],
  [0x80, (facts: UnitFacts) => toLatin1(facts.serial)],
  [0x83, identification],
  [0x86, extended],
  [0xb0, blockLimits],
  [0xb1, characteristics],
  [0xb2, provisioning],
]);

interface Designator {
  /** CODE SET and the protocol, PIV, ASSOCIATION and DESIGNATOR TYPE (SPC-4 7.8.6.1). */
  set: number;
  kind: number;
  value: Uint8Array;
}

/** The unit by NAA (SPC-4 7.8.6.6.4), T10 vendor id (7.8.6.4) and SCSI name string (7.8.6.11). */
export function designators(facts: UnitFacts): Designator[] {
  const name = `naa.${facts.naa.toString(16).padStart(16, "0").toUpperCase()}`;
  return [
    { set: 1, kind: 3, value: new Writer(8).u64(facts.naa).done() },
    { set: 2, kind: 1, value: toLatin1(`BRAMBLE ${facts.product}:${facts.serial}`) },
    { set: 3, kind: 8, value: toLatin1(name.padEnd(Math.ceil((name.length + 1) / 4) * 4, "\0")) },
  ];
}
/** PIV, the target port that is asked, iSCSI: relative port 1 (SPC-4 7.8.6.8). */
const PORT: Designator = { set: 0x51, kind: 0x94, value: Uint8Array.of(0, 0, 0, 1) };

function identification(facts: UnitFacts): Uint8Array {
  const w = new Writer(128);
  for (const { set, kind, value } of [...designators(facts), PORT])
    w.u8(set).u8(kind).u8(0).u8(value.length).bytes(value);
  return w.done();
}

/** SPC-4 7.8.7: head of queue, ordered and simple tasks; nothing of protection information; V_SUP; LUICLR. */
function extended(): Uint8Array {
  const page = new Uint8Array(60);
  page[1] = 0x07;
  page[2] = 0x01;
  page[3] = 0x01;
  return page;
}

/** SBC-3 6.6.3. Lengths in blocks. */
function blockLimits(facts: UnitFacts): Uint8Array {
  const granularity = facts.physicalBlock / facts.blockSize;
  const transfer = MOST_TRANSFER / facts.blockSize;
  const w = new Writer(60).u8(0x01); // WSNZ: WRITE SAME of 0 blocks is refused
  w.u8(LIMITS.compareBlocks).u16(granularity).u32(transfer);
  w.u32(0); // no OPTIMAL TRANSFER LENGTH: Linux would read ahead twice that, at every page fault too
  w.u32(transfer); // pre-fetch
  w.u32(LIMITS.unmapBlocks).u32(LIMITS.unmapDescriptors).u32(granularity).u32(0x8000_0000); // UGAVALID, alignment 0
  w.u64(BigInt(LIMITS.sameBlocks));
  return w.zeros(60 - w.length).done();
}

/** SBC-3 6.6.2: does not rotate; WABEREQ 01b: reads after a BLOCK ERASE succeed. */
function characteristics(): Uint8Array {
  const page = new Uint8Array(60);
  page[1] = 1;
  page[3] = 0x40;
  return page;
}

/** SBC-3 6.6.4: LBPU, LBPWS, LBPWS10, LBPRZ; thin. */
function provisioning(): Uint8Array {
  return Uint8Array.of(0, 0xe4, 0x02, 0);
}
