/* hostile_test.c - whatever members say, a core neither fails an assertion nor breaks an invariant of its
 * own.
 *
 * Meaning    One core hears two members that lie: ballots, states and logs are drawn near what the core has,
 *            so that many of them get past the first look. What the decoder would refuse is not drawn. */
// SPDX-License-Identifier: Apache-2.0
#include "base/assert.h"
#include "base/prng.h"
#include "paxos/core.h"
#include "paxos/little_endian.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define MEMBERS 3u
#define BODY_BYTES_MAX 4096u
#define LOG_SLOTS 16384u

typedef struct {
    px_core *core;
    px_core_view view;
    px_prng prng;
    uint64_t now_us;
    uint64_t tickets, stored;
    px_entry entries[PX_WINDOW_SLOTS];
    uint8_t bodies[PX_WINDOW_SLOTS][BODY_BYTES_MAX];
    uint64_t index_next[LOG_SLOTS];         /* behind each slot of the log as taken */
    px_message asked[PX_MESSAGE_KINDS + 1]; /* the last of each kind that the core sent */
    uint64_t messages, stores, chosen, proposals, led;
} px_victim;

static uint64_t below(px_victim *victim, uint64_t bound)
{
    return px_prng_below(&victim->prng, bound);
}

static bool chance(px_victim *victim, uint32_t percent)
{
    return below(victim, 100) < percent;
}

static void note_store(px_victim *victim, const px_effect *effect)
{
    const px_log_part *log = &effect->store.record.log;
    victim->tickets = effect->store.ticket.n;
    victim->stores++;
    for (uint32_t i = 0; i < log->count; i++)
        victim->index_next[log->entries[i].slot % LOG_SLOTS] =
            log->entries[i].index_first + log->entries[i].message_count;
}

static void step(px_victim *victim, px_input *input)
{
    bool more;
    do {
        px_effect items[PX_EFFECTS_PER_STEP];
        px_effects effects = {items, 0, PX_EFFECTS_PER_STEP, false};
        input->now_us = victim->now_us;
        px_core_step(victim->core, input, &effects);
        for (uint32_t i = 0; i < effects.count; i++) {
            if (items[i].kind == PX_DO_STORE) note_store(victim, &items[i]);
            if (items[i].kind == PX_DO_SEND)
                victim->asked[items[i].send.message.kind] = items[i].send.message;
            if (items[i].kind == PX_DO_CHOSEN) victim->chosen++;
        }
        more = effects.more;
        *input = (px_input){.kind = PX_IN_TICK};
    } while (more);
    px_core_check(victim->core);
    px_core_look(victim->core, &victim->view);
    if (victim->view.role == PX_ROLE_LEADER) victim->led++;
}

/* ---- lies ---- */

static px_ballot any_ballot(px_victim *victim, uint32_t from)
{
    const px_node_state *state = &victim->view.state;
    switch (below(victim, 8)) {
    case 0: return (px_ballot){0, 0, 0};
    case 1: return state->promised;
    case 2: return state->accepted;
    case 3: return victim->view.leader;
    case 4: return (px_ballot){0, state->promised.number + below(victim, 3), from};
    case 5: return (px_ballot){0, 1 + below(victim, 1000), below(victim, MEMBERS)};
    case 6:
        if (chance(victim, 5)) return (px_ballot){0, PX_NUMBER_END - 1 - below(victim, 3), from};
        return state->promised;
    default:
        if (chance(victim, 5))
            return (px_ballot){below(victim, 2), state->promised.number + 1, below(victim, 9)};
        return (px_ballot){0, state->promised.number, below(victim, MEMBERS)};
    }
}

static uint64_t any_slot(px_victim *victim)
{
    const px_node_state *state = &victim->view.state;
    switch (below(victim, 8)) {
    case 0: return 0;
    case 1: return state->chosen;
    case 2: return state->durable;
    case 3: return state->taken + below(victim, 3);
    case 4: return state->chosen + below(victim, 5);
    case 5: return below(victim, state->taken + 1);
    case 6: return state->taken + below(victim, 600);
    default: return chance(victim, 10) ? PX_NUMBER_END - 1 - below(victim, 300) : state->taken;
    }
}

