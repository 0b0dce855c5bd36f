/* posixcheck - what POSIX promises of a file system, asked by a kernel: over NFS it is the kernel's client that is between.
 *
 * usage: posixcheck -g FOLDER            makes what the cases find, each in a folder of its own (for an image)
 *        posixcheck -c FOLDER [GROUP...] checks them there
 *        posixcheck FOLDER [GROUP...]    both
 * As root. Prints "FAIL group: promise" and why, at the end "POSIX n right, m wrong".
 *
 * SPDX-License-Identifier: Apache-2.0     aarch64-linux-gnu-gcc -static -O2 -Wall -o posixcheck posixcheck.c
 */
#include "posixcheck.h"

static char LONG[256 + 1], TOOLONG[257 + 1];
static struct stat was;

/* --- open --- */
CASE(open, "O_CREAT makes an empty file of its mode, less the mask, its maker's", {}, {
    as(ANN); umask(022);
    works(can("new", O_CREAT | O_WRONLY)); struct stat s = st("new");
    umask(0); is(s.st_size, 0); is(s.st_uid, ANN); is(s.st_gid, ANN); is(s.st_nlink, 1); is(S_ISREG(s.st_mode), 1); })
CASE(open, "O_EXCL says EEXIST over each kind", { each("it", 0644, ROOT); }, {
    EACH(k) fails(open(named("it", *k), O_CREAT | O_EXCL | O_WRONLY, 0644), EEXIST); })
CASE(open, "O_TRUNC cuts, O_APPEND appends", { file("a", "0123", 0644, ROOT); file("b", "0123", 0644, ROOT); }, {
    works(can("a", O_WRONLY | O_TRUNC)); reads("a", "");
    int fd = open("b", O_WRONLY | O_APPEND); works(write(fd, "45", 2)); close(fd); reads("b", "012345"); })
CASE(open, "permissions by owner, group and others", { file("o", "x", 0600, ANN); file("g", "x", 0060, ANN); file("r", "x", 0006, ANN); }, {
    as(ANN); works(can("o", O_RDWR)); fails(can("g", O_RDONLY), EACCES); fails(can("r", O_RDONLY), EACCES);
    as(KIM); fails(can("o", O_RDONLY), EACCES); works(can("g", O_RDWR)); fails(can("r", O_RDWR), EACCES);
    as(EVE); fails(can("o", O_WRONLY), EACCES); fails(can("g", O_RDONLY), EACCES); works(can("r", O_RDWR)); })
CASE(open, "a folder opens for reading only", { folder("d", 0755, ROOT); }, { works(can("d", O_RDONLY)); fails(can("d", O_WRONLY), EISDIR); fails(can("d", O_RDWR), EISDIR); })
CASE(open, "O_NOFOLLOW, O_DIRECTORY", { file("f", "", 0644, ROOT); way("f", "l"); }, { fails(can("l", O_RDONLY | O_NOFOLLOW), ELOOP); fails(can("f", O_RDONLY | O_DIRECTORY), ENOTDIR); works(can("l", O_RDONLY)); })
CASE(open, "a circle of symlinks says ELOOP", { way("b", "a"); way("a", "b"); }, { fails(can("a", O_RDONLY), ELOOP); fails(mkdir("a/x", 0755), ELOOP); })
CASE(open, "ENOENT, ENOTDIR, ENAMETOOLONG in a path", { file("f", "", 0644, ROOT); }, {
    fails(can("no/x", O_RDONLY), ENOENT); fails(can("no", O_RDONLY), ENOENT); fails(can("f/x", O_RDONLY), ENOTDIR); fails(can(TOOLONG, O_RDONLY), ENAMETOOLONG); })
