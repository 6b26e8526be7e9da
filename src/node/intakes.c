/* intakes.c - the sessions of this node, and their messages that are not yet chosen.
 *
 * Meaning    An intake keeps what its application handed over until the log has it for good, so that it can
 *            be sent again after any change of leader [R10].
 *            A pipe's session is opened anew in the log at each start, a client's when it asks; the slot of
 *            the chosen opening is the holder under which its messages travel [R11, R12] (openings.c,
 *            joins.c).
 *            What clients' sessions hold is bounded together: each has an equal share.
 * Holds      chosen <= sent; the rings hold exactly the messages chosen + 1 to pushed. Only a client's
 *            session may have chosen > pushed: others have handed over in it. An intake is freed in the
 *            node's own turn alone, never inside a call of its application. */
// SPDX-License-Identifier: Apache-2.0
#include "base/assert.h"
#include "node/memory.h"
#include "node/node_priv.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a message costs beside its bytes, so that a million empty lines are bounded as well. */
#define MESSAGE_COST_BYTES 16u
/* The smallest ring. */
#define RING_BYTES_LEAST 4096u

static px_node *node_of(px_app *app)
{
    return (px_node *)app;
}

/* ---- opening and closing ---- */

static px_intake *make_intake(px_node *node, px_session_kind kind, px_intake_events *events)
{
    if (node->intake_count >= PX_INTAKES_MAX) return NULL;
    px_intake *intake = px_memory_zeroed(sizeof *intake);
    intake->kind = kind;
    intake->events = events;
    px_intake **end = &node->intakes;
    while (*end) end = &(*end)->next;
    *end = intake;
    node->intake_count++;
    if (kind == PX_SESSION_CLIENT) node->session_count++;
    return intake;
}

px_intake *px_intake_open(px_app *app, const char *name, size_t bytes_max, px_intake_events *events)
{
    px_node *node = node_of(app);
    px_intake *intake = make_intake(node, PX_SESSION_MEMBER, events);
    if (!intake) return NULL;
    intake->bytes_max = bytes_max;
    const int length = snprintf(intake->name, sizeof intake->name, "%s/%s", node->config.id, name);
    px_assert(length > 0 && (size_t)length < sizeof intake->name);
    intake->name_bytes = (size_t)length;
    px_openings_add(node, intake);
    return intake;
}

px_intake *px_session_open(px_app *app, px_bytes name, px_session_mode mode, px_intake_events *events)
{
    px_node *node = node_of(app);
    px_assert(name.size_bytes >= 1 && name.size_bytes <= PX_SESSION_NAME_BYTES_MAX);
    px_intake *intake = make_intake(node, PX_SESSION_CLIENT, events);
    if (!intake) return NULL;
    memcpy(intake->name, name.data, name.size_bytes);
    intake->name_bytes = name.size_bytes;
    intake->mode = mode;
    if (mode == PX_SESSION_JOIN)
        px_join_start(node, intake);
    else
        px_openings_add(node, intake);
    return intake;
}

bool px_intake_is_same_session(const px_intake *one, const px_intake *other)
{
    return one->kind == other->kind && one->name_bytes == other->name_bytes &&
           memcmp(one->name, other->name, one->name_bytes) == 0;
}

px_intake *px_intake_make_kept(px_node *node, px_bytes name, uint64_t holder, uint64_t first)
{
    px_assert(name.size_bytes <= PX_SESSION_NAME_BYTES_MAX);
    for (px_intake *other = node->intakes; other && holder == 0; other = other->next)
        if (other->holder == 0 && other->name_bytes == name.size_bytes &&
            memcmp(other->name, name.data, name.size_bytes) == 0)
            return other;
    px_intake *intake = make_intake(node, PX_SESSION_MEMBER, NULL);
    px_assert(intake); /* pipes are open only later, and there are fewer of them */
    memcpy(intake->name, name.data, name.size_bytes);
    intake->name_bytes = name.size_bytes;
    intake->is_kept = true;
    node->kept_count++;
    if (holder)
        px_intake_set_holder(node, intake, holder, first);
    else
        px_openings_add(node, intake);
    return intake;
}

static px_intake **bucket_of(px_node *node, uint64_t holder)
{
    return &node->intakes_by_holder[holder % PX_HOLDER_BUCKETS];
}