static px_hash chain_at(px_victim *victim, uint64_t slot)
{
    px_hash chain = {0, 0};
    if (slot == 0) return chain;
    const bool is_wrong = slot > victim->view.state.chosen ? chance(victim, 3) : below(victim, 3000) == 0;
    if (is_wrong || !px_core_chain_at(victim->core, slot, &chain))
        chain = (px_hash){1 + below(victim, 5), below(victim, 5)};
    return chain;
}

static px_node_state any_state(px_victim *victim, uint32_t from)
{
    px_node_state state = {.promised = any_ballot(victim, from), .accepted = any_ballot(victim, from)};
    if (px_ballot_less(state.promised, state.accepted) && chance(victim, 95)) state.accepted = state.promised;
    state.cuts = below(victim, 3);
    state.taken = any_slot(victim);
    state.durable = any_slot(victim);
    state.chosen = any_slot(victim);
    if (chance(victim, 97)) {
        if (state.durable > state.taken) state.durable = state.taken;
        if (state.chosen > state.taken) state.chosen = state.taken;
    }
    state.chosen_chain = chain_at(victim, state.chosen);
    return state;
}

static size_t put_batch(px_victim *victim, uint8_t *body, uint32_t *message_count)
{
    const uint32_t run_count = 1 + (uint32_t)below(victim, chance(victim, 5) ? 100 : 4);
    uint32_t messages = 0;
    for (uint32_t i = 0; i < run_count; i++) {
        const px_run run = {1 + below(victim, victim->view.state.taken + 2), 1 + below(victim, 4), 1, 0,
                            (uint32_t)below(victim, MEMBERS)};
        px_batch_put_run(body, i, &run);
        messages++;
    }
    px_batch_put_header(body, run_count, messages);
    const size_t size_bytes = px_batch_size_bytes(run_count, messages, 0);
    memset(body + size_bytes - 4 * messages, 0, 4 * messages);
    *message_count = messages;
    return size_bytes;
}

static size_t put_opening(px_victim *victim, uint8_t *body)
{
    static const uint8_t names[4] = "abcd";
    const px_opening opening = {
        .opener = {1 + below(victim, 100), below(victim, 3), below(victim, 1000)},
        .kind = chance(victim, 50) ? PX_SESSION_MEMBER : PX_SESSION_CLIENT,
        .name = {names + below(victim, 4), 1},
    };
    return px_opening_put(&opening, body);
}

static px_log_part any_log(px_victim *victim, uint32_t count)
{
    px_log_part log = {.after = any_slot(victim), .count = count, .entries = victim->entries};
    if (log.after > PX_NUMBER_END - 1 - PX_WINDOW_SLOTS) log.after = PX_NUMBER_END - 1 - PX_WINDOW_SLOTS;
    log.after_chain = chain_at(victim, log.after);
    px_hash chain = log.after_chain;
    uint64_t index = log.after ? victim->index_next[log.after % LOG_SLOTS] : 1;
    if (chance(victim, 2)) index = below(victim, 1000);
    for (uint32_t i = 0; i < count; i++) {
        px_entry *entry = &victim->entries[i];
        *entry = (px_entry){.slot = log.after + 1 + i, .index_first = index, .stamp_ms = below(victim, 100)};
        entry->kind = chance(victim, 70) ? PX_ENTRY_BATCH : PX_ENTRY_OPEN;
        if (chance(victim, 1)) entry->kind = PX_ENTRY_CONFIG;
        size_t size_bytes = 0;
        if (entry->kind == PX_ENTRY_BATCH)
            size_bytes = put_batch(victim, victim->bodies[i], &entry->message_count);
        else
            size_bytes = put_opening(victim, victim->bodies[i]);
        entry->body = (px_bytes){victim->bodies[i], size_bytes};
        entry->body_hash = px_hash_of(victim->bodies[i], size_bytes);
        entry->chain = px_entry_chain(chain, entry);
        chain = entry->chain;
        index += entry->message_count;
    }
    return log;
}

