/* Generic netlink, as far as the kernel's nbd driver needs it: include/uapi/linux/{netlink,genetlink,nbd-netlink}.h. */
#ifndef NETLINK_H
#define NETLINK_H
#include "sys.h"

enum { AF_NETLINK = 16, SOCK_RAW = 3, SOCK_CLOEXEC = 02000000, NETLINK_GENERIC = 16, SOL_NETLINK = 270, NETLINK_ADD_MEMBERSHIP = 1 };
enum { MSG_PEEK = 2, MSG_DONTWAIT = 0x40 };
enum { NLM_F_REQUEST = 1, NLM_F_ACK = 4, NLMSG_ERROR = 2, NLA_F_NESTED = 0x8000, NLA_TYPE = 0x3fff };
enum { CTRL = 0x10, CTRL_GETFAMILY = 3, CTRL_FAMILY_ID = 1, CTRL_FAMILY_NAME = 2, CTRL_GROUPS = 7, CTRL_GROUP_NAME = 1, CTRL_GROUP_ID = 2 };
enum { NBD_CONNECT = 1, NBD_RECONFIGURE = 3, NBD_LINK_DEAD = 4 };
enum {
  NBD_INDEX = 1, NBD_SIZE_BYTES = 2, NBD_BLOCK_SIZE_BYTES = 3, NBD_TIMEOUT = 4, NBD_SERVER_FLAGS = 5, NBD_CLIENT_FLAGS = 6,
  NBD_SOCKETS = 7, NBD_DEAD_CONN_TIMEOUT = 8, NBD_SOCK_ITEM = 1, NBD_SOCK_FD = 1
};

/* nlmsghdr with the genlmsghdr behind it, and an attribute's head. All fields in the machine's order. */
struct message { u32 length; u16 type; u16 flags; u32 sequence; u32 port; u8 command; u8 version; u16 reserved; };
struct attribute { u16 length; u16 type; };

static u32 out[256], in[4096]; /* words: messages and attributes are aligned to 4 */
static u32 sequence;
static u16 family;
static u32 group;

static struct message *const request = (struct message *)out;
static u32 aligned(u32 n) { return (n + 3) & ~3u; }

static void ask(u16 type, u8 command) {
  memset(out, 0, sizeof out);
  *request = (struct message){sizeof *request, type, NLM_F_REQUEST | NLM_F_ACK, ++sequence, 0, command, 1, 0};
}

static struct attribute *attach(u16 type, const void *data, u32 n) {
  struct attribute *one = (struct attribute *)((u8 *)out + aligned(request->length));
  *one = (struct attribute){(u16)(sizeof *one + n), type};
  memcpy(one + 1, data, n);
  request->length = aligned(request->length) + aligned(one->length);
  return one;
}
static void attach32(u16 type, u32 value) { attach(type, &value, 4); }
static void attach64(u16 type, u64 value) { attach(type, &value, 8); }
static void enclose(struct attribute *one) { one->length = (u16)((u8 *)out + request->length - (u8 *)one); }

static void attach_socket(int fd) {
  struct attribute *sockets = attach(NBD_SOCKETS | NLA_F_NESTED, 0, 0);
  struct attribute *item = attach(NBD_SOCK_ITEM | NLA_F_NESTED, 0, 0);
  attach32(NBD_SOCK_FD, (u32)fd);
  enclose(item);
  enclose(sockets);
}

/* The attribute of this type among `n` bytes of them, or 0. */
static const struct attribute *find(const void *from, u32 n, u16 type) {
  const u8 *at = from;
  while (n >= sizeof(struct attribute)) {
    const struct attribute *one = (const void *)at;
    if (one->length < sizeof *one || one->length > n) return 0;
    if ((one->type & NLA_TYPE) == type) return one;
    u32 step = aligned(one->length);
    if (step >= n) return 0;
    at += step;
    n -= step;
  }
  return 0;
}
static const struct attribute *inside(const struct attribute *outer, u16 type) {
  return outer ? find(outer + 1, outer->length - (u32)sizeof *outer, type) : 0;
}
static const struct attribute *of_message(const struct message *one, u16 type) {
  return one->length < sizeof *one ? 0 : find(one + 1, one->length - (u32)sizeof *one, type);
}
static u32 value32(const struct attribute *one) { return one && one->length >= 8 ? *(const u32 *)(one + 1) : 0; }

/* Calls `each` with every message that one recv brings. The count of bytes, or a negative error. */
static long receive(int fd, int flags, void (*each)(const struct message *)) {
  long n = CALL6(SYS_recvfrom, fd, in, sizeof in, flags, 0, 0);
  const u8 *at = (const u8 *)in;
  for (long left = n; left >= 16;) {
    const struct message *one = (const void *)at;
    if (one->length < 16 || one->length > (u32)left) break;
    each(one);
    at += aligned(one->length);
    left -= aligned(one->length);
  }
  return n;
}

static int answered;
static int answer;
static void on_answer(const struct message *one) {
  if (one->type == NLMSG_ERROR && one->sequence == sequence && one->length >= 20) {
    answer = *(const int *)((const u8 *)one + 16);
    answered = 1;
  }
  if (one->type != CTRL) return;
  const struct attribute *id = of_message(one, CTRL_FAMILY_ID);
  if (id && id->length >= 6) family = *(const u16 *)(id + 1);
  const struct attribute *groups = of_message(one, CTRL_GROUPS);
  /* nbd has one group, nbd_mc_group: the list's first item */
  group = value32(inside(inside(groups, 1), CTRL_GROUP_ID));
}

/* Sends what was built and waits for the kernel's word: 0 or a negative error. */
static long settle(int fd) {
  long n = CALL6(SYS_sendto, fd, out, request->length, 0, 0, 0);
  for (answered = 0; n >= 0 && !answered;) n = receive(fd, 0, on_answer);
  return n < 0 ? n : answer;
}

static int open_netlink(void) {
  struct { u16 kind, pad; u32 port, groups; } address = {AF_NETLINK, 0, 0, 0};
  long fd = CALL(SYS_socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
  if (fd >= 0 && CALL(SYS_bind, fd, &address, sizeof address) < 0) return -1;
  return (int)fd;
}

#endif
