// SPDX-License-Identifier: Apache-2.0
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

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}
static int cmp(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}
#define MAXS 4000000
static uint32_t *lat;
static size_t nlat;
static void put(uint64_t ns)
{
    if (nlat < MAXS) lat[nlat++] = (uint32_t)(ns > UINT32_MAX ? UINT32_MAX : ns);
}
static double pct(double p)
{
    if (!nlat) return 0;
    size_t i = (size_t)(p * (double)(nlat - 1));
    return lat[i] / 1000.0;
}
static void show(const char *what, double secs)
{
    qsort(lat, nlat, sizeof *lat, cmp);
    printf("%-34s %9.0f /s   p50 %.1f  p99 %.1f  p99.9 %.1f us\n", what, (double)nlat / secs, pct(.5),
           pct(.99), pct(.999));
    fflush(stdout);
}
static char *block;
static int openlog(const char *dir, const char *mode, int id)
{
    char path[512];
    snprintf(path, sizeof path, "%s/limit.%d", dir, id);
    int fl = O_RDWR | O_CREAT | O_TRUNC;
    if (!strcmp(mode, "dsync")) fl |= O_DIRECT | O_DSYNC;
    int fd = open(path, fl, 0600);
    if (fd < 0) {
        perror(path);
        exit(1);
    }
    if (strcmp(mode, "append")) { /* written zeros, not just fallocate */
        static char *z;
        if (posix_memalign((void **)&z, 4096, 1 << 20)) exit(1);
        memset(z, 0, 1 << 20);
        for (int i = 0; i < 64; i++)
            if (pwrite(fd, z, 1 << 20, (off_t)i << 20) < 0) {
                perror("pwrite");
                exit(1);
            }
        fsync(fd);
        free(z);
    }
    unlink(path);
    return fd;
}
static void one(int fd, const char *mode, uint64_t k)
{
    off_t off = (off_t)(k * 4096);
    if (strcmp(mode, "append")) off %= 64 << 20;
    if (pwrite(fd, block, 4096, off) != 4096) {
        perror("pwrite");
        exit(1);
    }
    if (strcmp(mode, "dsync") && fdatasync(fd)) {
        perror("fdatasync");
        exit(1);
    }
}
static void fsyncs(const char *dir, const char *mode, double secs, int id)
{
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
static int udp(struct sockaddr_in *me)
{
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    memset(me, 0, sizeof *me);
    me->sin_family = AF_INET;
    me->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(s, (void *)me, sizeof *me)) {
        perror("bind");
        exit(1);
    }
    socklen_t l = sizeof *me;
    getsockname(s, (void *)me, &l);
    return s;
}
static void sync_in_children(char **v, int n)
{
    double secs = atof(v[4]);
    for (int i = 0; i < n; i++)
        if (!fork()) {
            char b[200], w[80];
            fsyncs(v[2], v[3], secs, i);
            snprintf(w, sizeof w, "fdatasync 4k %s, writer %d of %d", v[3], i + 1, n);
            qsort(lat, nlat, sizeof *lat, cmp);
            int k = snprintf(b, sizeof b, "%-34s %9.0f /s   p50 %.1f  p99 %.1f  p99.9 %.1f us\n", w,
                             (double)nlat / secs, pct(.5), pct(.99), pct(.999));
            _exit(write(1, b, (size_t)k) < 0);
        }
    while (wait(0) > 0) continue;
}
static int tcp_pair(int *a, int *b)
{
    struct sockaddr_in A = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int l = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    socklen_t n = sizeof A;
    if (bind(l, (void *)&A, n) || listen(l, 1) || getsockname(l, (void *)&A, &n)) return 1;
    *a = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(*a, (void *)&A, sizeof A)) return 1;
    *b = accept(l, 0, 0);
    setsockopt(*a, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(*b, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return 0;
}
static int udp_pair(int *a, int *b)
{
    struct sockaddr_in A, B;
    *a = udp(&A);
    *b = udp(&B);
    return connect(*a, (void *)&B, sizeof B) || connect(*b, (void *)&A, sizeof A);
}
static int ping_pong(int tcp, double secs)
{
    int a, b;
    if (tcp ? tcp_pair(&a, &b) : udp_pair(&a, &b)) return 1;
    char m[256] = {0};
    pid_t k = fork();
    if (!k) {
        for (;;) {
            ssize_t r = recv(b, m, sizeof m, 0);
            if (r <= 0 || send(b, m, (size_t)r, 0) < 0) _exit(0);
        }
    }
    uint64_t end = now() + (uint64_t)(secs * 1e9);
    for (uint64_t t = now(); t <= end; t = now()) {
        if (send(a, m, 256, 0) != 256) return 1;
        size_t got = 0;
        while (got < 256) {
            ssize_t r = recv(a, m + got, 256 - got, 0);
            if (r <= 0) return 1;
            got += (size_t)r;
        }
        put(now() - t);
    }
    show(tcp ? "TCP loopback ping-pong, 256 B" : "UDP loopback ping-pong, 256 B", secs);
    kill(k, SIGKILL);
    wait(0);
    return 0;
}

/* ---- a commit without any protocol ---- */

static struct sockaddr_in leader_at, follower_at[2];
static pid_t followers[2];

static void follow(const char *dir, const char *mode, int id, int s)
{
    int fd = openlog(dir, mode, id);
    for (;;) {
        char m[512];
        uint64_t k;
        ssize_t r = recv(s, m, sizeof m, 0);
        if (r < 8) _exit(0);
        memcpy(&k, m, 8);
        one(fd, mode, k);
        sendto(s, m, 8, 0, (void *)&leader_at, sizeof leader_at);
    }
}
/* The leader's socket; its followers run. */
static int start_followers(const char *dir, const char *mode)
{
    int s = udp(&leader_at);
    for (int i = 0; i < 2; i++) {
        int f = udp(&follower_at[i]);
        if (!(followers[i] = fork())) follow(dir, mode, 1 + i, f);
        close(f);
    }
    return s;
}
static void stop_followers(void)
{
    for (int i = 0; i < 2; i++) {
        kill(followers[i], SIGKILL);
        waitpid(followers[i], 0, 0);
    }
}
static void commit(int s, int fd, const char *mode, uint64_t k)
{
    char m[512] = {0};
    uint64_t got;
    memcpy(m, &k, 8);
    for (int i = 0; i < 2; i++) sendto(s, m, 256, 0, (void *)&follower_at[i], sizeof follower_at[i]);
    one(fd, mode, k);
    do {
        if (recv(s, m, sizeof m, 0) < 8) exit(1);
        memcpy(&got, m, 8);
    } while (got != k);
}
static void measure_floor(const char *dir, const char *mode, double secs)
{
    int s = start_followers(dir, mode), fd = openlog(dir, mode, 0);
    uint64_t end = now() + (uint64_t)(secs * 1e9), k = 0;
    for (uint64_t t = now(); t <= end; t = now()) {
        commit(s, fd, mode, k++);
        put(now() - t);
    }
    char w[80];
    snprintf(w, sizeof w, "W=1 bare commit, 3 procs, %s", mode);
    show(w, secs);
    stop_followers();
}
/* The leader of a client: 256 bytes are a question, one byte is the answer. */
static void serve(int client, const char *dir, const char *mode)
{
    int s = start_followers(dir, mode), fd = openlog(dir, mode, 0);
    char m[256] = {0};
    commit(s, fd, mode, 0); /* the followers are there */
    for (uint64_t k = 1; write(client, m, 1) == 1; k++) {
        size_t have = 0;
        while (have < sizeof m) {
            ssize_t r = read(client, m + have, sizeof m - have);
            if (r <= 0) break;
            have += (size_t)r;
        }
        if (have < sizeof m) break;
        commit(s, fd, mode, k);
    }
    stop_followers();
    _exit(0);
}
static int measure_hop(const char *dir, const char *mode, double secs)
{
    int ends[2];
    char ask[256] = {0}, answer;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends)) return 1;
    pid_t leader = fork();
    if (!leader) {
        close(ends[0]);
        serve(ends[1], dir, mode);
    }
    close(ends[1]);
    if (read(ends[0], &answer, 1) != 1) return 1;
    uint64_t end = now() + (uint64_t)(secs * 1e9);
    for (uint64_t t = now(); t <= end; t = now()) {
        if (write(ends[0], ask, sizeof ask) != sizeof ask || read(ends[0], &answer, 1) != 1) return 1;
        put(now() - t);
    }
    close(ends[0]);
    waitpid(leader, 0, 0);
    char w[80];
    snprintf(w, sizeof w, "W=1 bare commit and client, %s", mode);
    show(w, secs);
    return 0;
}
int main(int c, char **v)
{
    signal(SIGPIPE, SIG_IGN);
    lat = mmap(0, MAXS * sizeof *lat, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (posix_memalign((void **)&block, 4096, 4096)) return 1;
    memset(block, 0x5a, 4096);
    if (c > 4 && !strcmp(v[1], "fsync")) {
        sync_in_children(v, c > 5 ? atoi(v[5]) : 1);
        return 0;
    }
    if (c > 2 && (!strcmp(v[1], "udp") || !strcmp(v[1], "tcp"))) return ping_pong(v[1][0] == 't', atof(v[2]));
    if (c > 4 && !strcmp(v[1], "hop")) return measure_hop(v[2], v[3], atof(v[4]));
    if (c > 4 && !strcmp(v[1], "floor")) {
        measure_floor(v[2], v[3], atof(v[4]));
        return 0;
    }
    fprintf(stderr, "usage: see source\n");
    return 2;
}
