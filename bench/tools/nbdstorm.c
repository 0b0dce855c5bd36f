/* nbdstorm - one NBD connection that keeps a queue of requests full; a request costs it well below a microsecond
 * besides the system calls, so that the server is what is measured.
 *
 * usage: nbdstorm -p PORT [-h HOST] [-x EXPORT] -o read|write [-b BYTES] [-d DEPTH] [-t SECONDS] [-w WARM-UP SECONDS]
 *                 [-n REQUESTS] [-r REGION BYTES] [-O REGION'S OFFSET] [-s (sequential)] [-f FLUSH AFTER EACH n-th WRITE] [-S SEED]
 * Random offsets visit every block of the region once before any comes again (the number of blocks must be a power of two).
 * Prints one line of JSON: requests and bytes measured, seconds, iops, p50 and p99 in us, all requests and bytes with the warm-up.
 *
 * SPDX-License-Identifier: Apache-2.0      cc -O2 -Wall -o nbdstorm nbdstorm.c
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <limits.h>
#include <time.h>
#include <unistd.h>

enum { READ = 0, WRITE = 1, FLUSH = 3, MOSTDEPTH = 512, HISTOGRAM = 65536 };
static int fd, command = READ, depth = 1, sequential, flush_every;
static long block = 4096, requests, seed = 1;
static double seconds = 1, warm;
static int64_t region = 1 << 30, origin;
static char *payload, *in;
static struct __attribute__((packed)) header { uint32_t magic; uint16_t flags, type; uint64_t cookie, offset; uint32_t length; } heads[MOSTDEPTH];
static struct { int64_t at; int type; } slots[MOSTDEPTH];
static struct iovec out[2 * MOSTDEPTH];
static int nout;
static uint64_t issued, done, bytes, flushes_due;
static uint32_t histogram[HISTOGRAM]; /* of 1 us; the last holds everything above */

static int64_t now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1000000000LL + t.tv_nsec; }
static void die(const char *why) { fprintf(stderr, "nbdstorm: %s: %s\n", why, strerror(errno)); exit(1); }
static void all(void *to, size_t n) { for (char *p = to; n;) { ssize_t k = recv(fd, p, n, 0); if (k <= 0) die("receive"); p += k; n -= k; } }
static void put(const void *from, size_t n) { if (send(fd, from, n, 0) != (ssize_t)n) die("send"); }

static uint64_t handshake(const char *name) {
    char hello[18]; uint32_t n = strlen(name); struct __attribute__((packed)) { uint64_t magic; uint32_t option, length, name; } go;
    struct __attribute__((packed)) { uint64_t magic; uint32_t option, type, length; } reply;
    uint64_t size = 0; uint32_t flags = htonl(3); char body[4096];
    all(hello, 18); put(&flags, 4);
    go.magic = htobe64(0x49484156454f5054ULL); go.option = htonl(7); go.length = htonl(n + 6); go.name = htonl(n);
    put(&go, 20); put(name, n); put("\0\0", 2);
    for (;;) {
        all(&reply, sizeof reply); n = ntohl(reply.length); if (n > sizeof body) die("handshake"); all(body, n);
        if (ntohl(reply.type) == 1) return size;
        if (ntohl(reply.type) != 3) { fprintf(stderr, "nbdstorm: the server refused the export (%#x)\n", ntohl(reply.type)); exit(1); }
        if (!body[0] && !body[1]) { memcpy(&size, body + 2, 8); size = be64toh(size); }
    }
}

static void issue(int slot) {
    struct header *h = &heads[slot]; int type = command; uint64_t blocks = region / block;
    if (flushes_due) { flushes_due--; type = FLUSH; }
    h->magic = htonl(0x25609513); h->flags = 0; h->type = htons(type); h->cookie = slot; h->offset = 0; h->length = 0;
    if (type != FLUSH) {
        uint64_t i = sequential ? issued % blocks : (issued * 2654435761ULL + seed * 40503ULL) & (blocks - 1);
        h->offset = htobe64(origin + i * block); h->length = htonl(block); issued++;
        if (type == WRITE && flush_every && issued % flush_every == 0) flushes_due++;
    }
    slots[slot].at = now(); slots[slot].type = type;
    out[nout++] = (struct iovec){ h, sizeof *h };
    if (type == WRITE) out[nout++] = (struct iovec){ payload, block };
}

