/* An NBD client's half of the handshake: fixed newstyle, GO (github.com/NetworkBlockDevice/nbd doc/proto.md). Plain TCP, IPv4. */
#ifndef DIAL_H
#define DIAL_H
#include "sys.h"

enum { AF_INET = 2, SOCK_STREAM = 1, SOL_SOCKET = 1, IPPROTO_TCP = 6, MSG_NOSIGNAL = 0x4000 };
enum { SO_KEEPALIVE = 9, SO_RCVTIMEO = 20, SO_SNDTIMEO = 21, TCP_NODELAY = 1, TCP_KEEPIDLE = 4, TCP_KEEPINTVL = 5, TCP_KEEPCNT = 6 };
#define STREAM_CLOEXEC (SOCK_STREAM | 02000000)

#define NBDMAGIC 0x4e42444d41474943ULL
#define IHAVEOPT 0x49484156454f5054ULL
#define REPLY_MAGIC 0x0003e889045565a9ULL
enum { FIXED_NEWSTYLE = 1, NO_ZEROES = 2, OPT_GO = 7, REP_ACK = 1, REP_INFO = 3, INFO_EXPORT = 0 };
#define REP_ERROR 0x80000000u
#define REP_ERR_UNKNOWN 0x80000006u

/* Transmission flags that the kernel acts on. */
enum { HAS_FLAGS = 1, READ_ONLY = 2, SEND_FLUSH = 4, SEND_FUA = 8, SEND_TRIM = 32, SEND_WRITE_ZEROES = 64 };

struct server {
  u8 address[4];
  u16 port;
  char name[257]; /* of the export: a secret, never shown */
};
struct disk {
  u64 size;
  u16 flags;
};

static void big(u8 *to, u64 value, u32 bytes) {
  for (u32 i = 0; i < bytes; i++) to[i] = (u8)(value >> 8 * (bytes - 1 - i));
}
static u64 of_big(const u8 *from, u32 bytes) {
  u64 value = 0;
  for (u32 i = 0; i < bytes; i++) value = value << 8 | from[i];
  return value;
}

static int parse_address(const char *text, u8 *into) {
  for (int part = 0; part < 4; part++) {
    u32 value = 0, digits = 0;
    for (; *text >= '0' && *text <= '9' && digits < 4; digits++) value = value * 10 + (u32)(*text++ - '0');
    if (digits == 0 || value > 255 || *text++ != (part < 3 ? '.' : 0)) return 0;
    into[part] = (u8)value;
  }
  return 1;
}

static int read_all(int fd, u8 *into, u32 n) {
  while (n > 0) {
    long got = CALL6(SYS_recvfrom, fd, into, n, 0, 0, 0);
    if (got <= 0) return 0;
    into += got;
    n -= (u32)got;
  }
  return 1;
}
static int write_all(int fd, const u8 *from, u32 n) {
  while (n > 0) {
    long sent = CALL6(SYS_sendto, fd, from, n, MSG_NOSIGNAL, 0, 0);
    if (sent <= 0) return 0;
    from += sent;
    n -= (u32)sent;
  }
  return 1;
}

static void option(int fd, int level, int name, int value) {
  (void)CALL6(SYS_setsockopt, fd, level, name, &value, sizeof value, 0);
}
/* 0: wait for ever. Holds for connect too. */
static void patience(int fd, long seconds) {
  long time[2] = {seconds, 0};
  (void)CALL6(SYS_setsockopt, fd, SOL_SOCKET, SO_RCVTIMEO, time, sizeof time, 0);
  (void)CALL6(SYS_setsockopt, fd, SOL_SOCKET, SO_SNDTIMEO, time, sizeof time, 0);
}

/* What went wrong, or 0; then the server waits for requests. */
static const char *handshake(int fd, const struct server *server, struct disk *disk) {
  static u8 data[1024];
  if (!read_all(fd, data, 18)) return "no greeting";
  if (of_big(data, 8) != NBDMAGIC || of_big(data + 8, 8) != IHAVEOPT || !(of_big(data + 16, 2) & FIXED_NEWSTYLE))
    return "not a server of NBD's fixed newstyle";
  u32 n = length(server->name);
  big(data, of_big(data + 16, 2) & (FIXED_NEWSTYLE | NO_ZEROES), 4);
  big(data + 4, IHAVEOPT, 8);
  big(data + 12, OPT_GO, 4);
  big(data + 16, n + 6, 4);
  big(data + 20, n, 4);
  memcpy(data + 24, server->name, n);
  big(data + 24 + n, 0, 2); /* no information asked for: the export's comes by itself */
  if (!write_all(fd, data, 26 + n)) return "the connection broke";
  int known = 0;
  for (int replies = 0; replies < 16; replies++) {
    if (!read_all(fd, data, 20)) return "the connection broke";
    u32 type = (u32)of_big(data + 12, 4), size = (u32)of_big(data + 16, 4);
    if (of_big(data, 8) != REPLY_MAGIC || of_big(data + 8, 4) != OPT_GO) return "an answer to something else";
    if (size > sizeof data) return "an answer without end";
    if (!read_all(fd, data, size)) return "the connection broke";
    if (type == REP_ERR_UNKNOWN) return "no such export";
    if (type & REP_ERROR) return "the server refuses";
    if (type == REP_ACK) return known ? 0 : "an export without a size";
    if (type != REP_INFO || size < 12 || of_big(data, 2) != INFO_EXPORT) continue;
    disk->size = of_big(data + 2, 8);
    disk->flags = (u16)of_big(data + 10, 2);
    known = 1;
  }
  return "too many answers";
}

/* A socket that is ready for requests, or -1 with the reason in `why`. Each step may take 5 s. */
static int dial(const struct server *server, struct disk *disk, const char **why) {
  u8 address[16] = {AF_INET, 0, 0, 0};
  big(address + 2, server->port, 2);
  memcpy(address + 4, server->address, 4);
  *why = "no socket";
  int fd = (int)CALL(SYS_socket, AF_INET, STREAM_CLOEXEC, 0);
  if (fd < 0) return -1;
  patience(fd, 5);
  option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  long failed = CALL(SYS_connect, fd, address, sizeof address);
  if (failed < 0)
    *why = failed == -ECONNREFUSED                             ? "connection refused"
           : failed == -EHOSTUNREACH || failed == -ENETUNREACH ? "no way to the server"
                                                               : "no connection";
  else
    *why = handshake(fd, server, disk);
  if (*why) {
    (void)CALL(SYS_close, fd, 0, 0);
    return -1;
  }
  patience(fd, 0);
  /* a pulled cable, with nothing asked: the kernel's driver has no timer then */
  option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  option(fd, IPPROTO_TCP, TCP_KEEPIDLE, 10);
  option(fd, IPPROTO_TCP, TCP_KEEPINTVL, 5);
  option(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
  return fd;
}

#endif
