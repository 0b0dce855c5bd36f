/* treeload - turns of work on a file tree, each checked; nothing may fail, whatever becomes of the server.
 *
 * usage: treeload FOLDER TURNS     "check" typed: reads all back from the server; any other line ends it before TURNS
 * Each turn makes a folder of files, renames, links, cuts, removes and reads all back. Prints "TURN n", for each check, with the kernel's caches
 * dropped, "CHECK n of FOLDER, m wrong", at the end the same and "LOAD n turns, m wrong". An error is told as "ERR what: why".
 *
 * SPDX-License-Identifier: Apache-2.0     aarch64-linux-gnu-gcc -static -O2 -Wall -o treeload treeload.c
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { FILES = 8, KEPT = 6, MOST = 300000 };
static int wrong; static unsigned char have[MOST], want[MOST];

static void told(const char *what, const char *path) { printf("ERR %s %s: %s\n", what, path, strerror(errno)); fflush(stdout); wrong++; }
#define must(call, path) do { if ((call) < 0) told(#call, path); } while (0)

/* Of file f of turn n. */
static size_t size_of(int n, int f) { return (size_t)(n * 7919 + f * 40009) % (f == 0 ? 290000 : 30000); }
static void fill(int n, int f, unsigned char *to, size_t length) {
    unsigned x = n * 2654435761u + f * 97 + 1;
    for (size_t i = 0; i < length; i++) { if (i % 64 == 0) x = x * 1103515245 + 12345; to[i] = (x >> 16) + i; }
}
static const char *name(int n, int f, int renamed) { static char names[4][64]; static int k; char *to = names[k++ & 3]; snprintf(to, 64, "t%d/%s%d", n, renamed ? "moved" : "file", f); return to; }

static void make(int n, int f) {
    const char *path = name(n, f, 0); size_t length = size_of(n, f);
    int fd = open(path, O_CREAT | O_EXCL | O_RDWR, 0644);
    if (fd < 0) { told("create", path); return; }
    fill(n, f, want, length);
    for (size_t at = 0; at < length;) { ssize_t got = write(fd, want + at, length - at); if (got <= 0) { told("write", path); break; } at += got; }
    if (f % 2 == 0) must(fsync(fd), path);
    must(close(fd), path);
}
static void check(int n, int f, const char *path) {
    size_t length = f == 3 ? size_of(n, f) / 2 : size_of(n, f); /* file 3 was cut */
    int fd = open(path, O_RDONLY); struct stat s; size_t at = 0;
    if (fd < 0) { told("open", path); return; }
    if (fstat(fd, &s) || (size_t)s.st_size != length) { errno = 0; told("size", path); }
    for (ssize_t got; at < length && (got = read(fd, have + at, length - at)) > 0;) at += got;
    close(fd);
    fill(n, f, want, size_of(n, f));
    if (at != length || memcmp(have, want, length)) { errno = 0; told("content", path); }
}
static void verify(int n) {
    char path[64], target[64]; DIR *d; int entries = 0; struct stat s;
    for (int f = 0; f < FILES - 2; f++) check(n, f, name(n, f, f < 4));
    snprintf(path, 64, "t%d/other", n); check(n, 4, path);
    if (stat(path, &s) || s.st_nlink != 2) { errno = 0; told("links", path); }
    snprintf(path, 64, "t%d/way", n); must(readlink(path, target, 64), path);
    snprintf(path, 64, "t%d", n);
    if (!(d = opendir(path))) { told("list", path); return; }
    while (readdir(d)) entries++;
    closedir(d);
    if (entries != 2 + FILES - 2 + 3) { errno = 0; told("entries", path); }
}
static void turn(int n) {
    char path[64], other[64]; struct stat s; snprintf(path, 64, "t%d", n); must(mkdir(path, 0755), path);
    for (int f = 0; f < FILES; f++) make(n, f);
    for (int f = 0; f < 4; f++) must(rename(name(n, f, 0), name(n, f, 1)), name(n, f, 0));
    must(truncate(name(n, 3, 1), size_of(n, 3) / 2), "cut");
    snprintf(other, 64, "t%d/other", n); must(link(name(n, 4, 0), other), other);
    snprintf(other, 64, "t%d/way", n); must(symlink("moved0", other), other);
    snprintf(other, 64, "t%d/in", n); must(mkdir(other, 0700), other); must(chmod(other, 0751), other);
    if (stat(other, &s) || (s.st_mode & 07777) != 0751) told("mode", other);
    must(unlink(name(n, 6, 0)), "unlink"); must(unlink(name(n, 7, 0)), "unlink");
    verify(n);
    printf("TURN %d\n", n); fflush(stdout);
}
static void removal(int n) {
    char path[400]; DIR *d; snprintf(path, sizeof path, "t%d", n);
    if (!(d = opendir(path))) { told("list", path); return; }
    for (struct dirent *e; (e = readdir(d));) if (*e->d_name != '.') { snprintf(path, sizeof path, "t%d/%s", n, e->d_name); must(strcmp(e->d_name, "in") ? unlink(path) : rmdir(path), path); }
    closedir(d);
    snprintf(path, sizeof path, "t%d", n); must(rmdir(path), path);
}
/* What lies on the server, not what the kernel has of it. */
static void again(const char *folder, int n) {
    static int checks; int fd;
    sync();
    if ((fd = open("/proc/sys/vm/drop_caches", O_WRONLY)) >= 0) { must((int)write(fd, "3", 1), "drop_caches"); close(fd); }
    for (int k = n > KEPT ? n - KEPT + 1 : 1; k <= n; k++) verify(k);
    printf("CHECK %d of %s, %d wrong\n", ++checks, folder, wrong); fflush(stdout);
}
/* The first letter of a line that was typed; 0: none was. */
static int typed(void) {
    struct pollfd p = {0, POLLIN, 0}; char line[80];
    return poll(&p, 1, 0) > 0 && p.revents & POLLIN && read(0, line, sizeof line) > 0 ? *line : 0;
}
int main(int argc, char **argv) {
    int turns = argc > 2 ? atoi(argv[2]) : 0, n = 0;
    if (turns < 1 || chdir(argv[1])) { perror("treeload: which folder, how many turns?"); return 2; }
    while (n < turns) {
        int line = typed();
        if (line == 'c') again(argv[1], n);
        else if (line) break;
        turn(++n); if (n > KEPT) removal(n - KEPT);
    }
    again(argv[1], n);
    printf("LOAD %d turns, %d wrong\n", n, wrong);
    return wrong > 0;
}
