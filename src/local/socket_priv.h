/* socket_priv.h - what the files of the socket share.
 *
 * Meaning    socket.c owns the listener, the clients and the intake of their sends; client.c moves a client's
 *            bytes and lines; request.c reads a request; ops.c carries it out; pending.c keeps those that
 *            wait; follow.c writes messages; publish.c takes them raw; reply.c writes the rest.
 * Holds      What a client can make px keep is bounded: requests that wait (PENDING_MAX), bytes of replies it
 *            does not take (past PX_CLIENT_OUT_BYTES nothing more of it is read), long lines
 *            (PX_CLIENTS_GROWN_BYTES for all). */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_LOCAL_SOCKET_PRIV_H
#define PX_LOCAL_SOCKET_PRIV_H

#include "codec/json_writer.h"
#include "local/socket.h"
#include "local/walk.h"

/* Room for a client's requests; a longer line makes it grow. */
#define PX_CLIENT_IN_BYTES (16u << 10)
/* Replies that a client has not taken; beyond it nothing more is read from it. */
#define PX_CLIENT_OUT_BYTES (32u << 10)
/* And to a client that follows the log, whose messages fill the first bound (and a piece more): so that its
 * acknowledgements are read however many messages are still to come. */
#define PX_CLIENT_FOLLOW_BYTES (96u << 10)
/* Requests of one client, and of all, that wait for an answer. */
#define PX_CLIENT_PENDING_MAX 4096u
#define PX_SOCKET_PENDING_MAX 16384u
/* Barriers of all clients; the rest of the node's are for its peers. */
#define PX_SOCKET_BARRIERS_MAX (PX_BARRIERS_MAX / 2)
/* Longest tag, as it stands. */
#define PX_TAG_BYTES_MAX 256u
/* What long lines may make the clients' buffers grow, together; one of them may go beyond it. */
#define PX_CLIENTS_GROWN_BYTES (32u << 20)

#define PX_DIVERGED_WORDS "this node's log differs from a majority's: ask another; its own log says more"

typedef struct px_client px_client;
typedef struct px_pending px_pending;
typedef struct px_joined px_joined;             /* joined.c */
typedef struct px_publish px_publish;           /* publish.c */
typedef struct px_publish_line px_publish_line; /* publish.c */

typedef enum {
    PX_OP_NONE,
    PX_OP_SEND,
    PX_OP_PUBLISH,
    PX_OP_FOLLOW,
    PX_OP_ACK,
    PX_OP_BARRIER,
    PX_OP_STATUS,
    PX_OP_DIGEST,
    PX_OP_TRANSFER
} px_op;

typedef enum { PX_FROM_NONE, PX_FROM_NUMBER, PX_FROM_START, PX_FROM_END } px_from;

/* A request as it was read. Borrows the client's bytes. */
typedef struct {
    px_op op;
    px_bytes tag; /* JSON as it stands; empty: none */
    bool has_payload;
    px_bytes payload;
    bool has_timeout;
    uint64_t timeout_ms;
    uint64_t deadline_us; /* where it has a timeout: when that is over */
    px_from from;
    uint64_t from_index;
    uint64_t until;    /* UINT64_MAX: no end */
    px_bytes consumer; /* empty: none */
    bool has_id;
    px_bytes id; /* of a member */
    uint64_t index;
    bool has_session;
    px_bytes session;
    uint64_t sequence;
    bool is_length_framed; /* format length */
    const char *fault;     /* NULL, or why it is a bad request; then only the tag is set */
} px_request;

/* Reads one line, which is used up. */
void px_request_read(uint8_t *line, size_t size_bytes, px_request *request);

/* Where a connection stands in a run of messages. */
typedef struct {
    bool is_on;
    px_walk walk;
    uint64_t until;
    size_t offset;  /* bytes of the next message's payload that are written */
    bool is_inside; /* the next message is begun */
    bool is_text;   /* it is UTF-8 */
    /* Its cursor lies beyond what this node has delivered: the barrier tells whether the log goes so far. */
    bool is_checking;
    px_barrier log_end;
    uint64_t cursor;
    size_t tag_bytes; /* of its request, for the refusal */
    uint8_t tag[PX_TAG_BYTES_MAX];
} px_follow;

