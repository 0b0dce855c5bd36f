/* nbd-keep ADDRESS PORT INDEX SIZE DEAD TIMEOUT STATE < export-name
 * nbd-keep check ADDRESS PORT < export-name
 *
 * Attaches an NBD export as /dev/nbdINDEX by netlink and keeps it attached for as long as the node runs: the kernel holds the connection
 * and all requests while there is none (for DEAD seconds), this program dials again. A request without an answer for TIMEOUT
 * seconds is sent again over a new connection. SIZE in bytes (0: any) is what the disk must have. STATE is a file that says "up" or "down".
 * check only shakes hands, and prints size and flags.
 * Nothing of the root disk is held: static, locked in memory, everything that it needs is open before the root is mounted. When it is
 * killed, its twin (twin.h) goes on. */
#include "dial.h"
#include "netlink.h"
#include "twin.h"

enum { EXPLAINED = 2, BLOCK = 512, FIRST_WAIT_MS = 250, LAST_WAIT_MS = 2000, SEQUENCES = 1 << 16 };

static struct server server;
static struct disk disk;
static u32 device;
static int state = -1;
static int dead;
static struct line line;

static void begin_line(void) { add(&line, "nbd-keep: "); }
static void say(const char *text) {
  begin_line();
  add(&line, text);
  put(EXPLAINED, &line);
}
static void say_failed(const char *what, long error) {
  begin_line();
  add(&line, what);
  add(&line, " failed: error ");
  add_number(&line, (u64)-error);
  put(EXPLAINED, &line);
}

/* The file outlives this process: its twin goes by what stands there. */
static void tell(const char *five) {
  if (state < 0) return;
  (void)CALL(SYS_lseek, state, 0, 0);
  (void)CALL(SYS_write, state, five, 5);
}

static int was_down(void) {
  char first = 'd';
  (void)CALL(SYS_lseek, state, 0, 0);
  (void)CALL(SYS_read, state, &first, 1);
  return first == 'd';
}

static int read_name(void) {
  u32 n = 0;
  while (n < sizeof server.name - 1) {
    long got = CALL(SYS_read, 0, server.name + n, sizeof server.name - 1 - n);
    if (got <= 0) break;
    n += (u32)got;
  }
  for (u32 i = 0; i < n; i++)
    if (server.name[i] == '\n') n = i;
  server.name[n] = 0;
  return n > 0;
}

/* A request that the first server took must not fail with the next. */
static const char *differs(const struct disk *now) {
  const u16 promised = disk.flags & (SEND_FLUSH | SEND_FUA | SEND_TRIM | SEND_WRITE_ZEROES);
  if (now->size != disk.size) return "the disk has another size now";
  if ((now->flags ^ disk.flags) & READ_ONLY) return "the disk is no longer as writable as it was";
  if ((now->flags & promised) != promised) return "the server can no longer do what it could";
  return 0;
}

/* Dials until it stands, each reason said once. */
static int dial_until(struct disk *found, int again) {
  const char *said = 0, *why;
  for (u32 wait = FIRST_WAIT_MS;; wait = wait * 2 > LAST_WAIT_MS ? LAST_WAIT_MS : wait * 2) {
    int fd = dial(&server, found, &why);
    if (fd >= 0 && again && (why = differs(found))) {
      (void)CALL(SYS_close, fd, 0, 0);
      fd = -1;
      wait = LAST_WAIT_MS;
    }
    if (fd >= 0) return fd;
    if (why != said) say(why);
    said = why;
    pause_ms(wait);
  }
}

static void on_event(const struct message *one) {
  if (one->type != family || one->command != NBD_LINK_DEAD) return;
  const struct attribute *index = of_message(one, NBD_INDEX);
  if (index && value32(index) == device) dead = 1;
}

/* Has the connection broken? Also when so many events came that ours may be among the lost. What is told stands in the file before the event
 * is taken from the queue: whoever is killed in between leaves one of the two to its twin. */
static void look(int events) {
  if (receive(events, MSG_DONTWAIT | MSG_PEEK, on_event) == -ENOBUFS) dead = 1;
  if (dead) {
    tell("down\n");
    say("the connection broke: dialing");
  }
  (void)receive(events, MSG_DONTWAIT, on_event);
}