void px_intake_set_holder(px_node *node, px_intake *intake, uint64_t holder, uint64_t next)
{
    px_assert(intake->holder == 0 && holder != 0 && next >= 1);
    px_intake **bucket = bucket_of(node, holder);
    intake->holder = holder;
    intake->holder_next = *bucket;
    *bucket = intake;
    /* A pipe's may have been handed over before; its session begins at 1. */
    if (next > 1) intake->chosen = intake->sent = intake->pushed = next - 1;
    if (intake->is_kept) node->is_kept_stale = true; /* its messages have numbers now */
    if (intake->events && intake->events->on_opened) intake->events->on_opened(intake->events, next);
}

static px_intake *find_holder_behind(const px_intake *intake, uint64_t holder)
{
    px_intake *next = intake->holder_next;
    while (next && next->holder != holder) next = next->holder_next;
    return next;
}

static px_intake *find_holder(px_node *node, uint64_t holder)
{
    px_intake *intake = *bucket_of(node, holder);
    return !intake || intake->holder == holder ? intake : find_holder_behind(intake, holder);
}

static uint64_t kept_count(const px_intake *intake)
{
    return intake->pushed > intake->chosen ? intake->pushed - intake->chosen : 0;
}

static size_t own_bytes(const px_intake *intake)
{
    return intake->bytes_used + (size_t)kept_count(intake) * MESSAGE_COST_BYTES;
}

static void empty_rings(px_intake *intake)
{
    free(intake->lengths);
    free(intake->bytes);
    intake->lengths = NULL;
    intake->bytes = NULL;
    intake->lengths_capacity = intake->bytes_capacity = 0;
    intake->bytes_start = intake->bytes_used = intake->bytes_sent = 0;
}

/* Out of every list but that of all intakes, and freed. */
static void free_intake(px_node *node, px_intake *intake)
{
    px_openings_remove(node, intake);
    px_join_cancel(node, intake);
    if (intake->holder) {
        px_intake **at = bucket_of(node, intake->holder);
        while (*at != intake) at = &(*at)->holder_next;
        *at = intake->holder_next;
    }
    if (intake->kind == PX_SESSION_CLIENT) {
        node->session_count--;
        node->session_bytes -= own_bytes(intake);
    }
    if (node->overdrawn == intake) node->overdrawn = NULL;
    if (intake->is_kept) node->kept_count--;
    node->intake_count--;
    empty_rings(intake);
    free(intake);
}

/* Nobody waits for it, and there is nothing more to send of it. */
static bool is_done_with(const px_intake *intake)
{
    return !intake->events && (intake->is_ended || kept_count(intake) == 0);
}

static void forget_if_done(px_node *node, const px_intake *intake)
{
    if (is_done_with(intake)) node->is_sweeping_due = true;
}

void px_intake_close(px_app *app, px_intake *intake)
{
    intake->events = NULL;
    forget_if_done(node_of(app), intake);
}

void px_intakes_deinit(px_node *node)
{
    while (node->intakes) {
        px_intake *intake = node->intakes;
        node->intakes = intake->next;
        free_intake(node, intake);
    }
}

void px_intake_end_with(px_node *node, px_intake *intake, px_intake_end end)
{
    px_assert(intake->kind == PX_SESSION_CLIENT && !intake->is_ended);
    px_openings_remove(node, intake);
    px_join_cancel(node, intake);
    node->session_bytes -= own_bytes(intake);
    empty_rings(intake);
    intake->pushed = intake->sent = intake->chosen;
    intake->is_ended = true;
    if (node->overdrawn == intake) node->overdrawn = NULL;
    if (intake->events) intake->events->on_ended(intake->events, end);
    forget_if_done(node, intake);
}

uint64_t px_intakes_drop_kept(px_node *node)
{
    uint64_t count = 0;
    for (px_intake *intake = node->intakes; intake; intake = intake->next) {
        if (!intake->is_kept || PX_MUTANT("r19_what_an_older_disk_kept_is_sent")) continue;
        count += kept_count(intake);
        px_openings_remove(node, intake);
        empty_rings(intake);
        intake->pushed = intake->sent = intake->chosen;
        intake->is_ended = true;
        forget_if_done(node, intake);
    }
    return count;
}

/* ---- room ---- */

/* What was kept of the same session counts as well, so that stop after stop cannot pile up. */
static size_t used_bytes(const px_node *node, const px_intake *intake)
{
    size_t used = own_bytes(intake);
    if (node->kept_count == 0) return used;
    for (const px_intake *other = node->intakes; other; other = other->next)
        if (other->is_kept && other != intake && px_intake_is_same_session(other, intake))
            used += own_bytes(other);
    return used;
}

