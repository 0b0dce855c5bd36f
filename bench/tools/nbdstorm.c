/* nbdstorm - NBD connections that each keep a queue of requests full; a request costs them well below a microsecond
 * besides the system calls, so that the server is what is measured.
 *
 * usage: nbdstorm -p PORT[,PORT...] [-h HOST] [-x EXPORT] [-c CONNECTIONS] -o read|write [-b BYTES] [-d DEPTH] [-t SECONDS] [-w WARM-UP SECONDS]
 *                 [-n REQUESTS] [-r REGION BYTES] [-O REGION'S OFFSET] [-s (sequential)] [-f FLUSH AFTER EACH n-th WRITE] [-S SEED]
 *                 [-e STRIDE BYTES: one block at each multiple of it]
 * Random offsets visit every block of the region once before any comes again (the number of blocks must be a power of two).
 * Connection i takes the i-th port, in turn; a %d in the export's name is its number. With several ports or a %d each connection
 * has a disk of its own and all visit the same blocks in the same order; else they share one order. -n and -f count for each connection.
 * Prints one line of JSON: requests and bytes measured, seconds, iops, p50 and p99 in us, all requests, bytes and flushes with the warm-up.
 *
 * SPDX-License-Identifier: Apache-2.0      cc -O2 -Wall -o nbdstorm nbdstorm.c
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <limits.h>
#include <time.h>
#include <unistd.h>

enum { READ = 0, WRITE = 1, FLUSH = 3, MOSTDEPTH = 512, MOSTCONNECTIONS = 64, HISTOGRAM = 65536 };
static int command = READ, depth = 1, sequential, flush_every, connections = 1, own_disks;
static long block = 4096, requests, seed = 1;
static double seconds = 1, warm;
static int64_t region = 1 << 30, origin, stride;
static char *payload;
struct __attribute__((packed)) header { uint32_t magic; uint16_t flags, type; uint64_t cookie, offset; uint32_t length; };
static struct connection {
    int fd, open, nout; char *in; size_t have; uint64_t issued, flushes_due;
    struct header heads[MOSTDEPTH]; struct { int64_t at; int type; } slots[MOSTDEPTH]; struct iovec out[2 * MOSTDEPTH];
} all_of_us[MOSTCONNECTIONS];
static size_t most;
static int64_t first, last;
static uint64_t issued, done, warmed, bytes, flushes;
static uint32_t histogram[HISTOGRAM]; /* of 1 us; the last holds everything above */

static int64_t now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1000000000LL + t.tv_nsec; }
static void die(const char *why) { fprintf(stderr, "nbdstorm: %s: %s\n", why, strerror(errno)); exit(1); }
static void all(int fd, void *to, size_t n) { for (char *p = to; n;) { ssize_t k = recv(fd, p, n, 0); if (k <= 0) die("receive"); p += k; n -= k; } }
static void put(int fd, const void *from, size_t n) { if (send(fd, from, n, 0) != (ssize_t)n) die("send"); }

static uint64_t handshake(int fd, const char *name) {
    char hello[18]; uint32_t n = strlen(name); struct __attribute__((packed)) { uint64_t magic; uint32_t option, length, name; } go;
    struct __attribute__((packed)) { uint64_t magic; uint32_t option, type, length; } reply;
    uint64_t size = 0; uint32_t flags = htonl(3); char body[4096];
    all(fd, hello, 18); put(fd, &flags, 4);
    go.magic = htobe64(0x49484156454f5054ULL); go.option = htonl(7); go.length = htonl(n + 6); go.name = htonl(n);
    put(fd, &go, 20); put(fd, name, n); put(fd, "\0\0", 2);
    for (;;) {
        all(fd, &reply, sizeof reply); n = ntohl(reply.length); if (n > sizeof body) die("handshake"); all(fd, body, n);
        if (ntohl(reply.type) == 1) return size;
        if (ntohl(reply.type) != 3) { fprintf(stderr, "nbdstorm: the server refused the export (%#x)\n", ntohl(reply.type)); exit(1); }
        if (!body[0] && !body[1]) { memcpy(&size, body + 2, 8); size = be64toh(size); }
    }
}

