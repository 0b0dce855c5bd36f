/* nfsstorm - NFSv3 clients on libnfs' raw calls, each with a connection and a folder of its own, in one poll loop.
 *
 * usage: nfsstorm -p NFS-PORT [-m MOUNT-PORT] -e EXPORT [-H HOST] -o create|lookup|readdir|rename|unlink|write|read|mount
 *                 [-c CLIENTS] [-d REQUESTS IN FLIGHT EACH] [-n FILES EACH] [-b BYTES A REQUEST] [-s BYTES OF A FILE] [-t SECONDS]
 *                 [-f FIRST LETTERS OF NAMES]
 * A %d in EXPORT is the client's number. Client i works in the folder c<i>: create makes it and f0, f1, ... in it; lookup and readdir ask for
 * them again and again for -t seconds; rename makes g<n> of f<n>; unlink takes f<n> away (-f w: w0, w1, ...); write fills "data" and ends with COMMIT; read reads it
 * for -t seconds. mount: only connects, makes one file and asks for the root's attributes. Prints one line of JSON.
 *
 * SPDX-License-Identifier: Apache-2.0      cc -O2 -Wall -o nfsstorm nfsstorm.c -lnfs
 */
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <nfsc/libnfs.h>
#include <nfsc/libnfs-raw.h>
#include <nfsc/libnfs-raw-mount.h>
#include <nfsc/libnfs-raw-nfs.h>

enum { MOSTCLIENTS = 1024, NAME = 24, HANDLE = 64 };
enum op { CREATE, LOOKUP, READDIR, RENAME, UNLINK, WRITE, READ, MOUNT };
static const char *WORDS[] = {"create", "lookup", "readdir", "rename", "unlink", "write", "read", "mount", NULL};

struct handle { char bytes[HANDLE]; nfs_fh3 fh; };
struct client {
    struct rpc_context *rpc; int number; struct handle root, folder, data;
    uint64_t next, in_flight; int done; uint64_t cookie; cookieverf3 verf;
};
struct slot { struct client *c; uint64_t count; char name[NAME], other[NAME]; };

static enum op op; static const char *host = "127.0.0.1", *export;
static int port, mount_port, depth = 1, clients = 1; static long files = 1000, chunk = 1 << 20; static uint64_t file_bytes = 64 << 20;
static const char *first = "f"; static double seconds = 1; static int64_t last; static char *payload;
static uint64_t done, moved; static int open_now;

static int64_t now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1000000000LL + t.tv_nsec; }
static void fail(const char *what, int client, const char *why, int status) {
    fprintf(stderr, "nfsstorm: client %d: %s: %s %d\n", client, what, why ? why : "status", status);
    exit(1);
}
static void keep(struct handle *h, const nfs_fh3 *fh) {
    if (fh->data.data_len > HANDLE) fail("handle", 0, "too long", fh->data.data_len);
    memcpy(h->bytes, fh->data.data_val, fh->data.data_len);
    h->fh.data.data_val = h->bytes; h->fh.data.data_len = fh->data.data_len;
}

