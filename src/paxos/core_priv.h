/* core_priv.h - what the roles of one core share.
 *
 * Meaning    One px_core is acceptor, proposer, candidate and elector at once; each file of the folder is one
 *            of these roles and works on the px_core it is given. Effects go through px_core_emit and its
 *            helpers.
 * Not here   Anything that other folders may see: core.h. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_PAXOS_CORE_PRIV_H
#define PX_PAXOS_CORE_PRIV_H

#include "base/assert.h"
#include "base/prng.h"
#include "paxos/core.h"
#include "paxos/sessions.h"
#include "paxos/slots.h"
#include "paxos/tickets.h"
#include "paxos/voters.h"

/* Two rounds: how long an answer or a promise counts, and how long a node waits before it repeats itself.
 * [R13] */
#define PX_ROUNDS_HEARD 2u
/* The unit called election timeout. [R14] */
#define PX_ROUNDS_ELECTION 3u
/* A leader that chooses nothing for so long, on voters whose disks are overdue, makes way. */
#define PX_ROUNDS_STALLED (4 * PX_ROUNDS_ELECTION)
/* Repetitions wait longer each time, up to this many rounds: what is long under way must not be sent over and
 * over. */
#define PX_ROUNDS_WAIT_MAX 64u
/* Bodies taken and not yet on disk, above which no more of the log is taken or asked for. */
#define PX_UNSYNCED_BYTES_MAX (4u * PX_WINDOW_BYTES)
#define PX_PIECES_UNSYNCED_BYTES_MAX (4u * PX_PIECE_BYTES)
_Static_assert(PX_PIECES_UNSYNCED_BYTES_MAX <= PX_UNSYNCED_BYTES_MAX, "a piece that was asked for is taken");
/* Bodies sent to a member that has not taken them: above this it is no longer streamed to. */
#define PX_UNTAKEN_BYTES_MAX (4u * PX_WINDOW_BYTES)
/* Records that one step may hand over; below this many free tickets the log is not taken from anybody. */
#define PX_TICKETS_RESERVED 8u
/* After so long without a slot, those hear what is chosen at whom nobody waits for it. */
#define PX_TELL_QUIET_US 10000u
/* Effects kept free for everything but answers to barriers. */
#define PX_EFFECTS_RESERVED 40u
_Static_assert(PX_EFFECTS_PER_STEP > PX_EFFECTS_RESERVED, "some answers fit into each step");
/* A ballot's number from outside is below this, so that the next one is always a valid number, too. */
#define PX_BALLOT_NUMBER_END (PX_NUMBER_END / 2)

typedef enum {
    PX_PHASE_FOLLOWER,  /* follows, or waits */
    PX_PHASE_PREPARING, /* campaigns: its promise and those of others are under way */
    PX_PHASE_ADOPTING,  /* a majority promised; it fetches the log that it must adopt [R4] */
    PX_PHASE_LEADING    /* proposes; its own splice may still be on its way to disk */
} px_phase;

/* Another member, as this node knows it. */
typedef struct {
    uint64_t storage_id; /* of its disk, as its last hello said; 0: it never came */
    px_node_state state; /* as last stated */
    bool has_state;      /* something was stated since the link came up */
    bool differs;        /* its chosen hash differs from the one here: it counts for nothing [§7] */

    /* election.c: its latest answer */
    uint64_t heard_round; /* own round that it answered; 0: none since the link came up */
    px_ballot leads, follows;
    uint64_t above;
    bool served;
    px_disk_health disk;

    /* candidate.c */
    bool has_promised; /* the ballot of this campaign */
    px_ballot promised_accepted;
    uint64_t promised_taken;
    uint64_t promised_claimed; /* > promised_taken where its log is damaged [R16] */

    /* proposer.c: since this node leads its present ballot */
    uint64_t
        accepted_length; /* Invariant: <= taken of the leader. Slots accepted in its ballot, on that disk. */
    bool is_streaming;   /* gets each new slot as it is proposed */
    uint64_t sent;       /* highest slot sent to it */
    uint64_t sent_then[PX_ROUNDS_HEARD];
    uint64_t taken_then;
    uint64_t sync_round; /* when it was last synchronised or sent the rest again; 0: not yet */
    uint32_t sync_wait;  /* rounds before it is done again */
} px_peer;

/* A reader waiting for a linearizable index. */
typedef struct {
    uint64_t request;
    uint64_t index;
    bool is_done, ok;
} px_waiting_barrier;

