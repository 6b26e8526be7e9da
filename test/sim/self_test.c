/* self_test.c - made-up histories and messages, most of them with one anomaly.
 *
 * Meaning    No node is up: the checkers are called as applications and the net call them. */
// SPDX-License-Identifier: Apache-2.0
#include "sim/self_test.h"

#include "base/assert.h"
#include "codec/wire.h"
#include "node/memory.h"
#include "sim/checks.h"
#include "sim/faults.h"
#include "sim/sim_net.h"
#include "sim/sim_node.h"
#include <string.h>

#define TEXT_BYTES 256u

typedef struct {
    uint8_t bytes[TEXT_BYTES];
    size_t size_bytes;
} sim_text;

static sim_text push(sim_world *world, uint32_t writer)
{
    sim_text text = {{0}, 0};
    text.size_bytes = sim_check_push(world, writer, text.bytes, TEXT_BYTES);
    return text;
}

static void see(sim_world *world, uint32_t place, uint64_t index, const sim_text *text)
{
    sim_check_seen(world, place, index, 1000 + index, (px_bytes){text->bytes, text->size_bytes});
}

/* ---- what applications see ---- */

static void play_good(sim_world *world)
{
    const uint32_t a = sim_check_writer(world, 0, 1), b = sim_check_writer(world, 1, 1);
    const sim_text first = push(world, a), second = push(world, b), third = push(world, a);
    for (uint32_t place = 0; place < 3; place++) {
        see(world, place, 1, &first);
        see(world, place, 2, &second);
    }
    sim_check_acknowledged(world, b, 1, 2, 1);
    sim_check_acknowledged(world, a, 1, 1, 1);
    const uint64_t floor = sim_check_barrier_asked(world);
    see(world, 2, 3, &third);
    sim_check_barrier_done(world, 1, floor, 2);
    sim_check_acknowledged(world, a, 2, 3, 1);
}

static void play_phantom(sim_world *world)
{
    const uint32_t a = sim_check_writer(world, 0, 1);
    sim_text text = push(world, a);
    text.bytes[text.size_bytes - 1] ^= 1;
    see(world, 0, 1, &text);
}

static void play_duplicate(sim_world *world)
{
    const sim_text text = push(world, sim_check_writer(world, 0, 1));
    see(world, 0, 1, &text);
    see(world, 0, 2, &text);
}

static void play_reordered(sim_world *world)
{
    const uint32_t a = sim_check_writer(world, 0, 1);
    (void)push(world, a);
    const sim_text second = push(world, a);
    see(world, 0, 1, &second);
}

static void play_gap(sim_world *world)
{
    const sim_text text = push(world, sim_check_writer(world, 0, 1));
    see(world, 0, 2, &text);
}

static void play_fork(sim_world *world)
{
    const sim_text a = push(world, sim_check_writer(world, 0, 1));
    const sim_text b = push(world, sim_check_writer(world, 1, 1));
    see(world, 0, 1, &a);
    see(world, 1, 1, &b);
}

static void play_lost(sim_world *world)
{
    const uint32_t a = sim_check_writer(world, 0, 1);
    (void)push(world, a);
    const sim_text other = push(world, sim_check_writer(world, 1, 1));
    sim_check_acknowledged(world, a, 1, 1, 1);
    see(world, 1, 1, &other);
}

static void play_wrong_index(sim_world *world)
{
    const uint32_t a = sim_check_writer(world, 0, 1);
    const sim_text first = push(world, a), second = push(world, a);
    see(world, 0, 1, &first);
    see(world, 0, 2, &second);
    sim_check_acknowledged(world, a, 1, 2, 1);
}

static void play_inversion(sim_world *world)
{
    const uint32_t a = sim_check_writer(world, 0, 1), b = sim_check_writer(world, 1, 1);
    (void)push(world, a);
    sim_check_acknowledged(world, a, 1, 2, 1);
    const sim_text later = push(world, b);
    see(world, 1, 1, &later);
}

static void play_stale_barrier(sim_world *world)
{
    const uint32_t a = sim_check_writer(world, 0, 1);
    (void)push(world, a);
    (void)push(world, a);
    sim_check_acknowledged(world, a, 2, 2, 2);
    sim_check_barrier_done(world, 1, sim_check_barrier_asked(world), 1);
}

/* ---- what nodes say ---- */

static const px_ballot low = {1, 1, 0}, high = {1, 2, 1};

static void send_core(sim_world *world, uint32_t from, const px_message *message)
{
    const px_wire wire = {.kind = PX_WIRE_CORE, .core = *message};
    uint8_t head[PX_WIRE_HEAD_BYTES_MAX];
    const px_bytes head_bytes = {head, px_wire_head(wire.kind, (px_incarnation){7, 1}, head)};
    px_buffer *body = px_memory_buffer(px_wire_size_max(&wire));
    body->size_bytes = px_wire_encode(&wire, body->data);
    sim_check_sent(world, from, (from + 1) % 3, head_bytes, body);
    px_buffer_release(body);
}

static void promise(sim_world *world, uint32_t from, px_ballot ballot)
{
    const px_message message = {.kind = PX_MESSAGE_PROMISE, .ballot = ballot, .state = {.promised = ballot}};
    send_core(world, from, &message);
}

