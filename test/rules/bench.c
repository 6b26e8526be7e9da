/* bench.c - one core on a bench: messages in by hand, effects looked at one by one. */
// SPDX-License-Identifier: Apache-2.0
#include "rules/bench.h"

#include "base/assert.h"
#include "support/assert.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static bool is_broken; /* a rule is, so invariants may be, too */

/* ---- steps ---- */

static void keep_record(px_bench *bench, const px_record *record)
{
    px_assert(bench->record_count < BENCH_LOG_MAX);
    px_record copy = *record;
    px_entry *entries = calloc(record->log.count + 1, sizeof *entries);
    px_assert(entries);
    for (uint32_t i = 0; i < record->log.count; i++) {
        entries[i] = record->log.entries[i];
        uint8_t *body = malloc(entries[i].body.size_bytes + 1);
        px_assert(body);
        memcpy(body, entries[i].body.data, entries[i].body.size_bytes);
        entries[i].body.data = body;
    }
    copy.log.entries = entries;
    bench->records[bench->record_count++] = copy;
}

void bench_step(px_bench *bench, px_input *input)
{
    px_effects effects = {bench->effects, 0, PX_EFFECTS_PER_STEP, false};
    input->now_us = bench->now_us;
    px_core_step(bench->core, input, &effects);
    px_assert(!effects.more);
    bench->count = effects.count;
    for (uint32_t i = 0; i < effects.count; i++) {
        if (bench->effects[i].kind != PX_DO_STORE) continue;
        px_assert(bench->effects[i].store.ticket.n == bench->handed_over + 1);
        bench->handed_over++;
        keep_record(bench, &bench->effects[i].store.record);
    }
    if (!is_broken) px_core_check(bench->core);
    px_core_look(bench->core, &bench->view);
}

void bench_give(px_bench *bench, uint32_t from, const px_message *message)
{
    px_input input = {.kind = PX_IN_MESSAGE, .message = {from, message}};
    bench_step(bench, &input);
}

void bench_sync(px_bench *bench)
{
    bench->stored = bench->handed_over;
    bench->durable_count = bench->record_count;
    px_input input = {.kind = PX_IN_STORED, .stored = {bench->stored}};
    bench_step(bench, &input);
}

void bench_rounds(px_bench *bench, uint32_t rounds, uint32_t answer_mask, const px_message *heard)
{
    for (uint32_t i = 0; i < rounds; i++) {
        bench->now_us = px_core_deadline_us(bench->core);
        px_input input = {.kind = PX_IN_TICK};
        bench_step(bench, &input);
        px_effect effects[PX_EFFECTS_PER_STEP]; /* the round's own, for whoever asks after this call */
        const uint32_t count = bench->count;
        memcpy(effects, bench->effects, sizeof effects);
        uint64_t round = 0;
        for (uint32_t k = 0; k < count; k++)
            if (effects[k].kind == PX_DO_SEND && effects[k].send.message.kind == PX_MESSAGE_HEARTBEAT)
                round = effects[k].send.message.round;
        for (uint32_t member = 0; member < bench->member_count; member++) {
            if (!(answer_mask & (1u << member)) || member == bench->self) continue;
            px_message answer = *heard;
            answer.kind = PX_MESSAGE_HEARD;
            answer.round = round;
            bench_give(bench, member, &answer);
        }
        bench->count = count;
        memcpy(bench->effects, effects, sizeof effects);
    }
}

/* ---- runs ---- */

static void free_records(px_bench *bench, uint32_t first)
{
    for (uint32_t i = first; i < bench->record_count; i++) {
        const px_log_part *log = &bench->records[i].log;
        for (uint32_t k = 0; k < log->count; k++) free((void *)(uintptr_t)log->entries[k].body.data);
        free((void *)(uintptr_t)log->entries);
    }
    bench->record_count = first;
}

void bench_roster(px_bench *bench, uint64_t own_id)
{
    px_input input = {.kind = PX_IN_ROSTER, .roster.own_id = own_id};
    for (uint32_t member = 0; member < bench->member_count; member++)
        input.roster.ids[member] = BENCH_ID(member);
    bench_step(bench, &input);
}