static void lie(px_victim *victim)
{
    const uint32_t from = 1 + (uint32_t)below(victim, 2);
    px_message message = {.kind = (px_message_kind)(1 + below(victim, PX_MESSAGE_KINDS))};
    message.ballot = any_ballot(victim, from);
    message.state = any_state(victim, from);
    message.round = chance(victim, 90) ? victim->now_us / 100000 + below(victim, 2) : below(victim, 1000000);
    message.probe = below(victim, 10);
    message.leads = chance(victim, 50) ? any_ballot(victim, from) : (px_ballot){0, 0, 0};
    message.follows = any_ballot(victim, from);
    message.above = chance(victim, 50) ? any_ballot(victim, from).number : 0;
    message.served = chance(victim, 30);
    message.disk = (px_disk_health)below(victim, 3);
    const bool is_answer = message.kind == PX_MESSAGE_PROMISE || message.kind == PX_MESSAGE_ACCEPTED ||
                           message.kind == PX_MESSAGE_PROBED || message.kind == PX_MESSAGE_TAIL;
    if (is_answer && chance(victim, 70)) message.ballot = victim->view.state.promised;
    if (message.kind == PX_MESSAGE_PROMISE && chance(victim, 70)) message.state.promised = message.ballot;
    if (is_answer && chance(victim, 30)) message.state.accepted = message.state.promised;
    const bool is_leaders = message.kind == PX_MESSAGE_SYNC || message.kind == PX_MESSAGE_ACCEPT ||
                            message.kind == PX_MESSAGE_CHOSEN || message.kind == PX_MESSAGE_PREPARE;
    if (is_leaders && chance(victim, 80)) {
        const px_ballot promised = victim->view.state.promised;
        message.ballot = promised;
        if (promised.node != from || promised.number == 0)
            message.ballot = (px_ballot){0, promised.number + 1, from};
    }
    const bool is_calm = chance(victim, 85); /* the rest of it is what an honest member could say */
    if (is_calm) {
        message.leads = message.follows = (px_ballot){0, 0, 0};
        if (message.kind == PX_MESSAGE_FETCH) message.ballot = (px_ballot){0, 0, 0};
        message.state.promised = message.state.accepted = message.ballot;
        if (message.kind == PX_MESSAGE_PROMISE) message.state.accepted = (px_ballot){0, 0, 0};
    }
    if (is_leaders || message.kind == PX_MESSAGE_PIECE || message.kind == PX_MESSAGE_TAIL) {
        uint32_t count = message.kind == PX_MESSAGE_ACCEPT ? 1 : (uint32_t)below(victim, 5);
        if (chance(victim, 2)) count = (uint32_t)below(victim, PX_WINDOW_SLOTS + 1);
        message.log = any_log(victim, count);
    }
    px_input input = {.kind = PX_IN_MESSAGE, .message = {from, &message}};
    victim->messages++;
    step(victim, &input);
}

/* ---- and now and then the truth, so that it gets somewhere ---- */

static void nod(px_victim *victim)
{
    const uint32_t from = 1 + (uint32_t)below(victim, 2);
    const px_node_state *own = &victim->view.state;
    px_message message = {.kind = PX_MESSAGE_HEARD, .round = victim->asked[PX_MESSAGE_HEARTBEAT].round};
    message.state.chosen = own->chosen;
    message.state.taken = message.state.durable = own->taken;
    (void)px_core_chain_at(victim->core, own->chosen, &message.state.chosen_chain);
    if (chance(victim, 60)) {
        const bool is_leader = victim->view.role == PX_ROLE_LEADER;
        message.kind = is_leader ? PX_MESSAGE_ACCEPTED : PX_MESSAGE_PROMISE;
        message.ballot = own->promised;
        message.state.promised = own->promised;
        if (is_leader) message.state.accepted = own->promised;
    }
    px_input input = {.kind = PX_IN_MESSAGE, .message = {from, &message}};
    step(victim, &input);
}

