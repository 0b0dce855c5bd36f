import { STATUS, type StatusCode } from "../wire/nfs/status.ts";

/** What a client is told of an error of ours, by its code: our own's or the system's. */
export function statusOf(error: unknown): StatusCode {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  switch (code) {
    case "DISK_FULL":
    case "ENOSPC":
      return STATUS.NOSPC;
    case "EDQUOT":
      return STATUS.DQUOT;
    case "DISK_IO":
    case "DISK_RANGE":
    case "EIO":
      return STATUS.IO;
    case "DISK_READ_ONLY":
    case "EROFS":
      return STATUS.ROFS;
    default:
      return STATUS.SERVERFAULT;
  }
}
