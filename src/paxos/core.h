/* core.h - the protocol as a function of its inputs.
 *
 * Meaning    px_core_step takes one input, changes the core, and writes down effects for its shell (node/) to
 *            carry out in order.
 *            The core does no input or output, knows no clock but the one in its inputs, allocates nothing
 *            after px_core_init, and never
 *            touches payload bytes (it reads the run headers of a batch, batch.h).
 * The shell  (a) carries out effects in array order; SEND, CHOSEN and ANSWER with `after` wait until STORED
 *            has reached that ticket;
 *            (b) makes all STOREs of one loop turn one write and one sync, then gives one STORED;
 *            (c) ends the process on a failed write or sync: there is no input for it [R17];
 *            (d) gives any decoded message, however stale: the core drops, answers or refuses it;
 *            (e) gives room for PX_EFFECTS_PER_STEP effects; `more` means: step again with PX_IN_TICK before
 *            sleeping;
 *            (f) keeps the bodies of entries from STORE until they are neither needed in memory nor missing
 *            on disk; the core names slots.
 * Source     protocol.md §2-§4, §7. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_PAXOS_CORE_H
#define PX_PAXOS_CORE_H

#include "base/limits.h"
#include "paxos/batch.h"
#include "paxos/message.h"

typedef struct px_core px_core;

/* n-th record handed to the log in this run; {0} = wait for nothing. One sequence covers all files. [R2] */
typedef struct {
    uint64_t n;
} px_ticket;

typedef struct {
    uint32_t self;         /* own place, < member_count */
    uint32_t member_count; /* 1 to PX_MEMBERS_MAX */
    uint64_t heartbeat_us;
    uint32_t message_bytes_max; /* a batch over PX_WINDOW_BYTES holds one message of at most this */
    uint64_t seed;              /* jitter of rounds: no other chance in the core */
    uint32_t sessions_max;      /* that the log remembers, the same everywhere; 0: PX_SESSIONS_MAX */
} px_core_config;

/* What the log is asked to make durable. */
typedef enum {
    PX_RECORD_PROMISE = 1, /* promised: goes into the small state, both copies [R2, R3] */
    PX_RECORD_APPEND,      /* entries at the end of the log, under the accepted ballot it has [R6, R9] */
    /* cut behind `after` (cuts is raised), then append, under the accepted ballot it has [R9] */
    PX_RECORD_CUT,
    /* promised = accepted = ballot, cut behind `after`, append: visible together or not at all [R4, R5] */
    PX_RECORD_SPLICE,
    /* as a splice without entries, made by the log itself where it found damage: what the log was [R16] */
    PX_RECORD_CLAIM
} px_record_kind;

/* What a damaged log was, under its accepted ballot. It counts until the log is that long again, is cut, or
 * takes a higher ballot. [R16] */
typedef struct {
    uint64_t length; /* 0: none */
    uint64_t chosen; /* highest slot that was known chosen */
    px_hash chain;   /* at its length; zero where that is not known */
    bool is_unsure;  /* accepted ballot or length may have been higher */
} px_claim;

typedef struct {
    px_record_kind kind;
    px_ballot promised;
    px_ballot accepted;
    uint64_t cuts;
    uint64_t chosen; /* known chosen when this was made; read back as min(this, valid length) */
    px_log_part
        log; /* APPEND, CUT, SPLICE; entries are those of the input that caused it, or a proposal's own */
    px_claim claim; /* CLAIM */
} px_record;

typedef enum {
    PX_IN_RESTORE, /* one record read back at start, oldest first; before PX_IN_START */
    PX_IN_START,   /* the log is read; messages, proposals and ticks may come */
    /* the roster is complete [R18], or the own disk has another storage id [R19]; before it comes, this node
     * neither votes nor campaigns nor counts anybody */
    PX_IN_ROSTER,
    PX_IN_MESSAGE,
    PX_IN_PROPOSE, /* only where px_core_room says so */
    PX_IN_STORED,  /* every record <= upto is on disk */
    PX_IN_LINK,    /* a link came up (both ways) or went down */
    PX_IN_DISK,    /* health of the own disk */
    /* a reader wants a linearizable index; only a leader answers, others get an ANSWER with ok = false */
    PX_IN_BARRIER,
    /* from behind the damage of the own disk: slots that continue the damaged log; or, where there are none
     * now, the next slot that is known of it [R16] */
    PX_IN_SALVAGE,
    PX_IN_AWAITED,  /* somebody here begins, or nobody goes on, to wait for what becomes chosen */
    PX_IN_TRANSFER, /* hand leadership to `member`, or to whoever is best where it is PX_MEMBERS_MAX [R14] */
    PX_IN_TICK
} px_input_kind;

