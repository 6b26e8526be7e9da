/* shell.c - carries out what the core decides.
 *
 * Meaning    Effects in array order; those that wait for a ticket stand in a queue until the log has stored
 *            it. Records are staged here and
 *            written at the end of the turn, so that all of a turn is one write and one sync.
 * Source     the contract in paxos/core.h. */
// SPDX-License-Identifier: Apache-2.0
#include "base/assert.h"
#include "node/memory.h"
#include "node/node_priv.h"
#include <string.h>

static px_lane lane_of(const px_message *message)
{
    switch (message->kind) {
    case PX_MESSAGE_PIECE:
    case PX_MESSAGE_MENDED:
    case PX_MESSAGE_TAIL: return PX_LANE_BULK;
    case PX_MESSAGE_SYNC:
    case PX_MESSAGE_ACCEPT: return PX_LANE_LOG;
    case PX_MESSAGE_HEARTBEAT:
    case PX_MESSAGE_HEARD:
    case PX_MESSAGE_PREPARE:
    case PX_MESSAGE_PROMISE:
    case PX_MESSAGE_REFUSE:
    case PX_MESSAGE_FETCH:
    case PX_MESSAGE_ACCEPTED:
    case PX_MESSAGE_CHOSEN:
    case PX_MESSAGE_PROBE:
    case PX_MESSAGE_PROBED:
    case PX_MESSAGE_TAKE_OVER: return PX_LANE_CONTROL;
    }
    return PX_LANE_CONTROL;
}

bool px_shell_send(px_node *node, uint32_t to_mask, px_lane lane, const px_wire *wire)
{
    px_buffer *body = px_memory_buffer(px_wire_size_max(wire));
    body->size_bytes = px_wire_encode(wire, body->data);
    bool all = true;
    for (uint32_t member = 0; member < node->member_count; member++) {
        if (!(to_mask & (1u << member)) || member == node->self) continue;
        const px_member *to = &node->members[member];
        if (!to->out_up || (wire->kind != PX_WIRE_HELLO && !to->in)) {
            all = false;
            continue;
        }
        uint8_t head[PX_WIRE_HEAD_BYTES_MAX];
        const px_bytes head_bytes = {head, px_wire_head(wire->kind, to->incarnation, head)};
        if (node->ports.net->send(node->ports.net, member, lane, head_bytes, body))
            node->counters.json_sent++;
        else
            all = false;
    }
    px_buffer_release(body);
    return all;
}

/* ---- storing ---- */

static void keep_entries(px_node *node, const px_record *record)
{
    if (record->kind != PX_RECORD_APPEND) px_tail_cut(&node->tail, record->log.after);
    px_assert(record->log.count == 0 || record->log.after == node->tail.last);
    px_delivery_advance(node); /* a node that catches up takes more than the tail has between two turns */
    for (uint32_t i = 0; i < record->log.count; i++) {
        const px_entry *entry = &record->log.entries[i];
        px_buffer *proposal = node->proposal;
        const bool is_proposal = proposal && entry->body.data == proposal->data;
        px_tail_push(&node->tail, entry, is_proposal ? proposal : NULL, node->delivered_slot + 1);
    }
}

static void do_store(px_node *node, px_ticket ticket, const px_record *record)
{
    node->ticket_last = ticket;
    if (record->kind == PX_RECORD_PROMISE) {
        node->state.promised = record->promised;
        px_wal_put_state(node->wal, ticket, &node->state);
    } else {
        px_wal_append(node->wal, ticket, record);
        keep_entries(node, record);
    }
    if (node->write_started_us == 0) node->write_started_us = px_node_now_us(node);
}

/* ---- sending the log ---- */

/* Takes entries first to last from memory where all of them are there. */
static uint32_t part_from_tail(px_node *node, uint64_t after, uint64_t last, size_t bytes_max,
                               px_message *message)
{
    const px_tail_slot *before = after ? px_tail_find(&node->tail, after) : NULL;
    px_hash after_chain = {0, 0};
    if (before)
        after_chain = before->entry.chain;
    else if (after && !px_core_chain_at(node->core, after, &after_chain))
        return 0;
    uint32_t count = 0;
    size_t size_bytes = 0;
    while (after + count < last && count < PX_WINDOW_SLOTS) {
        const px_tail_slot *slot = px_tail_find(&node->tail, after + count + 1);
        if (!slot) break;
        size_bytes += slot->entry.body.size_bytes;
        if (count && size_bytes > bytes_max) break;
        node->log_space[count++] = slot->entry;
    }
    message->log = (px_log_part){after, after_chain, count, node->log_space};
    return count;
}