struct px_client {
    px_stream_events stream_events;
    px_socket *server;
    px_client *next, *previous;
    px_client *next_flushing; /* gets several replies at once */
    bool is_flushing;
    px_client *next_waiting, *previous_waiting; /* in the server's line of those that wait for room */
    px_stream *stream;
    uint8_t *in;
    size_t in_capacity, in_start, in_end, in_looked;
    uint8_t *out;
    size_t out_capacity, out_start, out_end;
    px_request held; /* was read and cannot be carried out yet */
    px_timer held_timer;
    bool has_held;
    bool is_waiting;      /* stands in the line */
    bool is_waiting_held; /* with a request that is held */
    bool is_stalled;      /* lines that are here may not be taken yet */
    bool is_skipping;     /* inside a line that is too long */
    bool is_ended;        /* its sending side has closed */
    bool is_deaf;         /* it takes no more replies */
    bool is_closing;      /* to be closed when its replies are written */
    px_follow follow;
    px_publish *publish;      /* NULL: takes requests */
    uint64_t join_generation; /* of the newest join when its send was first tried; 0: none is tried */
    px_pending *pending;
    uint32_t pending_count;
    uint32_t untagged_count; /* of them, those without a tag; and of these, sends and acknowledgements */
    uint32_t untagged_sends, untagged_acks;
    uint32_t untold_count; /* acknowledgements that are done; a message under way stands before the reply */
};

/* A request that waits for its answer. */
struct px_pending {
    px_client *client;           /* NULL: nobody waits any more */
    px_pending *next, *previous; /* the client's */
    px_pending *next_sent;       /* of the sends, oldest first */
    px_timer timer;
    px_barrier barrier;
    px_ack ack;
    px_op op;
    bool is_joined, is_duplicate; /* a send under a session; and of a number that was handed over before */
    uint64_t deadline_us;         /* of a transfer */
    bool is_untold;               /* an acknowledgement that is done */
    px_err err;                   /* then: how it went */
    uint64_t number;              /* of the message in the intake */
    size_t tag_bytes;
    uint8_t tag[];
};

struct px_socket {
    px_stream_events listener_events;
    px_intake_events intake_events;
    px_timer resume; /* clients that stand in the line may go on */
    px_timer accept_retry, deadline, stopped;
    const px_local_env *env;
    px_consumers *consumers;
    px_consumers_events consumers_events;
    px_socket_events *events;
    px_stream *listener; /* NULL once it stops */
    const char *path;
    px_intake *intake;
    px_joined *joined; /* sessions that are sent under, newest first */
    uint32_t joined_count;
    uint64_t join_generation;      /* joins ever */
    px_publish_line *publish_line; /* of those that publish without a session; NULL: none has yet */
    px_client *clients;
    uint32_t client_count;
    uint32_t follow_count; /* of them, those that follow the log */
    px_client *waiting, *waiting_last;
    uint32_t waiting_count;
    uint32_t waiting_held; /* of them, those with a request that waits for room: nobody overtakes them */
    bool is_resuming;
    bool is_blocked;              /* found while resuming: there is no room for the first in the line */
    px_pending *sent, **sent_end; /* sends not chosen yet, oldest first */
    uint32_t pending_count, barrier_count;
    size_t grown_bytes;
    px_client *overdrawn; /* the one client whose buffer may go beyond all bounds but its own */
    bool is_failing;      /* to take clients; said once */
    bool is_lost;         /* its file was removed and cannot be made anew; said once */
    bool is_stopping;
    bool is_diverged; /* the node's log differs from a majority's: found by the last look */
};

/* ---- client.c ---- */

/* Makes a client of a new connection; frees it. */
px_client *px_client_make(px_socket *server);
void px_client_free(px_client *client);
/* Reads, carries out, writes: whatever can be done now. May free the client. */
void px_client_pump(px_client *client);
/* Writes what is there to write, and sees when to go on. May free the client. */
void px_client_flush(px_client *client);
/* px stops: ends what has no end, and refuses what has not begun. May free the client. */
void px_client_stop(px_client *client);
/* Room for size_bytes behind what is to be written; px_client_commit says how many of them are used. */
uint8_t *px_client_reserve(px_client *client, size_t size_bytes);
void px_client_commit(px_client *client, size_t size_bytes);
size_t px_client_unwritten(const px_client *client);

/* ---- socket.c ---- */

