/* guard SHUT DOWN [NBD-STATE]
 *
 * The last resort of a node that hangs on a root disk that is gone. Restarts it by sysrq b (at once: no device is asked to flush)
 * SHUT: when PID 1 has been systemd-shutdown for so many seconds in a row with the root's session down;
 * DOWN: when the session has been down for so many seconds in a row. 0: never.
 * Down is: an iSCSI session of this node is not LOGGED_IN, or nbd-keep's file says so. Everything is open before the root is mounted. */
#include "sys.h"

enum { EXPLAINED = 2 };

static struct line line;

static void say(const char *text) {
  add(&line, "<2>guard: "); /* KERN_CRIT: shown on a console that is told to be quiet */
  add(&line, text);
  put(EXPLAINED, &line);
}

static int open_at(int folder, const char *path, int flags) {
  return (int)CALL6(SYS_openat, folder, path, flags | O_CLOEXEC, 0, 0, 0);
}

/* Text of a small file from its beginning; empty where it cannot be read. */
static void read_text(int fd, char *into, u32 size) {
  long n = fd < 0 ? -1 : CALL(SYS_read, fd, into, size - 1);
  into[n > 0 ? n : 0] = 0;
}

/* How many sessions are there, and is one of them not logged in? */
static int iscsi_down(int folder, u32 *sessions) {
  static u8 entries[4096];
  int down = 0;
  *sessions = 0;
  if (folder < 0) return 0;
  (void)CALL(SYS_lseek, folder, 0, 0);
  for (;;) {
    long n = CALL(SYS_getdents64, folder, entries, sizeof entries);
    if (n <= 0) return down;
    /* struct linux_dirent64: ino, off, reclen (u16 at 16), type, name (at 19) */
    for (u8 *at = entries; at < entries + n; at += at[16] | at[17] << 8) {
      const char *name = (const char *)at + 19;
      if (!begins(name, "session") || length(name) > 32) continue;
      struct line path = {.n = 0};
      add(&path, name);
      add(&path, "/state");
      path.text[path.n] = 0;
      char text[64];
      int fd = open_at(folder, path.text, 0);
      read_text(fd, text, sizeof text);
      if (fd >= 0) (void)CALL(SYS_close, fd, 0, 0);
      ++*sessions;
      if (!begins(text, "LOGGED_IN")) down = 1;
    }
  }
}

static int nbd_down(int state) {
  char text[8];
  if (state < 0) return 0;
  (void)CALL(SYS_lseek, state, 0, 0);
  read_text(state, text, sizeof text);
  return begins(text, "down");
}

static int shutting_down(int processes) {
  char text[32];
  int fd = open_at(processes, "1/comm", 0);
  read_text(fd, text, sizeof text);
  if (fd >= 0) (void)CALL(SYS_close, fd, 0, 0);
  return begins(text, "systemd-shutdow") || begins(text, "shutdown\n");
}

static int run(int argc, char **argv) {
  int bad = argc < 3 || argc > 4;
  u64 shut = bad ? 0 : number(argv[1], &bad), most = bad ? 0 : number(argv[2], &bad);
  if (bad) {
    say("SHUT DOWN [NBD-STATE]: seconds, 0 for never");
    return 2;
  }
  int processes = open_at(AT_FDCWD, "/proc", O_DIRECTORY);
  int iscsi = open_at(AT_FDCWD, "/sys/class/iscsi_session", O_DIRECTORY);
  int nbd = argc > 3 ? open_at(AT_FDCWD, argv[3], 0) : -1;
  int trigger = open_at(AT_FDCWD, "/proc/sysrq-trigger", O_WRONLY);
  u32 sessions;
  (void)iscsi_down(iscsi, &sessions);
  if (trigger < 0 || processes < 0) {
    say("this kernel has no sysrq: nothing can be guarded");
    return 1;
  }
  if (sessions == 0 && nbd < 0) {
    say("no iSCSI session and no NBD disk to watch");
    return 1;
  }
  (void)stay();
  u64 down = 0, both = 0;
  for (int seen = 0;; pause_ms(1000)) {
    int gone = iscsi_down(iscsi, &sessions) || nbd_down(nbd), end = shutting_down(processes);
    down = gone ? down + 1 : 0;
    both = gone && end ? both + 1 : 0;
    if (end && !seen) say("shutdown seen");
    seen |= end;
    if (!(shut && both > shut) && !(most && down > most)) continue;
    say("the root disk is gone: restarting");
    pause_ms(1000); /* for the console */
    (void)CALL(SYS_write, trigger, "b", 1);
  }
}