/* Takes them from disk. False where they cannot be read now: whoever asked will ask again. */
static bool part_from_disk(px_node *node, uint64_t after, uint64_t last, size_t bytes_max,
                           px_message *message, px_buffer **owner)
{
    px_wal_entries *entries = &node->read_cache;
    px_buffer_release(entries->owner);
    *entries = (px_wal_entries){0};
    const uint64_t first = after ? after : 1; /* the entry at `after` is read for its chain hash */
    const px_err err = px_wal_read(node->wal, first, last, bytes_max, entries);
    if (err) {
        px_salvage_unreadable(node, first, err);
        entries->owner = NULL;
        entries->count = 0;
        return false;
    }
    const uint32_t skip = after ? 1 : 0;
    if (entries->count == skip) { /* the one at `after` filled the piece by itself */
        const px_hash chain = entries->entries[0].chain;
        px_buffer_release(entries->owner);
        *entries = (px_wal_entries){0};
        if (px_wal_read(node->wal, after + 1, last, bytes_max, entries)) return false;
        message->log = (px_log_part){after, chain, entries->count, entries->entries};
    } else {
        const px_hash chain = skip ? entries->entries[0].chain : (px_hash){0, 0};
        message->log = (px_log_part){after, chain, entries->count - skip, entries->entries + skip};
    }
    *owner = px_buffer_retain(entries->owner);
    return true;
}

static void do_send_log(px_node *node, uint32_t to_mask, const px_message *template, uint64_t last)
{
    px_wire wire = {.kind = PX_WIRE_CORE, .core = *template};
    const bool is_piece = template->kind == PX_MESSAGE_PIECE || template->kind == PX_MESSAGE_MENDED;
    const size_t bytes_max = is_piece ? PX_PIECE_BYTES : SIZE_MAX;
    const uint64_t after = template->log.after;
    px_buffer *owner = NULL;
    if (after < last) {
        const uint32_t count = part_from_tail(node, after, last, bytes_max, &wire.core);
        const bool is_enough = is_piece ? count > 0 : count == last - after;
        if (!is_enough) {
            if (!part_from_disk(node, after, last, bytes_max, &wire.core, &owner)) return;
            if (!is_piece && wire.core.log.count != last - after) {
                px_buffer_release(owner);
                return;
            }
        }
    } else {
        px_hash chain = {0, 0};
        if (after && !px_core_chain_at(node->core, after, &chain)) return;
        wire.core.log = (px_log_part){after, chain, 0, node->log_space};
    }
    (void)px_shell_send(node, to_mask, lane_of(template), &wire);
    px_buffer_release(owner);
}

/* ---- effects ---- */

static void carry_out(px_node *node, const px_effect *effect)
{
    switch (effect->kind) {
    case PX_DO_STORE: do_store(node, effect->store.ticket, &effect->store.record); break;
    case PX_DO_SEND: {
        const px_wire wire = {.kind = PX_WIRE_CORE, .core = effect->send.message};
        (void)px_shell_send(node, effect->send.to_mask, lane_of(&effect->send.message), &wire);
        break;
    }
    case PX_DO_SEND_LOG:
        do_send_log(node, effect->send_log.to_mask, &effect->send_log.message, effect->send_log.last);
        break;
    case PX_DO_CHOSEN: px_delivery_on_chosen(node, effect->chosen.upto); break;
    case PX_DO_ANSWER:
        px_barriers_on_answer(node, effect->answer.request, effect->answer.ok, effect->answer.index);
        break;
    }
}

