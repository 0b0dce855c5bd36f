/** Every code that Bramble can report. docs/errors.md has one entry for each (test/errors.test.ts compares them). */
export type Code =
  | "WIRE_SHORT" // a packet ends inside a field
  | "WIRE_VALUE" // a field holds a value that the format does not allow
  | "FORMAT_SHORT" // a disk structure ends early
  | "FORMAT_VALUE" // a disk structure holds a value that its format does not allow
  | "FORMAT_UNSUPPORTED" // a feature that we refuse by name
  | "DISK_RANGE" // outside the disk
  | "DISK_IO" // the host's disk failed
  | "DISK_FULL" // the host's disk is full
  | "DISK_READ_ONLY"
  | "FILE_UNKNOWN"
  | "IMAGE_UNKNOWN" // no image of that name, version or hash; or more than one
  | "IMAGE_IN_USE" // clones stand on it
  | "IMAGE_DAMAGED" // the file is cut short, corrupt, or no disk image at all
  | "IMAGE_CHECKSUM" // the sha256 that was asked for is not what was read
  | "IMAGE_NAME_TAKEN" // another image or firmware set has that name and version already
  | "DOWNLOAD_FAILED" // the web server, or the way to it
  | "FIRMWARE_UNKNOWN" // no firmware set of that name or version
  | "FIRMWARE_IN_USE" // profiles name it
  | "CANCELLED" // stopped because somebody asked for it
  | "BOOK_DAMAGED" // the book cannot be opened or migrated
  | "CLONE_BUSY" // a node runs from it
  | "CLONE_DAMAGED" // its files do not fit together: somebody changed one by other ways
  | "TREE_DAMAGED" // what is kept of nodes' NFS roots is broken: journal, checkpoint or data files
  | "SNAPSHOT_UNKNOWN" // the clone has no snapshot of that name
  | "VOLUME_UNKNOWN"
  | "VOLUME_TAKEN" // a volume of that name is there already
  | "VOLUME_IN_USE" // it is attached, or a profile gives it
  | "PACKAGES_UNTRUSTED" // a Debian index or package without a good signature, or with another hash
  | "PACKAGE_UNKNOWN" // the Debian suite has no such package
  | "AGENT_UNBUILDABLE" // something that the agent needs is not in the image or the cache
  | "NODE_UNKNOWN"
  | "NODE_AMBIGUOUS" // a name that fits several nodes
  | "NODE_STATE" // its life cycle does not allow that from where it is
  | "INVENTORY_UNKNOWN" // a board has told nothing of itself yet
  | "NODE_CHANGED" // somebody changed it in between
  | "NOT_AVAILABLE" // something that this Bramble cannot do yet, or not here
  | "PROFILE_UNKNOWN"
  | "PROFILE_TAKEN" // another profile has that name
  | "PROFILE_IN_USE" // nodes are set to it, or it is the default one
  | "SECRET_UNKNOWN" // a profile has no secret of that name
  | "SELECTOR_BAD" // a selector that cannot be read
  | "HOSTLIST_BAD" // a list of nodes that cannot be read
  | "GROUP_UNKNOWN"
  | "GROUP_TAKEN" // another group has that name
  | "GROUP_IN_USE" // nodes are in it
  | "PLACE_TAKEN" // another node is in that slot, or on that switch port
  | "ADDRESS_TAKEN" // another node has that address
  | "ADDRESS_POOL_UNKNOWN"
  | "ADDRESS_POOL_TAKEN" // another pool has that name, or some of its addresses
  | "TEMPLATE_VERSION_UNKNOWN" // a profile never had that version of its templates, or it is no longer kept
  | "TEMPLATE_BAD" // a profile's template names something that is not there, or would break what it writes
  | "WEBHOOK_UNKNOWN"
  | "WEBHOOK_TAKEN" // another webhook has that name
  | "IMAGE_NO_BOOT" // an image without a boot partition
  | "NFS_IMAGE" // an image whose root cannot be served as files
  | "NFS_KERNEL" // a kernel that cannot mount its root over NFS, and was told to
  | "AUTH_NEEDED" // nobody said who calls
  | "AUTH_REFUSED" // a password, token, session or link that is not valid, or no longer
  | "FORBIDDEN" // the caller's role or scope does not reach so far
  | "CSRF_REFUSED" // a browser's call that does not prove that our page made it
  | "STALE" // If-Match: it was changed in between
  | "KEY_REUSED" // an Idempotency-Key that came with another request before
  | "KEY_BUSY" // the request of that Idempotency-Key is at work, or was interrupted
  | "TOO_MANY" // more tries or readers than are allowed
  | "BODY_TOO_LONG"
  | "ROUTE_UNKNOWN" // the API has nothing there
  | "METHOD_REFUSED" // it is there, but takes other methods
  | "SERVER_NEEDED" // what only a running Bramble can do
  | "TASK_UNKNOWN"
  | "TASK_OVER" // a task that has ended cannot be stopped
  | "USER_UNKNOWN"
  | "USER_TAKEN" // another user has that name
  | "USER_IN_USE" // the last admin stays
  | "CREDENTIAL_UNKNOWN" // no token of that id or name
  | "CERTIFICATE_BAD" // a certificate or key that cannot be used, or is not the one that was trusted
  | "TOKEN_REFUSED" // an agent without a valid token or session
  | "SERVER_GONE" // the running Bramble ended or does not answer
  | "BOOT_UNKNOWN"
  | "CLONE_UNKNOWN" // a node without a clone
  | "INTERFACE_UNKNOWN" // no such network interface, or several to choose from
  | "BAD_INPUT" // an argument or setting that cannot be
  | "TOOL_MISSING" // a program of the host's that this needs
  | "PORT_TAKEN" // another program listens there
  | "PORT_REFUSED" // the system does not let us listen there
  | "DATA_LOCKED" // another Bramble owns the data folder
  | "PLANE_DIED" // a thread of ours failed in the middle of a call
  | "POWER_UNBOUND" // a node of which nobody said what switches its power
  | "POWER_UNREACHABLE" // the device that switches it does not answer
  | "POWER_AUTH" // the device refuses our community, user, key or password
  | "POWER_REFUSED" // the device says no
  | "POWER_TIMEOUT" // the device took the order, and what was asked for was not seen to happen
  | "POWER_SUPERSEDED" // a newer request about the same node took its place
  | "POWER_GUARDED" // a port that must not be switched: an up-link, or not this board's
  | "POWER_BUDGET" // the switch has not enough power left
  | "SWITCH_UNKNOWN" // no switch, PDU or plug of that name, or no such port
  | "SWITCH_TAKEN" // one of that name is there already
  | "SWITCH_IN_USE" // nodes hang on it
  | "INTERNAL"; // our own fault

/** The one error class. Programs compare `code`, people read `message` and then `hint`. */
export class BrambleError extends Error {
  override name = "BrambleError";
  readonly code: Code;
  readonly hint: string | undefined;
  constructor(code: Code, message: string, more: { hint?: string; cause?: unknown } = {}) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    this.code = code;
    this.hint = more.hint;
  }
}
