/* salvage.c - what the log was, told from what stands behind damage.
 *
 * Meaning    The records that can still be read are gone through in their order, as a start goes through a
 *            whole log. Each names the checksum of the one before: where that is another one, records between
 *            them are lost. What follows from the rest all the same is kept: a slot whose chain hash a later
 *            record goes on from, what was known chosen, and everything where accepted ballot, cuts and
 *            claims are the same on both sides, so that no splice and no cut is lost, and no claim, behind
 *            which others' slots may have come in the place of those that were. Of that the slots before the
 *            first hole are the log, and the runs behind it can be appended when the hole is mended.
 * Holds      A run holds no slot that was cut later; `is` never says less than the log was, unless it says
 *            that it is unsure.
 * Source     [R16]; Alagappan et al., Protocol-Aware Recovery (2018). */
// SPDX-License-Identifier: Apache-2.0
#include "wal/wal_priv.h"

#include "base/assert.h"
#include <stdlib.h>
#include <string.h>

bool px_salvage_chain_at(const px_salvage *salvage, uint64_t slot, px_hash *chain)
{
    const px_wal_slot *found = &salvage->slots[slot % PX_SLOTS_KEPT];
    *chain = (px_hash){0, 0};
    if (slot == 0) return true;
    if (found->slot != slot) return false;
    *chain = found->chain;
    return true;
}

static void forget_slots_behind(px_salvage *salvage, uint64_t after)
{
    for (uint32_t i = 0; i < PX_SLOTS_KEPT; i++)
        if (salvage->slots[i].slot > after) salvage->slots[i].slot = 0;
    salvage->top = after;
}

void px_salvage_init(px_salvage *salvage, const px_wal *wal)
{
    *salvage = (px_salvage){.slots = malloc(sizeof wal->slots)};
    px_assert(salvage->slots != NULL);
    memcpy(salvage->slots, wal->slots, sizeof wal->slots);
    forget_slots_behind(salvage, wal->length);
    px_salvage_go_on(salvage, wal);
}

void px_salvage_deinit(px_salvage *salvage)
{
    free(salvage->slots);
    free(salvage->runs.runs);
}

void px_salvage_go_on(px_salvage *salvage, const px_wal *wal)
{
    uint64_t chosen = salvage->is.chosen;
    if (wal->chosen > chosen) chosen = wal->chosen;
    if (wal->claim.chosen > chosen) chosen = wal->claim.chosen;
    salvage->is = px_wal_state_log(wal);
    salvage->is.chosen = chosen;
    salvage->live = wal->length;
    salvage->certain = wal->chosen < wal->length ? wal->chosen : wal->length;
    salvage->is_mended = px_wal_is_claimed(wal);
    salvage->hides_claim = false;
    salvage->before = wal->record_crc;
    salvage->goes_on = false;
}

static void note_slot(px_salvage *salvage, uint64_t slot, px_hash chain)
{
    if (slot) salvage->slots[slot % PX_SLOTS_KEPT] = (px_wal_slot){slot, 0, chain};
    if (slot > salvage->top) salvage->top = slot;
}

/* What stands behind `after` is not the log's, or not for sure. What was known chosen stays. */
static void truncate_log(px_salvage *salvage, uint64_t after)
{
    px_salvage_runs *runs = &salvage->runs;
    const uint64_t chosen = salvage->is.chosen;
    uint32_t kept = 0;
    if (after >= salvage->top) return;
    forget_slots_behind(salvage, after);
    for (uint32_t i = 0; i < runs->count; i++) {
        px_salvage_run run = runs->runs[i];
        if (run.after >= after) continue;
        if (run.end > after) run.end = after;
        runs->runs[kept++] = run;
    }
    runs->count = kept;
    if (salvage->live > after) {
        const uint64_t certain = salvage->live < chosen ? salvage->live : chosen;
        salvage->live = after > certain ? after : certain;
    }
    salvage->goes_on = false;
}

/* Do slots behind `from`, up to `upto`, differ from a record's; or may they, where a hash is forgotten? */
static bool has_other_values(const px_salvage *salvage, const px_record_header *header,
                             const px_entry *entries, uint64_t from, uint64_t upto)
{
    const uint64_t after = header->after, end = after + header->count;
    const uint64_t last = upto < end ? upto : end;
    px_hash was, is = header->chain;
    if (last <= after || from >= end) return false;
    if (last < end) is = entries ? entries[last - after - 1].chain : (px_hash){0, 0};
    return !px_salvage_chain_at(salvage, last, &was) || !px_hash_equal(was, is);
}

/* Where a mended log comes from others it need not be the one that was: slots that nobody chose may have been
 * there. What was appended last is the log: runs lose what differs from it, and so does the log before the
 * first hole, which goes further where what was damaged then can be read again. */
static void drop_other_values(px_salvage *salvage, const px_record_header *header, const px_entry *entries)
{
    px_salvage_runs *runs = &salvage->runs;
    const uint64_t after = header->after;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < runs->count; i++) {
        px_salvage_run run = runs->runs[i];
        if (has_other_values(salvage, header, entries, run.after, run.end)) run.end = after;
        if (run.after < run.end) runs->runs[kept++] = run;
    }
    if (kept < runs->count) salvage->goes_on = false;
    runs->count = kept;
    if (has_other_values(salvage, header, entries, 0, salvage->live) &&
        !PX_MUTANT("r16_what_can_be_read_again_is_the_log"))
        salvage->live = after > salvage->certain ? after : salvage->certain;
}