/* What each client's session may use. */
static size_t session_share(const px_node *node)
{
    const size_t share = PX_SESSION_INTAKES_BYTES / (node->session_count ? node->session_count : 1);
    return share < PX_CLIENT_INTAKE_BYTES ? share : PX_CLIENT_INTAKE_BYTES;
}

static size_t session_room(const px_node *node, px_intake *intake)
{
    const size_t used = own_bytes(intake), share = session_share(node);
    const size_t largest = node->config.message_bytes_max + MESSAGE_COST_BYTES;
    const size_t left =
        PX_SESSION_INTAKES_BYTES > node->session_bytes ? PX_SESSION_INTAKES_BYTES - node->session_bytes : 0;
    size_t room = share > used ? share - used : 0;
    if (room > left) room = left;
    if (used == 0 && room < largest && (left >= largest || !node->overdrawn)) room = largest;
    if (room < largest) intake->was_full = true;
    return room > MESSAGE_COST_BYTES ? room - MESSAGE_COST_BYTES : 0;
}

size_t px_intake_room(px_app *app, px_intake *intake)
{
    const px_node *node = node_of(app);
    if (node->disk == PX_DISK_FULL) { /* intake stops until there is space [R17] */
        intake->was_full = true;
        return 0;
    }
    if (intake->kind == PX_SESSION_CLIENT) return session_room(node, intake);
    const size_t used = used_bytes(node, intake);
    if (used == 0)
        return node->config.message_bytes_max > intake->bytes_max ? node->config.message_bytes_max
                                                                  : intake->bytes_max;
    const size_t room = used < intake->bytes_max ? intake->bytes_max - used : 0;
    if (room <= MESSAGE_COST_BYTES) {
        intake->was_full = true;
        return 0;
    }
    return room - MESSAGE_COST_BYTES;
}

/* ---- the two rings ---- */

static void grow_lengths(px_intake *intake)
{
    const size_t capacity = intake->lengths_capacity ? 2 * intake->lengths_capacity : 64;
    uint32_t *grown = px_memory_resize(NULL, capacity * sizeof *grown);
    for (uint64_t number = intake->chosen + 1; number <= intake->pushed; number++)
        grown[number % capacity] = intake->lengths[number % intake->lengths_capacity];
    free(intake->lengths);
    intake->lengths = grown;
    intake->lengths_capacity = capacity;
}

static void copy_out(const px_intake *intake, size_t offset, size_t size_bytes, uint8_t *to)
{
    if (size_bytes == 0) return;
    const size_t start = (intake->bytes_start + offset) % intake->bytes_capacity;
    const size_t first =
        intake->bytes_capacity - start < size_bytes ? intake->bytes_capacity - start : size_bytes;
    memcpy(to, intake->bytes + start, first);
    memcpy(to + first, intake->bytes, size_bytes - first);
}

/* To a ring that holds `needs`, and what is in it. */
static void resize_bytes(px_intake *intake, size_t needs)
{
    size_t capacity = RING_BYTES_LEAST;
    while (capacity < needs) capacity *= 2;
    uint8_t *grown = px_memory_resize(NULL, capacity);
    copy_out(intake, 0, intake->bytes_used, grown);
    free(intake->bytes);
    intake->bytes = grown;
    intake->bytes_capacity = capacity;
    intake->bytes_start = 0;
}

static void put_bytes(px_intake *intake, px_bytes message)
{
    const size_t needs = intake->bytes_used + message.size_bytes;
    if (needs > intake->bytes_capacity) resize_bytes(intake, needs);
    if (message.size_bytes) {
        const size_t end = (intake->bytes_start + intake->bytes_used) % intake->bytes_capacity;
        const size_t first = intake->bytes_capacity - end < message.size_bytes ? intake->bytes_capacity - end
                                                                               : message.size_bytes;
        memcpy(intake->bytes + end, message.data, first);
        memcpy(intake->bytes, message.data + first, message.size_bytes - first);
    }
    intake->bytes_used = needs;
}

uint64_t px_intake_push(px_app *app, px_intake *intake, px_bytes message)
{
    px_node *node = node_of(app);
    px_assert(message.size_bytes <= node->config.message_bytes_max);
    px_assert(intake->kind == PX_SESSION_MEMBER || intake->holder != 0);
    if (intake->is_ended) return ++intake->pushed; /* its application has been told, or is being */
    if (intake->pushed < intake->chosen) {         /* another's stands in its place */
        intake->owes_duplicate = node->is_sweeping_due = true;
        return ++intake->pushed;
    }
    if (kept_count(intake) + 1 >= intake->lengths_capacity) grow_lengths(intake);
    put_bytes(intake, message);
    intake->pushed++;
    intake->lengths[intake->pushed % intake->lengths_capacity] = (uint32_t)message.size_bytes;
    if (intake->kind == PX_SESSION_CLIENT) {
        node->session_bytes += message.size_bytes + MESSAGE_COST_BYTES;
        if (node->session_bytes > PX_SESSION_INTAKES_BYTES) node->overdrawn = intake;
    }
    return intake->pushed;
}