struct px_core {
    px_core_config config;
    px_prng prng;
    uint64_t now_us;
    px_effects *effects; /* of the step under way */
    bool is_started, is_diverged;
    bool is_voting; /* this disk is a voter of the configuration in force: voters.c */

    /* taken.c, acceptor.c: the log as taken */
    px_ballot promised; /* Invariant: >= accepted; never decreases. */
    px_ballot accepted; /* never decreases */
    uint64_t cuts;
    uint64_t chosen_stated;  /* the highest that any record states */
    uint64_t chosen_told;    /* Invariant: <= slots.chosen. What the shell knows. */
    px_ballot accepted_told; /* the last ACCEPTED sent */
    uint64_t accepted_told_length;

    /* repair.c: what a damaged log was, and the next slot that is known of it [R16] */
    px_claim claim;
    uint64_t anchor_slot;
    px_hash anchor_chain;
    uint32_t mend_from; /* who was asked last */

    /* election.c */
    px_phase phase;
    px_ballot ballot; /* Invariant: promised == ballot while the phase is not FOLLOWER. */
    uint64_t round;   /* from 1 */
    uint64_t round_end_us;
    uint64_t stall_chosen, stall_round; /* a leader's: chosen, and the round in which it moved last */
    uint64_t number_seen;               /* Invariant: >= promised.number. Highest in any message. */
    uint64_t promised_round;            /* when it last promised; 0: not in this run */
    px_disk_health disk;
    bool is_awaited; /* somebody here waits for what is chosen, as far as is known */
    uint64_t elections;

    /* candidate.c */
    uint64_t prepare_round; /* when this campaign asked for promises */
    bool has_own_promise;
    uint32_t source;      /* whose log is adopted */
    uint64_t adopt_round; /* of the last progress */
    uint64_t adopt_ask_round;
    uint32_t adopt_patience; /* rounds without progress before it gives up; doubled each time */

    /* proposer.c */
    uint64_t adopted_upto;   /* length of the log at adoption */
    uint64_t awaited_told;   /* chosen as those followers were told where somebody waits for it */
    uint64_t followers_told; /* Invariant: <= awaited_told. As all were told. */
    uint64_t tell_us;        /* where that is less: when the rest is told, if no slot has told it by then */
    bool is_handing_over;
    uint32_t hand_over_to;
    uint64_t hand_over_round;
    px_entry proposed; /* borrowed by the effects of the step that proposed it */

    /* catchup.c */
    uint32_t fetch_from; /* whom a FETCH is under way to; PX_MEMBERS_MAX: nobody */
    uint64_t fetch_round;
    uint32_t fetch_wait;
    bool is_catching_up;
    uint64_t still_round; /* since when neither taken nor chosen moved though there was something to fetch */
    uint64_t still_taken, still_chosen;
    uint64_t ask_round; /* when synchronisation was last asked for */

    /* barrier.c: barriers first to end - 1; those below probe_end fly with the probe under way */
    uint64_t barrier_first, barrier_probe_end, barrier_end;
    uint64_t probe; /* number of the probe under way or of the last one */
    bool is_probing;
    uint32_t probed_mask;

    /* check.c */
    uint64_t violations;
    uint32_t violator;
    const char *violation;
    uint64_t differs_slot;
    uint64_t event_count;

    px_peer peers[PX_MEMBERS_MAX];
    px_voters voters;

    /* What is large and begins empty comes last: it is not cleared. */
    px_slots slots;
    px_tickets tickets;
    px_sessions sessions;
    px_waiting_barrier barriers[PX_BARRIERS_MAX];
    px_core_event events[PX_CORE_EVENTS];
};

/* ---- core.c ---- */
px_effect *px_core_emit(px_core *core, px_effect_kind kind);
/* Sends a message without a log part. A mask of nobody sends nothing. */
void px_core_send(px_core *core, uint32_t to_mask, px_ticket after, const px_message *message);
/* Sends entries after + 1 to last, at once: the shell reads the log as it is now. */
void px_core_send_log(px_core *core, uint32_t to_mask, const px_message *message, uint64_t after,
                      uint64_t last);
uint32_t px_core_others(const px_core *core);
uint32_t px_core_majority(const px_core *core);
/* The own numbers: as taken (for what waits until all of it is durable), and as durable. */
px_node_state px_core_state_taken(const px_core *core);
px_node_state px_core_state_durable(const px_core *core);
/* A message of `from` broke the protocol. [§7] */
void px_core_violate(px_core *core, uint32_t from, const char *words);
static inline px_ticket px_at_once(void)
{
    return (px_ticket){0};
}

