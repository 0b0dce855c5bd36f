import type { DhcpPacket } from "./packet.ts";

/** A client's packet that says nothing yet: every field of the fixed part but xid, chaddr and options. */
export const BLANK = {
  op: 1,
  htype: 1,
  hops: 0,
  secs: 0,
  broadcast: false,
  ciaddr: "0.0.0.0",
  yiaddr: "0.0.0.0",
  siaddr: "0.0.0.0",
  giaddr: "0.0.0.0",
  sname: "",
  file: "",
} as const satisfies Partial<DhcpPacket>;
