/* world.c - a log on a fake disk beside a naive model of it. */
// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "world.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- entries ---- */

static void fill_body(uint64_t tag, uint8_t *body, uint32_t body_bytes)
{
    for (uint32_t i = 0; i < body_bytes; i++) body[i] = (uint8_t)(tag * 31 + i * 7 + (i >> 8));
}

/* Most slots hold two messages, every third one none. */
static uint32_t messages_of(uint64_t slot)
{
    return slot % 3 == 0 ? 0 : 2;
}

static px_entry make_entry(uint64_t slot, uint64_t tag, const model_slot *before, uint8_t *body,
                           uint32_t body_bytes)
{
    fill_body(tag, body, body_bytes);
    px_entry entry = {
        .slot = slot,
        .kind = messages_of(slot) ? PX_ENTRY_BATCH : PX_ENTRY_OPEN,
        .message_count = messages_of(slot),
        .index_first = before->index_next,
        .stamp_ms = tag,
        .body_hash = px_hash_of(body, body_bytes),
        .body = {body, body_bytes},
    };
    entry.chain = px_entry_chain(before->chain, &entry);
    return entry;
}

static void take_entry(model_log *log, const px_entry *entry)
{
    uint8_t *body = malloc(entry->body.size_bytes + 1);
    assert_true(entry->slot == log->length + 1 && entry->slot <= MODEL_SLOTS);
    const uint32_t body_bytes = (uint32_t)entry->body.size_bytes;
    const px_entry wanted =
        make_entry(entry->slot, entry->stamp_ms, &log->slots[log->length], body, body_bytes);
    assert_true(wanted.kind == entry->kind && wanted.message_count == entry->message_count);
    assert_true(wanted.index_first == entry->index_first);
    assert_true(px_hash_equal(wanted.body_hash, entry->body_hash));
    assert_true(px_hash_equal(wanted.chain, entry->chain));
    if (body_bytes) assert_memory_equal(body, entry->body.data, body_bytes);
    log->slots[++log->length] =
        (model_slot){entry->stamp_ms, entry->index_first + entry->message_count, body_bytes, entry->chain};
    free(body);
}

static void apply(model_log *log, const px_record *record)
{
    if (record->kind == PX_RECORD_PROMISE) {
        log->promised = record->promised;
        return;
    }
    assert_true(record->log.after <= log->length);
    assert_true(px_hash_equal(record->log.after_chain, log->slots[record->log.after].chain));
    if (record->kind == PX_RECORD_APPEND) assert_true(record->log.after == log->length);
    log->length = record->log.after;
    for (uint32_t i = 0; i < record->log.count; i++) take_entry(log, &record->log.entries[i]);
    log->accepted = record->accepted;
    log->cuts = record->cuts;
    log->chosen = record->chosen;
    if (record->kind != PX_RECORD_APPEND) log->claim = record->claim;
}

/* What is accepted is promised, too, wherever that is kept. */
static px_ballot promise_of(const model_log *log)
{
    return px_ballot_less(log->promised, log->accepted) ? log->accepted : log->promised;
}

bool model_equal(const model_log *a, const model_log *b)
{
    if (a->length != b->length || a->cuts != b->cuts || a->chosen != b->chosen) return false;
    if (px_ballot_compare(promise_of(a), promise_of(b)) || px_ballot_compare(a->accepted, b->accepted))
        return false;
    for (uint64_t slot = 1; slot <= a->length; slot++)
        if (!px_hash_equal(a->slots[slot].chain, b->slots[slot].chain)) return false;
    return true;
}

/* ---- events ---- */

static void on_stored(px_wal_events *events, px_ticket upto)
{
    world *w = (world *)events;
    assert_true(upto.n > w->stored && upto.n <= w->staged);
    assert_int_equal(w->failed_calls, 0);
    w->stored = upto.n;
    w->stored_calls++;
}

static void on_failed(px_wal_events *events, px_err err, const char *where)
{
    world *w = (world *)events;
    w->failed_calls++;
    w->failed_err = err;
    (void)snprintf(w->failed_where, sizeof w->failed_where, "%s", where);
}

static void on_full(px_wal_events *events, bool is_full)
{
    world *w = (world *)events;
    assert_true(is_full != w->is_full);
    w->is_full = is_full;
    w->full_calls++;
}

/* ---- life ---- */

static void restore(void *context, const px_record *record)
{
    world *w = context;
    apply(&w->restored, record);
}

