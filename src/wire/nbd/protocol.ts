// The numbers of NBD: fixed newstyle handshake, simple and structured replies (the NBD project's doc/proto.md).

export const NBDMAGIC = 0x4e42444d41474943n;
export const IHAVEOPT = 0x49484156454f5054n;
export const OPTION_REPLY = 0x3e889045565a9n;
export const REQUEST = 0x25609513;
export const SIMPLE_REPLY = 0x67446698;
export const STRUCTURED_REPLY = 0x668e33ef;

/** Handshake flags of the server; the client answers with the same bits. */
export const HELLO = { FIXED_NEWSTYLE: 1, NO_ZEROES: 2 } as const;

export const OPTION = {
  EXPORT_NAME: 1,
  ABORT: 2,
  LIST: 3,
  INFO: 6,
  GO: 7,
  STRUCTURED_REPLY: 8,
  LIST_META_CONTEXT: 9,
  SET_META_CONTEXT: 10,
} as const;

export const ANSWER = {
  ACK: 1,
  SERVER: 2,
  INFO: 3,
  META_CONTEXT: 4,
  ERR_UNSUP: 0x80000001,
  ERR_INVALID: 0x80000003,
  ERR_UNKNOWN: 0x80000006,
  ERR_TOO_BIG: 0x80000009,
} as const;

export const INFO = { EXPORT: 0, NAME: 1, BLOCK_SIZE: 3 } as const;

/** Transmission flags: what an export can do. FAST_ZERO is not among ours: a zero that must be fast is refused. */
export const CAN = {
  HAS_FLAGS: 1,
  READ_ONLY: 2,
  FLUSH: 4,
  FUA: 8,
  TRIM: 32,
  WRITE_ZEROES: 64,
  DF: 128,
  MULTI_CONN: 256,
} as const;

export const COMMAND = {
  READ: 0,
  WRITE: 1,
  DISC: 2,
  FLUSH: 3,
  TRIM: 4,
  WRITE_ZEROES: 6,
  BLOCK_STATUS: 7,
} as const;
export const FLAG = { FUA: 1, NO_HOLE: 2, DF: 4, REQ_ONE: 8, FAST_ZERO: 16 } as const;
export const CHUNK = { NONE: 0, OFFSET_DATA: 1, BLOCK_STATUS: 5, ERROR: 0x8001, DONE: 1 } as const;
export const ERRNO = { OK: 0, EPERM: 1, EIO: 5, EINVAL: 22, ENOSPC: 28, ENOTSUP: 95 } as const;

/** Bits of base:allocation. */
export const STATE = { HOLE: 1, ZERO: 2 } as const;
export const ALLOCATION = "base:allocation";
export const ALLOCATION_ID = 1;

/** Bytes of one READ or WRITE: what a client may send where nothing else was agreed on. */
export const MOST_PAYLOAD = 32 << 20;
export const PREFERRED_BLOCK = 4096;
/** Bytes of one option; longer ones are skipped and refused. A name may have 4,096. */
export const MOST_OPTION = 16 << 10;
export const MOST_NAME = 4096;
/** Options in one handshake: a real client needs fewer than ten. */
export const MOST_OPTIONS = 128;
/** Extents in one BLOCK_STATUS reply; a client asks again for the rest. */
export const MOST_EXTENTS = 4096;
/** Bytes that one BLOCK_STATUS looks at. */
export const MOST_STATUS = 1 << 30;
