/* batch.h - how the body of an entry is laid out.
 *
 * Meaning    A batch is a list of runs; a run is consecutive messages of one session, taken by one node.
 *            All numbers little-endian:
 *              batch    u32 run_count, u32 message_count,
 *                       run_count x { u64 holder, u64 sequence, u32 count, u32 size_bytes, u32 origin, u32
 *                       zero },
 *                       message_count x u32 length,
 *                       the payloads, one behind the other, in the order of runs and messages
 *              opening  u64 storage_id, u64 run, u64 counter, u32 origin, u16 kind, u16 name length,
 *              the name
 *            A message is (holder, sequence): holder is the slot of the chosen entry that opened its session.
 *            [R11]
 * Holds      A run's size_bytes is the sum of its lengths; counts are at least 1; nothing follows the last
 *            payload. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_PAXOS_BATCH_H
#define PX_PAXOS_BATCH_H

#include "base/bytes.h"
#include "base/err.h"
#include "base/limits.h"
#include <stdbool.h>
#include <stdint.h>

#define PX_BATCH_HEADER_BYTES 8u
#define PX_RUN_HEADER_BYTES 32u
#define PX_LENGTH_BYTES 4u

typedef struct {
    uint64_t holder;     /* slot that opened the session */
    uint64_t sequence;   /* of its first message; a session's first is 1 */
    uint32_t count;      /* messages, at least 1 */
    uint32_t size_bytes; /* of all its payloads */
    uint32_t origin;     /* member that took them */
} px_run;

/* A checked batch, ready to be walked. Borrows the body. */
typedef struct {
    uint32_t run_count, message_count;
    const uint8_t *runs;    /* run_count headers */
    const uint8_t *lengths; /* message_count lengths */
    px_bytes payloads;
} px_batch;

/* Opens the body of a batch from outside. Writes *batch only on PX_OK.
 * message_bytes_max   no payload may be longer.
 * Errors       PX_ERR_MALFORMED  counts, sums or sizes do not agree, or over PX_BATCH_RUNS_MAX. */
PX_MUST_USE px_err px_batch_open(px_bytes body, uint32_t message_bytes_max, px_batch *batch);

/* The run at `place` < batch->run_count. */
px_run px_batch_run(const px_batch *batch, uint32_t place);

/* The payload length of the message at `place` < batch->message_count, counted over all runs. */
uint32_t px_batch_length(const px_batch *batch, uint32_t place);

/* Size of the body of a batch of so many runs, messages and payload bytes. */
size_t px_batch_size_bytes(uint32_t run_count, uint32_t message_count, size_t payload_bytes);

/* Lays out the two fixed parts: run_count, message_count at `body`, and one run's header at `place`.
 * The caller lays lengths and payloads behind them, where px_batch_open finds them. */
void px_batch_put_header(uint8_t *body, uint32_t run_count, uint32_t message_count);
void px_batch_put_run(uint8_t *body, uint32_t place, const px_run *run);

typedef enum { PX_SESSION_MEMBER = 1, PX_SESSION_CLIENT = 2 } px_session_kind;

/* Who asked for an opening; each such triple opens at most once. [R11] */
typedef struct {
    uint64_t storage_id, run, counter;
} px_opener;

/* Of two openers of one storage id: was a drawn before b? [R11] */
static inline bool px_opener_less(px_opener a, px_opener b)
{
    return a.run != b.run ? a.run < b.run : a.counter < b.counter;
}

typedef struct {
    px_opener opener;
    uint32_t origin; /* member that asks */
    /* a member's own (a pipe, the node's plain sends: never expires) or a client's */
    px_session_kind kind;
    px_bytes name; /* 1 to PX_SESSION_NAME_BYTES_MAX bytes; (kind, name) is the session */
} px_opening;

/* Opens the body of an opening from outside; name borrows it. Writes *opening only on PX_OK.
 * Errors       PX_ERR_MALFORMED. */
PX_MUST_USE px_err px_opening_open(px_bytes body, px_opening *opening);

/* Encodes an opening; `space` has room for PX_OPENING_BYTES_MAX. Returns the size in bytes. */
#define PX_OPENING_BYTES_MAX (32u + PX_SESSION_NAME_BYTES_MAX)
size_t px_opening_put(const px_opening *opening, uint8_t *space);

#endif