/* --- one call at a time, to set up --- */
struct waited { int over, status; struct client *c; struct handle *into; const char *what; };
static void over(struct rpc_context *rpc, int status, void *data, void *private) {
    struct waited *w = private;
    (void)rpc;
    w->over = 1; w->status = 0;
    if (status != RPC_STATUS_SUCCESS) fail(w->what, w->c->number, status == RPC_STATUS_ERROR ? data : "cancelled", status);
}
static void looked(struct rpc_context *rpc, int status, void *data, void *private) {
    struct waited *w = private; LOOKUP3res *res = data;
    over(rpc, status, data, private);
    w->status = res->status;
    if (res->status == NFS3_OK) keep(w->into, &res->LOOKUP3res_u.resok.object);
}
static void made(struct rpc_context *rpc, int status, void *data, void *private) {
    struct waited *w = private; CREATE3res *res = data; /* MKDIR3res has the same shape */
    over(rpc, status, data, private);
    w->status = res->status;
    if (res->status == NFS3_OK && res->CREATE3res_u.resok.obj.handle_follows) keep(w->into, &res->CREATE3res_u.resok.obj.post_op_fh3_u.handle);
}
static void mounted(struct rpc_context *rpc, int status, void *data, void *private) {
    struct waited *w = private; mountres3 *res = data; nfs_fh3 fh;
    over(rpc, status, data, private);
    if (res->fhs_status != MNT3_OK) fail("mount", w->c->number, NULL, res->fhs_status);
    fh.data.data_len = res->mountres3_u.mountinfo.fhandle.fhandle3_len; fh.data.data_val = res->mountres3_u.mountinfo.fhandle.fhandle3_val;
    keep(w->into, &fh);
}
static void attributes(struct rpc_context *rpc, int status, void *data, void *private) {
    over(rpc, status, data, private);
    ((struct waited *)private)->status = ((GETATTR3res *)data)->status;
}
static void wait_for(struct waited *w) {
    while (!w->over) {
        struct pollfd p = {rpc_get_fd(w->c->rpc), rpc_which_events(w->c->rpc), 0};
        if (poll(&p, 1, 30000) <= 0) fail(w->what, w->c->number, "nothing comes", 0);
        if (rpc_service(w->c->rpc, p.revents) < 0) fail(w->what, w->c->number, rpc_get_error(w->c->rpc), 0);
    }
    w->over = 0;
}
static void connect_to(struct client *c, int to, int program) {
    struct waited w = {0, 0, c, NULL, "connect"};
    c->rpc = rpc_init_context();
    rpc_set_auth(c->rpc, libnfs_authunix_create("storm", 0, 0, 0, NULL));
    if (rpc_connect_port_async(c->rpc, host, to, program, 3, over, &w)) fail("connect", c->number, rpc_get_error(c->rpc), 0);
    wait_for(&w);
}
static int lookup(struct client *c, struct handle *in, char *name, struct handle *into) {
    struct waited w = {0, 0, c, into, "lookup"}; LOOKUP3args args = {{in->fh, name}};
    if (rpc_nfs3_lookup_async(c->rpc, looked, &args, &w)) fail("lookup", c->number, rpc_get_error(c->rpc), 0);
    wait_for(&w);
    return w.status;
}
static void create(struct client *c, struct handle *in, char *name, struct handle *into) {
    struct waited w = {0, 0, c, into, "create"}; CREATE3args args = {{in->fh, name}};
    args.how.mode = UNCHECKED;
    args.how.createhow3_u.obj_attributes.mode.set_it = 1; args.how.createhow3_u.obj_attributes.mode.set_mode3_u.mode = 0644;
    args.how.createhow3_u.obj_attributes.size.set_it = 1;
    if (rpc_nfs3_create_async(c->rpc, made, &args, &w)) fail("create", c->number, rpc_get_error(c->rpc), 0);
    wait_for(&w);
    if (w.status) fail("create", c->number, NULL, w.status);
}
static void begin(struct client *c) {
    char path[512], folder[NAME]; const char *d = strstr(export, "%d"); struct waited w = {0, 0, c, &c->root, "mount"};
    if (d) snprintf(path, sizeof path, "%.*s%d%s", (int)(d - export), export, c->number, d + 2); else snprintf(path, sizeof path, "%s", export);
    connect_to(c, mount_port, MOUNT_PROGRAM);
    if (rpc_mount3_mnt_async(c->rpc, mounted, path, &w)) fail("mount", c->number, rpc_get_error(c->rpc), 0);
    wait_for(&w);
    rpc_destroy_context(c->rpc);
    connect_to(c, port, NFS_PROGRAM);
    snprintf(folder, sizeof folder, "c%d", c->number);
    int status = lookup(c, &c->root, folder, &c->folder);
    if (status == NFS3ERR_NOENT) {
        struct waited m = {0, 0, c, &c->folder, "mkdir"}; MKDIR3args args = {{c->root.fh, folder}};
        args.attributes.mode.set_it = 1; args.attributes.mode.set_mode3_u.mode = 0755;
        if (rpc_nfs3_mkdir_async(c->rpc, made, &args, &m)) fail("mkdir", c->number, rpc_get_error(c->rpc), 0);
        wait_for(&m);
        status = m.status;
    }
    if (status) fail("folder", c->number, NULL, status);
    if (op == WRITE || op == MOUNT) create(c, &c->folder, "data", &c->data);
    if (op == READ && (status = lookup(c, &c->folder, "data", &c->data))) fail("data", c->number, NULL, status);
    if (op == MOUNT) {
        struct waited a = {0, 0, c, NULL, "getattr"}; GETATTR3args args = {c->root.fh};
        if (rpc_nfs3_getattr_async(c->rpc, attributes, &args, &a)) fail("getattr", c->number, rpc_get_error(c->rpc), 0);
        wait_for(&a);
        if (a.status) fail("getattr", c->number, NULL, a.status);
    }
}