static void leave(void) {
    struct iovec *v = out; int n = nout; nout = 0;
    while (n) {
        ssize_t k = writev(fd, v, n > IOV_MAX ? IOV_MAX : n); if (k < 0) die("write");
        while (n && (size_t)k >= v->iov_len) { k -= v->iov_len; v++; n--; }
        if (n) { v->iov_base = (char *)v->iov_base + k; v->iov_len -= k; }
    }
}

int main(int argc, char **argv) {
    const char *host = "127.0.0.1", *name = ""; int port = 10809, c, one = 1;
    while ((c = getopt(argc, argv, "p:h:x:o:b:d:t:w:n:r:O:sf:S:")) > 0) switch (c) {
        case 'p': port = atoi(optarg); break; case 'h': host = optarg; break; case 'x': name = optarg; break;
        case 'o': command = *optarg == 'w' ? WRITE : READ; break; case 'b': block = atol(optarg); break;
        case 'd': depth = atoi(optarg); break; case 't': seconds = atof(optarg); break; case 'w': warm = atof(optarg); break;
        case 'O': origin = atoll(optarg); break;
        case 'n': requests = atol(optarg); break; case 'r': region = atoll(optarg); break; case 's': sequential = 1; break;
        case 'f': flush_every = atoi(optarg); break; case 'S': seed = atol(optarg); break; default: return 2;
    }
    uint64_t blocks = region / block;
    if (depth < 1 || depth > MOSTDEPTH || (!sequential && (blocks & (blocks - 1)))) { fprintf(stderr, "nbdstorm: bad depth or region\n"); return 2; }
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = inet_addr(host) };
    fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (void *)&a, sizeof a)) die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (handshake(name) < (uint64_t)(origin + region)) { fprintf(stderr, "nbdstorm: the export is smaller than the region\n"); return 1; }
    size_t most = (size_t)depth * (16 + block) + 65536, have = 0;
    payload = malloc(block); in = malloc(most);
    for (long i = 0; i < block; i++) payload[i] = (char)(i * 31 + seed);
    int64_t start = now(), first = start + (int64_t)(warm * 1e9), last = first + (int64_t)(seconds * 1e9), t = start;
    uint64_t warmed = 0; int open = 0, stopping = 0;
    for (; open < depth && (!requests || (long)issued < requests); open++) issue(open);
    leave();
    while (open) {
        ssize_t k = recv(fd, in + have, most - have, 0); if (k <= 0) die("receive");
        have += k; t = now();
        if (t < first) warmed = done;
        size_t p = 0;
        while (have - p >= 16) {
            uint32_t head[4]; memcpy(head, in + p, 16); int slot = head[2]; /* cookies are ours: no byte order */
            size_t n = 16 + (slots[slot].type == READ ? block : 0);
            if (ntohl(head[0]) != 0x67446698 || slot >= depth) { fprintf(stderr, "nbdstorm: not a reply\n"); return 1; }
            if (head[1]) { fprintf(stderr, "nbdstorm: error %u\n", ntohl(head[1])); return 1; }
            if (have - p < n) break;
            p += n;
            if (slots[slot].type != FLUSH) { done++; bytes += block; }
            if (t >= first && t < last) { int64_t us = (t - slots[slot].at) / 1000; histogram[us < HISTOGRAM ? us : HISTOGRAM - 1]++; }
            stopping = (requests && (long)issued >= requests && !flushes_due) || t >= last;
            if (stopping) open--; else issue(slot);
        }
        memmove(in, in + p, have - p); have -= p;
        leave();
    }
    uint64_t n = 0, sum = 0, p50 = 0, p99 = 0; double took = (t - first) / 1e9;
    for (int i = 0; i < HISTOGRAM; i++) n += histogram[i];
    for (int i = 0; i < HISTOGRAM; i++) { sum += histogram[i]; if (!p50 && sum * 2 >= n) p50 = i; if (!p99 && sum * 100 >= n * 99) p99 = i; }
    printf("{\"requests\":%lu,\"seconds\":%.3f,\"iops\":%.0f,\"p50us\":%lu,\"p99us\":%lu,\"allRequests\":%lu,\"allBytes\":%lu}\n",
        (unsigned long)(done - warmed), took, (done - warmed) / took, (unsigned long)p50, (unsigned long)p99, (unsigned long)done, (unsigned long)bytes);
    struct header bye = { htonl(0x25609513), 0, htons(2), 0, 0, 0 };
    put(&bye, sizeof bye); close(fd);
    return 0;
}