/* Puts a client into the line of those that go on when there is room again; takes it out. */
void px_socket_wait(px_socket *server, px_client *client);
void px_socket_leave(px_socket *server, px_client *client);
/* Those in the line may try, soon. */
void px_socket_resume(px_socket *server);
/* While it stops: nothing may be owed any more. */
void px_socket_check_stopped(px_socket *server);

/* ---- ops.c ---- */

/* Carries out a request. False where it must be held for now: behind a run of messages, behind requests that
 * must be answered before it (then px_op_is_next says when), or until there is room. */
bool px_op_run(px_client *client, const px_request *request);
/* Does nothing of its own connection stand before this request? */
bool px_op_is_next(const px_client *client, const px_request *request);

/* Where the disk is full: replies so and gives true. For a message that found no room at all. [R17] */
bool px_op_refuse_full(px_client *client, const px_request *request);

/* Why nothing more goes under a session. */
#define PX_FENCED_WORDS                                                                              \
    "the session was opened anew elsewhere; what is not acknowledged is not in the log, unless its " \
    "number is below the next of whoever opened it"
#define PX_EXPIRED_WORDS                                                                              \
    "the session was not used for so long that the log forgot where it stood; what was acknowledged " \
    "stands; go on under a new name"

/* ---- pending.c ---- */

px_pending *px_pending_make(px_client *client, const px_request *request);
/* Nobody waits for it any more; it is freed, now or when its turn comes. */
void px_pending_drop(px_pending *pending);
/* Messages up to number `upto` are chosen. */
void px_pending_on_chosen(px_socket *server, uint64_t upto, uint64_t index, uint32_t consecutive);
/* Cursors are durable, or not. */
void px_pending_on_acked(px_socket *server, px_ack *acks, px_err err);
/* Answers what is done and could not be told inside a message. */
void px_pending_tell(px_client *client);
/* It is answered: frees it. */
void px_pending_end(px_pending *pending);
/* Answers all of a client that still wait by `code`, or `unknown` where they may have been carried out. */
void px_pending_give_up(px_client *client, const char *code, const char *why);
/* Puts a send under a session into the line of that session, behind those of its number. */
void px_pending_put(px_pending **line, px_pending *pending, uint64_t number, bool is_duplicate);
/* Those of a line up to `upto` are chosen, or brought in by others; all of it is refused; freed. */
void px_pending_settle(px_socket *server, px_pending **line, uint64_t upto, uint64_t index,
                       uint32_t consecutive, bool is_duplicate);
void px_pending_refuse(px_socket *server, px_pending **line, const char *code, const char *words);
void px_pending_free_all(px_socket *server, px_pending **line);
/* Frees what is left. */
void px_pending_deinit(px_socket *server);

/* ---- follow.c ---- */

/* Writes messages as far as there are some and the client takes them. */
void px_follow_pump(px_client *client);
/* Has it had all that is delivered, and waits for the next? */
bool px_follow_is_awaited(const px_client *client);
/* It begins behind a consumer's cursor: where that is beyond what is delivered here, asks how far the log
 * goes. */
void px_follow_check(px_client *client, px_bytes tag, uint64_t cursor);
/* Ends it behind the message under way; at once. */
void px_follow_stop(px_client *client);
void px_follow_end(px_client *client);

/* ---- reply.c ---- */

void px_reply_ok(px_client *client, px_bytes tag);
/* To a publish: the session's name (empty: null) and its next number; and up to where it is committed, with
 * the index of that message (0: not known). */
void px_reply_opened(px_client *client, px_bytes tag, px_bytes session, uint64_t next);
/* To a send that is in the log already; index 0: not known. */
void px_reply_duplicate(px_client *client, px_bytes tag, uint64_t index);
void px_reply_acked(px_client *client, uint64_t sequence, uint64_t index);
void px_reply_index(px_client *client, px_bytes tag, uint64_t index);
void px_reply_barrier(px_client *client, px_bytes tag, uint64_t index);
void px_reply_error(px_client *client, px_bytes tag, const char *code, const char *message);
void px_reply_status(px_client *client, px_bytes tag);
void px_reply_digest(px_client *client, px_bytes tag);
void px_reply_leader(px_client *client, px_bytes tag, const char *leader);

/* ---- transfer.c ---- */

/* Hands leadership over; the reply comes when another leads. */
void px_transfer_run(px_client *client, const px_request *request);
/* Looks whether it does. The request is answered, or looks again. */
void px_transfer_look(px_pending *pending);

#endif