/* ---- taken.c ---- */
typedef enum {
    PX_MEET_OK,
    PX_MEET_BEHIND,  /* it ends before what is known chosen here */
    PX_MEET_SHORT,   /* it begins behind the end of the log here */
    PX_MEET_DIFFERS, /* the hashes differ where they would have to meet */
    PX_MEET_BROKEN   /* its first new entry does not continue the log */
} px_meet;
/* Are these consecutive entries with sound bodies? */
bool px_taken_is_sound(const px_log_part *log);
/* Where the log and a part of another node's meet: *slot is the last slot of the part (or its `after`), at or
 * above chosen, up to which both are the same. */
px_meet px_taken_meet(const px_core *core, const px_log_part *log, uint64_t *slot);
/* The rest of a part behind one of its slots. */
px_log_part px_taken_part_behind(const px_log_part *log, uint64_t slot);
static inline uint64_t px_part_end(const px_log_part *log)
{
    return log->after + log->count;
}
/* Would what is not chosen fit the window with this part taken behind log->after, in that accepted ballot,
 * where `chosen` is chosen; and are its changes of configuration in their places? */
bool px_taken_fits(const px_core *core, px_ballot accepted, const px_log_part *log, uint64_t chosen);
/* Is there room for more records, and is the disk keeping up? */
bool px_taken_has_room(const px_core *core);
/* Cuts (CUT, SPLICE), appends, and hands the record over; slots up to `chosen` become chosen as they are
 * taken. */
void px_taken_store(px_core *core, px_record_kind kind, const px_log_part *log, uint64_t chosen);
/* Who promises a ballot of a configuration has on disk that it is chosen: else, after a power cut of all,
 * nobody would know it who could campaign in it, and no lower ballot would be heard [R21]. To be called
 * before the promise is made: a record of the log states only what the small state has promised, since a log
 * that is damaged is cut there, and the small state is not [R16]. */
void px_taken_state_configuration(px_core *core);
/* Hands over a promise. */
px_ticket px_taken_store_promise(px_core *core);
void px_taken_choose(px_core *core, uint64_t upto);
void px_taken_restore(px_core *core, const px_record *record);

/* ---- voters.c ---- */
/* Is this member, with the disk that it has, a voter of the configuration in force? The own place too. */
bool px_voters_counts(const px_core *core, uint32_t member);
/* Has a chosen change replaced this storage id? */
bool px_voters_is_dead(const px_voters *voters, uint64_t id);
/* May such a message of this member do anything here? */
bool px_voters_heed(const px_core *core, uint32_t from, const px_message *message);
/* Is the configuration of that ballot, in which this member campaigns, known here, and the member of it? What
 * the member knows chosen is taken first. */
bool px_voters_learn(px_core *core, uint32_t from, px_ballot ballot);
/* Are the changes of configuration in this part numbered on, each behind its chosen predecessor, and nothing
 * of an older configuration behind one that is not chosen? */
bool px_voters_fit(const px_core *core, px_ballot accepted, const px_log_part *log, uint64_t chosen);
void px_voters_take_roster(px_core *core, uint64_t own_id, const uint64_t *ids);
void px_voters_link(px_core *core, uint32_t member, uint64_t storage_id);
/* The log as taken grew by an entry, was cut, or is chosen up to a slot. */
void px_voters_apply(px_core *core, const px_entry *entry);
void px_voters_cut(px_core *core, uint64_t after);
void px_voters_choose(px_core *core, uint64_t upto);
void px_voters_on_round(px_core *core);
/* At the end of each step. */
void px_voters_finish(px_core *core);

/* ---- acceptor.c ---- */
void px_acceptor_promise(px_core *core, px_ballot ballot);
void px_acceptor_refuse(px_core *core, uint32_t from, px_ballot ballot);
void px_acceptor_on_prepare(px_core *core, uint32_t from, const px_message *message);
void px_acceptor_on_sync(px_core *core, uint32_t from, const px_message *message);
void px_acceptor_on_accept(px_core *core, uint32_t from, const px_message *message);
void px_acceptor_on_chosen(px_core *core, uint32_t from, const px_message *message);
void px_acceptor_on_stored(px_core *core);

/* ---- candidate.c ---- */
void px_candidate_campaign(px_core *core);
void px_candidate_on_promise(px_core *core, uint32_t from, const px_message *message);
void px_candidate_on_tail(px_core *core, uint32_t from, const px_message *message);
void px_candidate_on_piece(px_core *core, uint32_t from);
void px_candidate_on_stored(px_core *core);
void px_candidate_on_round(px_core *core);
void px_candidate_on_link(px_core *core, uint32_t member);