CASE(open, "who opened a file goes on when its mode has gone", { file("f", "text", 0644, ANN); }, {
    char c[4]; as(ANN); int fd = open("f", O_RDWR); works(fd); works(fchmod(fd, 0));
    is(pwrite(fd, "T", 1, 0), 1); works(fsync(fd)); is(pread(fd, c, 1, 0), 1); is(c[0], 'T'); close(fd); fails(can("f", O_RDONLY), EACCES); })
CASE(open, "O_CREAT in a folder that may not be written says EACCES", { folder("d", 0755, ANN); }, { as(EVE); fails(touch("d/x"), EACCES); as(ANN); works(touch("d/x")); })
CASE(open, "bytes written are read, at any offset, after a close", { file("f", "", 0644, ROOT); }, {
    works(put("f", "begin", 0)); works(put("f", "end", 10000)); is(st("f").st_size, 10003); is(zeros("f", 5, 10000), 1); })

/* --- unlink --- */
CASE(unlink, "takes each kind but a folder", { each("it", 0644, ROOT); }, {
    EACH(k) { if (*k == 'd') { fails2(unlink(named("it", *k)), EISDIR, EPERM); continue; } works(unlink(named("it", *k))); is(there(named("it", *k)), 0); } })
CASE(unlink, "leaves the other name, with a link less and a later ctime", { each("it", 0644, ROOT); EACH(k) if (*k != 'd' && *k != 'l') must(link(named("it", *k), named("other", *k)), "link"); }, {
    works(link("it-l", "other-l")); /* mke2fs makes two symlinks of one with two names */
    EACH(k) { if (*k == 'd') continue; was = st(named("other", *k)); is(was.st_nlink, 2); works(unlink(named("it", *k)));
        struct stat s = st(named("other", *k)); is(s.st_nlink, 1); is(s.st_ino, was.st_ino); is(ns(s.st_ctim) > ns(was.st_ctim), 1); } })
CASE(unlink, "moves its folder's mtime and ctime", { folder("d", 0755, ROOT); file("d/f", "", 0644, ROOT); }, {
    was = st("d"); works(unlink("d/f")); struct stat s = st("d"); is(ns(s.st_mtim) > ns(was.st_mtim), 1); is(ns(s.st_ctim) > ns(was.st_ctim), 1); })
CASE(unlink, "ENOENT, ENOTDIR, ENAMETOOLONG, EACCES", { file("f", "", 0644, ROOT); folder("d", 0755, ROOT); file("d/f", "", 0666, EVE); }, {
    fails(unlink("no"), ENOENT); fails(unlink("f/x"), ENOTDIR); fails(unlink(TOOLONG), ENAMETOOLONG); as(EVE); fails(unlink("d/f"), EACCES); })
CASE(unlink, "in a sticky folder: its owner, the file's owner and root, nobody else", { folder("s", 01777, ANN); for (int i = 0; i < 4; i++) { char n[] = "s/0"; n[2] += i; file(n, "", 0666, BOB); } }, {
    as(EVE); fails2(unlink("s/0"), EPERM, EACCES); as(BOB); works(unlink("s/1")); as(ANN); works(unlink("s/2")); as(ROOT); works(unlink("s/3")); works(unlink("s/0")); })
CASE(unlink, "an open file is read and written on after its name went", { file("f", "text", 0644, ROOT); }, {
    char c[8]; int fd = open("f", O_RDWR); works(unlink("f")); is(there("f"), 0); is(pwrite(fd, "T", 1, 0), 1); works(fsync(fd)); is(pread(fd, c, 4, 0), 4); is(!memcmp(c, "Text", 4), 1); works(close(fd)); })
CASE(unlink, "rm -r of three hundred while they are listed", { folder("d", 0755, ROOT); for (int i = 0; i < 300; i++) { char n[16]; snprintf(n, 16, "d/%d", i); file(n, "", 0644, ROOT); } }, {
    DIR *d = opendir("d"); int n = 0; for (struct dirent *e; (e = readdir(d));) if (*e->d_name != '.') n += !unlinkat(dirfd(d), e->d_name, 0);
    closedir(d); is(n, 300); is(entries("d"), 0); works(rmdir("d")); })

