/* iscsistorm - iSCSI sessions that each keep a queue of requests full, on libiscsi, in one poll loop.
 *
 * usage: iscsistorm -u iscsi://HOST:PORT/TARGET/LUN [-o read|write] [-b BYTES] [-d DEPTH] [-c SESSIONS] [-t SECONDS] [-w WARM-UP SECONDS]
 *                   [-n REQUESTS] [-r REGION BYTES] [-O REGION'S OFFSET] [-s (sequential)] [-S SEED]
 *                   [-f SYNCHRONIZE CACHE AFTER EACH n-th WRITE of a session]
 * Random offsets visit every block of the region once before any comes again (the number of blocks must be a power of two).
 * A %d in the URL is the session's number: then each session has a disk of its own and all visit the same blocks in the same order.
 * Prints one line of JSON: requests measured, seconds, iops, p50 and p99 in us, all requests, bytes and flushes with the warm-up.
 *
 * SPDX-License-Identifier: Apache-2.0      cc -O2 -Wall -o iscsistorm iscsistorm.c -liscsi
 */
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <iscsi/iscsi.h>
#include <iscsi/scsi-lowlevel.h>

enum { SECTOR = 512, HISTOGRAM = 65536, MOSTSESSIONS = 256 };
static int writing, sequential, lun, stopping, open_now, flush_every, own_disks;
static long block = 4096, requests, seed = 1;
static int64_t region = 1 << 30, origin, first, last;
static uint64_t issued, done, warmed, errors, flushes;
static uint32_t histogram[HISTOGRAM]; /* of 1 us; the last holds everything above */
static unsigned char *payload;
struct session { struct iscsi_context *iscsi; uint64_t issued, flushes_due; };
struct slot { struct session *session; int64_t at; int flush; };

static int64_t now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1000000000LL + t.tv_nsec; }
static void fail(const char *what, struct iscsi_context *iscsi) { fprintf(stderr, "iscsistorm: %s: %s\n", what, iscsi ? iscsi_get_error(iscsi) : ""); exit(1); }

static void issue(struct slot *slot);
static void ended(struct iscsi_context *iscsi, int status, void *data, void *private) {
    struct slot *slot = private; int64_t t = now();
    (void)iscsi;
    open_now--;
    if (status == SCSI_STATUS_GOOD) { if (!slot->flush) done++; if (t < first) warmed = done; }
    else errors++;
    if (t >= first && t < last) { int64_t us = (t - slot->at) / 1000; histogram[us < HISTOGRAM ? us : HISTOGRAM - 1]++; }
    scsi_free_scsi_task(data);
    if (t >= last || errors || (requests && (long)issued >= requests && !slot->session->flushes_due)) stopping = 1;
    if (!stopping) issue(slot);
}

static void issue(struct slot *slot) {
    struct session *s = slot->session; uint64_t blocks = region / block;
    slot->flush = s->flushes_due > 0;
    if (slot->flush) {
        if (!iscsi_synchronizecache10_task(s->iscsi, lun, 0, 0, 0, 0, ended, slot)) fail("flush", s->iscsi);
        slot->at = now(); s->flushes_due--; flushes++; open_now++;
        return;
    }
    uint64_t k = own_disks ? s->issued : issued, i = sequential ? s->issued % blocks : (k * 2654435761ULL + seed * 40503ULL) & (blocks - 1);
    uint32_t lba = (origin + i * block) / SECTOR;
    struct scsi_task *task = writing ? iscsi_write10_task(s->iscsi, lun, lba, payload, block, SECTOR, 0, 0, 0, 0, 0, ended, slot)
                                     : iscsi_read10_task(s->iscsi, lun, lba, block, SECTOR, 0, 0, 0, 0, 0, ended, slot);
    if (!task) fail("request", s->iscsi);
    slot->at = now(); s->issued++; issued++; open_now++;
    if (writing && flush_every && s->issued % flush_every == 0) s->flushes_due++;
}

