/* limits.h - every bound of a node, with its reason, on one page. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_BASE_LIMITS_H
#define PX_BASE_LIMITS_H

/* Members of a cluster: spec.md §2. */
#define PX_MEMBERS_MAX 7u
/* A DNS name has at most 253 characters; one for the zero byte, rounded. */
#define PX_NAME_BYTES_MAX 256u
/* Payload limits: spec.md §2, `max_message_bytes`. */
#define PX_MESSAGE_BYTES_DEFAULT (1u << 20)
#define PX_MESSAGE_BYTES_LEAST 1024u
#define PX_MESSAGE_BYTES_MOST (16u << 20)

/* Slots proposed and not yet known chosen. One slot is one group commit: 256 of them outlast any round trip
 * that a cluster is run over. [R9] */
#define PX_WINDOW_SLOTS 256u
/* Slots whose numbers and hashes the core remembers, chosen or not: room to compare what heartbeats state. */
#define PX_SLOTS_KEPT 2048u
_Static_assert(PX_SLOTS_KEPT >= 4 * PX_WINDOW_SLOTS, "the window must lie well inside what is remembered");
/* Bytes of bodies proposed and not yet known chosen: twice a second's worth of a millisecond's round trip at
 * 1 GB/s. A single larger body goes alone. [R9] */
#define PX_WINDOW_BYTES (2u << 20)
/* Bytes of bodies in one slot, unless a single message is larger: keeps a batch's JSON message short enough
 * that a heartbeat behind it is not late. */
#define PX_BATCH_BYTES (256u << 10)
_Static_assert(PX_WINDOW_BYTES >= 4 * PX_BATCH_BYTES, "several batches travel at once");
/* Records staged for a disk that does not take them; beyond it no more of the log is taken from others. Two
 * windows: one that a disk writes, one that gathers behind it. */
#define PX_STAGED_BYTES (2u * PX_WINDOW_BYTES)
/* Slots taken and not yet on this node's disk; beyond it no more of the log is taken from others: small slots
 * are few bytes, and each is kept in memory until it is delivered. */
#define PX_UNSYNCED_SLOTS_MAX (8u * PX_WINDOW_SLOTS)
/* Runs (one session's consecutive messages) in one batch and in the whole window. */
#define PX_BATCH_RUNS_MAX 1024u
#define PX_WINDOW_RUNS_MAX 16384u
_Static_assert(PX_WINDOW_RUNS_MAX >= 4 * PX_BATCH_RUNS_MAX, "several batches travel at once");
/* Bodies in one piece of the log that a lagging node fetches (a single larger one goes alone). [R9] */
#define PX_PIECE_BYTES (512u << 10)
/* Sessions that the log has open or remembers; 1,000 clients at once must fit several times. [R11] */
#define PX_SESSIONS_MAX 8192u
/* Names of expired sessions that the log remembers, to tell who comes back: 16 bytes each. [R12] */
#define PX_SESSIONS_EXPIRED_MAX 32768u
/* Bytes of a session's name. */
#define PX_SESSION_NAME_BYTES_MAX 320u
/* Barriers waiting at one node. */
#define PX_BARRIERS_MAX 4096u

/* Effects of one step of the core; the core says `more` where it has more to do. */
#define PX_EFFECTS_PER_STEP 64u

/* Names of consumers whose cursors one node keeps; a record of 128 bytes each, twice. */
#define PX_CONSUMERS_MAX 1024u

/* What one pipe may have handed over and not yet seen chosen: spec.md §4. */
#define PX_INTAKE_BYTES (1u << 20)
/* And what one client's session may, and all clients that send without one together: a window, so that large
 * messages keep disks and processors busy at once. Nobody takes it for acknowledged before it is. */
#define PX_CLIENT_INTAKE_BYTES PX_WINDOW_BYTES
/* What all clients' sessions of a node may have handed over and not yet seen chosen, together; a single
 * larger message goes alone. With 1,000 of them it is a batch's worth each. Their buffers are at most four
 * times as large: spec.md §3, 256 MiB a node. */
#define PX_SESSION_INTAKES_BYTES (24u << 20)
_Static_assert(PX_SESSION_INTAKES_BYTES >= 8 * PX_CLIENT_INTAKE_BYTES,
               "a few clients do not feel the others");
/* Pipes and clients' sessions of one node, those that were closed and are not all chosen counted. */
#define PX_INTAKES_MAX 4096u
/* Openings of one node on their way at once; the others wait. */
#define PX_OPENINGS_MAX 64u
_Static_assert(PX_OPENINGS_MAX < PX_WINDOW_SLOTS, "each is a slot, and messages need some as well");
/* What one node may have forwarded and not yet seen chosen: bounds the leader's queue. */
#define PX_FORWARD_BYTES (2u << 20)

#endif