/* --- rename --- */
CASE(rename, "each kind over a file: a folder says ENOTDIR, the others take its place", { each("it", 0644, ROOT); EACH(k) file(named("to", *k), "old", 0644, ROOT); }, {
    EACH(k) { ino_t i = st(named("it", *k)).st_ino; if (*k == 'd') { fails(rename(named("it", *k), named("to", *k)), ENOTDIR); continue; }
        works(rename(named("it", *k), named("to", *k))); is(st(named("to", *k)).st_ino, i); is(there(named("it", *k)), 0); } })
CASE(rename, "each kind over an empty folder: only a folder may", { each("it", 0644, ROOT); EACH(k) folder(named("to", *k), 0755, ROOT); }, {
    EACH(k) if (*k == 'd') works(rename(named("it", *k), named("to", *k))); else fails(rename(named("it", *k), named("to", *k)), EISDIR); })
CASE(rename, "of a folder over one that is not empty", { folder("a", 0755, ROOT); folder("b", 0755, ROOT); file("b/f", "", 0644, ROOT); }, { fails2(rename("a", "b"), ENOTEMPTY, EEXIST); is(entries("b"), 1); })
CASE(rename, "into itself or below says EINVAL", { folder("a", 0755, ROOT); folder("a/b", 0755, ROOT); }, { fails(rename("a", "a/x"), EINVAL); fails(rename("a", "a/b/x"), EINVAL); fails2(rename("a/.", "x"), EINVAL, EBUSY); })
CASE(rename, "of one name over another of the same file does nothing", { file("a", "x", 0644, ROOT); must(link("a", "b"), "link"); }, { works(rename("a", "b")); is(there("a"), 1); is(there("b"), 1); is(st("a").st_nlink, 2); })
CASE(rename, "of a folder: links of both parents, and its ..", { folder("a", 0755, ROOT); folder("a/d", 0755, ROOT); folder("b", 0755, ROOT); }, {
    works(rename("a/d", "b/d")); is(st("a").st_nlink, 2); is(st("b").st_nlink, 3); is(st("b/d/..").st_ino, st("b").st_ino); })
CASE(rename, "everything below a folder goes along", { folder("a", 0755, ROOT); folder("a/b", 0755, ROOT); file("a/b/f", "deep", 0644, ROOT); folder("t", 0755, ROOT); }, { works(rename("a", "t/x")); reads("t/x/b/f", "deep"); is(there("a"), 0); })
CASE(rename, "EACCES in folders that may not be written, EPERM in sticky ones", { folder("d", 0755, ROOT); file("d/f", "", 0666, EVE); folder("s", 01777, ROOT); file("s/f", "", 0666, BOB); folder("e", 0777, ROOT); file("e/f", "", 0644, EVE); }, {
    as(EVE); fails(rename("d/f", "e/x"), EACCES); fails(rename("e/f", "d/x"), EACCES); fails2(rename("s/f", "s/x"), EPERM, EACCES); fails2(rename("e/f", "s/f"), EPERM, EACCES); })
CASE(rename, "of a folder to another one asks for the right to write it", { folder("a", 0755, ANN); folder("a/d", 0755, BOB); folder("b", 0755, ANN); }, { as(ANN); fails(rename("a/d", "b/d"), EACCES); works(rename("a/d", "a/e")); })
CASE(rename, "ENOENT, ENOTDIR, ENAMETOOLONG", { file("f", "", 0644, ROOT); }, { fails(rename("no", "x"), ENOENT); fails(rename("f", "no/x"), ENOENT); fails(rename("f", "f/x"), ENOTDIR); fails(rename("f", TOOLONG), ENAMETOOLONG); works(rename("f", LONG)); is(there(LONG), 1); })
CASE(rename, "keeps times and mode, moves both folders'", { folder("a", 0755, ROOT); folder("b", 0755, ROOT); file("a/f", "x", 0640, ANN); }, {
    was = st("a/f"); struct stat a = st("a"); struct stat b = st("b"); works(rename("a/f", "b/g")); struct stat s = st("b/g");
    is(ns(s.st_mtim), ns(was.st_mtim)); is(s.st_mode, was.st_mode); is(s.st_ino, was.st_ino); is(ns(st("a").st_mtim) > ns(a.st_mtim), 1); is(ns(st("b").st_mtim) > ns(b.st_mtim), 1); })