uint32_t px_intake_measure(const px_intake *intake, size_t bytes_max, size_t *payload_bytes)
{
    uint32_t count = 0;
    size_t used = 0;
    for (uint64_t number = intake->sent + 1; number <= intake->pushed; number++) {
        const size_t size_bytes = intake->lengths[number % intake->lengths_capacity];
        if (used + size_bytes + (size_t)(count + 1) * PX_LENGTH_BYTES > bytes_max) break;
        used += size_bytes;
        count++;
    }
    *payload_bytes = used;
    return count;
}

static void put_u32(uint8_t *to, uint32_t value)
{
    for (unsigned byte = 0; byte < 4; byte++) to[byte] = (uint8_t)(value >> (8 * byte));
}

void px_intake_take(px_intake *intake, uint32_t count, uint8_t *lengths, uint8_t *payloads)
{
    size_t used = 0;
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t size_bytes = intake->lengths[++intake->sent % intake->lengths_capacity];
        put_u32(lengths + (size_t)i * PX_LENGTH_BYTES, size_bytes);
        used += size_bytes;
    }
    copy_out(intake, intake->bytes_sent, used, payloads);
    intake->bytes_sent += used;
}

void px_intake_copy(const px_intake *intake, uint8_t *lengths, uint8_t *payloads)
{
    for (uint64_t number = intake->chosen + 1; number <= intake->pushed; number++, lengths += PX_LENGTH_BYTES)
        put_u32(lengths, intake->lengths[number % intake->lengths_capacity]);
    copy_out(intake, 0, intake->bytes_used, payloads);
}

size_t px_intake_next_bytes(const px_intake *intake)
{
    px_assert(intake->sent < intake->pushed);
    return intake->lengths[(intake->sent + 1) % intake->lengths_capacity];
}

void px_intake_skip(px_intake *intake, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        intake->bytes_sent += intake->lengths[++intake->sent % intake->lengths_capacity];
    px_assert(intake->sent <= intake->pushed);
}

/* ---- what became of them ---- */

void px_intake_rewind(px_intake *intake)
{
    intake->sent = intake->chosen;
    intake->bytes_sent = 0;
}

void px_intakes_rewind(px_node *node)
{
    if (PX_MUTANT("r10_never_sent_again")) return;
    for (px_intake *intake = node->intakes; intake; intake = intake->next) px_intake_rewind(intake);
    px_openings_rewind(node);
}

/* Forgets the payloads and lengths of messages chosen + 1 to upto, which are chosen now. */
static void drop_chosen(px_node *node, px_intake *intake, uint64_t upto)
{
    size_t size_bytes = 0;
    for (uint64_t number = intake->chosen + 1; number <= upto; number++)
        size_bytes += intake->lengths[number % intake->lengths_capacity];
    if (intake->kind == PX_SESSION_CLIENT)
        node->session_bytes -= size_bytes + (size_t)(upto - intake->chosen) * MESSAGE_COST_BYTES;
    /* Chosen by way of a leader that this node no longer counted on. */
    if (intake->sent < upto) px_intake_skip(intake, (uint32_t)(upto - intake->sent));
    px_assert(intake->bytes_sent >= size_bytes && intake->bytes_used >= size_bytes);
    intake->bytes_sent -= size_bytes;
    intake->bytes_used -= size_bytes;
    if (intake->bytes_capacity)
        intake->bytes_start = (intake->bytes_start + size_bytes) % intake->bytes_capacity;
}

/* A session that had more than its share once gives the memory back. */
static void shrink(px_node *node, px_intake *intake)
{
    if (node->overdrawn == intake && kept_count(intake) == 0) node->overdrawn = NULL;
    if (intake->kind != PX_SESSION_CLIENT || intake->bytes_capacity <= RING_BYTES_LEAST) return;
    if (intake->bytes_capacity <= session_share(node) || intake->bytes_used > intake->bytes_capacity / 4)
        return;
    resize_bytes(intake, intake->bytes_used);
}

