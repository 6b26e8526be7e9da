/* bench.h - one core on a bench: messages in by hand, effects looked at one by one.
 *
 * Meaning    Tests of rules play all other members. A scenario is a function that says whether the rule held;
 *            it is run as it is, and once more with the rule broken on purpose: then it must not hold, or the
 *            test proves nothing. All invariants of the core are checked after each step of a rule that is
 *            not broken.
 * Source     protocol.md, by the tags in the names of the tests. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_TEST_RULES_BENCH_H
#define PX_TEST_RULES_BENCH_H

#include "paxos/core.h"
#include <stdbool.h>

#define BENCH_HEARTBEAT_US 100000u
#define BENCH_LOG_MAX 4096u
/* Storage id of a member in the roster. */
#define BENCH_ID(member) (100u + (member))

typedef struct {
    px_core *core;
    px_core_view view; /* after the last step */
    uint32_t self, member_count;
    uint64_t now_us;
    uint64_t handed_over, stored; /* tickets */
    uint64_t openings;
    px_effect effects[PX_EFFECTS_PER_STEP]; /* of the last step */
    uint32_t count;
    px_record
        records[BENCH_LOG_MAX]; /* handed over since the beginning; ticket t is at t - 1 in the first run */
    uint32_t record_count, durable_count;
} px_bench;

/* A log of made-up entries, as some leader would have it. */
typedef struct {
    px_entry entries[BENCH_LOG_MAX]; /* slot s at s - 1 */
    uint8_t bodies[BENCH_LOG_MAX][64];
    uint64_t length;
} px_bench_log;

/* A started core that votes, with all links up; or, with is_voting false, one that does not yet. */
px_bench *bench_open(uint32_t self, uint32_t member_count, bool is_voting);
void bench_close(px_bench *bench);
/* Tells the core the roster, and the storage id of its own disk. */
void bench_roster(px_bench *bench, uint64_t own_id);
/* Ends the run and starts a new one from what was durable. */
void bench_restart(px_bench *bench);
/* Likewise; of what was durable, slots behind `left` of the log are found damaged then. [R16] */
void bench_damage(px_bench *bench, const px_bench_log *log, uint64_t left, px_claim claim);

void bench_step(px_bench *bench, px_input *input);
void bench_give(px_bench *bench, uint32_t from, const px_message *message);
/* Everything handed over so far is on disk. */
void bench_sync(px_bench *bench);
/* Lets rounds end, answering each heartbeat from every member in `answer_mask` with `heard` (its round is
 * filled in). */
void bench_rounds(px_bench *bench, uint32_t rounds, uint32_t answer_mask, const px_message *heard);

/* The first message of that kind to that member in the last step; NULL where there is none. */
const px_effect *bench_sent(const px_bench *bench, px_message_kind kind, uint32_t to);
/* The same, if it may leave now. */
const px_effect *bench_sent_now(const px_bench *bench, px_message_kind kind, uint32_t to);
/* The first record of that kind in the last step. */
const px_record *bench_record(const px_bench *bench, px_record_kind kind);
/* What the last step said is chosen; 0 where it said nothing. */
uint64_t bench_chosen(const px_bench *bench);

/* Entries after + 1 to last, each different for another `tag`. */
void bench_log_extend(px_bench_log *log, uint64_t last, uint8_t tag);
/* Forgets what lies behind. */
void bench_log_cut(px_bench_log *log, uint64_t last);
px_log_part bench_part(const px_bench_log *log, uint64_t after, uint64_t last);
/* State of a member that has this log in that ballot, and knows `chosen` of it chosen. */
px_node_state bench_state(const px_bench_log *log, px_ballot promised, px_ballot accepted, uint64_t chosen);

/* Messages of other members. */
px_message bench_sync_of(const px_bench_log *log, px_ballot ballot, uint64_t after, uint64_t chosen);
px_message bench_accept_of(const px_bench_log *log, px_ballot ballot, uint64_t slot, uint64_t chosen);
px_message bench_piece_of(const px_bench_log *log, uint64_t after, uint64_t last);

/* Makes the core a leader: heard, campaigned, promised by `mask` with empty logs, all durable. Returns its
 * ballot. */
px_ballot bench_lead(px_bench *bench, uint32_t mask);
/* Proposes the opening of a session of its own; it gets slot `taken` of the view. */
void bench_propose(px_bench *bench);
/* Proposes a message of the session that slot `holder` opened. */
void bench_propose_message(px_bench *bench, uint64_t holder, uint64_t sequence);

/* The scenario holds; and does not with the mutant. */
void bench_prove(bool (*holds)(void), const char *mutant);

static inline px_ballot ballot_of(uint64_t number, uint64_t node)
{
    return (px_ballot){0, number, node};
}

#endif