CASE(rename, "over a file that somebody holds open: the holder reads on", { file("a", "new", 0644, ROOT); file("b", "old", 0644, ROOT); }, {
    char c[4]; int fd = open("b", O_RDONLY); works(rename("a", "b")); is(read(fd, c, 3), 3); is(!memcmp(c, "old", 3), 1); close(fd); reads("b", "new"); })

/* --- link --- */
CASE(link, "gives each kind but a folder a second name", { each("it", 0640, ANN); }, {
    EACH(k) { if (*k == 'd') { fails(link(named("it", *k), "x"), EPERM); continue; } was = st(named("it", *k)); works(link(named("it", *k), named("new", *k)));
        struct stat s = st(named("new", *k)); is(s.st_nlink, 2); is(s.st_ino, was.st_ino); is(s.st_mode, was.st_mode); is(ns(s.st_ctim) > ns(was.st_ctim), 1); is(ns(s.st_mtim), ns(was.st_mtim)); } })
CASE(link, "EEXIST over each kind", { each("it", 0644, ROOT); file("f", "", 0644, ROOT); }, { EACH(k) fails(link("f", named("it", *k)), EEXIST); is(st("f").st_nlink, 1); })
CASE(link, "ENOENT, ENOTDIR, ENAMETOOLONG, EACCES", { file("f", "", 0644, ROOT); folder("d", 0755, ROOT); file("mine", "", 0644, EVE); }, {
    fails(link("no", "x"), ENOENT); fails(link("f", "no/x"), ENOENT); fails(link("f", "f/x"), ENOTDIR); fails(link("f", TOOLONG), ENAMETOOLONG); as(EVE); fails(link("mine", "d/x"), EACCES); })
CASE(link, "what one name writes the other reads", { file("a", "0123", 0644, ROOT); must(link("a", "b"), "link"); }, { works(put("a", "x", 1)); reads("b", "0x23"); works(truncate("b", 2)); reads("a", "0x"); })

/* --- mkdir, rmdir --- */
CASE(mkdir, "makes an empty folder of its mode, and a link in its parent", { folder("p", 0755, ANN); }, {
    as(ANN); works(mkdir("p/d", 0751)); struct stat s = st("p/d"); is(s.st_mode & 07777, 0751); is(s.st_uid, ANN); is(s.st_nlink, 2); is(st("p").st_nlink, 3); is(entries("p/d"), 0); is(st("p/d/..").st_ino, st("p").st_ino); })
