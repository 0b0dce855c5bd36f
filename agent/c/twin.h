/* Two processes, one of which works while the other waits for its end and goes on in its place: kill -9 of either costs nothing.
 * Each holds one end of a socket pair, and nothing is ever sent: an end that closes is a process that has died. */
#ifndef TWIN_H
#define TWIN_H
#include "sys.h"

enum { AF_UNIX = 1, STREAM_PAIR_CLOEXEC = 1 | 02000000, POLLIN = 1 };

/* The worker's end; -1: nobody waits for its end. */
static int twin = -1;

static void close_twin(void) {
  (void)CALL(SYS_close, twin, 0, 0);
  twin = -1;
}

/* Starts the one that waits. 0 in the worker, also when there was no memory for another process. 1 in the other: the worker
 * has died, and this process, which has all that was open when it was started, is the worker now. */
static int fork_twin(void) {
  int ends[2];
  if (CALL6(SYS_socketpair, AF_UNIX, STREAM_PAIR_CLOEXEC, 0, ends, 0, 0) < 0) return 0;
  long child = CALL6(SYS_clone, SIGCHLD, 0, 0, 0, 0, 0);
  (void)CALL(SYS_close, ends[child != 0], 0, 0);
  twin = ends[child == 0];
  if (child > 0) return 0;
  if (child == 0) {
    (void)stay(); /* locked memory is not inherited */
    u8 nothing;
    while (CALL(SYS_read, twin, &nothing, 1) > 0) continue;
  }
  close_twin();
  return child == 0;
}

/* Waits until `fd` has something to read (1), or the twin has died (0), or, where there is none, for two seconds (0). */
static int wait_for(int fd) {
  struct { int fd; short events, got; } of[2] = {{fd, POLLIN, 0}, {twin, POLLIN, 0}};
  long patience[2] = {2, 0};
  long n = CALL6(SYS_ppoll, of, 2, twin < 0 ? patience : 0, 0, 8, 0);
  if (n > 0 && twin >= 0 && of[1].got) close_twin();
  return n > 0 && of[0].got;
}

#endif