/* ---- proposer.c ---- */
void px_proposer_lead(px_core *core, const px_log_part *log, uint64_t chosen);
void px_proposer_propose(px_core *core, const px_proposal *proposal);
void px_proposer_on_accepted(px_core *core, uint32_t from, const px_message *message);
/* Takes what a state says of slots accepted in the ballot led here. */
void px_proposer_count(px_core *core, uint32_t from);
void px_proposer_on_stored(px_core *core);
void px_proposer_on_round(px_core *core);
/* Looks whether a member needs to be synchronised or sent something again; true where it was. */
bool px_proposer_tend(px_core *core, uint32_t member, bool is_asked);
/* Who has all that there is asks for it: tells it that this is all, true where that was so. [R16] */
bool px_proposer_confirm(px_core *core, uint32_t member);
void px_proposer_on_link(px_core *core, uint32_t member);
void px_proposer_transfer(px_core *core, uint32_t member);
void px_proposer_tell_chosen(px_core *core);
void px_proposer_on_tick(px_core *core);
uint64_t px_proposer_deadline_us(const px_core *core);

/* ---- election.c ---- */
void px_election_start(px_core *core);
void px_election_enter(px_core *core, px_phase phase);
void px_election_on_tick(px_core *core);
void px_election_on_heartbeat(px_core *core, uint32_t from, const px_message *message);
void px_election_on_heard(px_core *core, uint32_t from, const px_message *message);
void px_election_on_take_over(px_core *core, uint32_t from, const px_message *message);
void px_election_on_link(px_core *core, uint32_t member, bool is_up);
void px_election_on_awaited(px_core *core, bool is_awaited);
bool px_election_is_heard(const px_core *core, uint32_t member);
bool px_election_is_served(const px_core *core);
/* Does this node lead, from a majority of promises on? */
static inline bool px_election_leads(const px_core *core)
{
    return core->phase == PX_PHASE_ADOPTING || core->phase == PX_PHASE_LEADING;
}
/* The ballot of the leader that this node hears itself; none where it hears none. *member is its place. */
px_ballot px_election_leader_heard(const px_core *core, uint32_t *member);
/* That of the leader it follows, heard itself or by way of *relay. */
px_ballot px_election_leader(const px_core *core, uint32_t *relay);

/* ---- catchup.c ---- */
void px_catchup_on_state(px_core *core, uint32_t from);
void px_catchup_on_fetch(px_core *core, uint32_t from, const px_message *message);
void px_catchup_on_piece(px_core *core, uint32_t from, const px_message *message);
void px_catchup_ask(px_core *core, uint32_t leader);
void px_catchup_on_stored(px_core *core);
void px_catchup_on_round(px_core *core);
void px_catchup_on_link(px_core *core, uint32_t member);
bool px_catchup_fits_window(const px_core *core, uint64_t after);

/* ---- repair.c ---- */
/* Was the log damaged, and is it not yet what it was? */
bool px_repair_is_faulty(const px_core *core);
/* What a node's state says of it: the length that the log had, or 0. */
uint64_t px_repair_claimed(const px_core *core);
/* A record changes the log: what becomes of the claim? */
void px_repair_on_record(px_core *core, const px_record *record);
/* Does this part bring a damaged log to its length, and another one than it was? */
bool px_repair_is_another(const px_core *core, const px_log_part *log);
/* The leader of the accepted ballot sent all that it has, and of that this is new. */
void px_repair_store_rest(px_core *core, const px_log_part *log, uint64_t chosen);
void px_repair_on_round(px_core *core);
/* Sends what a damaged log of that state misses. */
void px_repair_answer(px_core *core, uint32_t from, const px_node_state *state);
void px_repair_on_mended(px_core *core, uint32_t from, const px_message *message);
void px_repair_on_salvage(px_core *core, const px_log_part *log, uint64_t anchor_slot, px_hash anchor_chain);

/* ---- barrier.c ---- */
void px_barrier_ask(px_core *core, uint64_t request);
void px_barrier_on_probe(px_core *core, uint32_t from, const px_message *message);
void px_barrier_on_probed(px_core *core, uint32_t from, const px_message *message);
void px_barrier_on_round(px_core *core);
/* Answers what can be answered; called at the end of each step. */
void px_barrier_finish(px_core *core);
void px_barrier_fail(px_core *core);

/* ---- check.c ---- */
/* Is what the message says possible at all? A violation is noted where it is not. */
bool px_check_message(px_core *core, uint32_t from, const px_message *message);
/* Compares chosen hashes. */
void px_check_state(px_core *core, uint32_t from, const px_node_state *state);

#endif