CASE(mkdir, "EEXIST over each kind", { each("it", 0644, ROOT); }, { EACH(k) fails(mkdir(named("it", *k), 0755), EEXIST); })
CASE(mkdir, "ENOENT, ENOTDIR, ENAMETOOLONG, EACCES", { file("f", "", 0644, ROOT); folder("d", 0755, ROOT); }, { fails(mkdir("no/x", 0755), ENOENT); fails(mkdir("f/x", 0755), ENOTDIR); fails(mkdir(TOOLONG, 0755), ENAMETOOLONG); works(mkdir(LONG, 0755)); as(EVE); fails(mkdir("d/x", 0755), EACCES); })
CASE(mkdir, "in a set-group-id folder: its group, and the bit", { folder("d", 0755, ROOT); own("d", 02777, ROOT, CREW); }, { as(EVE); works(mkdir("d/x", 0755)); is(st("d/x").st_gid, CREW); is(st("d/x").st_mode & 07777, 02755); works(touch("d/f")); is(st("d/f").st_gid, CREW); })
CASE(mkdir, "moves its parent's times", { folder("d", 0755, ROOT); }, { was = st("d"); works(mkdir("d/x", 0755)); is(ns(st("d").st_mtim) > ns(was.st_mtim), 1); is(ns(st("d").st_ctim) > ns(was.st_ctim), 1); })
CASE(rmdir, "takes an empty folder, and a link from its parent", { folder("p", 0755, ROOT); folder("p/d", 0, EVE); }, { works(rmdir("p/d")); is(there("p/d"), 0); is(st("p").st_nlink, 2); })
CASE(rmdir, "says ENOTEMPTY for each kind within", { EACH(k) { folder(named("d", *k), 0755, ROOT); char n[64]; snprintf(n, 64, "d-%c/it", *k); kind(*k, n, 0644, ROOT); } }, { EACH(k) fails2(rmdir(named("d", *k)), ENOTEMPTY, EEXIST); })
CASE(rmdir, "says ENOTDIR for each other kind", { each("it", 0644, ROOT); }, { EACH(k) if (*k != 'd') fails(rmdir(named("it", *k)), ENOTDIR); })
CASE(rmdir, "EINVAL of ., ENOENT, EACCES, sticky", { folder("d", 0755, ROOT); folder("d/in", 0777, EVE); folder("s", 01777, ROOT); folder("s/in", 0777, BOB); }, { fails(rmdir("d/in/."), EINVAL); fails(rmdir("no"), ENOENT); as(EVE); fails(rmdir("d/in"), EACCES); fails2(rmdir("s/in"), EPERM, EACCES); as(BOB); works(rmdir("s/in")); })

/* --- symlink, mknod, mkfifo --- */
CASE(symlink, "keeps its target to the byte, its length is the size", { way("there/../\xff\xfe b", "old"); }, {
    char t[4096]; is(readlink("old", t, 4096), 13); is(st("old").st_size, 13); as(ANN); works(symlink("x", "new")); is(readlink("new", t, 4096), 1); is(st("new").st_uid, ANN);
    char big[3001]; memset(big, 'y', 3000); big[3000] = 0; works(symlink(big, "big")); is(readlink("big", t, 4096), 3000); is(st("big").st_size, 3000); })
CASE(symlink, "EEXIST over each kind, ENOENT, EACCES, ENAMETOOLONG", { each("it", 0644, ROOT); folder("d", 0755, ROOT); }, { EACH(k) fails(symlink("x", named("it", *k)), EEXIST); fails(symlink("x", "no/x"), ENOENT); fails(symlink("x", TOOLONG), ENAMETOOLONG); as(EVE); fails(symlink("x", "d/x"), EACCES); })
CASE(symlink, "leads to folders and files", { folder("d", 0755, ROOT); file("d/f", "found", 0644, ROOT); way("d", "l"); way("l/f", "m"); }, { reads("m", "found"); reads("l/f", "found"); is(S_ISLNK(st("l").st_mode), 1); })
CASE(mknod, "each kind with its type, mode and numbers", { each("it", 0640, ANN); }, {
    EACH(k) { struct stat s = st(named("it", *k)); is(s.st_mode & S_IFMT, format_of(*k)); if (*k != 'l') is(s.st_mode & 07777, 0640); is(s.st_uid, ANN); }
    is(st("it-c").st_rdev, makedev(4, 64)); is(st("it-b").st_rdev, makedev(8, 17));
    works(mknod("big", S_IFBLK | 0600, makedev(259, 70000))); is(st("big").st_rdev, makedev(259, 70000)); works(mknod("c", S_IFCHR | 0666, makedev(1, 3))); })