/* --- the storm --- */
static void issue(struct slot *s);
static void ended(struct rpc_context *rpc, int status, void *data, void *private) {
    struct slot *s = private; struct client *c = s->c;
    (void)rpc;
    open_now--; c->in_flight--;
    if (status != RPC_STATUS_SUCCESS) fail(WORDS[op], c->number, status == RPC_STATUS_ERROR ? data : "cancelled", status);
    if (*(nfsstat3 *)data != NFS3_OK) fail(WORDS[op], c->number, s->name, *(nfsstat3 *)data); /* each answer begins with its status */
    if (op == READ) {
        READ3resok *ok = &((READ3res *)data)->READ3res_u.resok;
        if (ok->count != s->count) fail("read", c->number, "short", ok->count);
        moved += ok->count; done++;
    } else if (op == WRITE) {
        if (s->count) { if (((WRITE3res *)data)->WRITE3res_u.resok.count != s->count) fail("write", c->number, "short", 0); moved += s->count; done++; }
    } else if (op == READDIR) {
        READDIRPLUS3resok *ok = &((READDIRPLUS3res *)data)->READDIRPLUS3res_u.resok;
        for (entryplus3 *e = ok->reply.entries; e; e = e->nextentry) { done++; c->cookie = e->cookie; }
        memcpy(c->verf, ok->cookieverf, sizeof c->verf);
        if (ok->reply.eof) { c->cookie = 0; memset(c->verf, 0, sizeof c->verf); }
    } else done++;
    issue(s);
}
static void issue(struct slot *s) {
    struct client *c = s->c; int bad = 0;
    uint64_t n = c->next;
    s->count = 0;
    if (c->done) return;
    if ((op == LOOKUP || op == READDIR || op == READ) && now() >= last) { c->done = 1; return; }
    if ((op == CREATE || op == RENAME || op == UNLINK) && n >= (uint64_t)files) { c->done = 1; return; }
    if (op == READDIR && c->in_flight) return; /* a list goes on where its last answer ended */
    snprintf(s->name, NAME, "%s%lu", first, (unsigned long)(n % files));
    switch (op) {
    case CREATE: {
        CREATE3args args = {{c->folder.fh, s->name}};
        args.how.mode = GUARDED;
        args.how.createhow3_u.g_obj_attributes.mode.set_it = 1; args.how.createhow3_u.g_obj_attributes.mode.set_mode3_u.mode = 0644;
        bad = rpc_nfs3_create_async(c->rpc, ended, &args, s); break;
    }
    case LOOKUP: { LOOKUP3args args = {{c->folder.fh, s->name}}; bad = rpc_nfs3_lookup_async(c->rpc, ended, &args, s); break; }
    case UNLINK: { REMOVE3args args = {{c->folder.fh, s->name}}; bad = rpc_nfs3_remove_async(c->rpc, ended, &args, s); break; }
    case RENAME: {
        RENAME3args args = {{c->folder.fh, s->name}, {c->folder.fh, s->other}};
        snprintf(s->other, NAME, "g%lu", (unsigned long)n);
        bad = rpc_nfs3_rename_async(c->rpc, ended, &args, s); break;
    }
    case READDIR: {
        READDIRPLUS3args args = {c->folder.fh, c->cookie};
        memcpy(args.cookieverf, c->verf, sizeof c->verf);
        args.dircount = 32768; args.maxcount = 32768;
        bad = rpc_nfs3_readdirplus_async(c->rpc, ended, &args, s); break;
    }
    case WRITE: {
        uint64_t at = n * chunk;
        if (at >= file_bytes) {
            if (c->in_flight) return; /* the last answer of this client asks for the COMMIT */
            COMMIT3args args = {c->data.fh, 0, 0};
            c->done = 1;
            bad = rpc_nfs3_commit_async(c->rpc, ended, &args, s);
        } else {
            s->count = file_bytes - at < (uint64_t)chunk ? file_bytes - at : (uint64_t)chunk;
            WRITE3args args = {c->data.fh, at, s->count, UNSTABLE, {s->count, payload}};
            bad = rpc_nfs3_write_async(c->rpc, ended, &args, s);
        }
        break;
    }
    case READ: {
        uint64_t blocks = (file_bytes + chunk - 1) / chunk, at = n % blocks * chunk;
        s->count = file_bytes - at < (uint64_t)chunk ? file_bytes - at : (uint64_t)chunk;
        READ3args args = {c->data.fh, at, s->count};
        bad = rpc_nfs3_read_async(c->rpc, ended, &args, s); break;
    }
    case MOUNT: c->done = 1; return;
    }
    if (bad) fail(WORDS[op], c->number, rpc_get_error(c->rpc), 0);
    c->next++; c->in_flight++; open_now++;
}

