/* cluster.c - several cores over a made-up network and made-up disks, for tests of the core alone. */
// SPDX-License-Identifier: Apache-2.0
#include "cluster.h"

#include "base/assert.h"
#include "paxos/little_endian.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- memory ---- */

static void *grow(void *items, size_t count, size_t *capacity, size_t item_bytes)
{
    if (count < *capacity) return items;
    *capacity = *capacity ? 2 * *capacity : 64;
    void *grown = realloc(items, *capacity * item_bytes);
    px_assert(grown);
    return grown;
}

/* Bodies never change, so all copies of an entry share theirs until the cluster is closed. */
static px_bytes keep_body(px_cluster *cluster, const uint8_t *bytes, size_t size_bytes)
{
    uint8_t *copy = malloc(size_bytes ? size_bytes : 1);
    px_assert(copy);
    memcpy(copy, bytes, size_bytes);
    cluster->bodies =
        grow(cluster->bodies, cluster->body_count, &cluster->body_capacity, sizeof *cluster->bodies);
    cluster->bodies[cluster->body_count++] = copy;
    return (px_bytes){copy, size_bytes};
}

static px_entry *copy_entries(const px_entry *entries, uint32_t count)
{
    px_entry *copy = malloc((count ? count : 1) * sizeof *copy);
    px_assert(copy);
    if (count) memcpy(copy, entries, count * sizeof *copy);
    return copy;
}

static uint64_t below(px_cluster *cluster, uint64_t bound)
{
    return px_prng_below(&cluster->prng, bound);
}

static bool chance(px_cluster *cluster, uint32_t percent)
{
    return below(cluster, 100) < percent;
}

/* ---- events ---- */

