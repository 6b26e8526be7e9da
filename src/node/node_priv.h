/* node_priv.h - what the rooms of node/ share.
 *
 * Meaning    One struct a role; px_node holds one of each. Every file of node/ works on the px_node it is
 *            given. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_NODE_NODE_PRIV_H
#define PX_NODE_NODE_PRIV_H

#include "base/prng.h"
#include "codec/message_parser.h"
#include "codec/wire.h"
#include "node/node.h"
#include "node/tail.h"

/* An effect that waits for a ticket. */
typedef struct {
    px_effect effect;
} px_waiting_effect;

/* One incoming connection: its parser, and whether it said hello. */
typedef struct px_incoming px_incoming;
struct px_incoming {
    px_incoming *next;
    uint64_t connection;
    uint32_t member;
    bool has_hello;
    px_message_parser parser;
    uint8_t *space;
};

/* What this node knows of another member. */
typedef struct {
    const char *name;
    const char *address;
    bool out_up;                /* the connection that this node dialled */
    bool is_doubted;            /* an earlier run has said hello since `incarnation` did */
    px_incoming *in;            /* the connection that it dialled and that counts; its hello was taken */
    px_incarnation incarnation; /* of its last hello */
    uint64_t connection;        /* number of the connection `in` [R8] */
    px_incarnation former;      /* the one before that */
    uint64_t former_connection;
    px_roster_state roster; /* as it last said */
    uint8_t cluster_id[16];
    bool is_linked; /* both ways, told to the core */
    bool has_rtt;
    uint64_t rtt_us;
    uint64_t ping_number, ping_sent_us;
    uint64_t complained_us; /* last time a disagreement was logged */
} px_member;

typedef struct px_join px_join;

/* A session of this node, and its messages that are not yet chosen. */
struct px_intake {
    px_intake *next;
    px_intake_events *events; /* NULL once closed by its application */
    char name[PX_SESSION_NAME_BYTES_MAX];
    size_t name_bytes;
    px_session_kind kind;
    size_t bytes_max;     /* of a member's session: what it may hold; a client's has its share */
    px_session_mode mode; /* of a client's */
    px_opener opener;     /* of its opening under way, without a storage id; counter 0: none */
    uint64_t opening_sent_us;
    px_intake *opening_next; /* in the list of those that are to be opened, or are being opened */
    uint64_t holder;         /* 0 until its opening is chosen */
    px_intake *holder_next;  /* in its bucket of intakes_by_holder */
    px_join *join;           /* under way, of one that joins */
    bool is_ended;           /* fenced or expired */
    bool owes_duplicate;     /* was handed over behind the session's chosen end, and is not told so yet */
    uint64_t pushed;         /* number of the last message handed over */
    uint64_t chosen;         /* and of the last chosen; of a client's session, by whomever: may be more */
    uint64_t sent;           /* and of the last proposed or forwarded under the present leader */
    uint64_t moved_us;       /* when `chosen` last rose, or something was first sent behind it */
    bool was_full;           /* on_room is owed */
    bool is_kept;            /* from the file of the last clean stop (kept.h) */
    /* Messages chosen + 1 to pushed, in two rings. */
    uint32_t *lengths;
    size_t lengths_capacity;
    uint8_t *bytes;
    size_t bytes_capacity, bytes_start, bytes_used;
    size_t bytes_sent; /* of bytes_used, those of messages chosen + 1 to sent */
};

/* A client's session that is asked for as it stands in the log. */
struct px_join {
    px_barrier barrier;
    bool is_answered;
    uint64_t slot; /* what must be chosen here before the session is looked up */
};

/* A forward from another node, waiting at the leader for its place in a batch. */
typedef struct px_forwarded px_forwarded;
struct px_forwarded {
    px_forwarded *next;
    px_buffer *owner;
    px_bytes body;
    bool is_opening;
};

typedef struct px_assembly px_assembly;

/* A barrier that another node asked for, under way in the core here. */
typedef struct {
    uint64_t request; /* the core's name for it; 0: free */
    uint64_t id;      /* the asker's */
    uint32_t origin, via;
} px_remote_barrier;
#define PX_REMOTE_BARRIERS 64u

#define PX_HOLDER_BUCKETS 1024u

typedef struct {
    uint64_t slots_proposed, messages_proposed, wakeups, json_sent, json_received;
} px_node_counters;