static void start(px_bench *bench, bool is_voting)
{
    const px_core_config config = {
        bench->self, bench->member_count, BENCH_HEARTBEAT_US, PX_MESSAGE_BYTES_DEFAULT, 1, 0};
    void *memory = malloc(px_core_size_bytes());
    px_assert(memory);
    bench->core = px_core_init(memory, &config);
    bench->handed_over = bench->stored = 0;
    free_records(bench, bench->durable_count);
    for (uint32_t i = 0; i < bench->durable_count; i++) {
        px_effects effects = {bench->effects, 0, PX_EFFECTS_PER_STEP, false};
        const px_input input = {.kind = PX_IN_RESTORE,
                                .now_us = bench->now_us,
                                .restore = &bench->records[i]};
        px_core_step(bench->core, &input, &effects);
        if (!is_broken) px_core_check(bench->core);
    }
    px_assert(px_core_deadline_us(bench->core) == UINT64_MAX); /* no ticks before the start */
    px_input input = {.kind = PX_IN_START};
    bench_step(bench, &input);
    for (uint32_t member = 0; member < bench->member_count; member++) {
        if (member == bench->self) continue;
        input = (px_input){.kind = PX_IN_LINK, .link = {member, true, BENCH_ID(member)}};
        bench_step(bench, &input);
    }
    if (!is_voting) return;
    bench_roster(bench, BENCH_ID(bench->self));
}

px_bench *bench_open(uint32_t self, uint32_t member_count, bool is_voting)
{
    px_bench *bench = calloc(1, sizeof *bench);
    px_assert(bench);
    bench->self = self;
    bench->member_count = member_count;
    start(bench, is_voting);
    return bench;
}

void bench_restart(px_bench *bench)
{
    free(bench->core);
    start(bench, true);
}

void bench_damage(px_bench *bench, const px_bench_log *log, uint64_t left, px_claim claim)
{
    const px_ballot accepted = bench->view.state.accepted;
    free_records(bench, bench->durable_count);
    bench->records[bench->record_count++] = (px_record){
        .kind = PX_RECORD_CLAIM,
        .promised = accepted,
        .accepted = accepted,
        .cuts = bench->view.state.cuts,
        .log = {left, left ? log->entries[left - 1].chain : (px_hash){0, 0}, 0, NULL},
        .claim = claim,
    };
    bench->durable_count = bench->record_count;
    bench_restart(bench);
}

void bench_close(px_bench *bench)
{
    free(bench->core);
    free_records(bench, 0);
    free(bench);
}

/* ---- looking ---- */

const px_effect *bench_sent(const px_bench *bench, px_message_kind kind, uint32_t to)
{
    for (uint32_t i = 0; i < bench->count; i++) {
        const px_effect *effect = &bench->effects[i];
        if (effect->kind == PX_DO_SEND && effect->send.message.kind == kind && effect->send.to_mask >> to & 1)
            return effect;
        if (effect->kind == PX_DO_SEND_LOG && effect->send_log.message.kind == kind &&
            effect->send_log.to_mask >> to & 1)
            return effect;
    }
    return NULL;
}

const px_effect *bench_sent_now(const px_bench *bench, px_message_kind kind, uint32_t to)
{
    const px_effect *effect = bench_sent(bench, kind, to);
    return effect && effect->after.n <= bench->stored ? effect : NULL;
}

const px_record *bench_record(const px_bench *bench, px_record_kind kind)
{
    for (uint32_t i = 0; i < bench->count; i++) {
        const px_effect *effect = &bench->effects[i];
        if (effect->kind == PX_DO_STORE && effect->store.record.kind == kind) return &effect->store.record;
    }
    return NULL;
}

uint64_t bench_chosen(const px_bench *bench)
{
    for (uint32_t i = 0; i < bench->count; i++)
        if (bench->effects[i].kind == PX_DO_CHOSEN) return bench->effects[i].chosen.upto;
    return 0;
}

/* ---- logs ---- */

static size_t put_message(uint8_t *body, uint64_t holder, uint64_t sequence, uint8_t tag)
{
    const px_run run = {holder, sequence, 1, 1, 0};
    px_batch_put_run(body, 0, &run);
    px_batch_put_header(body, 1, 1);
    uint8_t *length = body + PX_BATCH_HEADER_BYTES + PX_RUN_HEADER_BYTES;
    memset(length, 0, PX_LENGTH_BYTES);
    length[0] = 1;
    length[PX_LENGTH_BYTES] = tag;
    return px_batch_size_bytes(1, 1, 1);
}

