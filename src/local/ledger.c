/* ledger.c - what was written into a FIFO and is not taken yet. */
// SPDX-License-Identifier: Apache-2.0
#include "local/ledger.h"

#include "base/assert.h"
#include <stdlib.h>

_Static_assert((PX_LEDGER_MESSAGES_MAX & (PX_LEDGER_MESSAGES_MAX - 1)) == 0, "a ring by masks");
_Static_assert((PX_LEDGER_WRITES_MAX & (PX_LEDGER_WRITES_MAX - 1)) == 0, "a ring by masks");

bool px_ledger_init(px_ledger *ledger, px_fifo_size fifo)
{
    px_assert(fifo.slots > 0 && fifo.slot_bytes > 0);
    uint32_t *sizes = calloc(PX_LEDGER_MESSAGES_MAX, sizeof *sizes);
    if (!sizes) return false;
    *ledger = (px_ledger){.fifo = fifo, .sizes = sizes};
    return true;
}

void px_ledger_deinit(px_ledger *ledger)
{
    free(ledger->sizes);
    ledger->sizes = NULL;
}

bool px_ledger_has_place(const px_ledger *ledger)
{
    return px_ledger_count(ledger) < PX_LEDGER_MESSAGES_MAX;
}

void px_ledger_enter(px_ledger *ledger, size_t size_bytes)
{
    px_assert(px_ledger_has_place(ledger));
    px_assert(size_bytes > 0 && size_bytes <= UINT32_MAX);
    ledger->sizes[ledger->message_end++ % PX_LEDGER_MESSAGES_MAX] = (uint32_t)size_bytes;
}

void px_ledger_withdraw(px_ledger *ledger, uint64_t count)
{
    px_assert(count <= px_ledger_count(ledger));
    ledger->message_end -= count;
    px_assert(ledger->message_first < ledger->message_end || ledger->head_taken == 0);
}

void px_ledger_wrote(px_ledger *ledger, size_t size_bytes)
{
    px_assert(size_bytes > 0 && size_bytes <= UINT32_MAX);
    px_assert(ledger->write_end - ledger->write_first < PX_LEDGER_WRITES_MAX);
    const uint32_t slots = (uint32_t)((size_bytes + ledger->fifo.slot_bytes - 1) / ledger->fifo.slot_bytes);
    const uint32_t place = ledger->write_end++ % PX_LEDGER_WRITES_MAX;
    ledger->writes[place].size_bytes = (uint32_t)size_bytes;
    ledger->writes[place].slots = slots;
    ledger->slots_used += slots;
    ledger->unread += size_bytes;
}

static void take_writes(px_ledger *ledger, size_t taken)
{
    while (taken > 0) {
        px_assert(ledger->write_first != ledger->write_end);
        const uint32_t place = ledger->write_first % PX_LEDGER_WRITES_MAX;
        const uint32_t left = ledger->writes[place].size_bytes - ledger->write_taken;
        if (taken < left) {
            ledger->write_taken += (uint32_t)taken;
            return;
        }
        taken -= left;
        ledger->slots_used -= ledger->writes[place].slots;
        ledger->write_taken = 0;
        ledger->write_first++;
    }
}

uint64_t px_ledger_take(px_ledger *ledger, size_t unread)
{
    /* More than was written: somebody else writes into this FIFO too; what is ours cannot be told from it,
     * and nothing is believed taken. */
    if (unread >= ledger->unread) return 0;
    const size_t taken = ledger->unread - unread;
    ledger->unread = unread;
    take_writes(ledger, taken);
    const uint64_t first = ledger->message_first;
    ledger->head_taken += taken;
    while (ledger->message_first < ledger->message_end) {
        const uint32_t size_bytes = ledger->sizes[ledger->message_first % PX_LEDGER_MESSAGES_MAX];
        if (ledger->head_taken < size_bytes) break;
        ledger->head_taken -= size_bytes;
        ledger->message_first++;
    }
    px_assert(ledger->message_first < ledger->message_end || ledger->head_taken == 0);
    return ledger->message_first - first;
}

size_t px_ledger_room(const px_ledger *ledger)
{
    if (ledger->slots_used >= ledger->fifo.slots) return 0;
    if (ledger->write_end - ledger->write_first >= PX_LEDGER_WRITES_MAX) return 0;
    return (size_t)(ledger->fifo.slots - ledger->slots_used) * ledger->fifo.slot_bytes;
}

uint64_t px_ledger_count(const px_ledger *ledger)
{
    return ledger->message_end - ledger->message_first;
}

bool px_ledger_is_split(const px_ledger *ledger)
{
    return ledger->head_taken > 0;
}

void px_ledger_clear(px_ledger *ledger)
{
    ledger->message_first = ledger->message_end;
    ledger->write_first = ledger->write_end;
    ledger->head_taken = 0;
    ledger->write_taken = 0;
    ledger->slots_used = 0;
    ledger->unread = 0;
}