struct px_node {
    px_app app; /* first, so that a px_app is its node */
    px_net_events net_events;
    px_wal_events wal_events;
    px_node_config config;
    px_node_ports ports;
    px_core *core;
    px_core_view view; /* as of the last step */
    px_wal *wal;
    px_state state;
    px_recollection stated; /* of the own disk: what the others may remember of it */
    uint64_t start_us;
    uint64_t missing_again_us; /* when a first start says next whom it waits for */
    bool is_roster_told;       /* to the core: from then on this node may vote */

    uint32_t self;
    px_member members[PX_MEMBERS_MAX];
    uint32_t member_count;
    px_incoming *incoming;
    uint64_t run; /* number of this run: higher than that of any before on this disk */
    uint64_t connections_dialled;
    px_prng prng;

    /* shell.c */
    px_effect effects[PX_EFFECTS_PER_STEP + 16];
    px_waiting_effect *waiting;
    size_t waiting_count, waiting_capacity;
    uint64_t stored;
    px_ticket ticket_last;
    uint64_t write_started_us; /* 0: no write is under way */
    px_disk_health disk;
    bool is_full;
    px_tail tail;
    px_entry entry_space[PX_WINDOW_SLOTS]; /* entries of a decoded message */
    px_entry log_space[PX_WINDOW_SLOTS];   /* entries of a message under way out */
    px_buffer *proposal;                   /* body of the proposal in this step */

    /* delivery.c */
    uint64_t chosen_slot;  /* told by the core */
    uint64_t applied_slot; /* chosen slots whose intakes have been told */
    uint64_t delivered_slot, delivered_index;
    bool is_delivered_new;
    px_watcher *watchers;
    px_wal_entries read_cache;

    /* waiting.c */
    uint64_t awaited_us; /* when somebody here was last seen to wait for what becomes chosen */
    bool is_awaited_told;

    /* salvage.c */
    uint64_t
        salvaged_slot; /* what was last offered to the core continues this slot; UINT64_MAX: nothing was */
    bool was_damaged;
    px_wal_entries salvaged; /* of the step under way */

    /* intakes.c, forward.c, proposals.c */
    px_intake *intakes;
    px_intake *intakes_by_holder[PX_HOLDER_BUCKETS];
    uint32_t intake_count, kept_count, session_count, join_count;
    size_t session_bytes;                /* that clients' sessions use */
    px_intake *overdrawn;                /* the one that may use more than all of them together */
    bool is_sweeping_due;                /* an intake is done with, or owes a word */
    uint64_t opener_run, opener_counter; /* the latest drawn, or one of the log above it */
    px_intake *unopened, *opening;       /* to be opened; being opened, in the order of their counters */
    uint32_t opening_count;
    bool is_kept_stale; /* the file of what was kept does not say yet what became of it */
    px_forwarded *forwarded, **forwarded_end;
    size_t forwarded_bytes;
    px_assembly *assembly;
    px_ballot sent_ballot; /* the leader under which `sent` counts */
    uint32_t sent_relay;
    bool sent_relay_linked;

    /* barriers.c */
    px_barrier *barriers_waiting, *barriers_flying;
    uint64_t barrier_id, barrier_flying_id, barrier_sent_us;
    px_ballot barrier_ballot;
    px_remote_barrier remote_barriers[PX_REMOTE_BARRIERS];
    uint64_t barrier_request;

    px_timer turn_timer;
    px_timer ping_timer;
    px_node_counters counters;
    bool was_ready;
    uint64_t violations_seen;
    bool is_divergence_said;
    bool is_vote_said, was_voter;
    uint64_t configuration_said;
    px_ballot leader_said;
    uint64_t leaderless_since_us; /* where that is none */
};

/* From 1 on, and hardly ever twice the same: by how much the number of a run exceeds what is known. */
uint64_t px_node_chance(px_node *node);

static inline uint64_t px_node_now_us(px_node *node)
{
    return node->ports.clock->now_us(node->ports.clock);
}

/* The unit that protocol.md calls an election timeout: three rounds. */
static inline uint64_t px_node_election_us(const px_node *node)
{
    return 3 * node->config.heartbeat_us;
}

/* ---- shell.c ---- */
void px_shell_step(
    px_node *node,
    px_input *input); /* stamps the time, steps, carries out, steps again while there is more */