static void push_run(px_salvage *salvage, px_salvage_run run)
{
    px_salvage_runs *runs = &salvage->runs;
    if (runs->count == runs->capacity) {
        runs->capacity = runs->capacity ? 2 * runs->capacity : 16;
        px_salvage_run *grown = realloc(runs->runs, runs->capacity * sizeof *grown);
        px_assert(grown != NULL);
        runs->runs = grown;
    }
    runs->runs[runs->count++] = run;
}

/* Brings the log to where a record goes on from. A claim, and what is appended while it counts, cuts nothing:
 * the log that was is still claimed. */
static void join(px_salvage *salvage, const px_record_header *header)
{
    px_wal_stated *is = &salvage->is;
    px_hash chain;
    const bool is_next = header->before == salvage->before;
    const bool is_met =
        px_salvage_chain_at(salvage, header->after, &chain) && px_hash_equal(chain, header->after_chain);
    const bool is_claim = header->kind == PX_RECORD_CLAIM;
    const bool is_same =
        px_ballot_equal(header->accepted, is->accepted) && header->cuts == is->cuts &&
        header->claims == is->claims + (is_claim && !PX_MUTANT("r16_claims_are_not_counted")) &&
        (header->kind == PX_RECORD_APPEND || is_claim);
    const bool is_replaced = salvage->is_mended && !PX_MUTANT("r16_a_mended_log_is_what_was");
    if (!is_next) salvage->goes_on = false;
    if (!is_next && px_ballot_equal(header->accepted, is->accepted) && header->claims != is->claims)
        salvage->hides_claim = !PX_MUTANT("r16_lost_claims_are_forgotten");
    /* A splice, a cut or a claim may be lost, or what came in the place of what was: only what was known
     * chosen stays. */
    if (!is_next && !is_met && (!is_same || is_replaced)) truncate_log(salvage, is->chosen);
    if (!is_met && !is_next && header->after < is->length) is->is_unsure = true; /* it contradicts the log */
    if (!is_same || !(is_claim || is->claimed > header->after)) truncate_log(salvage, header->after);
    if (is_claim && is_same && is->length > is->claimed) is->claimed = is->length;
    is->length = header->after;
    note_slot(salvage, header->after, header->after_chain);
}

/* The slots of a record whose payload can be read. */
static void add_slots(px_salvage *salvage, const px_record_header *header, const px_entry *entries)
{
    px_salvage_runs *runs = &salvage->runs;
    px_salvage_run *last = runs->count ? &runs->runs[runs->count - 1] : NULL;
    const uint64_t end = header->after + header->count;
    for (uint32_t i = 0; i < header->count; i++) note_slot(salvage, entries[i].slot, entries[i].chain);
    if (salvage->goes_on && last && last->end == header->after)
        last->end = end;
    else
        push_run(salvage, (px_salvage_run){header->after, end, header->after_chain, header->place});
    salvage->goes_on = true;
}

void px_salvage_take(px_salvage *salvage, const px_record_header *header, const px_entry *entries,
                     const px_claim *claim)
{
    px_wal_stated *is = &salvage->is;
    join(salvage, header);
    if (header->kind == PX_RECORD_CLAIM) salvage->is_mended = true;
    if (header->kind == PX_RECORD_CUT || header->kind == PX_RECORD_SPLICE) {
        is->claimed = 0;
        salvage->is_mended = salvage->hides_claim = false;
    }
    if (header->kind == PX_RECORD_SPLICE) is->is_unsure = false;
    if (header->kind == PX_RECORD_CLAIM && !claim) is->is_unsure = true; /* what it claimed is lost */
    drop_other_values(salvage, header, entries);
    if (header->count && entries) add_slots(salvage, header, entries);
    if (header->count && !entries) salvage->goes_on = false;
    is->length = header->after + header->count;
    note_slot(salvage, is->length, header->chain);
    is->chain = header->chain;
    is->accepted = header->accepted;
    is->cuts = header->cuts;
    is->claims = header->claims;
    if (header->chosen > is->chosen) is->chosen = header->chosen;
    if (claim) {
        salvage->hides_claim = false;
        if (claim->length > is->claimed) is->claimed = claim->length;
        if (claim->is_unsure) is->is_unsure = true;
        if (claim->chosen > is->chosen) is->chosen = claim->chosen;
    }
    salvage->before = header->crc;
    is->synced = header->place;
    is->synced.offset += PX_RECORD_HEADER_BYTES + header->payload_bytes;
}

/* A mark made behind a lost claim says what that claims. */
static void find_claim(px_salvage *salvage, const px_wal_stated *marked)
{
    px_wal_stated *is = &salvage->is;
    if (!px_ballot_equal(marked->accepted, is->accepted) || marked->claims != is->claims) return;
    if (salvage->hides_claim && marked->claimed > is->claimed) is->claimed = marked->claimed;
    salvage->hides_claim = false;
}

void px_salvage_take_mark(px_salvage *salvage, const px_wal_stated *marked)
{
    px_wal_stated *is = &salvage->is;
    if (px_wal_place_less(marked->synced, is->synced)) {
        find_claim(salvage, marked);
        return;
    }
    const px_record_header header = {
        .kind = PX_RECORD_APPEND,
        .accepted = marked->accepted,
        .cuts = marked->cuts,
        .claims = marked->claims,
        .after = marked->length,
        .after_chain = marked->chain,
        .before = ~salvage->before, /* records before it are lost */
    };
    join(salvage, &header);
    const uint64_t chosen = is->chosen > marked->chosen ? is->chosen : marked->chosen;
    const bool is_unsure = is->is_unsure || marked->is_unsure;
    salvage->hides_claim = false;
    *is = *marked;
    is->chosen = chosen;
    is->is_unsure = is_unsure;
}