CASE(mknod, "devices are root's alone, pipes and sockets everybody's", {}, { as(ANN); fails(mknod("b", S_IFBLK | 0600, makedev(8, 0)), EPERM); fails(mknod("c", S_IFCHR | 0600, makedev(1, 3)), EPERM); works(mknod("s", S_IFSOCK | 0600, 0)); works(mkfifo("p", 0600)); })
CASE(mknod, "EEXIST over each kind", { each("it", 0644, ROOT); }, { EACH(k) { fails(mknod(named("it", *k), S_IFBLK | 0600, 0), EEXIST); fails(mkfifo(named("it", *k), 0600), EEXIST); } })
CASE(mkfifo, "a pipe works as one", { kind('p', "p", 0666, ROOT); }, { char c = 0; int r = open("p", O_RDONLY | O_NONBLOCK); int w = open("p", O_WRONLY); works(r); works(w); is(write(w, "x", 1), 1); is(read(r, &c, 1), 1); is(c, 'x'); close(r); close(w); })
CASE(mkfifo, "a socket can be bound, and connected to", {}, {
    struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "sock"}; int s = socket(AF_UNIX, SOCK_STREAM, 0); int c = socket(AF_UNIX, SOCK_STREAM, 0);
    works(bind(s, (void *)&a, sizeof a)); works(listen(s, 1)); works(connect(c, (void *)&a, sizeof a)); is(S_ISSOCK(st("sock").st_mode), 1); close(s); close(c); works(unlink("sock")); })

/* --- chmod, chown --- */
CASE(chmod, "each kind, every mode, ctime alone", { each("it", 0600, ANN); }, {
    static const mode_t modes[] = {0, 0111, 0222, 0444, 0755, 01777, 04711, 06755}; as(ANN);
    EACH(k) if (*k != 'l') for (int i = 0; i < 8; i++) { was = st(named("it", *k)); works(chmod(named("it", *k), modes[i])); struct stat s = st(named("it", *k)); is(s.st_mode & 07777, modes[i]); is(ns(s.st_ctim) > ns(was.st_ctim), 1); is(ns(s.st_mtim), ns(was.st_mtim)); } })
CASE(chmod, "of another's says EPERM", { each("it", 0777, ANN); }, { as(KIM); EACH(k) if (*k != 'l') fails(chmod(named("it", *k), 0600), EPERM); as(ROOT); works(chmod("it-f", 0600)); })
CASE(chmod, "set-group-id goes where the owner is not of the group", { file("f", "", 0755, ANN); own("f", 0755, ANN, BOB); }, { as(ANN); works(chmod("f", 02755)); is(st("f").st_mode & 07777, 0755); })
CASE(chmod, "a write by another takes set-user-id and set-group-id away", { file("f", "text", 06777, ANN); }, { as(EVE); works(put("f", "x", 0)); is(st("f").st_mode & 07777, 0777); })
CASE(chown, "by root, of each kind, symlinks themselves", { each("it", 0644, ROOT); }, { EACH(k) { works(lchown(named("it", *k), 7, 8)); is(st(named("it", *k)).st_uid, 7); is(st(named("it", *k)).st_gid, 8); works(lchown(named("it", *k), -1, 9)); is(st(named("it", *k)).st_uid, 7); is(st(named("it", *k)).st_gid, 9); } })
CASE(chown, "by others: only one's own to one's own groups", { each("it", 0777, ANN); }, {
    EACH(k) { as(ANN); works(lchown(named("it", *k), -1, CREW)); fails(lchown(named("it", *k), BOB, -1), EPERM); fails(lchown(named("it", *k), -1, BOB), EPERM); as(BOB); fails(lchown(named("it", *k), BOB, -1), EPERM); fails(lchown(named("it", *k), -1, CREW), EPERM); is(st(named("it", *k)).st_uid, ANN); } })
CASE(chown, "takes set-user-id and set-group-id from a program", { file("f", "x", 06755, ANN); }, { as(ANN); works(chown("f", -1, CREW)); is(st("f").st_mode & 07777, 0755); })

