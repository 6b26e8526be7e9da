/* connection.h - one QUIC connection: its packets in and out, its deadline, its end.
 *
 * Meaning    Both sides of px use it: who dialled sends one stream out of a send queue, who accepted hands
 *            out the bytes of one stream. The owner (connection_manager.c, listener.c) gives it the datagrams
 *            and hears through px_connection_owner.
 * Holds      The library is never called from inside its own callbacks: they set flags, and what follows from
 *            them is done behind the batch [Q5]. A connection that has ended takes and sends nothing but the
 *            packet that says so.
 * Source     spec.md §8; [Q1-Q11, Q14, Q20, Q23, Q31, Q33]. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_QUIC_CONNECTION_H
#define PX_QUIC_CONNECTION_H

#include "port/clock.h"
#include "port/dgram.h"
#include "port/log.h"
#include "quic/cid_map.h"
#include "quic/send_queue.h"
#include "quic/tls.h"

/* Bytes of a stream that are gathered from a batch of packets before they are handed out. */
#define PX_GATHER_BYTES (256u << 10)
/* The largest packet sent, where the path is found to take it: a jumbo frame, or loopback. [Q17, Q18] */
#define PX_PACKET_BYTES 8952u
_Static_assert(PX_PACKET_BYTES >= 1200, "QUIC needs 1200 bytes");

/* What the connections of one node have in common; quic.c owns it. */
typedef struct {
    px_dgram_net *dgrams;
    px_clock *clock;
    px_log *log;
    uint64_t heartbeat_us;
    uint8_t reset_secret[32];
    px_connection *dirty_first; /* to be flushed */
    px_connection *ended_first; /* whose owners are to be told */
    px_timer settle_timer;      /* brings their owners' turn */
    px_connection *gathering;   /* whose bytes lie in `gathered` */
    size_t gathered_bytes;
    uint8_t gathered[PX_GATHER_BYTES];
    uint8_t packets[PX_DGRAM_RUN_BYTES_MAX];
    struct {
        uint64_t packets_sent, packets_received, sends;
    } counters;
} px_connections;

/* Called from the connection's owner's own turn, never from inside a call of the owner but
 * px_connection_read. */
typedef struct {
    /* Both sides are authenticated; the side that dialled has its stream. */
    void (*on_ready)(px_connection *connection);
    void (*on_bytes)(px_connection *connection, uint8_t *bytes, size_t size_bytes);
    /* It is over, `reason` says why: px_connection_close it. */
    void (*on_ended)(px_connection *connection);
} px_connection_owner;

typedef enum {
    PX_CONNECTION_OPEN,
    PX_CONNECTION_TO_CLOSE, /* ended by this side, the other is to be told */
    PX_CONNECTION_OVER,     /* nothing more to send */
} px_connection_state;

struct px_connection {
    px_connections *shared;
    const px_connection_owner *owner;
    void *owner_context;
    px_dgram_socket *socket;
    ngtcp2_conn *conn;
    px_tls_session tls;
    px_cid_map *cids;     /* the listener's; NULL where this side dialled */
    px_send_queue *queue; /* NULL where the other side dialled */
    px_timer timer;
    px_connection *dirty_next, *ended_next;
    px_connection_state state;
    bool is_server;
    bool is_authenticated; /* the handshake is confirmed: each side has accepted the other's certificate */
    bool is_ready;         /* ...and the owner knows */
    bool is_settled;       /* ...and what was to be said about that has been */
    bool is_dirty;
    bool is_stream_blocked;  /* the other side takes no more for now */
    bool is_reset;           /* the other side does not know it any more */
    bool was_heard;          /* a packet of the other side was taken */
    bool was_refused;        /* one side has told the other that it does not want it */
    uint32_t unacknowledged; /* packets that came since the last flush */
    size_t unacknowledged_bytes;
    int64_t stream;               /* -1: none yet */
    size_t unpaced_bytes;         /* sent, and the library not told to pace what follows */
    ngtcp2_tstamp expiry_unpaced; /* when the library is due for another reason than pacing */
    ngtcp2_ccerr close_error;     /* of PX_CONNECTION_TO_CLOSE; its reason is `reason` */
    px_words reason;
    px_dgram_address local, remote; /* of the last packet sent */
    uint8_t *held;                  /* packets that the socket did not take; NULL: none [Q10] */
    px_dgram_run held_run;
    uint8_t *close_packet; /* says that it is over, once that was written */
    size_t close_packet_bytes;
};

/* What a server knows of the packet that opens a connection. */
typedef struct {
    ngtcp2_pkt_hd header;
    bool has_token;        /* a valid one, of a Retry of ours */
    ngtcp2_cid original;   /* which identifier the client chose before that Retry */
    uint64_t window_bytes; /* to begin with */
    uint64_t window_bytes_max;
} px_connection_initial;

/* Makes the side that dials. Lends it socket and queue. *connection only on PX_OK. */
PX_MUST_USE px_err px_connection_dial(px_connections *shared, px_dgram_socket *socket,
                                      const px_dgram_address *remote, px_tls *tls, const px_tls_names *names,
                                      uint32_t expected, px_send_queue *queue, px_connection **connection);

/* Makes the side that was dialled. */
PX_MUST_USE px_err px_connection_accept(px_connections *shared, px_dgram_socket *socket,
                                        const px_dgram_run *run, const px_connection_initial *initial,
                                        px_tls *tls, const px_tls_names *names, px_cid_map *cids,
                                        px_connection **connection);

/* Takes the datagrams of a run. */
void px_connection_read(px_connection *connection, const px_dgram_run *run);

/* Sends what is to be sent, and sets the timer. */
void px_connection_flush(px_connection *connection);
/* Sees to it that px_connections_flush comes by here. */
void px_connection_touch(px_connection *connection);
/* The socket takes packets again. */
void px_connection_on_writable(px_connection *connection);

/* Ends it from this side: the words go to the other. on_ended follows from a turn of the loop. */
void px_connection_end(px_connection *connection, uint64_t code, const char *words);
/* Ends it without a packet, because the other side is gone. */
void px_connection_lose(px_connection *connection, const char *words);

/* Frees all but what is needed to answer late packets (close_packet); px_connection_free frees the rest. */
void px_connection_bury(px_connection *connection);
void px_connection_free(px_connection *connection);

/* Flushes all that were touched. */
void px_connections_flush(px_connections *shared);
/* Tells the owners of ended connections. */
void px_connections_settle(px_connections *shared);

/* Bytes of randomness. */
void px_random_fill(void *bytes, size_t size_bytes);

/* For the files of this folder that make up a connection. */
void px_connection_on_timer(px_timer *timer);
ngtcp2_tstamp px_connection_now(const px_connection *connection);
void px_connection_fail(px_connection *connection, int liberr);
void px_connection_gather(px_connection *connection, const uint8_t *bytes, size_t size_bytes);
void px_connection_callbacks(ngtcp2_callbacks *callbacks, bool is_server);
void px_connection_write(px_connection *connection);
void px_connection_write_close(px_connection *connection);

#endif