static void tell_chosen(px_intake *intake, bool is_own, uint64_t index_last, uint32_t count)
{
    px_intake_events *events = intake->events;
    if (!events) return;
    if (is_own)
        events->on_chosen(events, intake->chosen, index_last, count);
    else
        events->on_duplicate(events, intake->chosen, index_last, count);
}

/* Is the run what this intake handed over? Asked where several of this node use one session, a client of a
 * former run of this node included: what it had sent on may be chosen late. */
static bool is_same_run(const px_intake *intake, const px_run *run, const px_batch *batch, uint32_t message,
                        const uint8_t *payload)
{
    if (run->sequence != intake->chosen + 1 || run->sequence + run->count - 1 > intake->pushed) return false;
    size_t at = 0;
    for (uint32_t i = 0; i < run->count; i++) {
        const uint32_t length = intake->lengths[(run->sequence + i) % intake->lengths_capacity];
        if (length != px_batch_length(batch, message + i)) return false;
        at += length;
    }
    for (size_t i = 0; i < at; i++)
        if (payload[i] != intake->bytes[(intake->bytes_start + i) % intake->bytes_capacity]) return false;
    return true;
}

static void take_chosen(px_node *node, px_intake *intake, const px_run *run, uint64_t index_last, bool is_own)
{
    const uint64_t upto = run->sequence + run->count - 1;
    if (intake->is_ended || upto <= intake->chosen) return;
    /* Of what was kept, the file may know more than the log did when it was read back. */
    px_assert(run->sequence == intake->chosen + 1 || intake->is_kept);
    px_assert(intake->kind == PX_SESSION_CLIENT || upto <= intake->pushed);
    const uint64_t pushed_upto = upto < intake->pushed ? upto : intake->pushed;
    if (pushed_upto > intake->chosen) drop_chosen(node, intake, pushed_upto);
    intake->chosen = upto;
    if (intake->sent < upto) intake->sent = upto;
    /* Who joins names the number of each message; who took the session counts on. */
    if (intake->mode == PX_SESSION_JOIN && intake->pushed < upto) intake->pushed = upto;
    intake->moved_us = px_node_now_us(node);
    shrink(node, intake);
    tell_chosen(intake, is_own, index_last, run->count);
    forget_if_done(node, intake);
}

void px_intakes_on_chosen(px_node *node, const px_run *run, uint64_t index_last, const px_batch *batch,
                          uint32_t message, const uint8_t *payload)
{
    px_intake *first = find_holder(node, run->holder);
    const bool is_shared = first && find_holder_behind(first, run->holder);
    for (px_intake *intake = first; intake; intake = find_holder_behind(intake, run->holder)) {
        const bool is_only =
            !is_shared && (intake->mode != PX_SESSION_JOIN || PX_MUTANT("r11_a_former_run_is_acknowledged"));
        const bool is_own =
            run->origin == node->self && (is_only || is_same_run(intake, run, batch, message, payload));
        take_chosen(node, intake, run, index_last, is_own || intake->kind == PX_SESSION_MEMBER);
    }
}

/* ---- its turn ---- */

static void tell_room(px_node *node, px_intake *intake)
{
    if (!intake->was_full || !intake->events || node->disk == PX_DISK_FULL) return;
    const bool is_client = intake->kind == PX_SESSION_CLIENT;
    if (is_client && node->session_bytes > PX_SESSION_INTAKES_BYTES / 4 * 3 && own_bytes(intake) > 0) return;
    const size_t most = is_client ? session_share(node) : intake->bytes_max;
    if (used_bytes(node, intake) > most / 2) return;
    intake->was_full = false;
    intake->events->on_room(intake->events);
}

void px_intakes_on_full(px_node *node)
{
    for (px_intake *intake = node->intakes; intake; intake = intake->next)
        if (intake->was_full && intake->events) intake->events->on_room(intake->events);
}

static void sweep(px_node *node)
{
    node->is_sweeping_due = false;
    for (px_intake **at = &node->intakes; *at;) {
        px_intake *intake = *at;
        if (intake->owes_duplicate && intake->events && !intake->is_ended)
            intake->events->on_duplicate(intake->events,
                                         intake->pushed < intake->chosen ? intake->pushed : intake->chosen, 0,
                                         0);
        intake->owes_duplicate = false;
        if (is_done_with(intake)) {
            *at = intake->next;
            if (intake->is_kept) node->is_kept_stale = true;
            free_intake(node, intake);
        } else {
            at = &intake->next;
        }
    }
}

void px_intakes_turn(px_node *node)
{
    for (px_intake *intake = node->intakes; intake; intake = intake->next) tell_room(node, intake);
    if (node->is_sweeping_due) sweep(node);
}