/* --- truncate, ftruncate --- */
CASE(truncate, "shorter, longer, to nothing and out again", { file("f", "0123456789", 0644, ROOT); }, {
    works(truncate("f", 4)); reads("f", "0123"); works(truncate("f", 9000)); is(st("f").st_size, 9000); is(zeros("f", 4, 9000), 1); works(truncate("f", 0)); works(truncate("f", 10)); is(zeros("f", 0, 10), 1); })
CASE(truncate, "moves mtime and ctime, of the size that it had too", { file("f", "0123", 0644, ROOT); }, { was = st("f"); works(truncate("f", 2)); is(ns(st("f").st_mtim) > ns(was.st_mtim), 1); is(ns(st("f").st_ctim) > ns(was.st_ctim), 1); })
CASE(truncate, "EACCES, EISDIR, ENOENT, ENOTDIR", { file("f", "x", 0644, ANN); folder("d", 0777, ROOT); }, { fails(truncate("d", 0), EISDIR); fails(truncate("no", 0), ENOENT); fails(truncate("f/x", 0), ENOTDIR); as(EVE); fails(truncate("f", 0), EACCES); as(ROOT); reads("f", "x"); })
CASE(ftruncate, "by who holds it open, whatever its mode became", { file("f", "0123", 0644, ANN); }, { as(ANN); int fd = open("f", O_RDWR); works(fchmod(fd, 0400)); works(ftruncate(fd, 2)); close(fd); reads("f", "01"); })
CASE(ftruncate, "between writes that are not yet on the server", { file("f", "", 0644, ROOT); }, { int fd = open("f", O_RDWR); works(pwrite(fd, "begin", 5, 0)); works(ftruncate(fd, 3)); works(pwrite(fd, "end", 3, 5000)); works(fsync(fd)); close(fd); is(st("f").st_size, 5003); is(zeros("f", 3, 5000), 1); })
CASE(ftruncate, "EINVAL of what is open for reading", { file("f", "0123", 0644, ROOT); }, { int fd = open("f", O_RDONLY); fails2(ftruncate(fd, 0), EINVAL, EBADF); close(fd); reads("f", "0123"); })

/* --- utimensat --- */
CASE(utimensat, "to the nanosecond, each kind, UTIME_OMIT and UTIME_NOW", { each("it", 0644, ANN); }, {
    as(ANN); EACH(k) { char *p = named("it", *k); struct timespec a[2] = {{1000000000, 7}, {1500000000, 999999999}}; works(utimensat(AT_FDCWD, p, a, AT_SYMLINK_NOFOLLOW));
        struct stat s = st(p); is(ns(s.st_atim), ns(a[0])); is(ns(s.st_mtim), ns(a[1])); a[0].tv_nsec = UTIME_OMIT; a[1] = (struct timespec){1, 1}; works(utimensat(AT_FDCWD, p, a, AT_SYMLINK_NOFOLLOW));
        s = st(p); is(s.st_atim.tv_sec, 1000000000); is(ns(s.st_mtim), 1000000001); a[0].tv_nsec = UTIME_NOW; a[1].tv_nsec = UTIME_NOW; works(utimensat(AT_FDCWD, p, a, AT_SYMLINK_NOFOLLOW)); is(st(p).st_mtim.tv_sec > 1600000000, 1); } })
CASE(utimensat, "of another's: given times EPERM, now by who may write, else EACCES", { file("w", "", 0666, ANN); file("r", "", 0644, ANN); }, {
    struct timespec a[2] = {{1, 0}, {1, 0}}; as(EVE); fails(utimensat(AT_FDCWD, "w", a, 0), EPERM); works(utimensat(AT_FDCWD, "w", NULL, 0)); fails(utimensat(AT_FDCWD, "r", NULL, 0), EACCES); })