static void issue(struct connection *o, int slot) {
    struct header *h = &o->heads[slot]; int type = command; uint64_t blocks = region / stride;
    if (o->flushes_due) { o->flushes_due--; flushes++; type = FLUSH; }
    h->magic = htonl(0x25609513); h->flags = 0; h->type = htons(type); h->cookie = slot; h->offset = 0; h->length = 0;
    if (type != FLUSH) {
        uint64_t k = own_disks ? o->issued : issued, i = sequential ? k % blocks : (k * 2654435761ULL + seed * 40503ULL) & (blocks - 1);
        h->offset = htobe64(origin + i * stride); h->length = htonl(block); issued++; o->issued++;
        if (type == WRITE && flush_every && o->issued % flush_every == 0) o->flushes_due++;
    }
    o->slots[slot].at = now(); o->slots[slot].type = type;
    o->out[o->nout++] = (struct iovec){ h, sizeof *h };
    if (type == WRITE) o->out[o->nout++] = (struct iovec){ payload, block };
}

static void leave(struct connection *o) {
    struct iovec *v = o->out; int n = o->nout; o->nout = 0;
    while (n) {
        ssize_t k = writev(o->fd, v, n > IOV_MAX ? IOV_MAX : n); if (k < 0) die("write");
        while (n && (size_t)k >= v->iov_len) { k -= v->iov_len; v++; n--; }
        if (n) { v->iov_base = (char *)v->iov_base + k; v->iov_len -= k; }
    }
}

static void attach(struct connection *o, const char *host, int port, const char *name) {
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = inet_addr(host) }; int one = 1;
    o->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(o->fd, (void *)&a, sizeof a)) die("connect");
    setsockopt(o->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (handshake(o->fd, name) < (uint64_t)(origin + region)) { fprintf(stderr, "nbdstorm: the export is smaller than the region\n"); exit(1); }
    o->in = malloc(most);
}

static void begin(struct connection *o) {
    for (; o->open < depth && (!requests || (long)o->issued < requests); o->open++) issue(o, o->open);
    leave(o);
}

static void receive(struct connection *o) {
    ssize_t k = recv(o->fd, o->in + o->have, most - o->have, 0); if (k <= 0) die("receive");
    int64_t t = now(); size_t p = 0;
    o->have += k;
    if (t < first) warmed = done;
    while (o->have - p >= 16) {
        uint32_t head[4]; memcpy(head, o->in + p, 16); int slot = head[2]; /* cookies are ours: no byte order */
        if (ntohl(head[0]) != 0x67446698 || slot < 0 || slot >= depth) { fprintf(stderr, "nbdstorm: not a reply\n"); exit(1); }
        if (head[1]) { fprintf(stderr, "nbdstorm: error %u\n", ntohl(head[1])); exit(1); }
        size_t n = 16 + (o->slots[slot].type == READ ? block : 0);
        if (o->have - p < n) break;
        p += n;
        if (o->slots[slot].type != FLUSH) { done++; bytes += block; }
        if (t >= first && t < last) { int64_t us = (t - o->slots[slot].at) / 1000; histogram[us < HISTOGRAM ? us : HISTOGRAM - 1]++; }
        if ((requests && (long)o->issued >= requests && !o->flushes_due) || t >= last) o->open--; else issue(o, slot);
    }
    memmove(o->in, o->in + p, o->have - p); o->have -= p;
    leave(o);
}

