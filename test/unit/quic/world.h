/* world.h - nodes of a test, each with a px_net of its own over real sockets on loopback, all on one loop.
 *
 * Meaning    A host keeps what its net told it. Waiting is for a condition, with a deadline; nothing sleeps.
 *            Between a host and its sockets stands a layer that can swallow every datagram, as a cut cable
 *            does. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_TEST_UNIT_QUIC_WORLD_H
#define PX_TEST_UNIT_QUIC_WORLD_H

#include "base/prng.h"
#include "os/dgram.h"
#include "os/loop.h"
#include "quic/quic.h"

#define HOSTS_MAX 4u
#define LINES_MAX 256u
#define INCOMING_MAX 32u

typedef struct world world;
typedef struct host host;

/* What came on one incoming connection. */
typedef struct {
    uint64_t id;
    uint32_t member;
    uint8_t *bytes;
    size_t size_bytes;
    bool is_closed;
} incoming;

struct host {
    px_net_events events; /* first */
    px_dgram_net layer;   /* over the world's */
    px_log log;
    world *in;
    uint32_t number;
    px_quic_config config;
    px_net *net;    /* NULL: not running */
    px_clock clock; /* the world's, and what a test puts it ahead */
    uint64_t ahead_us;
    bool is_cut;                     /* nothing goes out */
    uint32_t lost_of_1000;           /* runs of datagrams that are swallowed by chance */
    bool has_stale_address;          /* names have another address first, where nobody listens */
    uint32_t blocked_sends;          /* so many sends find the socket full */
    px_dgram_events *blocked_events; /* who is to be told that it is not any more: the last that was opened */
    bool keeps_no_bytes;             /* only counts them */
    uint32_t ups[HOSTS_MAX], downs[HOSTS_MAX];
    bool is_up[HOSTS_MAX];
    uint16_t source_ports[16]; /* of the sockets that it dialled from, in order */
    uint32_t sources;
    char reason[512];        /* of the last on_down */
    char closed_reason[512]; /* of the last on_incoming_closed */
    incoming in_list[INCOMING_MAX];
    uint32_t in_count;
    uint64_t bytes_in;
    char lines[LINES_MAX][600]; /* of the log */
    uint32_t line_count;
    void *context; /* the test's */
    void (*on_message)(host *host, uint64_t connection, uint8_t *bytes, size_t size_bytes);
};

struct world {
    px_loop *loop;
    px_dgram_net *dgrams;
    px_clock *clock;
    host hosts[HOSTS_MAX];
    uint32_t count;
    px_prng prng;
    uint64_t deadline_us;
    bool (*condition)(world *world);
    bool is_met;
    px_timer watchdog;
};

/* Makes `count` hosts named px0.test, px1.test... that know each other, each with a certificate of its own
 * under "root"; none runs. */
void world_open(world *world, uint32_t count);
void world_close(world *world);

/* Starts a host with what its config says. */
void host_start(host *host);
/* The same, for a configuration that is wrong. */
px_err host_try(host *host);
/* Stops it as SIGTERM does. */
void host_stop(host *host);
/* Stops it as kill -9 does: nobody is told. */
void host_kill(host *host);

/* Runs turns until the condition holds; false after `timeout_us`. */
bool world_run_until(world *world, uint64_t timeout_us, bool (*condition)(struct world *world));

/* Sends a message of `size_bytes` bytes of value `fill` behind a head of 4 bytes. */
bool host_send(host *host, uint32_t member, px_lane lane, uint8_t fill, size_t size_bytes);
/* A buffer on the heap. */
px_buffer *test_buffer(size_t size_bytes, uint8_t fill);
extern uint32_t test_buffers; /* alive */

/* Whether a line of its log has all of these words. */
bool host_logged(const host *host, const char *a, const char *b);

/* The last incoming connection of that member. */
incoming *host_incoming(host *host, uint32_t member);

#endif