CASE(utimensat, "after 2038", { file("f", "", 0644, ROOT); }, { struct timespec a[2] = {{4000000000LL, 1}, {4294967295LL, 2}}; works(utimensat(AT_FDCWD, "f", a, 0)); is(st("f").st_mtim.tv_sec, 4294967295LL); is(st("f").st_atim.tv_sec, 4000000000LL); })

/* --- granular --- */
CASE(granular, "a folder's bits, by owner, group and others", { for (int m = 0; m < 8; m++) for (int s = 0; s < 3; s++) { char n[8]; snprintf(n, 8, "d%d%d", m, s); folder(n, 0700, ROOT); char f[16]; snprintf(f, 16, "%s/f", n); file(f, "x", 0666, ROOT); own(n, m << (s * 3), ANN, ANN); } }, {
    static const uid_t who[] = {EVE, KIM, ANN};
    for (int m = 0; m < 8; m++) for (int s = 0; s < 3; s++) { char d[8]; char f[16]; char x[16]; snprintf(d, 8, "d%d%d", m, s); snprintf(f, 16, "%s/f", d); snprintf(x, 16, "%s/x", d); as(who[s]);
        if (m & 4) is(entries(d) >= 0, 1); else fails(can(d, O_RDONLY | O_DIRECTORY), EACCES);
        if (m & 1) works(can(f, O_RDWR)); else fails(can(f, O_RDONLY), EACCES);
        if ((m & 3) == 3) { works(touch(x)); works(unlink(x)); works(mkdir(x, 0755)); works(rmdir(x)); works(rename(f, x)); works(rename(x, f)); } else { fails(touch(x), EACCES); fails(mkdir(x, 0755), EACCES); fails(unlink(f), EACCES); } } })
CASE(granular, "further groups count, the owner's class comes first", { file("g", "x", 0060, ROOT); own("g", 0060, ROOT, CREW); file("o", "x", 0077, ANN); }, { as(BOB); works(can("g", O_RDWR)); as(EVE); fails(can("g", O_RDONLY), EACCES); as(ANN); fails(can("o", O_RDONLY), EACCES); })
CASE(granular, "access(X_OK) of root asks that somebody may execute", { file("f", "x", 0644, ROOT); file("x", "x", 0645, ANN); }, { fails(access("f", X_OK), EACCES); works(access("x", X_OK)); works(access("f", R_OK | W_OK)); })
CASE(granular, "statvfs tells of room", {}, { struct statvfs v; works(statvfs(".", &v)); is(v.f_blocks > v.f_bfree - 1, 1); is(v.f_bavail > 0, 1); is(v.f_namemax, 255); })

int main(int argc, char **argv) {
    int give = 1, check = 1, right = 0, failed = 0, c;
    memset(LONG, 'n', 255); memset(TOOLONG, 'n', 256);
    while ((c = getopt(argc, argv, "gc")) > 0) { if (c == 'g') check = 0; else give = 0; }
    if (optind >= argc || chdir(argv[optind])) { perror("posixcheck: which folder?"); return 2; }
    umask(0);
    for (int i = 0; i < count; i++) {
        char name[32]; int wanted = optind + 1 >= argc;
        for (int a = optind + 1; a < argc; a++) wanted |= !strcmp(argv[a], all[i].group);
        if (!wanted) continue;
        snprintf(name, sizeof name, "case-%d", i);
        if (give) { must(mkdir(name, 0777), name); must(chdir(name), name); all[i].given(); must(chdir(".."), ".."); }
        if (!check) continue;
        must(chdir(name), name);
        wrong = 0; all[i].check(); as(ROOT); umask(0);
        must(chdir(".."), "..");
        if (wrong) printf("FAIL %s: %s\n", all[i].group, all[i].promise);
        if (wrong) failed++; else right++;
    }
    if (check) printf("POSIX %d right, %d wrong\n", right, failed);
    return failed > 0;
}