world *world_make(uint64_t seed, uint64_t segment_bytes)
{
    world *w = calloc(1, sizeof *w);
    w->events = (px_wal_events){on_stored, on_failed, on_full};
    w->disk = fake_disk_make(seed);
    w->history = calloc(WORLD_TICKETS, sizeof *w->history);
    w->config = (px_wal_config){segment_bytes, 1u << 20, seed * 2 + 1, "node-1", false};
    w->next_tag = 1;
    world_open(w);
    return w;
}

void world_free(world *w)
{
    world_close(w);
    fake_disk_free(w->disk);
    free(w->history);
    free(w);
}

world *world_clone(const world *w)
{
    world *clone = malloc(sizeof *clone);
    *clone = *w;
    clone->wal = NULL;
    clone->disk = fake_disk_clone(w->disk, w->staged + 7);
    clone->history = calloc(WORLD_TICKETS, sizeof *clone->history);
    memcpy(clone->history, w->history, (w->staged + 1) * sizeof *clone->history);
    return clone;
}

px_err world_try_open(world *w)
{
    assert_null(w->wal);
    memset(&w->restored, 0, sizeof w->restored);
    w->restored.slots[0].index_next = 1;
    w->failed_calls = w->full_calls = w->stored_calls = 0;
    w->is_full = false;
    px_disk *port = w->port ? w->port : fake_disk_port(w->disk);
    return px_wal_open(port, &w->config, &w->events, w, restore, &w->wal, &w->state, &w->fault);
}

void world_open(world *w)
{
    const px_err err = world_try_open(w);
    if (err) print_error("%s: %s\n", w->fault.where, w->fault.what);
    assert_int_equal(err, PX_OK);
    w->model = w->restored;
    w->staged = w->stored = 0;
    w->history[0] = w->model;
}

void world_close(world *w)
{
    if (w->wal) px_wal_close(w->wal);
    w->wal = NULL;
}

void world_crash(world *w, bool keeps_cache)
{
    px_wal *wal = w->wal;
    w->wal = NULL;
    fake_disk_crash(w->disk, keeps_cache);
    if (wal) px_wal_close(wal);
}

/* ---- staging ---- */

static px_ticket keep_history(world *w)
{
    w->staged++;
    assert_true(w->staged < WORLD_TICKETS);
    w->history[w->staged] = w->model;
    return (px_ticket){w->staged};
}

px_ticket world_stage(world *w, world_part part)
{
    px_entry *entries = calloc(part.count + 1, sizeof *entries);
    uint8_t *bodies = malloc((size_t)part.count * part.body_bytes + 1);
    model_log *model = &w->model;
    model_slot before = model->slots[part.after];
    px_record record = {
        .kind = part.kind,
        .promised = model->promised,
        .accepted = model->accepted,
        .cuts = model->cuts,
        .chosen = model->chosen,
        .log = {part.after, before.chain, part.count, entries},
    };
    assert_true(part.after >= model->chosen); /* what is chosen is never cut */
    if (part.after / 4 > record.chosen) record.chosen = part.after / 4 < 4 ? part.after / 4 : 4;
    if (part.kind == PX_RECORD_CUT) record.cuts++;
    if (part.kind == PX_RECORD_SPLICE) {
        record.promised = record.accepted = (px_ballot){0, w->next_tag, 1};
        record.cuts = 0;
    }
    for (uint32_t i = 0; i < part.count; i++) {
        entries[i] = make_entry(part.after + 1 + i, w->next_tag++, &before,
                                bodies + (size_t)i * part.body_bytes, part.body_bytes);
        before.chain = entries[i].chain;
        before.index_next += entries[i].message_count;
    }
    w->next_tag++;
    apply(model, &record);
    const px_ticket ticket = keep_history(w);
    px_wal_append(w->wal, ticket, &record);
    memset(bodies, 0xee, (size_t)part.count * part.body_bytes); /* its entries are copied */
    free(bodies);
    free(entries);
    return ticket;
}

px_ticket world_append(world *w, uint32_t count, uint32_t body_bytes)
{
    return world_stage(w, (world_part){PX_RECORD_APPEND, w->model.length, count, body_bytes});
}

px_ticket world_cut(world *w, uint64_t after, uint32_t count, uint32_t body_bytes)
{
    return world_stage(w, (world_part){PX_RECORD_CUT, after, count, body_bytes});
}

px_ticket world_splice(world *w, uint64_t after, uint32_t count, uint32_t body_bytes)
{
    return world_stage(w, (world_part){PX_RECORD_SPLICE, after, count, body_bytes});
}