void px_shell_on_stored(px_wal_events *events, px_ticket upto);
void px_shell_tick(px_node *node); /* if the core's deadline has come */
bool px_shell_send(px_node *node, uint32_t to_mask, px_lane lane, const px_wire *wire);
void px_shell_watch_disk(px_node *node);
void px_shell_rest(px_node *node); /* says whether the end of the log's write has to wake this node */

/* ---- links.c ---- */
void px_links_init(px_node *node);
void px_links_deinit(px_node *node);
void px_links_ping(px_node *node);
/* The own storage id is another one: every link is made anew under it. */
void px_links_say_hello_again(px_node *node);
/* May what this member says count as a voter's word? [R19] */
bool px_links_is_voter(const px_node *node, uint32_t member);

/* ---- salvage.c ---- */
/* Says what was found damaged at the start; `fault` is empty where nothing was. */
void px_salvage_start(px_node *node, const px_wal_fault *fault);
/* Offers the core what stands behind the damage, and says when the log is whole again. */
void px_salvage_turn(px_node *node);
/* What a damaged log waits for, in words; leaves them empty where it is whole. */
void px_salvage_missing(const px_node *node, char *words, size_t size_bytes);
/* A slot that was on disk could not be read (slot 0: it could not even be found): says so, and ends a node
 * that others can repair. */
void px_salvage_unreadable(px_node *node, uint64_t slot, px_err err);

/* ---- dispatch.c ---- */
void px_dispatch(px_node *node, uint32_t from, const px_wire *wire);

/* ---- roster.c ---- */
/* Does what this folder knows of the cluster name the members of the configuration? Where not, says so. */
bool px_roster_fits(const px_node *node, px_wal_fault *fault);
void px_roster_start(px_node *node);
void px_roster_on_news(px_node *node); /* something that a roster may wait for has changed */
void px_roster_fill(const px_node *node, px_wire_member *members);
void px_roster_on_message(px_node *node, uint32_t from, px_roster_state state, px_bytes cluster_id,
                          uint32_t count, const px_wire_member *members);
void px_roster_missing(const px_node *node, char *words, size_t size_bytes);
size_t px_roster_cluster_hex(const px_node *node, char hex[33]);

void px_roster_turn(px_node *node);
void px_roster_tell(px_node *node); /* tells the core the roster and the own disk, where it was told before */

/* ---- recollection.c ---- */
void px_recollection_note(px_node *node, uint32_t from); /* the core has taken a message of that member */
void px_recollection_note_own(px_node *node);            /* and a step is over */
void px_recollection_put(const px_node *node, uint32_t place, px_wire_hello *hello);
void px_recollection_on_hello(px_node *node, uint32_t from, const px_wire_hello *hello);
void px_recollection_turn(px_node *node);
void px_recollection_become_new(px_node *node); /* the own disk counts as another one from now on */

/* ---- intakes.c ---- */
extern const px_app_calls px_node_app_calls;
px_intake *px_intake_open(px_app *app, const char *name, size_t bytes_max, px_intake_events *events);
px_intake *px_session_open(px_app *app, px_bytes name, px_session_mode mode, px_intake_events *events);
void px_intake_close(px_app *app, px_intake *intake);
size_t px_intake_room(px_app *app, px_intake *intake);
uint64_t px_intake_push(px_app *app, px_intake *intake, px_bytes message);
/* Its session is open under this holder, its next message having number `next`. */
void px_intake_set_holder(px_node *node, px_intake *intake, uint64_t holder, uint64_t next);
/* Nothing more of it will be chosen: forgets what is left, and tells its application. */
void px_intake_end_with(px_node *node, px_intake *intake, px_intake_end end);
/* A run is chosen: its messages stand in the batch from `message` on, their payloads at `payload`. */
void px_intakes_on_chosen(px_node *node, const px_run *run, uint64_t index_last, const px_batch *batch,
                          uint32_t message, const uint8_t *payload);
void px_intakes_turn(px_node *node); /* tells those that were full of room; frees those that are done with */
void px_intakes_on_full(px_node *node); /* who waits for room looks again, and finds the disk full */
void px_intakes_rewind(px_node *node);  /* everything not chosen is to be sent again */
void px_intakes_deinit(px_node *node);
/* An intake of what the last clean stop kept of a session, its first message having number `first`; with no
 * holder (0) the one that there is already. */
