/* checks.h - what must be true of what applications saw, whatever befell the nodes.
 *
 * Meaning    One history of the whole world: who pushed what, what was acknowledged at which index, what each
 *            reader saw, what each barrier said. check_agreement.c, check_validity.c, check_durability.c and
 *            check_barrier.c each keep one invariant; check_protocol.h watches messages and disks.
 * Holds      The history is complete: every message that an application sees is compared.
 * Source     spec.md §3; protocol.md [R7, R11]. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_TEST_SIM_CHECKS_H
#define PX_TEST_SIM_CHECKS_H

#include "base/bytes.h"
#include "base/err.h"
#include "base/hash.h"
#include "port/app.h"
#include "sim/check_protocol.h"
#include "sim/world.h"

/* One intake of one run of a node. */
typedef struct {
    uint32_t place;
    uint64_t run;
    uint64_t pushed;       /* messages handed over */
    uint64_t acknowledged; /* and of them told as chosen */
    uint64_t seen;         /* and of them in the order so far */
    uint64_t index_last;   /* of the last acknowledged */
    uint64_t before;       /* messages of its session that others had pushed before its first */
    uint64_t *floors;      /* [n]: the highest index acknowledged anywhere when it pushed before + n + 1 */
    size_t floors_capacity;
    uint32_t session; /* place of its session and 1; 0: none */
    bool joins;       /* it uses the session as it is open */
    bool is_over;     /* another has taken the session, and messages of it were seen */
    uint64_t opening; /* how many had asked for the session, it counted */
    uint64_t seen_when_asked;
    uint64_t end;   /* nothing above it may come any more */
    bool is_kept;   /* a clean stop: all of it is chosen, or kept, and must be seen */
    bool is_closed; /* its run is over: nothing more is pushed or acknowledged */
} sim_writer;

/* A place in the one order. */
typedef struct {
    uint32_t writer;
    uint64_t number;
    uint64_t stamp_ms;
    px_hash hash;         /* of its bytes, where it was seen */
    bool is_seen;         /* a reader saw it */
    bool is_acknowledged; /* its writer was told; writer and number are known from then on */
} sim_place;

#define SIM_SESSIONS_MAX 8192u

/* A session as the order shows it. */
typedef struct {
    uint64_t openings; /* ever asked for */
    uint64_t seen;     /* messages in the order so far */
    uint32_t taker;    /* the writer and 1 that took it and was seen last; 0: none */
} sim_session_history;

struct sim_checks {
    sim_writer *writers;
    size_t writer_count, writer_capacity;
    sim_place *order; /* [index - 1] */
    size_t order_capacity;
    uint64_t order_count;       /* the highest index seen by a reader; all below are seen */
    uint64_t acknowledged;      /* the highest index acknowledged */
    uint64_t known;             /* the highest index that anybody was told of in any way */
    size_t message_bytes_max;   /* of every message pushed here */
    uint64_t large_per_million; /* of them are about as large as they may be */
    sim_session_history sessions[SIM_SESSIONS_MAX];
    bool has_expiry; /* there are more sessions than the log remembers */
    sim_protocol *protocol;
};

void sim_checks_init(sim_world *world);
void sim_checks_deinit(sim_world *world);
sim_place *sim_checks_place(sim_world *world, uint64_t index);

/* ---- check_validity.c: only what was pushed, once, in each intake's order ---- */
uint32_t sim_check_writer(sim_world *world, uint32_t place, uint64_t run);
/* Writes the text of the next message of a writer and counts it as pushed. Returns its size. */
size_t sim_check_push(sim_world *world, uint32_t writer, uint8_t *space, size_t size_bytes_max);
/* The runs of all intakes of this node end with a clean stop, at this moment. */
void sim_check_kept(sim_world *world, uint32_t place);
/* What was kept is lost with this disk. */
void sim_check_kept_lost(sim_world *world, uint32_t place);
/* Is all that was kept seen? */
bool sim_check_is_kept_seen(const sim_world *world);
/* A reader sees `message` first of all, at `index`. */
void sim_check_first_seen(sim_world *world, uint64_t index, px_bytes message);

/* ---- check_session.c: sessions exactly once, and fences ---- */
uint32_t sim_check_session_writer(sim_world *world, uint32_t place, uint64_t run, uint32_t session,
                                  bool joins);
void sim_check_session_opened(sim_world *world, uint32_t writer, uint64_t next);
void sim_check_session_duplicate(sim_world *world, uint32_t writer, uint64_t upto, uint64_t index,
                                 uint32_t consecutive);
void sim_check_session_ended(sim_world *world, uint32_t writer, px_intake_end end);
void sim_check_session_seen(sim_world *world, uint32_t writer, uint64_t sequence);

/* ---- check_agreement.c: one order, the same everywhere, without gaps ---- */
void sim_check_seen(sim_world *world, uint32_t place, uint64_t index, uint64_t stamp_ms, px_bytes message);
/* All nodes have delivered the same, and all that was acknowledged. */
void sim_check_converged(sim_world *world);

/* ---- check_durability.c: what is acknowledged stays ---- */
void sim_check_acknowledged(sim_world *world, uint32_t writer, uint64_t upto, uint64_t index,
                            uint32_t consecutive);

/* ---- check_node.c: between two calls into a node ---- */
void sim_check_node(sim_world *world, uint32_t place);

/* ---- check_barrier.c: no stale reads ---- */
uint64_t sim_check_barrier_asked(sim_world *world); /* what its answer may not lie below */
void sim_check_barrier_done(sim_world *world, uint32_t place, uint64_t floor, uint64_t index);

#endif