int main(int argc, char **argv) {
    const char *host = "127.0.0.1", *name = "", *next; int ports[MOSTCONNECTIONS] = { 10809 }, nports = 1, c;
    while ((c = getopt(argc, argv, "p:h:x:c:o:b:d:t:w:n:r:O:sf:S:e:")) > 0) switch (c) {
        case 'p': for (next = optarg, nports = 0; nports < MOSTCONNECTIONS; next++) { ports[nports++] = strtol(next, (char **)&next, 10); if (*next != ',') break; } break;
        case 'h': host = optarg; break; case 'x': name = optarg; break; case 'c': connections = atoi(optarg); break;
        case 'o': command = *optarg == 'w' ? WRITE : READ; break; case 'b': block = atol(optarg); break;
        case 'd': depth = atoi(optarg); break; case 't': seconds = atof(optarg); break; case 'w': warm = atof(optarg); break;
        case 'O': origin = atoll(optarg); break;
        case 'n': requests = atol(optarg); break; case 'r': region = atoll(optarg); break; case 's': sequential = 1; break; case 'e': stride = atoll(optarg); break;
        case 'f': flush_every = atoi(optarg); break; case 'S': seed = atol(optarg); break; default: return 2;
    }
    if (!stride) stride = block;
    uint64_t blocks = region / stride; struct pollfd polled[MOSTCONNECTIONS];
    if (depth < 1 || depth > MOSTDEPTH || connections < 1 || connections > MOSTCONNECTIONS || (!sequential && (blocks & (blocks - 1)))) {
        fprintf(stderr, "nbdstorm: bad depth, connections or region\n"); return 2;
    }
    own_disks = nports > 1 || strstr(name, "%d");
    most = (size_t)depth * (16 + block) + 65536; payload = malloc(block);
    for (long i = 0; i < block; i++) payload[i] = (char)(i * 31 + seed);
    for (int i = 0; i < connections; i++) {
        char called[256]; const char *number = strstr(name, "%d");
        if (number) snprintf(called, sizeof called, "%.*s%d%s", (int)(number - name), name, i, number + 2); else snprintf(called, sizeof called, "%s", name);
        attach(&all_of_us[i], host, ports[i % nports], called);
    }
    int64_t start = now();
    first = start + (int64_t)(warm * 1e9); last = first + (int64_t)(seconds * 1e9);
    for (int i = 0; i < connections; i++) begin(&all_of_us[i]);
    for (int busy = connections; busy;) { /* a single connection waits in recv(), which costs it one system call less */
        for (int i = 0; i < connections; i++) polled[i] = (struct pollfd){ all_of_us[i].open ? all_of_us[i].fd : -1, POLLIN, POLLIN };
        if (connections > 1 && poll(polled, connections, -1) < 0) die("poll");
        busy = 0;
        for (int i = 0; i < connections; i++) {
            if (all_of_us[i].open && polled[i].revents) receive(&all_of_us[i]);
            busy += all_of_us[i].open > 0;
        }
    }
    int64_t t = now();
    uint64_t n = 0, sum = 0, p50 = 0, p99 = 0; double took = (t - first) / 1e9;
    for (int i = 0; i < HISTOGRAM; i++) n += histogram[i];
    for (int i = 0; i < HISTOGRAM; i++) { sum += histogram[i]; if (!p50 && sum * 2 >= n) p50 = i; if (!p99 && sum * 100 >= n * 99) p99 = i; }
    printf("{\"requests\":%lu,\"seconds\":%.3f,\"iops\":%.0f,\"p50us\":%lu,\"p99us\":%lu,\"allRequests\":%lu,\"allBytes\":%lu,\"allFlushes\":%lu}\n",
        (unsigned long)(done - warmed), took, (done - warmed) / took, (unsigned long)p50, (unsigned long)p99, (unsigned long)done, (unsigned long)bytes, (unsigned long)flushes);
    struct header bye = { htonl(0x25609513), 0, htons(2), 0, 0, 0 };
    for (int i = 0; i < connections; i++) { put(all_of_us[i].fd, &bye, sizeof bye); close(all_of_us[i].fd); }
    return 0;
}