px_ticket world_promise(world *w)
{
    w->state.promised = w->model.promised = (px_ballot){0, w->next_tag++, 2};
    const px_ticket ticket = keep_history(w);
    px_wal_put_state(w->wal, ticket, &w->state);
    return ticket;
}

void world_flush(world *w)
{
    px_wal_flush(w->wal);
}

void world_settle(world *w)
{
    for (;;) {
        px_wal_flush(w->wal);
        if (!fake_disk_complete(w->disk)) return;
    }
}

/* ---- checks ---- */

bool world_is_prefix(const world *w)
{
    for (uint64_t ticket = w->stored; ticket <= w->staged; ticket++)
        if (model_equal(&w->restored, &w->history[ticket])) return true;
    return false;
}

static void check_entry(const world *w, uint64_t slot, const px_entry *entry)
{
    model_log *before = calloc(1, sizeof *before);
    *before = w->model;
    before->length = slot - 1;
    take_entry(before, entry);
    assert_true(px_hash_equal(before->slots[slot].chain, w->model.slots[slot].chain));
    free(before);
}

void world_check_read(world *w)
{
    px_wal_entries entries;
    for (uint64_t first = 1; first <= w->model.length; first++) {
        const uint64_t last = first % 2 ? w->model.length : first;
        assert_int_equal(px_wal_read(w->wal, first, last, 3000, &entries), PX_OK);
        assert_true(entries.count >= 1 && first + entries.count - 1 <= last);
        for (uint32_t i = 0; i < entries.count; i++) check_entry(w, first + i, &entries.entries[i]);
        px_buffer_release(entries.owner);
    }
    assert_int_equal(px_wal_read(w->wal, w->model.length + 1, UINT64_MAX, 1, &entries), PX_ERR_END);
    uint64_t index = 1, slot = 0;
    for (uint64_t wanted = 1; wanted <= w->model.length; wanted++) {
        for (; index < w->model.slots[wanted].index_next; index++) {
            assert_int_equal(px_wal_find_index(w->wal, index, &slot), PX_OK);
            assert_int_equal(slot, wanted);
        }
    }
    assert_int_equal(px_wal_find_index(w->wal, index, &slot), PX_ERR_END);
}

static void add_file(void *context, const char *name, uint64_t size_bytes)
{
    const world *w = ((const world **)context)[0];
    uint64_t *sum = ((uint64_t **)context)[1];
    uint64_t stable_bytes = 0;
    const uint8_t *stable = fake_disk_stable(w->disk, name, &stable_bytes);
    assert_true(stable && stable_bytes == size_bytes);
    *sum += px_hash_of(stable, stable_bytes).low * (px_hash_of(name, strlen(name)).low | 1);
}

uint64_t world_fingerprint(const world *w)
{
    uint64_t sum = 0;
    const void *context[2] = {w, &sum};
    px_disk *disk = fake_disk_port(w->disk);
    assert_int_equal(disk->list(disk, context, add_file), PX_OK);
    return sum;
}

uint64_t world_used_bytes(const world *w, const char *segment)
{
    uint64_t size_bytes = 0;
    const uint8_t *stable = fake_disk_stable(w->disk, segment, &size_bytes);
    while (size_bytes && stable[size_bytes - 1] == 0) size_bytes--;
    return size_bytes;
}

void world_check_damaged(world *w, const char *where)
{
    const uint64_t before = world_fingerprint(w);
    assert_int_equal(world_try_open(w), PX_ERR_DAMAGED);
    assert_non_null(strstr(w->fault.where, where));
    assert_true(strlen(w->fault.what) > 0);
    assert_true(world_fingerprint(w) == before);
}

/* ---- damage [R16] ---- */

typedef struct {
    uint64_t lost;
    bool is_known[MODEL_SLOTS + 1];
} leftovers;