/* ---- the rest of its world ---- */

static void propose(px_victim *victim, px_input *input)
{
    const px_bytes body = {victim->bodies[0], put_opening(victim, victim->bodies[0])};
    px_opening opening;
    const px_err err = px_opening_open(body, &opening);
    px_assert(err == PX_OK);
    if (px_core_room(victim->core).bytes == 0 || !px_core_admit_opening(victim->core, &opening)) return;
    *input = (px_input){.kind = PX_IN_PROPOSE};
    input->propose.kind = PX_ENTRY_OPEN;
    input->propose.body = body;
    victim->proposals++;
}

static void live(px_victim *victim)
{
    px_input input = {.kind = PX_IN_TICK};
    victim->now_us += below(victim, 20000);
    switch (below(victim, 8)) {
    case 0:
    case 1:
    case 2:
        if (victim->tickets == victim->stored) break;
        victim->stored += 1 + below(victim, victim->tickets - victim->stored);
        input = (px_input){.kind = PX_IN_STORED, .stored = {victim->stored}};
        break;
    case 3:
        input =
            (px_input){.kind = PX_IN_LINK, .link = {1 + (uint32_t)below(victim, 2), chance(victim, 60), 0}};
        input.link.storage_id = 100 + input.link.member + (chance(victim, 5) ? 10 + below(victim, 3) : 0);
        break;
    case 4: input = (px_input){.kind = PX_IN_BARRIER, .barrier = victim->messages}; break;
    case 5:
        if (chance(victim, 10)) input = (px_input){.kind = PX_IN_TRANSFER, .transfer = PX_MEMBERS_MAX};
        break;
    case 6:
        if (chance(victim, 10))
            input = (px_input){.kind = PX_IN_DISK, .disk = (px_disk_health)below(victim, 3)};
        break;
    case 7: propose(victim, &input); break;
    }
    step(victim, &input);
}

static px_victim *make_victim(uint64_t seed)
{
    px_victim *victim = calloc(1, sizeof *victim);
    px_assert(victim);
    px_prng_init(&victim->prng, seed);
    void *memory = malloc(px_core_size_bytes());
    px_assert(memory);
    const px_core_config config = {0, MEMBERS, 100000, PX_MESSAGE_BYTES_DEFAULT, seed, 0};
    victim->core = px_core_init(memory, &config);
    px_input start = {.kind = PX_IN_START};
    step(victim, &start);
    px_input roster = {.kind = PX_IN_ROSTER, .roster = {100, {100, 101, 102}}};
    if (seed % 8) step(victim, &roster);
    return victim;
}

static void core__bears_any_message(void **state)
{
    (void)state;
    const char *count = getenv("PX_SEEDS");
    const uint64_t seeds = count ? strtoull(count, NULL, 10) : 60;
    uint64_t diverged = 0, stores = 0, chosen = 0, led = 0, proposals = 0;
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        px_victim *victim = make_victim(seed);
        for (uint32_t i = 0; i < 3000; i++) {
            const bool is_truthful = i / 200 % 2 && chance(victim, 60); /* it has its good times */
            if (is_truthful)
                nod(victim);
            else if (chance(victim, 60))
                lie(victim);
            else
                live(victim);
        }
        stores += victim->stores;
        diverged += victim->view.diverged;
        chosen += victim->chosen;
        led += victim->led;
        proposals += victim->proposals;
        free(victim->core);
        free(victim);
    }
    if (getenv("PX_STORY"))
        print_message("%llu diverged, %llu stores, %llu times chosen, %llu steps as leader, %llu proposals\n",
                      (unsigned long long)diverged, (unsigned long long)stores, (unsigned long long)chosen,
                      (unsigned long long)led, (unsigned long long)proposals);
    assert_true(stores > seeds && chosen > seeds && led > seeds && proposals > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(core__bears_any_message)};
    return cmocka_run_group_tests_name("hostile", tests, NULL, NULL);
}