/* The keeper was killed, and we are the keeper now. Answers to questions of its are not for us. */
static void take_over(int netlink) {
  sequence += SEQUENCES;
  while (receive(netlink, MSG_DONTWAIT, on_answer) > 0) continue;
  dead = was_down();
  say(dead ? "the keeper was killed: its twin goes on, and dials" : "the keeper was killed: its twin goes on");
  pause_ms(FIRST_WAIT_MS);
}

static void reattach(int netlink, int events) {
  struct disk found;
  for (;;) {
    int fd = dial_until(&found, 1);
    /* what is told up to here is about the connection that is being replaced */
    while (receive(events, MSG_DONTWAIT, on_event) > 0) continue;
    ask(family, NBD_RECONFIGURE);
    attach32(NBD_INDEX, device);
    attach_socket(fd);
    long failed = settle(netlink);
    (void)CALL(SYS_close, fd, 0, 0);
    /* ENOSPC: no connection of this disk is dead */
    if (failed == 0 || failed == -ENOSPC) return;
    say_failed("RECONFIGURE", failed);
    pause_ms(LAST_WAIT_MS);
  }
}

static int connect_disk(int netlink, u64 size, u64 give_up, u64 timeout) {
  int fd = dial_until(&disk, 0);
  if (size && disk.size != size) {
    say("the disk has another size than it should");
    return 0;
  }
  ask(family, NBD_CONNECT);
  attach32(NBD_INDEX, device);
  attach64(NBD_SIZE_BYTES, disk.size);
  attach64(NBD_BLOCK_SIZE_BYTES, BLOCK);
  attach64(NBD_SERVER_FLAGS, disk.flags);
  attach64(NBD_TIMEOUT, timeout);
  attach64(NBD_DEAD_CONN_TIMEOUT, give_up);
  attach_socket(fd);
  long failed = settle(netlink);
  (void)CALL(SYS_close, fd, 0, 0); /* the kernel has its own hold on it */
  if (failed) say_failed("CONNECT", failed);
  return !failed;
}

static int check(char **argv) {
  int bad = !parse_address(argv[2], server.address);
  server.port = (u16)number(argv[3], &bad);
  if (bad || !read_name()) return 2;
  const char *why;
  if (dial(&server, &disk, &why) < 0) {
    say(why);
    return 1;
  }
  add_number(&line, disk.size);
  add(&line, " ");
  add_number(&line, disk.flags);
  put(1, &line);
  return 0;
}

static int run(int argc, char **argv) {
  if (argc == 4 && begins(argv[1], "check")) return check(argv);
  int bad = argc != 8 || !parse_address(argv[1], server.address);
  if (bad || !read_name()) {
    say("ADDRESS PORT INDEX SIZE DEAD TIMEOUT STATE, and the export's name on standard input");
    return 2;
  }
  server.port = (u16)number(argv[2], &bad);
  device = (u32)number(argv[3], &bad);
  u64 size = number(argv[4], &bad), give_up = number(argv[5], &bad), timeout = number(argv[6], &bad);
  if (bad) return 2;
  int netlink = open_netlink(), events = open_netlink();
  ask(CTRL, CTRL_GETFAMILY);
  attach(CTRL_FAMILY_NAME, "nbd", 4);
  long failed = settle(netlink);
  if (failed || !family || !group) {
    say_failed("asking for the nbd driver", failed);
    return 1;
  }
  failed = CALL6(SYS_setsockopt, events, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group, 0);
  if (failed) {
    say_failed("listening to the nbd driver", failed);
    return 1;
  }
  state = (int)CALL6(SYS_openat, AT_FDCWD, argv[7], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644, 0, 0);
  failed = stay();
  if (failed) say_failed("locking memory", failed);
  /* memory that is freed by writing to this disk cannot be waited for; kernels before 5.6 do not know it */
  (void)CALL6(SYS_prctl, PR_SET_IO_FLUSHER, 1, 0, 0, 0, 0);
  if (!connect_disk(netlink, size, give_up, timeout)) return 1;
  tell("up  \n");
  say("attached");
  for (;;) {
    if (twin < 0 && fork_twin()) {
      take_over(netlink);
    } else if (dead) {
      reattach(netlink, events);
      dead = 0;
      tell("up  \n");
      say("attached again");
    } else if (wait_for(events)) {
      look(events);
    }
  }
}