static bool is_earlier(const cluster_event *a, const cluster_event *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

static void push_event(px_cluster *cluster, cluster_event event)
{
    event.order = ++cluster->event_order;
    cluster->events =
        grow(cluster->events, cluster->event_count, &cluster->event_capacity, sizeof *cluster->events);
    size_t at = cluster->event_count++;
    while (at > 0 && is_earlier(&event, &cluster->events[(at - 1) / 2])) {
        cluster->events[at] = cluster->events[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    cluster->events[at] = event;
}

static cluster_event pop_event(px_cluster *cluster)
{
    const cluster_event first = cluster->events[0];
    const cluster_event last = cluster->events[--cluster->event_count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= cluster->event_count) break;
        const bool has_right = child + 1 < cluster->event_count;
        if (has_right && is_earlier(&cluster->events[child + 1], &cluster->events[child])) child++;
        if (!is_earlier(&cluster->events[child], &last)) break;
        cluster->events[at] = cluster->events[child];
        at = child;
    }
    if (cluster->event_count) cluster->events[at] = last;
    return first;
}

/* ---- network ---- */

static void send_one(px_cluster *cluster, uint32_t from, uint32_t to, const px_message *message)
{
    if (to >= cluster->config.member_count || !cluster->nodes[to].is_up) return;
    if (!cluster->can_reach[from][to] || chance(cluster, cluster->config.loss_percent)) return;
    if (cluster->loses && cluster->loses(cluster, from, to, message)) return;
    const uint32_t copies = chance(cluster, cluster->config.repeat_percent) ? 2 : 1;
    for (uint32_t i = 0; i < copies; i++) {
        cluster_event event = {
            .at_us = cluster->now_us + 1 + below(cluster, cluster->config.delay_us_max),
            .to = to,
            .from = from,
            .to_run = cluster->nodes[to].run,
            .from_run = cluster->nodes[from].run,
            .message = *message,
        };
        event.entries = copy_entries(message->log.entries, message->log.count);
        event.message.log.entries = event.entries;
        cluster->messages_sent++;
        push_event(cluster, event);
    }
}

static void send_to(px_cluster *cluster, uint32_t from, uint32_t to_mask, const px_message *message)
{
    px_assert(!(to_mask & (1u << from)));
    for (uint32_t to = 0; to < PX_MEMBERS_MAX; to++)
        if (to_mask & (1u << to)) send_one(cluster, from, to, message);
}

static void send_log(px_cluster *cluster, uint32_t from, const px_effect *effect)
{
    const cluster_node *node = &cluster->nodes[from];
    px_message message = effect->send_log.message;
    const uint64_t after = message.log.after;
    uint64_t last = effect->send_log.last;
    px_assert(after <= last && last <= node->length);
    if (message.kind == PX_MESSAGE_PIECE && last > after + cluster->config.piece_entries_max)
        last = after + 1 + below(cluster, cluster->config.piece_entries_max);
    px_assert(last - after <= PX_WINDOW_SLOTS || message.kind == PX_MESSAGE_PIECE);
    if (last - after > PX_WINDOW_SLOTS) last = after + PX_WINDOW_SLOTS;
    message.log.after_chain = after ? node->log[after - 1].chain : (px_hash){0, 0};
    message.log.count = (uint32_t)(last - after);
    message.log.entries = node->log + after;
    send_to(cluster, from, effect->send_log.to_mask, &message);
}

/* ---- disks ---- */

static void push_record(cluster_records *records, const px_record *record)
{
    records->items = grow(records->items, records->count, &records->capacity, sizeof *records->items);
    records->items[records->count++] = *record;
}

static void apply_to_log(cluster_node *node, const px_record *record)
{
    if (record->kind == PX_RECORD_PROMISE) return;
    px_assert(record->log.after <= node->length);
    if (record->kind == PX_RECORD_APPEND) px_assert(record->log.after == node->length);
    node->length = record->log.after;
    for (uint32_t i = 0; i < record->log.count; i++) {
        node->log = grow(node->log, node->length, &node->capacity, sizeof *node->log);
        node->log[node->length++] = record->log.entries[i];
        px_assert(node->log[node->length - 1].slot == node->length);
    }
}

static void store(px_cluster *cluster, cluster_node *node, const px_effect *effect)
{
    px_record record = effect->store.record;
    px_entry *entries = copy_entries(record.log.entries, record.log.count);
    for (uint32_t i = 0; i < record.log.count; i++)
        entries[i].body = keep_body(cluster, entries[i].body.data, entries[i].body.size_bytes);
    record.log.entries = entries;
    push_record(&node->staged, &record);
    px_assert(effect->store.ticket.n == node->stored + node->staged.count);
    apply_to_log(node, &record);
}

static void begin_write(px_cluster *cluster, uint32_t place)
{
    cluster_node *node = &cluster->nodes[place];
    if (node->writing || node->staged.count == 0) return;
    node->writing = node->staged.count;
    push_event(cluster, (cluster_event){
                            .at_us = cluster->now_us + 1 + below(cluster, cluster->config.sync_us_max),
                            .to = place,
                            .to_run = node->run,
                            .is_stored = true,
                            .stored = {node->stored + node->writing},
                        });
}

/* The first `count` staged records are on disk now. */
static void harden(cluster_node *node, size_t count)
{
    for (size_t i = 0; i < count; i++) push_record(&node->disk, &node->staged.items[i]);
    node->staged.count -= count;
    if (node->staged.count == 0) return;
    memmove(node->staged.items, node->staged.items + count, node->staged.count * sizeof *node->staged.items);
}

/* Is the slot on that disk, with that hash? */
static bool has_durable(const cluster_node *node, uint64_t slot, px_hash chain)
{
    for (size_t i = node->disk.count; i > 0; i--) {
        const px_record *record = &node->disk.items[i - 1];
        if (record->kind == PX_RECORD_PROMISE) continue;
        if (slot <= record->log.after) continue;
        if (slot > record->log.after + record->log.count) return false;
        return px_hash_equal(record->log.entries[slot - record->log.after - 1].chain, chain);
    }
    return false;
}

/* ---- what is chosen ---- */

static px_opening opening_at(const px_cluster *cluster, uint64_t holder)
{
    px_opening opening;
    px_assert(holder >= 1 && holder <= cluster->chosen_count);
    const px_err err = px_opening_open(cluster->chosen[holder - 1].body, &opening);
    px_assert(err == PX_OK);
    return opening;
}

static bool is_same_session(const px_opening *one, const px_opening *other)
{
    return one->kind == other->kind && one->name.size_bytes == other->name.size_bytes &&
           memcmp(one->name.data, other->name.data, one->name.size_bytes) == 0;
}

/* Number of the run's session that comes next, by the chosen log alone: whoever had it open. */
static uint64_t next_of(const px_cluster *cluster, const px_run *run)
{
    const px_opening session = opening_at(cluster, run->holder);
    uint64_t next = 1;
    for (size_t s = 0; s < cluster->chosen_count; s++) {
        const px_entry *entry = &cluster->chosen[s];
        px_batch batch;
        if (entry->kind == PX_ENTRY_OPEN) {
            const px_opening other = opening_at(cluster, entry->slot);
            /* Behind the fence nothing of the former holder comes. */
            px_assert(entry->slot <= run->holder || !is_same_session(&session, &other));
        }
        if (entry->kind != PX_ENTRY_BATCH) continue;
        const px_err err = px_batch_open(entry->body, UINT32_MAX, &batch);
        px_assert(err == PX_OK);
        for (uint32_t k = 0; k < batch.run_count; k++) {
            const px_run earlier = px_batch_run(&batch, k);
            const px_opening other = opening_at(cluster, earlier.holder);
            if (is_same_session(&session, &other)) next = earlier.sequence + earlier.count;
        }
    }
    return next;
}

/* Each session's messages: once, in order, without a gap, and none of a fenced holder. */
static void check_sequence(px_cluster *cluster, const px_entry *entry)
{
    if (entry->kind != PX_ENTRY_BATCH) return;
    px_batch batch;
    const px_err err = px_batch_open(entry->body, UINT32_MAX, &batch);
    px_assert(err == PX_OK);
    for (uint32_t i = 0; i < batch.run_count; i++) {
        const px_run run = px_batch_run(&batch, i);
        px_assert(run.sequence == next_of(cluster, &run));
    }
}

static void check_chosen_slot(px_cluster *cluster, const px_entry *entry)
{
    if (entry->slot <= cluster->chosen_count) {
        px_assert(px_hash_equal(cluster->chosen[entry->slot - 1].chain, entry->chain));
        return;
    }
    uint32_t durable = 0;
    for (uint32_t i = 0; i < cluster->config.member_count; i++)
        if (has_durable(&cluster->nodes[i], entry->slot, entry->chain)) durable++;
    px_assert(durable > cluster->config.member_count / 2);
    px_assert(entry->slot == cluster->chosen_count + 1);
    check_sequence(cluster, entry);
    cluster->chosen =
        grow(cluster->chosen, cluster->chosen_count, &cluster->chosen_capacity, sizeof *cluster->chosen);
    cluster->chosen[cluster->chosen_count++] = *entry;
}

/* ---- effects ---- */

static void carry_out(px_cluster *cluster, uint32_t place, const px_effect *effect)
{
    cluster_node *node = &cluster->nodes[place];
    switch (effect->kind) {
    case PX_DO_STORE: store(cluster, node, effect); break;
    case PX_DO_SEND: send_to(cluster, place, effect->send.to_mask, &effect->send.message); break;
    case PX_DO_SEND_LOG: send_log(cluster, place, effect); break;
    case PX_DO_CHOSEN:
        px_assert(effect->chosen.upto > node->chosen && effect->chosen.upto <= node->length);
        while (node->chosen < effect->chosen.upto) check_chosen_slot(cluster, &node->log[node->chosen++]);
        break;
    case PX_DO_ANSWER:
        if (effect->answer.ok) px_assert(effect->answer.index >= cluster->barriers[effect->answer.request]);
        if (effect->answer.ok)
            cluster->answers_ok++;
        else
            cluster->answers_failed++;
        break;
    }
}

static void wait_for_ticket(cluster_node *node, const px_effect *effect)
{
    node->waiting = grow(node->waiting, node->waiting_count, &node->waiting_capacity, sizeof *node->waiting);
    node->waiting[node->waiting_count++] = *effect;
}

static void check_node(const px_cluster *cluster, cluster_node *node)
{
    px_core_look(node->core, &node->view);
    px_assert(node->view.state.taken == node->length);
    px_hash chain;
    px_assert(px_core_chain_at(node->core, node->length, &chain));
    if (node->length) px_assert(px_hash_equal(chain, node->log[node->length - 1].chain));
    if (cluster->is_checking) px_core_check(node->core);
}

void cluster_step(px_cluster *cluster, uint32_t place, px_input *input)
{
    cluster_node *node = &cluster->nodes[place];
    bool more;
    do {
        px_effect items[PX_EFFECTS_PER_STEP];
        px_effects effects = {items, 0, PX_EFFECTS_PER_STEP, false};
        input->now_us = cluster->now_us;
        px_core_step(node->core, input, &effects);
        for (uint32_t i = 0; i < effects.count; i++) {
            const px_effect *effect = &items[i];
            const bool is_due = effect->kind == PX_DO_STORE || effect->kind == PX_DO_CHOSEN ||
                                effect->after.n <= node->stored;
            px_assert(effect->kind != PX_DO_SEND_LOG || effect->after.n == 0);
            if (is_due)
                carry_out(cluster, place, effect);
            else
                wait_for_ticket(node, effect);
        }
        more = effects.more;
        *input = (px_input){.kind = PX_IN_TICK};
    } while (more);
    check_node(cluster, node);
    begin_write(cluster, place);
}

static void on_stored(px_cluster *cluster, const cluster_event *event)
{
    cluster_node *node = &cluster->nodes[event->to];
    harden(node, node->writing);
    node->writing = 0;
    node->stored = event->stored.n;
    const size_t count = node->waiting_count;
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        const px_effect effect = node->waiting[i];
        if (effect.after.n <= node->stored)
            carry_out(cluster, event->to, &effect);
        else
            node->waiting[kept++] = effect;
    }
    node->waiting_count = kept;
    px_input input = {.kind = PX_IN_STORED, .stored = event->stored};
    cluster_step(cluster, event->to, &input);
}

/* ---- links ---- */

static void tell_link(px_cluster *cluster, uint32_t a, uint32_t b)
{
    const bool are_up = cluster->nodes[a].is_up && cluster->nodes[b].is_up;
    const bool is_linked = are_up && cluster->can_reach[a][b] && cluster->can_reach[b][a];
    if (is_linked == cluster->is_linked[a][b]) return;
    cluster->is_linked[a][b] = is_linked;
    if (!cluster->nodes[a].is_up) return;
    px_input input = {.kind = PX_IN_LINK, .link = {b, is_linked, 100 + b}};
    cluster_step(cluster, a, &input);
}

void cluster_reach(px_cluster *cluster, uint32_t from, uint32_t to, bool can_reach)
{
    cluster->can_reach[from][to] = can_reach;
    tell_link(cluster, from, to);
    tell_link(cluster, to, from);
}

void cluster_heal(px_cluster *cluster)
{
    const uint32_t count = cluster->config.member_count;
    for (uint32_t a = 0; a < count; a++) {
        if (!cluster->nodes[a].is_up) cluster_start(cluster, a);
        for (uint32_t b = 0; b < count; b++)
            if (a != b) cluster_reach(cluster, a, b, true);
    }
    cluster->config.loss_percent = cluster->config.repeat_percent = 0;
}

/* ---- crash and start ---- */

static void restore(px_cluster *cluster, cluster_node *node)
{
    node->length = 0;
    for (size_t i = 0; i < node->disk.count; i++) {
        px_effect none[PX_EFFECTS_PER_STEP];
        px_effects effects = {none, 0, PX_EFFECTS_PER_STEP, false};
        const px_input input = {.kind = PX_IN_RESTORE,
                                .now_us = cluster->now_us,
                                .restore = &node->disk.items[i]};
        px_core_step(node->core, &input, &effects);
        px_assert(effects.count == 0);
        apply_to_log(node, &node->disk.items[i]);
    }
}

void cluster_crash(px_cluster *cluster, uint32_t place)
{
    cluster_node *node = &cluster->nodes[place];
    px_assert(node->is_up);
    harden(node, below(cluster, node->writing + 1));
    for (size_t i = 0; i < node->staged.count; i++)
        free((void *)(uintptr_t)node->staged.items[i].log.entries);
    node->staged.count = node->writing = 0;
    node->waiting_count = 0;
    node->is_up = false;
    free(node->core);
    node->core = NULL;
    for (uint32_t other = 0; other < cluster->config.member_count; other++) {
        cluster->is_linked[place][other] = false;
        if (other != place) tell_link(cluster, other, place);
    }
}

void cluster_write_promise(px_cluster *cluster, uint32_t place, px_ballot promised)
{
    px_assert(!cluster->nodes[place].is_up);
    const px_record record = {.kind = PX_RECORD_PROMISE, .promised = promised};
    push_record(&cluster->nodes[place].disk, &record);
}

void cluster_start(px_cluster *cluster, uint32_t place)
{
    cluster_node *node = &cluster->nodes[place];
    px_assert(!node->is_up);
    const px_core_config config = {
        .self = place,
        .member_count = cluster->config.member_count,
        .heartbeat_us = cluster->config.heartbeat_us,
        .message_bytes_max = PX_MESSAGE_BYTES_DEFAULT,
        .seed = px_prng_next(&cluster->prng),
    };
    void *memory = malloc(px_core_size_bytes());
    px_assert(memory);
    node->core = px_core_init(memory, &config);
    node->is_up = true;
    node->run++;
    node->stored = 0;
    restore(cluster, node);
    px_core_look(node->core, &node->view);
    node->chosen = node->view.state.chosen;
    px_input start = {.kind = PX_IN_START};
    cluster_step(cluster, place, &start);
    px_input roster = {.kind = PX_IN_ROSTER, .roster = {100 + place, {100, 101, 102, 103, 104, 105, 106}}};
    cluster_step(cluster, place, &roster);
    for (uint32_t other = 0; other < cluster->config.member_count; other++) {
        if (other == place) continue;
        tell_link(cluster, place, other);
        tell_link(cluster, other, place);
    }
}

px_cluster *cluster_open(const cluster_config *config)
{
    px_cluster *made = calloc(1, sizeof *made);
    px_assert(made);
    made->config = *config;
    made->is_checking = true;
    px_prng_init(&made->prng, config->seed);
    for (uint32_t a = 0; a < config->member_count; a++)
        for (uint32_t b = 0; b < config->member_count; b++) made->can_reach[a][b] = a != b;
    for (uint32_t i = 0; i < CLUSTER_CLIENTS; i++) (void)snprintf(made->clients[i].name, 16, "client-%u", i);
    for (uint32_t i = 0; i < config->member_count; i++) cluster_start(made, i);
    return made;
}

static void free_records(cluster_records *records)
{
    for (size_t i = 0; i < records->count; i++) free((void *)(uintptr_t)records->items[i].log.entries);
    free(records->items);
}

void cluster_close(px_cluster *cluster)
{
    while (cluster->event_count) free(pop_event(cluster).entries);
    for (uint32_t i = 0; i < cluster->config.member_count; i++) {
        cluster_node *node = &cluster->nodes[i];
        free(node->core);
        free(node->log);
        free(node->waiting);
        free_records(&node->disk);
        free_records(&node->staged);
    }
    for (size_t i = 0; i < cluster->body_count; i++) free(cluster->bodies[i]);
    free(cluster->bodies);
    free(cluster->events);
    free(cluster->chosen);
    free(cluster->barriers);
    free(cluster);
}

/* ---- time ---- */

static void deliver(px_cluster *cluster, cluster_event *event)
{
    cluster_node *node = &cluster->nodes[event->to];
    const bool is_same_run = node->is_up && node->run == event->to_run;
    if (event->is_stored) {
        if (is_same_run) on_stored(cluster, event);
        return;
    }
    if (is_same_run && cluster->can_reach[event->from][event->to] &&
        cluster->nodes[event->from].run == event->from_run) {
        px_input input = {.kind = PX_IN_MESSAGE, .message = {event->from, &event->message}};
        cluster_step(cluster, event->to, &input);
    }
    free(event->entries);
}

/* The next moment at which something happens; *ticking is the node whose round ends then, or PX_MEMBERS_MAX.
 */
static uint64_t next_us(const px_cluster *cluster, uint32_t *ticking)
{
    uint64_t at_us = cluster->event_count ? cluster->events[0].at_us : UINT64_MAX;
    *ticking = PX_MEMBERS_MAX;
    for (uint32_t i = 0; i < cluster->config.member_count; i++) {
        if (!cluster->nodes[i].is_up) continue;
        const uint64_t deadline_us = px_core_deadline_us(cluster->nodes[i].core);
        if (deadline_us >= at_us) continue;
        at_us = deadline_us;
        *ticking = i;
    }
    return at_us;
}

bool cluster_run_until(px_cluster *cluster, uint64_t for_us, bool (*is_done)(px_cluster *cluster))
{
    const uint64_t end_us = cluster->now_us + for_us;
    for (;;) {
        if (is_done && is_done(cluster)) return true;
        uint32_t ticking;
        const uint64_t at_us = next_us(cluster, &ticking);
        if (at_us > end_us) break;
        if (at_us > cluster->now_us) cluster->now_us = at_us;
        if (ticking < PX_MEMBERS_MAX) {
            px_input input = {.kind = PX_IN_TICK};
            cluster_step(cluster, ticking, &input);
        } else {
            cluster_event event = pop_event(cluster);
            deliver(cluster, &event);
        }
    }
    cluster->now_us = end_us;
    return false;
}

void cluster_run(px_cluster *cluster, uint64_t for_us)
{
    (void)cluster_run_until(cluster, for_us, NULL);
}

/* ---- load ---- */

static void propose(px_cluster *cluster, uint32_t place, px_entry_kind kind, const uint8_t *body,
                    size_t size_bytes)
{
    px_input input = {.kind = PX_IN_PROPOSE};
    input.propose = (px_proposal){
        .kind = kind,
        .stamp_ms = cluster->now_us / 1000,
        .body_hash = px_hash_of(body, size_bytes),
        .body = {body, size_bytes},
    };
    cluster->proposals++;
    cluster_step(cluster, place, &input);
}

static bool propose_opening(px_cluster *cluster, uint32_t place, const cluster_client *client)
{
    /* Now and then an opening comes again, or late. */
    const uint64_t counter = chance(cluster, 30) && cluster->opener_counter
                                 ? 1 + below(cluster, cluster->opener_counter)
                                 : ++cluster->opener_counter;
    const px_opening opening = {
        .opener = {.storage_id = 77, .run = 1, .counter = counter},
        .kind = PX_SESSION_CLIENT,
        .name = {(const uint8_t *)client->name, strlen(client->name)},
    };
    if (!px_core_admit_opening(cluster->nodes[place].core, &opening)) return false;
    uint8_t body[PX_OPENING_BYTES_MAX];
    propose(cluster, place, PX_ENTRY_OPEN, body, px_opening_put(&opening, body));
    return true;
}

/* One run of a client: what it believes to be next is asked of the chosen log of any node, so it is often
 * old. */
static bool fill_run(px_cluster *cluster, uint32_t place, uint32_t client, px_run *run)
{
    const cluster_node *asked = &cluster->nodes[below(cluster, cluster->config.member_count)];
    if (!asked->is_up) return false;
    const char *name = cluster->clients[client].name;
    px_session session;
    if (!px_core_session_by_name(asked->core, PX_SESSION_CLIENT,
                                 (px_bytes){(const uint8_t *)name, strlen(name)}, &session))
        return false;
    *run = (px_run){session.holder, session.next, 1 + (uint32_t)below(cluster, 4), 0, place};
    uint32_t skip;
    const px_admission admission = px_core_admit(cluster->nodes[place].core, run, 0, &skip);
    if (admission == PX_ADMIT_OVERLAP) {
        run->sequence += skip;
        run->count -= skip;
    } else if (admission != PX_ADMIT_NEXT) {
        return false;
    }
    run->size_bytes = run->count * cluster->config.message_bytes;
    return true;
}

static bool propose_batch(px_cluster *cluster, uint32_t place)
{
    px_run runs[CLUSTER_CLIENTS];
    uint32_t run_count = 0, messages = 0;
    for (uint32_t client = 0; client < CLUSTER_CLIENTS; client++) {
        if (chance(cluster, 50) || !fill_run(cluster, place, client, &runs[run_count])) continue;
        messages += runs[run_count++].count;
    }
    if (run_count == 0) return false;
    const uint32_t length = cluster->config.message_bytes;
    const size_t size_bytes = px_batch_size_bytes(run_count, messages, (size_t)messages * length);
    if (size_bytes > px_core_room(cluster->nodes[place].core).bytes) return false;
    uint8_t *body = calloc(1, size_bytes);
    px_assert(body);
    px_batch_put_header(body, run_count, messages);
    for (uint32_t i = 0; i < run_count; i++) px_batch_put_run(body, i, &runs[i]);
    uint8_t *lengths = body + PX_BATCH_HEADER_BYTES + run_count * PX_RUN_HEADER_BYTES;
    for (uint32_t i = 0; i < messages; i++) px_u32_store(lengths + 4 * i, length);
    if (length) body[size_bytes - 1] = (uint8_t)below(cluster, 256); /* two leaders' batches differ */
    propose(cluster, place, PX_ENTRY_BATCH, body, size_bytes);
    free(body);
    return true;
}

bool cluster_propose(px_cluster *cluster, uint32_t place)
{
    if (!cluster->nodes[place].is_up) return false;
    const px_room room = px_core_room(cluster->nodes[place].core);
    if (room.bytes < PX_OPENING_BYTES_MAX || room.runs < CLUSTER_CLIENTS) return false;
    if (chance(cluster, 15) || cluster->chosen_count < 3)
        return propose_opening(cluster, place, &cluster->clients[below(cluster, CLUSTER_CLIENTS)]);
    return propose_batch(cluster, place);
}

void cluster_ask(px_cluster *cluster, uint32_t place)
{
    cluster->barriers = grow(cluster->barriers, cluster->barrier_count, &cluster->barrier_capacity,
                             sizeof *cluster->barriers);
    uint64_t index = 0;
    if (cluster->chosen_count) {
        const px_entry *last = &cluster->chosen[cluster->chosen_count - 1];
        index = last->index_first + last->message_count - 1;
    }
    px_input input = {.kind = PX_IN_BARRIER, .barrier = cluster->barrier_count};
    cluster->barriers[cluster->barrier_count++] = index;
    if (cluster->nodes[place].is_up) cluster_step(cluster, place, &input);
}

uint32_t cluster_leader(const px_cluster *cluster)
{
    uint32_t leader = PX_MEMBERS_MAX;
    px_ballot ballot = {0, 0, 0};
    for (uint32_t i = 0; i < cluster->config.member_count; i++) {
        const cluster_node *node = &cluster->nodes[i];
        if (!node->is_up || node->view.role != PX_ROLE_LEADER || !node->view.adopted) continue;
        if (!px_ballot_less(ballot, node->view.leader)) continue;
        ballot = node->view.leader;
        leader = i;
    }
    return leader;
}

bool cluster_is_converged(px_cluster *cluster)
{
    const uint32_t leader = cluster_leader(cluster);
    if (leader == PX_MEMBERS_MAX) return false;
    const px_node_state *best = &cluster->nodes[leader].view.state;
    if (best->chosen != best->taken || best->chosen < cluster->chosen_count) return false;
    for (uint32_t i = 0; i < cluster->config.member_count; i++) {
        const cluster_node *node = &cluster->nodes[i];
        if (!node->is_up) continue;
        if (node->view.state.chosen != best->chosen || node->view.state.durable != best->chosen) return false;
        if (!px_ballot_equal(node->view.leader, cluster->nodes[leader].view.leader)) return false;
    }
    return true;
}