static void begin(struct session *s, const char *url, int number) {
    char name[96]; struct iscsi_url *u;
    snprintf(name, sizeof name, "iqn.2026-11.local.bramble:storm-%d", number);
    s->iscsi = iscsi_create_context(name);
    if (!s->iscsi || !(u = iscsi_parse_full_url(s->iscsi, url))) fail("url", s->iscsi);
    iscsi_set_targetname(s->iscsi, u->target);
    iscsi_set_session_type(s->iscsi, ISCSI_SESSION_NORMAL);
    iscsi_set_header_digest(s->iscsi, ISCSI_HEADER_DIGEST_NONE);
    lun = u->lun;
    if (iscsi_full_connect_sync(s->iscsi, u->portal, u->lun)) fail("login", s->iscsi);
    iscsi_destroy_url(u);
}

int main(int argc, char **argv) {
    const char *url = NULL; int c, depth = 1, sessions = 1; double seconds = 1, warm = 0;
    while ((c = getopt(argc, argv, "u:o:b:d:c:t:w:n:r:O:sf:S:")) > 0) switch (c) {
        case 'u': url = optarg; break; case 'o': writing = *optarg == 'w'; break; case 'b': block = atol(optarg); break;
        case 'd': depth = atoi(optarg); break; case 'c': sessions = atoi(optarg); break; case 't': seconds = atof(optarg); break;
        case 'w': warm = atof(optarg); break; case 'n': requests = atol(optarg); break; case 'r': region = atoll(optarg); break;
        case 'O': origin = atoll(optarg); break; case 's': sequential = 1; break; case 'f': flush_every = atoi(optarg); break; case 'S': seed = atol(optarg); break; default: return 2;
    }
    uint64_t blocks = region / block;
    if (!url || depth < 1 || sessions < 1 || sessions > MOSTSESSIONS || (!sequential && (blocks & (blocks - 1)))) {
        fprintf(stderr, "iscsistorm: bad url, depth, sessions or region\n");
        return 2;
    }
    payload = malloc(block);
    for (long i = 0; i < block; i++) payload[i] = (char)(i * 31 + seed);
    own_disks = strstr(url, "%d") != NULL;
    struct session *all = calloc(sessions, sizeof *all);
    struct pollfd *polled = calloc(sessions, sizeof *polled);
    struct slot *slots = calloc((size_t)sessions * depth, sizeof *slots);
    for (int i = 0; i < sessions; i++) { 
        char own[512]; const char *number = strstr(url, "%d");
        if (number) snprintf(own, sizeof own, "%.*s%d%s", (int)(number - url), url, i, number + 2); else snprintf(own, sizeof own, "%s", url);
        begin(&all[i], own, i);
        all[i].issued = own_disks ? 0 : (uint64_t)i * blocks / sessions; /* in sequence, on one disk: a part for each */
    }
    int64_t start = now();
    first = start + (int64_t)(warm * 1e9); last = first + (int64_t)(seconds * 1e9);
    for (int i = 0; i < sessions * depth; i++) if (!requests || (long)issued < requests) { slots[i].session = &all[i % sessions]; issue(&slots[i]); }
    while (open_now && !errors) {
        for (int i = 0; i < sessions; i++) { polled[i].fd = iscsi_get_fd(all[i].iscsi); polled[i].events = iscsi_which_events(all[i].iscsi); }
        if (poll(polled, sessions, 10000) <= 0) fail("nothing comes any more", NULL);
        for (int i = 0; i < sessions; i++)
            if (polled[i].revents && iscsi_service(all[i].iscsi, polled[i].revents) < 0) fail("service", all[i].iscsi);
    }
    int64_t t = now();
    if (errors) { fprintf(stderr, "iscsistorm: a request failed\n"); return 1; }
    uint64_t n = 0, sum = 0, p50 = 0, p99 = 0; double took = (t - first) / 1e9;
    for (int i = 0; i < HISTOGRAM; i++) n += histogram[i];
    for (int i = 0; i < HISTOGRAM; i++) { sum += histogram[i]; if (!p50 && sum * 2 >= n) p50 = i; if (!p99 && sum * 100 >= n * 99) p99 = i; }
    printf("{\"requests\":%lu,\"seconds\":%.3f,\"iops\":%.0f,\"p50us\":%lu,\"p99us\":%lu,\"allRequests\":%lu,\"allBytes\":%lu,\"allFlushes\":%lu}\n",
        (unsigned long)(done - warmed), took, (done - warmed) / took, (unsigned long)p50, (unsigned long)p99, (unsigned long)done, (unsigned long)(done * block), (unsigned long)flushes);
    for (int i = 0; i < sessions; i++) iscsi_logout_sync(all[i].iscsi);
    return 0;
}
