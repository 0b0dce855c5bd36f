/* The ground that the agent's C programs stand on: Linux' system calls, raw, for arm64 and 32-bit ARM (EABI), and the few
 * functions that a compiler expects. No C library: what runs below a node's root must need nothing from it. */
#ifndef SYS_H
#define SYS_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

/* Numbers: include/uapi/asm-generic/unistd.h; arch/arm/tools/syscall.tbl. */
#if defined(__aarch64__)
enum {
  SYS_openat = 56, SYS_close = 57, SYS_getdents64 = 61, SYS_lseek = 62, SYS_read = 63, SYS_write = 64, SYS_exit_group = 94,
  SYS_ppoll = 73, SYS_nanosleep = 101, SYS_rt_sigaction = 134, SYS_setsid = 157, SYS_prctl = 167, SYS_socket = 198, SYS_socketpair = 199,
  SYS_bind = 200, SYS_connect = 203, SYS_sendto = 206, SYS_recvfrom = 207, SYS_setsockopt = 208, SYS_clone = 220, SYS_mlockall = 230
};
enum { O_DIRECTORY = 040000 };

static long syscall6(long number, long a, long b, long c, long d, long e, long f) {
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  register long x5 __asm__("x5") = f;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
}

/* The kernel leaves argc and argv on the stack. */
__asm__(".globl _start\n_start:\n  mov x29, #0\n  mov x30, #0\n  mov x0, sp\n  bl begin\n");

#elif defined(__arm__)
enum {
  SYS_read = 3, SYS_write = 4, SYS_close = 6, SYS_lseek = 19, SYS_setsid = 66, SYS_clone = 120, SYS_mlockall = 152, SYS_nanosleep = 162,
  SYS_prctl = 172, SYS_rt_sigaction = 174, SYS_getdents64 = 217, SYS_exit_group = 248, SYS_socket = 281, SYS_bind = 282,
  SYS_connect = 283, SYS_socketpair = 288, SYS_sendto = 290, SYS_recvfrom = 292, SYS_setsockopt = 294, SYS_openat = 322, SYS_ppoll = 336
};
enum { O_DIRECTORY = 040000 };

static long syscall6(long number, long a, long b, long c, long d, long e, long f) {
  register long r7 __asm__("r7") = number;
  register long r0 __asm__("r0") = a;
  register long r1 __asm__("r1") = b;
  register long r2 __asm__("r2") = c;
  register long r3 __asm__("r3") = d;
  register long r4 __asm__("r4") = e;
  register long r5 __asm__("r5") = f;
  __asm__ volatile("svc 0" : "+r"(r0) : "r"(r7), "r"(r1), "r"(r2), "r"(r3), "r"(r4), "r"(r5) : "memory");
  return r0;
}

__asm__(".globl _start\n_start:\n  mov fp, #0\n  mov lr, #0\n  mov r0, sp\n  bl begin\n");
#else
#error "arm64 or 32-bit ARM"
#endif

#define CALL(number, a, b, c) syscall6(number, (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define CALL6(number, a, b, c, d, e, f) syscall6(number, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

enum { AT_FDCWD = -100, O_WRONLY = 1, O_RDWR = 2, O_CREAT = 0100, O_TRUNC = 01000, O_CLOEXEC = 02000000 };
enum { ENOSPC = 28, EAGAIN = 11, ENOBUFS = 105, ECONNREFUSED = 111, EHOSTUNREACH = 113, ENETUNREACH = 101 };
enum { SIGHUP = 1, SIGINT = 2, SIGPIPE = 13, SIGTERM = 15, SIGCHLD = 17 };
enum { MCL_CURRENT = 1, MCL_FUTURE = 2, PR_SET_IO_FLUSHER = 57 };

/* gcc calls these two by itself. */
__attribute__((used)) void *memcpy(void *to, const void *from, unsigned long n) {
  u8 *t = to;
  const u8 *f = from;
  while (n--) *t++ = *f++;
  return to;
}
__attribute__((used)) void *memset(void *to, int value, unsigned long n) {
  u8 *t = to;
  while (n--) *t++ = (u8)value;
  return to;
}

static u32 length(const char *text) {
  u32 n = 0;
  while (text[n]) n++;
  return n;
}

/* Does `text` begin with `start`? */
static int begins(const char *text, const char *start) {
  while (*start)
    if (*text++ != *start++) return 0;
  return 1;
}

/* A decimal number of at most 19 digits; `bad` is counted up where it is none. */
static u64 number(const char *text, int *bad) {
  u64 value = 0;
  u32 n = 0;
  for (; text[n] >= '0' && text[n] <= '9'; n++) value = value * 10 + (u64)(text[n] - '0');
  if (n == 0 || n > 19 || text[n]) ++*bad;
  return value;
}

/* A line of text, written at once: a record of its own in the kernel's log. What does not fit is cut. */
struct line {
  char text[256];
  u32 n;
};

static void add(struct line *line, const char *text) {
  while (*text && line->n < sizeof line->text - 1) line->text[line->n++] = *text++;
}

static void add_number(struct line *line, u64 value) {
  char digits[21];
  u32 at = 20;
  digits[at] = 0;
  do {
    /* by 16 bits at a time: a 64-bit division would be a library's function on 32-bit ARM */
    u32 rest = 0;
    u64 quotient = 0;
    for (int shift = 48; shift >= 0; shift -= 16) {
      u32 part = rest << 16 | (u32)(value >> shift & 0xffff);
      quotient = quotient << 16 | part / 10;
      rest = part % 10;
    }
    digits[--at] = (char)('0' + rest);
    value = quotient;
  } while (value);
  add(line, digits + at);
}

static void put(int fd, struct line *line) {
  line->text[line->n++] = '\n';
  (void)CALL(SYS_write, fd, line->text, line->n);
  line->n = 0;
}

static void pause_ms(u32 ms) {
  long time[2] = {(long)(ms / 1000), (long)(ms % 1000 * 1000000)};
  (void)CALL(SYS_nanosleep, time, 0, 0);
}

static void leave(int code) __attribute__((noreturn));
static void leave(int code) {
  for (;;) (void)CALL(SYS_exit_group, code, 0, 0);
}

static void ignore(int signal) {
  /* struct sigaction: the handler (1: SIG_IGN), then flags, restorer and mask, all of them 0 */
  long action[6] = {1, 0, 0, 0, 0, 0};
  (void)CALL6(SYS_rt_sigaction, signal, action, 0, 8, 0, 0);
}

/* Stays in memory whatever happens to the disks: nothing is paged out, the out-of-memory killer looks elsewhere, and no signal of a
 * shutdown ends it. */
static long stay(void) {
  ignore(SIGHUP);
  ignore(SIGINT);
  ignore(SIGPIPE);
  ignore(SIGTERM);
  ignore(SIGCHLD); /* nobody waits for a child: the kernel buries it */
  (void)CALL(SYS_setsid, 0, 0, 0); /* leads a session already: as good */
  int fd = (int)CALL(SYS_openat, AT_FDCWD, "/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (fd >= 0) {
    (void)CALL(SYS_write, fd, "-1000", 5);
    (void)CALL(SYS_close, fd, 0, 0);
  }
  return CALL(SYS_mlockall, MCL_CURRENT | MCL_FUTURE, 0, 0);
}

static int run(int argc, char **argv);
__attribute__((used, noreturn)) void begin(long *stack) {
  leave(run((int)stack[0], (char **)(stack + 1)));
}

#endif
