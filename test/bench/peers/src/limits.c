/* limits: what this machine's disk and loopback allow.
 *   limits fsync DIR MODE SECONDS [NPROC]   MODE: append | prealloc | dsync
 *   limits udp SECONDS | limits tcp SECONDS  (ping-pong between two processes)
 *   limits floor DIR SECONDS  3 processes: one leader that appends 4k+fdatasync
 *       while two followers, told over UDP, do the same; commit = own fdatasync
 *       and first follower's answer.  W=1 floor as measured, without any protocol.
 *   limits hop DIR MODE SECONDS  the same, asked for by a client process over a Unix stream socket.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}
static int cmp(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}
#define MAXS 4000000
static uint32_t *lat;
static size_t nlat;
static void put(uint64_t ns) { if (nlat < MAXS) lat[nlat++] = (uint32_t)(ns > UINT32_MAX ? UINT32_MAX : ns); }
static double pct(double p) {
    if (!nlat) return 0;
    size_t i = (size_t)(p * (double)(nlat - 1));
    return lat[i] / 1000.0;
}
static void show(const char *what, double secs) {
    qsort(lat, nlat, sizeof *lat, cmp);
    printf("%-34s %9.0f /s   p50 %.1f  p99 %.1f  p99.9 %.1f us\n", what, (double)nlat / secs, pct(.5), pct(.99), pct(.999));
    fflush(stdout);
}
static char *block;
static int openlog(const char *dir, const char *mode, int id) {
    char path[512];
    snprintf(path, sizeof path, "%s/limit.%d", dir, id);
    int fl = O_RDWR | O_CREAT | O_TRUNC;
    if (!strcmp(mode, "dsync")) fl |= O_DIRECT | O_DSYNC;
    int fd = open(path, fl, 0600);
    if (fd < 0) { perror(path); exit(1); }
    if (strcmp(mode, "append")) {          /* written zeros, not just fallocate */
        static char *z;
        if (posix_memalign((void **)&z, 4096, 1 << 20)) exit(1);
        memset(z, 0, 1 << 20);
        for (int i = 0; i < 64; i++) if (pwrite(fd, z, 1 << 20, (off_t)i << 20) < 0) { perror("pwrite"); exit(1); }
        fsync(fd); free(z);
    }
    unlink(path);
    return fd;
}
static void one(int fd, const char *mode, uint64_t k) {
    off_t off = (off_t)(k * 4096);
    if (strcmp(mode, "append")) off %= 64 << 20;
    if (pwrite(fd, block, 4096, off) != 4096) { perror("pwrite"); exit(1); }
    if (strcmp(mode, "dsync") && fdatasync(fd)) { perror("fdatasync"); exit(1); }
}
static void fsyncs(const char *dir, const char *mode, double secs, int id) {
    int fd = openlog(dir, mode, id);
    uint64_t end = now() + (uint64_t)(secs * 1e9);
    for (uint64_t k = 0;; k++) {
        uint64_t a = now();
        if (a > end) break;
        one(fd, mode, k);
        put(now() - a);
    }
    close(fd);
}
static int udp(struct sockaddr_in *me) {
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    memset(me, 0, sizeof *me);
    me->sin_family = AF_INET; me->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(s, (void *)me, sizeof *me)) { perror("bind"); exit(1); }
    socklen_t l = sizeof *me;
    getsockname(s, (void *)me, &l);
    return s;
}
int main(int c, char **v) {
    lat = mmap(0, MAXS * sizeof *lat, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (posix_memalign((void **)&block, 4096, 4096)) return 1;
    memset(block, 0x5a, 4096);
    if (c > 4 && !strcmp(v[1], "fsync")) {
        int n = c > 5 ? atoi(v[5]) : 1;
        double secs = atof(v[4]);
        int p[2]; if (pipe(p)) return 1;
        for (int i = 0; i < n; i++) if (!fork()) {
            char b[200], w[80];
            fsyncs(v[2], v[3], secs, i);
            snprintf(w, sizeof w, "fdatasync 4k %s, writer %d of %d", v[3], i + 1, n);
            qsort(lat, nlat, sizeof *lat, cmp);
            int k = snprintf(b, sizeof b, "%-34s %9.0f /s   p50 %.1f  p99 %.1f  p99.9 %.1f us\n", w, (double)nlat / secs, pct(.5), pct(.99), pct(.999));
            if (write(1, b, (size_t)k) < 0) _exit(1);
            _exit(0);
        }
        while (wait(0) > 0) ;
        return 0;
    }
    if (c > 2 && (!strcmp(v[1], "udp") || !strcmp(v[1], "tcp"))) {
        double secs = atof(v[2]);
        int tcp = v[1][0] == 't', a, b;
        struct sockaddr_in A, B;
        if (tcp) {
            int l = socket(AF_INET, SOCK_STREAM, 0), one_ = 1;
            memset(&A, 0, sizeof A); A.sin_family = AF_INET; A.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
            socklen_t n = sizeof A;
            if (bind(l, (void *)&A, n) || listen(l, 1) || getsockname(l, (void *)&A, &n)) return 1;
            a = socket(AF_INET, SOCK_STREAM, 0);
            if (connect(a, (void *)&A, sizeof A)) return 1;
            b = accept(l, 0, 0);
            setsockopt(a, IPPROTO_TCP, TCP_NODELAY, &one_, sizeof one_);
            setsockopt(b, IPPROTO_TCP, TCP_NODELAY, &one_, sizeof one_);
        } else {
            a = udp(&A); b = udp(&B);
            if (connect(a, (void *)&B, sizeof B) || connect(b, (void *)&A, sizeof A)) return 1;
        }
        char m[256] = {0};
        pid_t k = fork();
        if (!k) { for (;;) { ssize_t r = recv(b, m, sizeof m, 0); if (r <= 0) _exit(0); if (send(b, m, (size_t)r, 0) < 0) _exit(0); } }
        uint64_t end = now() + (uint64_t)(secs * 1e9);
        for (;;) {
            uint64_t t = now();
            if (t > end) break;
            if (send(a, m, 256, 0) != 256) return 1;
            size_t got = 0;
            while (got < 256) { ssize_t r = recv(a, m + got, 256 - got, 0); if (r <= 0) return 1; got += (size_t)r; }
            put(now() - t);
        }
        show(tcp ? "TCP loopback ping-pong, 256 B" : "UDP loopback ping-pong, 256 B", secs);
        kill(k, SIGKILL); wait(0);
        return 0;
    }
    if (c > 4 && (!strcmp(v[1], "floor") || !strcmp(v[1], "hop"))) {
        double secs = atof(v[4]);
        const char *mode = v[3];
        int hop = v[1][0] == 'h', ends[2] = {-1, -1};
        pid_t leader = 0;
        if (hop && socketpair(AF_UNIX, SOCK_STREAM, 0, ends)) return 1;
        if (hop && (leader = fork())) {
            char ask[256] = {0}, answer;
            close(ends[1]);
            if (read(ends[0], &answer, 1) != 1) return 1;      /* it is ready */
            uint64_t end = now() + (uint64_t)(secs * 1e9);
            for (;;) {
                uint64_t t = now();
                if (t > end) break;
                if (write(ends[0], ask, sizeof ask) != sizeof ask || read(ends[0], &answer, 1) != 1) return 1;
                put(now() - t);
            }
            close(ends[0]);
            waitpid(leader, 0, 0);
            char w[80]; snprintf(w, sizeof w, "W=1 bare commit and client, %s", mode);
            show(w, secs);
            return 0;
        }
        struct sockaddr_in L, F[2];
        int ls = udp(&L), fs[2]; pid_t kid[2];
        for (int i = 0; i < 2; i++) {
            fs[i] = udp(&F[i]);
            if (!(kid[i] = fork())) {
                if (hop) { close(ends[0]); close(ends[1]); }
                int fd = openlog(v[2], mode, 1 + i);
                uint64_t k; char m[512];
                for (;;) {
                    ssize_t r = recv(fs[i], m, sizeof m, 0);
                    if (r < 8) _exit(0);
                    memcpy(&k, m, 8);
                    one(fd, mode, k);
                    sendto(fs[i], m, 8, 0, (void *)&L, sizeof L);
                }
            }
        }
        int fd = openlog(v[2], mode, 0);
        sleep(1);
        uint64_t end = now() + (uint64_t)(secs * 1e9);
        char m[512] = {0};
        if (hop) { close(ends[0]); if (write(ends[1], m, 1) != 1) return 1; }
        for (uint64_t k = 0;; k++) {
            if (hop) {
                size_t have = 0;
                while (have < 256) { ssize_t r = read(ends[1], m + have, 256 - have); if (r <= 0) break; have += (size_t)r; }
                if (have < 256) break;
            }
            uint64_t t = now(), got;
            if (!hop && t > end) break;
            memcpy(m, &k, 8);
            for (int i = 0; i < 2; i++) sendto(ls, m, 256, 0, (void *)&F[i], sizeof F[i]);
            one(fd, mode, k);
            do { if (recv(ls, m, sizeof m, 0) < 8) return 1; memcpy(&got, m, 8); } while (got != k);
            put(now() - t);
            if (hop && write(ends[1], m, 1) != 1) return 1;
        }
        char w[80]; snprintf(w, sizeof w, "W=1 bare commit, 3 procs, %s", mode);
        if (!hop) show(w, secs);
        for (int i = 0; i < 2; i++) { kill(kid[i], SIGKILL); waitpid(kid[i], 0, 0); }
        return 0;
    }
    fprintf(stderr, "usage: see source\n");
    return 2;
}