px_intake *px_intake_make_kept(px_node *node, px_bytes name, uint64_t holder, uint64_t first);
/* Nothing of what was kept is sent any more. Returns how many messages that were. */
uint64_t px_intakes_drop_kept(px_node *node);
bool px_intake_is_same_session(const px_intake *one, const px_intake *other);
/* Lays lengths and payloads of all messages that are not chosen. */
void px_intake_copy(const px_intake *intake, uint8_t *lengths, uint8_t *payloads);
/* Payload bytes and messages behind `sent` that fit: how many messages, and their bytes. */
uint32_t px_intake_measure(const px_intake *intake, size_t bytes_max, size_t *payload_bytes);
/* Lays lengths and payloads of the next `count` unsent messages, and counts them as sent. */
void px_intake_take(px_intake *intake, uint32_t count, uint8_t *lengths, uint8_t *payloads);
size_t px_intake_next_bytes(const px_intake *intake);   /* payload bytes of the first unsent message */
void px_intake_skip(px_intake *intake, uint32_t count); /* counts messages as sent */
void px_intake_rewind(px_intake *intake);               /* counts nothing as sent but what is chosen */

/* ---- openings.c ---- */
void px_openings_add(px_node *node, px_intake *intake);
void px_openings_remove(px_node *node, px_intake *intake);
/* Every opening under way is to be sent again. */
void px_openings_rewind(px_node *node);
/* The next opening that is due now, encoded; 0: none. space: PX_OPENING_BYTES_MAX. */
size_t px_openings_next(px_node *node, uint8_t *space);
/* An opening is chosen. */
void px_openings_on_chosen(px_node *node, uint64_t slot, const px_opening *opening);
/* Openings were chosen: which sessions of this node did the log forget? */
void px_openings_find_expired(px_node *node);

/* ---- joins.c ---- */
void px_join_start(px_node *node, px_intake *intake);
void px_join_cancel(px_node *node, px_intake *intake);
void px_joins_turn(px_node *node);

/* ---- proposals.c ---- */
px_assembly *px_proposals_assembly(void); /* heap memory; freed with free */
void px_proposals_make(
    px_node *node); /* at the leader: everything that waits and fits, unless a write is under way */
void px_proposals_clear(px_node *node); /* forgets the forwards of others: they send them again [R10] */
bool px_proposals_has_waiting(const px_node *node); /* something that is not proposed yet */
void px_proposals_take_forward(px_node *node, bool is_opening, px_bytes body);
px_buffer *px_proposals_gather(
    px_node *node); /* a batch of what the intakes have unsent, counted as sent; NULL: nothing */

/* ---- forward.c ---- */
void px_forward_turn(px_node *node);
void px_forward_on_message(px_node *node, uint32_t from, const px_wire *wire);

/* ---- delivery.c ---- */
/* Errors: the newest slots cannot be read, though the log was a moment ago. */
PX_MUST_USE px_err px_delivery_init(px_node *node);
void px_delivery_deinit(px_node *node);
void px_delivery_on_chosen(px_node *node, uint64_t upto);
void px_delivery_turn(px_node *node);
/* What is chosen and durable by now counts as delivered, and may leave memory; the turn tells watchers. */
void px_delivery_advance(px_node *node);
uint64_t px_delivery_index(px_app *app);
px_err px_delivery_read(px_app *app, uint64_t index, px_delivered *batch);
void px_delivery_watch(px_app *app, px_watcher *watcher);
void px_delivery_unwatch(px_app *app, px_watcher *watcher);

/* ---- waiting.c ---- */
/* Tells the core whether anybody here waits for what becomes chosen. */
void px_waiting_turn(px_node *node);

/* ---- barriers.c ---- */
void px_barriers_ask(px_app *app, px_barrier *barrier);
void px_barriers_cancel(px_app *app, px_barrier *barrier);
void px_barriers_turn(px_node *node);
void px_barriers_on_answer(px_node *node, uint64_t request, bool ok, uint64_t index);
void px_barriers_on_message(px_node *node, uint32_t from, const px_wire *wire);

/* ---- status.c ---- */
void px_status_fill(px_app *app, px_status *status);
bool px_status_is_diverged(px_app *app);
void px_status_say_changes(px_node *node);

#endif