/* Reads all that stands behind the damage: whatever may be appended there is what the model has. */
static leftovers read_leftovers(world *w, uint64_t after)
{
    leftovers left = {.lost = 0};
    while (after < w->model.length) {
        px_wal_entries entries;
        px_wal_salvage next = {0, {0, 0}};
        px_hash chain;
        const px_err err = px_wal_read_salvage(w->wal, after, 700, &entries, &chain, &next);
        if (err) {
            assert_int_equal(err, PX_ERR_END);
            assert_true(next.slot > after);
            const px_hash wanted = w->model.slots[next.slot <= w->model.length ? next.slot : 0].chain;
            if (!px_hash_is_zero(next.chain)) assert_true(px_hash_equal(next.chain, wanted));
            left.lost += (next.slot < w->model.length ? next.slot : w->model.length) - after;
            after = next.slot;
            continue;
        }
        assert_true(px_hash_equal(chain, w->model.slots[after].chain));
        for (uint32_t i = 0; i < entries.count; i++) {
            check_entry(w, after + 1 + i, &entries.entries[i]);
            left.is_known[after + 1 + i] = true;
        }
        after += entries.count;
        px_buffer_release(entries.owner);
    }
    return left;
}

static void check_is_model(const world *w)
{
    const model_log *is = &w->restored, *was = &w->model;
    /* Who is unsure may have slots that were cut behind what is damaged; not of those that were chosen. */
    const uint64_t sure = is->claim.is_unsure ? is->chosen : is->length;
    assert_true(sure <= was->length);
    assert_true(px_hash_equal(is->slots[sure].chain, was->slots[sure].chain));
    assert_true(is->chosen <= is->length);
    if (is->claim.is_unsure) return;
    assert_int_equal(is->claim.length, was->length);
    assert_int_equal(px_ballot_compare(is->accepted, was->accepted), 0);
    assert_int_equal(is->cuts, was->cuts); /* a claim is none */
    if (!px_hash_is_zero(is->claim.chain))
        assert_true(px_hash_equal(is->claim.chain, was->slots[was->length].chain));
}

/* The others gave what was missing. */
static void mend(world *w)
{
    const model_log was = w->model;
    for (uint64_t slot = w->restored.length + 1; slot <= was.length; slot++) {
        uint8_t *body = malloc(was.slots[slot].body_bytes + 1);
        const px_entry entry =
            make_entry(slot, was.slots[slot].tag, &was.slots[slot - 1], body, was.slots[slot].body_bytes);
        const px_record record = {
            .kind = PX_RECORD_APPEND,
            .promised = w->restored.promised,
            .accepted = w->restored.accepted,
            .cuts = w->restored.cuts,
            .log = {slot - 1, was.slots[slot - 1].chain, 1, &entry},
        };
        px_wal_append(w->wal, (px_ticket){++w->staged}, &record);
        free(body);
    }
    world_settle(w);
    world_check_read(w);
}

static bool is_same_claim(const px_claim *a, const px_claim *b)
{
    return a->length == b->length && a->chosen == b->chosen && px_hash_equal(a->chain, b->chain) &&
           a->is_unsure == b->is_unsure;
}

static bool is_same_left(const leftovers *a, const leftovers *b)
{
    return a->lost == b->lost && memcmp(a->is_known, b->is_known, sizeof a->is_known) == 0;
}

void world_check_claim(world *w, uint64_t *lost)
{
    check_is_model(w);
    const bool is_unsure = w->restored.claim.is_unsure;
    const leftovers left = is_unsure ? (leftovers){.lost = 0} : read_leftovers(w, w->restored.length);
    const model_log restored = w->restored;
    world_close(w);
    assert_int_equal(world_try_open(w), PX_OK);
    assert_true(w->fault.where[0] == '\0'); /* what was found once is no news */
    assert_true(model_equal(&restored, &w->restored));
    assert_true(is_same_claim(&restored.claim, &w->restored.claim));
    *lost = left.lost;
    if (is_unsure) return;
    const leftovers again = read_leftovers(w, w->restored.length);
    assert_true(is_same_left(&left, &again));
    w->staged = w->stored = 0;
    mend(w);
    world_close(w);
    assert_int_equal(world_try_open(w), PX_OK);
    assert_int_equal(w->restored.length, w->model.length);
    assert_true(
        px_hash_equal(w->restored.slots[w->model.length].chain, w->model.slots[w->model.length].chain));
    px_wal_entries entries;
    px_hash chain;
    px_wal_salvage next;
    const px_err err = px_wal_read_salvage(w->wal, w->model.length, 100, &entries, &chain, &next);
    assert_int_equal(err, PX_ERR_NOT_FOUND);
    world_check_read(w);
}

void world_check_healed(world *w, const char *where)
{
    uint64_t lost;
    assert_int_equal(world_try_open(w), PX_OK);
    assert_non_null(strstr(w->fault.where, where));
    assert_true(strlen(w->fault.what) > 0);
    world_check_claim(w, &lost);
}