void bench_log_extend(px_bench_log *log, uint64_t last, uint8_t tag)
{
    px_assert(last <= BENCH_LOG_MAX);
    while (log->length < last) {
        px_entry *entry = &log->entries[log->length];
        uint8_t *body = log->bodies[log->length];
        const px_hash before = log->length ? entry[-1].chain : (px_hash){0, 0};
        *entry = (px_entry){.slot = ++log->length, .kind = PX_ENTRY_BATCH, .message_count = 1};
        entry->index_first = entry->slot;
        entry->body = (px_bytes){body, put_message(body, PX_NUMBER_END - 1, 1, tag)};
        entry->body_hash = px_hash_of(entry->body.data, entry->body.size_bytes);
        entry->chain = px_entry_chain(before, entry);
    }
}

void bench_log_cut(px_bench_log *log, uint64_t last)
{
    if (last < log->length) log->length = last;
}

static px_hash chain_of(const px_bench_log *log, uint64_t slot)
{
    px_assert(slot <= log->length);
    return slot ? log->entries[slot - 1].chain : (px_hash){0, 0};
}

px_log_part bench_part(const px_bench_log *log, uint64_t after, uint64_t last)
{
    px_assert(after <= last && last <= log->length);
    return (px_log_part){after, chain_of(log, after), (uint32_t)(last - after), log->entries + after};
}

px_node_state bench_state(const px_bench_log *log, px_ballot promised, px_ballot accepted, uint64_t chosen)
{
    return (px_node_state){
        .promised = promised,
        .accepted = accepted,
        .durable = log->length,
        .taken = log->length,
        .chosen = chosen,
        .chosen_chain = chain_of(log, chosen),
    };
}

px_message bench_sync_of(const px_bench_log *log, px_ballot ballot, uint64_t after, uint64_t chosen)
{
    return (px_message){
        .kind = PX_MESSAGE_SYNC,
        .ballot = ballot,
        .state = bench_state(log, ballot, ballot, chosen),
        .log = bench_part(log, after, log->length),
    };
}

px_message bench_accept_of(const px_bench_log *log, px_ballot ballot, uint64_t slot, uint64_t chosen)
{
    return (px_message){
        .kind = PX_MESSAGE_ACCEPT,
        .ballot = ballot,
        .state = {.chosen = chosen},
        .log = bench_part(log, slot - 1, slot),
    };
}

px_message bench_piece_of(const px_bench_log *log, uint64_t after, uint64_t last)
{
    return (px_message){.kind = PX_MESSAGE_PIECE, .log = bench_part(log, after, last)};
}

/* ---- leading ---- */

px_ballot bench_lead(px_bench *bench, uint32_t mask)
{
    const px_message heard = {.kind = PX_MESSAGE_HEARD};
    for (uint32_t i = 0; i < 5 && bench->view.role != PX_ROLE_CANDIDATE; i++)
        bench_rounds(bench, 1, mask, &heard);
    px_assert(bench->view.role == PX_ROLE_CANDIDATE);
    bench_sync(bench);
    const px_ballot ballot = bench->view.state.promised;
    const px_message promise = {.kind = PX_MESSAGE_PROMISE, .ballot = ballot, .state = {.promised = ballot}};
    for (uint32_t member = 0; member < bench->member_count; member++)
        if (member != bench->self && mask >> member & 1) bench_give(bench, member, &promise);
    px_assert(bench->view.role == PX_ROLE_LEADER);
    bench_sync(bench);
    return ballot;
}

static void propose(px_bench *bench, px_entry_kind kind, const uint8_t *body, size_t size_bytes)
{
    px_input input = {.kind = PX_IN_PROPOSE};
    input.propose = (px_proposal){kind, 0, px_hash_of(body, size_bytes), {body, size_bytes}};
    bench_step(bench, &input);
}

void bench_propose(px_bench *bench)
{
    uint8_t body[PX_OPENING_BYTES_MAX];
    const px_opening opening = {
        .opener = {1, 1, ++bench->openings},
        .kind = PX_SESSION_MEMBER,
        .name = {(const uint8_t *)"bench", 5},
    };
    propose(bench, PX_ENTRY_OPEN, body, px_opening_put(&opening, body));
}

void bench_propose_message(px_bench *bench, uint64_t holder, uint64_t sequence)
{
    uint8_t body[64];
    propose(bench, PX_ENTRY_BATCH, body, put_message(body, holder, sequence, 'm'));
}

void bench_prove(bool (*holds)(void), const char *mutant)
{
    px_mutant_set(NULL);
    assert_true(holds());
    px_mutant_set(mutant);
    is_broken = true;
    const bool survives = holds();
    is_broken = false;
    px_mutant_set(NULL);
    assert_false(survives);
}
