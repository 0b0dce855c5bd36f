/* The tools of posixcheck.c: cases that register themselves, users, expectations. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { ROOT = 0, ANN = 1001, KIM = 1002, BOB = 1003, EVE = 1004, CREW = 1100 };
struct one { const char *group, *promise; void (*given)(void), (*check)(void); };
static struct one all[512]; static int count, wrong;

static void add(const char *group, const char *promise, void (*given)(void), void (*check)(void)) {
    all[count++] = (struct one){group, promise, given, check};
}
#define CASE_(n, g, p, G, ...) \
    static void given_##n(void) G \
    static void check_##n(void) __VA_ARGS__ \
    __attribute__((constructor)) static void register_##n(void) { add(#g, p, given_##n, check_##n); }
#define CASE__(n, g, p, G, ...) CASE_(n, g, p, G, __VA_ARGS__)
/* group, what is promised, { what lies there before }, { what is done and expected } */
#define CASE(g, p, G, ...) CASE__(__LINE__, g, p, G, __VA_ARGS__)

/* Kim's main group is Ann's, Bob is in Ann's further one. */
static void as(uid_t who) {
    gid_t crew = CREW;
    if (seteuid(0)) abort();
    if (setgroups(who == ANN || who == BOB ? 1 : 0, &crew) || setegid(who == KIM ? ANN : who) || seteuid(who)) abort();
}
static void bad(const char *format, ...) {
    va_list list; va_start(list, format);
    printf("    "); vprintf(format, list); printf("\n");
    va_end(list); wrong++;
}
#define is(got, want) do { long long g_ = (got), w_ = (want); if (g_ != w_) bad("line %d: %s is %lld, not %lld", __LINE__, #got, g_, w_); } while (0)
#define works(call) do { errno = 0; if ((call) < 0) bad("line %d: %s: %s", __LINE__, #call, strerror(errno)); } while (0)
#define fails(call, e) do { errno = 0; long r_ = (long)(call); int got_ = errno; \
    if (r_ >= 0 || got_ != (e)) bad("line %d: %s: %s, not %s", __LINE__, #call, r_ >= 0 ? "done" : strerror(got_), strerror(e)); } while (0)
/* One of two errors that POSIX allows. */
#define fails2(call, e, f) do { errno = 0; long r_ = (long)(call); int got_ = errno; \
    if (r_ >= 0 || (got_ != (e) && got_ != (f))) bad("line %d: %s: %s", __LINE__, #call, r_ >= 0 ? "done" : strerror(got_)); } while (0)

static struct stat st(const char *path) {
    struct stat s; memset(&s, 0, sizeof s);
    if (lstat(path, &s)) bad("%s: %s", path, strerror(errno));
    return s;
}
static int there(const char *path) { struct stat s; return !lstat(path, &s); }
static int64_t ns(struct timespec t) { return t.tv_sec * 1000000000LL + t.tv_nsec; }

/* --- what lies there before --- */
static void must(int result, const char *what) { if (result < 0) { perror(what); exit(2); } }
static void own(const char *path, mode_t mode, uid_t uid, gid_t gid) {
    must(lchown(path, uid, gid), path);
    struct stat s = st(path);
    if (!S_ISLNK(s.st_mode)) must(chmod(path, mode), path);
}
static void file(const char *path, const char *text, mode_t mode, uid_t uid) {
    int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0600);
    must(fd, path); must((int)write(fd, text, strlen(text)), path); must(close(fd), path);
    own(path, mode, uid, uid);
}
static void folder(const char *path, mode_t mode, uid_t uid) { must(mkdir(path, 0700), path); own(path, mode, uid, uid); }
static void way(const char *target, const char *path) { must(symlink(target, path), path); }
static const char KINDS[] = "fdlpscb"; /* file, directory, symlink, pipe, socket, character, block */
static void kind(char what, const char *path, mode_t mode, uid_t uid) {
    switch (what) {
    case 'f': file(path, "a few bytes", mode, uid); return;
    case 'd': folder(path, mode, uid); return;
    case 'l': way("elsewhere", path); break;
    case 'p': must(mkfifo(path, 0600), path); break;
    case 's': must(mknod(path, S_IFSOCK | 0600, 0), path); break;
    case 'c': must(mknod(path, S_IFCHR | 0600, makedev(4, 64)), path); break;
    case 'b': must(mknod(path, S_IFBLK | 0600, makedev(8, 17)), path); break;
    }
    own(path, mode, uid, uid);
}
static mode_t format_of(char what) {
    switch (what) { case 'f': return S_IFREG; case 'd': return S_IFDIR; case 'l': return S_IFLNK; case 'p': return S_IFIFO; case 's': return S_IFSOCK; case 'c': return S_IFCHR; default: return S_IFBLK; }
}
/* it-f, it-d, ... : one of each kind */
static char *named(const char *prefix, char what) { static char names[4][64]; static int n; char *to = names[n++ & 3]; snprintf(to, 64, "%s-%c", prefix, what); return to; }
static void each(const char *prefix, mode_t mode, uid_t uid) { for (const char *k = KINDS; *k; k++) kind(*k, named(prefix, *k), mode, uid); }
#define EACH(k) for (const char *k = KINDS; *k; k++)

/* --- files --- */
static char *text(const char *path) {
    static char buffer[65536]; int fd = open(path, O_RDONLY); ssize_t got;
    if (fd < 0) { bad("%s: %s", path, strerror(errno)); return ""; }
    got = read(fd, buffer, sizeof buffer - 1); close(fd);
    buffer[got < 0 ? 0 : got] = 0;
    return buffer;
}
#define reads(path, want) do { char *t_ = text(path); if (strcmp(t_, want)) bad("line %d: %s holds \"%.60s\"", __LINE__, path, t_); } while (0)
static int put(const char *path, const char *words, off_t at) {
    int fd = open(path, O_WRONLY); ssize_t done;
    if (fd < 0) return -1;
    done = pwrite(fd, words, strlen(words), at);
    return close(fd) || done < 0 ? -1 : 0;
}
static int zeros(const char *path, off_t from, off_t to) {
    int fd = open(path, O_RDONLY), ok = fd >= 0; char c = 1;
    for (off_t at = from; ok && at < to; at++) ok = pread(fd, &c, 1, at) == 1 && c == 0;
    close(fd);
    return ok;
}
static int can(const char *path, int flags) { int fd = open(path, flags); if (fd >= 0) close(fd); return fd; }
static int entries(const char *path) {
    DIR *d = opendir(path); int n = 0;
    if (!d) return -1;
    for (struct dirent *e; (e = readdir(d));) n += strcmp(e->d_name, ".") && strcmp(e->d_name, "..");
    closedir(d);
    return n;
}
static int touch(const char *path) { int fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0644); return fd < 0 ? fd : close(fd); }