int main(int argc, char **argv) {
    int c;
    op = MOUNT;
    while ((c = getopt(argc, argv, "p:m:e:H:o:c:d:n:b:s:t:f:")) > 0) switch (c) {
        case 'p': port = atoi(optarg); break; case 'm': mount_port = atoi(optarg); break; case 'e': export = optarg; break; case 'H': host = optarg; break;
        case 'o': for (op = CREATE; WORDS[op] && strcmp(WORDS[op], optarg); op++) {} break;
        case 'c': clients = atoi(optarg); break; case 'd': depth = atoi(optarg); break; case 'n': files = atol(optarg); break; case 'b': chunk = atol(optarg); break;
        case 's': file_bytes = atoll(optarg); break; case 't': seconds = atof(optarg); break; case 'f': first = optarg; break; default: return 2;
    }
    if (!mount_port) mount_port = port;
    if (!port || !export || !WORDS[op] || clients < 1 || clients > MOSTCLIENTS || depth < 1 || files < 1 || chunk < 1 || strlen(first) > 3) {
        fprintf(stderr, "nfsstorm: bad port, export, operation, clients, depth, files or bytes\n");
        return 2;
    }
    payload = malloc(chunk);
    for (long i = 0; i < chunk; i++) payload[i] = (char)(i * 31 + (i >> 9));
    struct client *all = calloc(clients, sizeof *all); struct pollfd *polled = calloc(clients, sizeof *polled);
    struct slot *slots = calloc((size_t)clients * depth, sizeof *slots);
    for (int i = 0; i < clients; i++) { all[i].number = i; begin(&all[i]); }
    int64_t start = now();
    last = start + (int64_t)(seconds * 1e9);
    for (int i = 0; i < clients * depth; i++) { slots[i].c = &all[i % clients]; issue(&slots[i]); }
    while (open_now) {
        for (int i = 0; i < clients; i++) { polled[i].fd = rpc_get_fd(all[i].rpc); polled[i].events = rpc_which_events(all[i].rpc); polled[i].revents = 0; }
        if (poll(polled, clients, 30000) <= 0) fail(WORDS[op], -1, "nothing comes any more", 0);
        for (int i = 0; i < clients; i++)
            if (polled[i].revents && rpc_service(all[i].rpc, polled[i].revents) < 0) fail(WORDS[op], i, rpc_get_error(all[i].rpc), 0);
    }
    double took = (now() - start) / 1e9;
    printf("{\"requests\":%lu,\"bytes\":%lu,\"seconds\":%.3f}\n", (unsigned long)done, (unsigned long)moved, took);
    if (op == MOUNT) { fflush(stdout); close(1); (void)!read(0, payload, 1); } /* stays connected until its input ends */
    return 0;
}