typedef struct {
    px_entry_kind kind;
    uint64_t stamp_ms; /* wall clock now; the core clamps it so that it never goes back */
    px_hash body_hash;
    px_bytes body; /* runs all admitted by px_core_admit since the last step */
} px_proposal;

typedef struct {
    px_input_kind kind;
    uint64_t now_us; /* monotonic, never lower than in the input before */
    union {
        const px_record *restore;
        struct {
            uint32_t from;
            const px_message *message;
        } message;
        px_proposal propose;
        px_ticket stored;
        struct {
            uint64_t own_id;              /* storage id of the own disk */
            uint64_t ids[PX_MEMBERS_MAX]; /* as the roster has them: configuration 0 */
        } roster;
        struct {
            uint32_t member;
            bool up;
            uint64_t storage_id; /* of its disk as far as it is known, else 0 */
        } link;
        struct {
            px_log_part log;
            uint64_t anchor_slot; /* where log.count is 0 */
            px_hash anchor_chain; /* there; zero: not known */
        } salvage;
        px_disk_health disk;
        uint64_t barrier; /* the shell's name for the request */
        bool is_awaited;
        uint32_t transfer;
    };
} px_input;

typedef enum {
    PX_DO_STORE,    /* make durable */
    PX_DO_SEND,     /* a message without a log part */
    PX_DO_SEND_LOG, /* a message whose log part the shell fills in, from memory or disk, and cuts to size;
                         `after` is never set: it shows the log as it is at this effect */
    /* every slot <= upto is chosen and in the log here; wait for `after`, which makes them durable here,
     * before delivering; acknowledgements need not wait */
    PX_DO_CHOSEN,
    PX_DO_ANSWER /* to a barrier */
} px_effect_kind;

typedef struct {
    px_effect_kind kind;
    px_ticket after;
    union {
        struct {
            px_ticket ticket;
            px_record record;
        } store; /* entries borrowed from the input of this step */
        struct {
            uint32_t to_mask;
            px_message message;
        } send; /* bit i = member i; never the own bit */
        struct {
            uint32_t to_mask;
            px_message message; /* log.after is set; after_chain and entries are the shell's to fill */
            uint64_t
                /* entries log.after + 1 to last; a PIECE may stop earlier at PX_PIECE_BYTES, never before
                 * one entry */
                last;
        } send_log;
        struct {
            uint64_t upto;
        } chosen;
        struct {
            uint64_t request;
            bool ok;
            uint64_t index;
        } answer; /* index: last message known chosen */
    };
} px_effect;

typedef struct {
    px_effect *items; /* the caller's */
    uint32_t count, capacity;
    bool more;
} px_effects;

/* Bytes of memory that a core of any configuration needs, for ever. */
size_t px_core_size_bytes(void);

/* Makes a core in `memory` (aligned as malloc does, px_core_size_bytes long), which the caller keeps until it
 * is done with it. */
px_core *px_core_init(void *memory, const px_core_config *config);

/* Takes one input. Appends to effects; cannot fail. */
void px_core_step(px_core *core, const px_input *input, px_effects *effects);

/* When to send PX_IN_TICK at the latest; UINT64_MAX = never. */
uint64_t px_core_deadline_us(const px_core *core);

/* Every invariant, or px_assert. */
void px_core_check(const px_core *core);

/* Equal inputs give equal digests, on any machine and compiler. */
uint64_t px_core_digest(const px_core *core);

/* How much may be proposed now: bytes of body and runs; both 0 where this node may not propose (not leading,
 * adopting, handing over, disk full, a change of configuration under way [R21]) or the window is full.
 * `bytes` is at least message_bytes_max and a header whenever the window is empty. */
typedef struct {
    uint32_t bytes, runs;
} px_room;
px_room px_core_room(const px_core *core);