static void wait_for_ticket(px_node *node, const px_effect *effect)
{
    if (node->waiting_count == node->waiting_capacity) {
        node->waiting_capacity = node->waiting_capacity ? 2 * node->waiting_capacity : 16;
        node->waiting = px_memory_resize(node->waiting, node->waiting_capacity * sizeof *node->waiting);
    }
    node->waiting[node->waiting_count++].effect = *effect;
}

/* Acknowledging what is chosen does not wait for this node's own disk: a majority has it [R1]; delivery looks
 * at what is durable here. */
static bool is_due(const px_node *node, const px_effect *effect)
{
    return effect->kind == PX_DO_STORE || effect->kind == PX_DO_CHOSEN || effect->after.n <= node->stored;
}

void px_shell_step(px_node *node, px_input *input)
{
    bool more;
    do {
        px_effects effects = {node->effects, 0, sizeof node->effects / sizeof *node->effects, false};
        input->now_us = px_node_now_us(node);
        px_core_step(node->core, input, &effects);
        for (uint32_t i = 0; i < effects.count; i++) {
            const px_effect *effect = &effects.items[i];
            if (is_due(node, effect))
                carry_out(node, effect);
            else
                wait_for_ticket(node, effect);
        }
        more = effects.more;
        *input = (px_input){.kind = PX_IN_TICK};
    } while (more);
    px_core_look(node->core, &node->view);
    px_recollection_note_own(node);
}

static void release_waiting(px_node *node)
{
    size_t kept = 0;
    const size_t count = node->waiting_count;
    for (size_t i = 0; i < count; i++) {
        const px_effect effect = node->waiting[i].effect;
        if (effect.after.n <= node->stored)
            carry_out(node, &effect);
        else
            node->waiting[kept++].effect = effect;
    }
    px_assert(node->waiting_count == count); /* carrying out an effect makes no new one */
    node->waiting_count = kept;
}

void px_shell_on_stored(px_wal_events *events, px_ticket upto)
{
    px_node *node = (px_node *)((char *)events - offsetof(px_node, wal_events));
    px_assert(upto.n >= node->stored);
    node->stored = upto.n;
    node->write_started_us = px_wal_is_busy(node->wal) ? px_node_now_us(node) : 0;
    release_waiting(node);
    px_input input = {.kind = PX_IN_STORED, .stored = upto};
    px_shell_step(node, &input);
}

void px_shell_tick(px_node *node)
{
    if (px_core_deadline_us(node->core) > px_node_now_us(node)) return;
    px_input input = {.kind = PX_IN_TICK};
    px_shell_step(node, &input);
}

void px_shell_watch_disk(px_node *node)
{
    const uint64_t now_us = px_node_now_us(node);
    px_disk_health disk = PX_DISK_WELL;
    if (node->is_full)
        disk = PX_DISK_FULL;
    else if (node->write_started_us && now_us - node->write_started_us > px_node_election_us(node))
        disk = PX_DISK_OVERDUE;
    if (disk == node->disk) return;
    node->disk = disk;
    static const char *const words[] = {"well", "overdue: a sync has not returned for an election timeout",
                                        "full"};
    px_log_event(node->ports.log, disk == PX_DISK_WELL ? PX_LOG_INFO : PX_LOG_WARN, "disk: %s", words[disk]);
    px_input input = {.kind = PX_IN_DISK, .disk = disk};
    px_shell_step(node, &input);
    if (disk == PX_DISK_FULL) px_intakes_on_full(node);
}

/* A leader's own write decides nothing before another node has what it writes: the message that says so wakes
 * the loop, mostly behind the write's end. What waits for the write itself has to be told at once. */
static bool may_rest(const px_node *node)
{
    if (node->view.role != PX_ROLE_LEADER || !node->view.adopted || node->member_count == 1) return false;
    if (node->ticket_last.n != node->stored + 1 || node->waiting_count) return false;
    for (uint32_t member = 0; member < node->member_count; member++) {
        const bool is_ahead = node->view.members[member].durable > node->view.state.durable;
        if (is_ahead && !PX_MUTANT("node_rests_though_others_are_ahead")) return false;
    }
    return !px_proposals_has_waiting(node);
}

void px_shell_rest(px_node *node)
{
    px_disk *disk = node->ports.disk;
    if (disk->rest) disk->rest(disk, may_rest(node));
}