/* An entry in `slot` = 1 or 2 whose body is the opening of a session of that number. */
static void accept(sim_world *world, uint32_t from, px_ballot ballot, uint64_t opener)
{
    uint8_t body[PX_OPENING_BYTES_MAX];
    const px_opening opening = {{opener, 1, 1}, 0, PX_SESSION_MEMBER, {(const uint8_t *)"a", 1}};
    const size_t size_bytes = px_opening_put(&opening, body);
    px_entry entry = {.slot = 1,
                      .kind = PX_ENTRY_OPEN,
                      .index_first = 1,
                      .stamp_ms = 5,
                      .body_hash = px_hash_of(body, size_bytes),
                      .body = {body, size_bytes}};
    entry.chain = px_entry_chain((px_hash){0, 0}, &entry);
    const px_message message = {.kind = PX_MESSAGE_ACCEPT, .ballot = ballot, .log = {0, {0, 0}, 1, &entry}};
    send_core(world, from, &message);
}

static void accepted(sim_world *world, uint32_t from, px_ballot ballot, uint64_t length)
{
    const px_message message = {
        .kind = PX_MESSAGE_ACCEPTED,
        .ballot = ballot,
        .state = {.promised = ballot, .accepted = ballot, .durable = length, .taken = length}};
    send_core(world, from, &message);
}

static void claim(sim_world *world, uint32_t from, px_ballot ballot, uint64_t slot)
{
    const px_message message = {.kind = PX_MESSAGE_CHOSEN, .ballot = ballot, .state = {.chosen = slot}};
    send_core(world, from, &message);
}

static void play_good_messages(sim_world *world)
{
    promise(world, 0, low);
    promise(world, 1, low);
    accept(world, 0, low, 7);
    accepted(world, 1, low, 1);
    accepted(world, 2, low, 1);
    claim(world, 0, low, 1);
    promise(world, 1, high);
    promise(world, 2, high);
    accept(world, 1, high, 7);
}

static void play_promise_falls(sim_world *world)
{
    promise(world, 0, high);
    promise(world, 0, low);
}

static void play_minority(sim_world *world)
{
    accept(world, 0, low, 7);
    accepted(world, 1, low, 1);
    claim(world, 0, low, 1);
}

static void play_across_ballots(sim_world *world)
{
    accept(world, 0, low, 7);
    accepted(world, 0, low, 1);
    accept(world, 1, high, 7);
    accepted(world, 1, high, 1);
    claim(world, 1, high, 1);
}

static void play_two_values(sim_world *world)
{
    accept(world, 0, low, 7);
    accept(world, 0, low, 8);
}

static void play_chosen_is_lost(sim_world *world)
{
    accept(world, 0, low, 7);
    accepted(world, 1, low, 1);
    accepted(world, 2, low, 1);
    accept(world, 1, high, 8);
}

static void play_chosen_too_late(sim_world *world)
{
    accept(world, 0, low, 7);
    accepted(world, 1, low, 1);
    accept(world, 1, high, 8);
    accepted(world, 2, low, 1);
}

static void play_foreign_ballot(sim_world *world)
{
    accept(world, 2, low, 7);
}

/* ---- the list ---- */

static const struct {
    const char *name, *expects;
    void (*play)(sim_world *world);
} plays[] = {
    {"a good history", "", play_good},
    {"a message that nobody wrote", "validity", play_phantom},
    {"a message twice", "duplicate", play_duplicate},
    {"a writer's messages turned round", "writer order", play_reordered},
    {"a missing index", "no gap", play_gap},
    {"two nodes, two messages", "agreement", play_fork},
    {"an acknowledged message replaced", "durability", play_lost},
    {"an acknowledgement at another index", "ack mismatch", play_wrong_index},
    {"a later message before an acknowledged one", "real time", play_inversion},
    {"a barrier that knows too little", "barrier", play_stale_barrier},
    {"good messages", "", play_good_messages},
    {"a promise that falls", "promise monotone", play_promise_falls},
    {"a minority that chooses", "chosen by a majority", play_minority},
    {"a majority of two ballots", "chosen by a majority", play_across_ballots},
    {"two values in one ballot", "one value", play_two_values},
    {"a chosen slot replaced", "chosen stays", play_chosen_is_lost},
    {"a replaced slot chosen", "chosen stays", play_chosen_too_late},
    {"a ballot of somebody else", "own ballot", play_foreign_ballot},
};
#define PLAYS (sizeof plays / sizeof *plays)

const char *sim_self_test_expects(uint32_t place)
{
    return place < PLAYS ? plays[place].expects : NULL;
}

const char *sim_self_test_name(uint32_t place)
{
    return plays[place].name;
}

void sim_self_test_play(uint32_t place)
{
    const sim_options options = {.seed = 1, .node_count = 3, .heartbeat_us = 100 * SIM_MS};
    sim_world world;
    px_assert(place < PLAYS);
    sim_world_init(&world, &options);
    sim_faults_init(&world);
    world.net = sim_net_make(&world, false);
    sim_checks_init(&world);
    world.checks->message_bytes_max = TEXT_BYTES;
    sim_nodes_make(&world);
    plays[place].play(&world);
    sim_nodes_free(&world);
    sim_net_free(world.net);
    sim_checks_deinit(&world);
    sim_faults_deinit(&world);
    sim_world_deinit(&world);
}