/* What the whole log of this leader, chosen or not, says of a run that wants to be appended. [R11] */
typedef enum {
    PX_ADMIT_NEXT,      /* its first message is next: append it all */
    PX_ADMIT_OVERLAP,   /* the first *skip messages are in the log; the one behind them is next */
    PX_ADMIT_DUPLICATE, /* all of it is in the log */
    PX_ADMIT_GAP,       /* earlier ones are missing: drop, they will be sent again */
    PX_ADMIT_FENCED,    /* its holder was fenced at or before its first message */
    PX_ADMIT_UNKNOWN    /* no such holder (any more) */
} px_admission;
/* `ahead` is how many messages of this holder the caller has already put in front of it in the same proposal.
 * */
px_admission px_core_admit(const px_core *core, const px_run *run, uint32_t ahead, uint32_t *skip);

/* May this opening be appended (its opener has not opened at or above its counter, its session has not
 * expired, and the table has room)?
 * [R11] */
bool px_core_admit_opening(const px_core *core, const px_opening *opening);

/* The highest opener of that disk in the log as taken; all zero where there is none. [R11] */
px_opener px_core_opener(const px_core *core, uint64_t storage_id);

/* A session as the chosen part of the log has it. */
typedef struct {
    uint64_t holder; /* slot that opened it */
    uint64_t next;   /* sequence that it takes next (of a fenced one: as it stood then) */
    px_opener opener;
    uint32_t origin;
    bool fenced;
} px_session;
/* The open session of that name. Writes *session and returns true where there is one. */
bool px_core_session_by_name(const px_core *core, px_session_kind kind, px_bytes name, px_session *session);
/* The session that `holder` opened, fenced or not. */
bool px_core_session_by_holder(const px_core *core, uint64_t holder, px_session *session);
/* Has a client's session of that name expired, by a chosen slot? It is not opened again while this is
 * remembered. */
bool px_core_session_is_expired(const px_core *core, px_bytes name);

typedef enum {
    PX_ROLE_RECOVERING, /* its log is being read, or was damaged and is not whole again [R16] */
    PX_ROLE_LEARNER,
    PX_ROLE_FOLLOWER,
    PX_ROLE_CANDIDATE,
    PX_ROLE_LEADER
} px_role;

/* What people and shells want to know of a core. */
typedef struct {
    px_role role;
    px_ballot leader; /* ballot of the leader this node follows or is; none where it knows of none */
    uint32_t
        /* member through which the leader is reached: the leader itself, or a peer that follows it;
         * PX_MEMBERS_MAX: none */
        relay;
    px_node_state state;
    uint64_t index_chosen; /* index of the last chosen message */
    px_claim claim;        /* of a damaged log, until it is whole again; else all zero [R16] */
    bool adopted;          /* a leader whose whole adopted log is chosen in its own ballot [R7a] */
    uint64_t elections;    /* campaigns begun here */
    px_node_state members[PX_MEMBERS_MAX]; /* as last heard; own place: state */
    bool heard[PX_MEMBERS_MAX];            /* answered within the last two rounds */
    px_disk_health disks[PX_MEMBERS_MAX];  /* as last heard; own place: the own one's */
    uint64_t violations; /* messages that broke the protocol, ever: where it rose in a step, the connection of
                              `violator` is to be closed with the words `violation` [§7] */
    uint32_t violator;
    const char *violation;  /* static; NULL where there was none */
    uint32_t voters_mask;   /* members that count, by the storage ids of their disks; the own bit too [R19] */
    uint64_t configuration; /* number of the configuration in force: the highest known chosen */
    bool replaced;          /* the log has replaced the own storage id: it never votes again [R19] */
    bool diverged; /* no majority can have this node's chosen log: it neither votes nor delivers [§7] */
    uint32_t differs_mask; /* members whose chosen hash differs from the one here */
    uint64_t differs_slot; /* where that was last seen */
} px_core_view;
void px_core_look(const px_core *core, px_core_view *view);

/* The chain hash at a slot this core still remembers. */
bool px_core_chain_at(const px_core *core, uint64_t slot, px_hash *chain);

/* Has the log replaced this storage id? Then it is dead: its disk is an old one put back. [R19] */
bool px_core_is_dead(const px_core *core, uint64_t storage_id);

/* One of the last inputs, for whoever reports a failed check; the newest is 0 inputs ago. */
typedef struct {
    uint64_t now_us, number, chosen; /* number: of the message's ballot */
    uint32_t from;
    px_input_kind input;
    px_message_kind message; /* 0 where the input is none */
} px_core_event;
#define PX_CORE_EVENTS 256u
bool px_core_recent(const px_core *core, uint32_t inputs_ago, px_core_event *event);

#endif
