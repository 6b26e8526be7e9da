/* ledger.h - what was written into a FIFO and is not taken yet.
 *
 * Meaning    Messages enter with their formatted size, writes with what the FIFO took of them; how much of it
 *            is unread tells which messages a reader has taken wholly. The ledger also knows how much fits in
 *            one more write for sure: a write that is never cut short leaves whole messages in the FIFO,
 *            whatever happens to px.
 * Holds      unread <= written bytes of the messages in it; message sizes are those of consecutive messages,
 *            oldest first.
 * Source     spec.md §4 (out). */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_LOCAL_LEDGER_H
#define PX_LOCAL_LEDGER_H

#include "port/stream.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Messages between cursor and writer: bounds memory, and how much one reader's death repeats of tiny
 * messages. A power of two. */
#define PX_LEDGER_MESSAGES_MAX 65536u
/* Writes in the FIFO; each takes a slot at least. A power of two. */
#define PX_LEDGER_WRITES_MAX 512u

typedef struct {
    px_fifo_size fifo;
    uint32_t *sizes; /* ring of formatted sizes, PX_LEDGER_MESSAGES_MAX */
    uint64_t message_first, message_end;
    uint64_t head_taken; /* bytes taken of the oldest message */
    struct {
        uint32_t size_bytes, slots;
    } writes[PX_LEDGER_WRITES_MAX];
    uint32_t write_first, write_end;
    uint32_t write_taken; /* bytes taken of the oldest write */
    uint32_t slots_used;
    size_t unread; /* bytes written and not taken, as last told */
} px_ledger;

/* False where there is no memory. */
bool px_ledger_init(px_ledger *ledger, px_fifo_size fifo);
void px_ledger_deinit(px_ledger *ledger);

/* May another message enter? */
bool px_ledger_has_place(const px_ledger *ledger);
/* A message enters behind the others. */
void px_ledger_enter(px_ledger *ledger, size_t size_bytes);
/* The last `count` messages, of which nothing was written, leave again. */
void px_ledger_withdraw(px_ledger *ledger, uint64_t count);
/* The FIFO took so many bytes in one write. */
void px_ledger_wrote(px_ledger *ledger, size_t size_bytes);
/* So many bytes are unread in the FIFO. Returns how many more messages are wholly taken: they leave. */
uint64_t px_ledger_take(px_ledger *ledger, size_t unread);

/* Bytes that one more write takes whole. */
size_t px_ledger_room(const px_ledger *ledger);
/* Messages not wholly taken. */
uint64_t px_ledger_count(const px_ledger *ledger);
/* Do the bytes taken end inside a message? */
bool px_ledger_is_split(const px_ledger *ledger);
/* Everything in it was thrown away, untaken; the FIFO is empty. */
void px_ledger_clear(px_ledger *ledger);

#endif
