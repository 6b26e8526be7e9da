/* node.c - the conductor: opens a node over its ports, and ends its turns. */
// SPDX-License-Identifier: Apache-2.0
#include "node/node.h"

#include "base/assert.h"
#include "node/kept.h"
#include "node/memory.h"
#include "node/node_priv.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A full disk gets a turn this often at least; the log asks for space at every eighth turn, so it heals in
 * two seconds, and five are promised. [R17] */
#define FULL_LOOK_US 250000u
#define CHANCE_BITS 24u /* of the number of a run */

/* ---- members ---- */

uint32_t px_node_place(const px_node_config *config, const char *name)
{
    uint32_t place = 0;
    bool is_member = strcmp(name, config->id) == 0;
    if (strcmp(config->id, name) < 0) place++;
    for (uint32_t i = 0; i < config->server_count; i++) {
        const int order = strcmp(config->servers[i], name);
        if (order < 0) place++;
        if (order == 0) is_member = true;
    }
    return is_member ? place : PX_MEMBERS_MAX;
}

static void name_members(px_node *node)
{
    const px_node_config *config = &node->config;
    node->member_count = config->server_count + 1;
    node->self = px_node_place(config, config->id);
    node->members[node->self].name = config->id;
    node->members[node->self].address = config->addresses[config->server_count];
    for (uint32_t i = 0; i < config->server_count; i++) {
        px_member *member = &node->members[px_node_place(config, config->servers[i])];
        member->name = config->servers[i];
        member->address = config->addresses[i];
    }
}

/* ---- the log's events ---- */

static void on_failed(px_wal_events *events, px_err err, const char *where)
{
    px_node *node = (px_node *)((char *)events - offsetof(px_node, wal_events));
    px_log_event(node->ports.log, PX_LOG_ERROR,
                 "log: %s: %s: nothing on this disk can be trusted, the node stops", where, px_err_text(err));
    node->ports.fatal(node->ports.fatal_context, where);
}

static void on_full(px_wal_events *events, bool is_full)
{
    px_node *node = (px_node *)((char *)events - offsetof(px_node, wal_events));
    node->is_full = is_full;
}

static void restore(void *context, const px_record *record)
{
    px_node *node = context;
    px_effects effects = {node->effects, 0, sizeof node->effects / sizeof *node->effects, false};
    px_input input = {.kind = PX_IN_RESTORE, .now_us = px_node_now_us(node), .restore = record};
    px_core_step(node->core, &input, &effects);
    px_assert(effects.count == 0);
}

/* ---- open and close ---- */

static void transfer(px_app *app, uint32_t member)
{
    px_node_hand_over((px_node *)app, member);
}

const px_app_calls px_node_app_calls = {
    .intake_open = px_intake_open,
    .session_open = px_session_open,
    .intake_close = px_intake_close,
    .intake_room = px_intake_room,
    .intake_push = px_intake_push,
    .index_delivered = px_delivery_index,
    .read = px_delivery_read,
    .watch = px_delivery_watch,
    .unwatch = px_delivery_unwatch,
    .barrier = px_barriers_ask,
    .barrier_cancel = px_barriers_cancel,
    .status = px_status_fill,
    .is_diverged = px_status_is_diverged,
    .transfer = transfer,
};

static void make_core(px_node *node)
{
    const px_core_config config = {
        .self = node->self,
        .member_count = node->member_count,
        .heartbeat_us = node->config.heartbeat_us,
        .message_bytes_max = node->config.message_bytes_max,
        .seed = px_prng_next(&node->prng),
        .sessions_max = node->config.sessions_max,
    };
    node->core = px_core_init(px_memory_zeroed(px_core_size_bytes()), &config);
}

static void on_turn_timer(px_timer *timer)
{
    (void)timer; /* waking the loop is all: the turn follows */
}

uint64_t px_node_chance(px_node *node)
{
    const uint64_t chance = 1 + (px_prng_next(&node->prng) >> (64 - CHANCE_BITS));
    return PX_MUTANT("r8_runs_repeat") ? 1 : chance;
}

/* A disk that was rolled back counts its starts again: chance tells runs of the same count apart. An answer
 * that was meant for another run must not fit a request of this one either. [R7, R8, R11] */
static void number_run(px_node *node)
{
    node->run = (node->state.start_count << CHANCE_BITS) + px_node_chance(node);
    node->opener_run = node->run;
    if (!PX_MUTANT("r7_barriers_are_numbered_anew")) node->barrier_request = px_prng_next(&node->prng) >> 24;
}

px_err px_node_open(const px_node_config *config, const px_node_ports *ports, px_node **opened,
                    px_wal_fault *fault)
{
    px_node *node = px_memory_zeroed(sizeof *node);
    node->app.calls = &px_node_app_calls;
    node->config = *config;
    node->ports = *ports;
    node->turn_timer.on_fire = on_turn_timer;
    node->leaderless_since_us = node->awaited_us = px_node_now_us(node);
    node->is_awaited_told = true;
    px_prng_init(&node->prng, config->seed);
    name_members(node);
    make_core(node);
    node->assembly = px_proposals_assembly();
    node->forwarded_end = &node->forwarded;
    node->wal_events = (px_wal_events){px_shell_on_stored, on_failed, on_full};
    const px_wal_config wal_config = {
        .segment_bytes = config->segment_bytes,
        .message_bytes_max = config->message_bytes_max,
        .random = px_prng_next(&node->prng) | 1,
        .self = config->id,
        .is_alone = node->member_count == 1,
    };
    px_err err = px_wal_open(ports->disk, &wal_config, &node->wal_events, node, restore, &node->wal,
                             &node->state, fault);
    if (err) {
        free(node->assembly);
        free(node->core);
        free(node);
        return err;
    }
    number_run(node);
    px_input start = {.kind = PX_IN_START};
    px_core_look(node->core, &node->view);
    err = px_delivery_init(node);
    if (err) {
        (void)snprintf(fault->where, sizeof fault->where, "the newest slots");
        (void)snprintf(fault->what, sizeof fault->what, "%s; start px again", px_err_text(err));
    } else {
        px_shell_step(node, &start);
        px_salvage_start(node, fault);
        err = px_roster_fits(node, fault) ? px_kept_read(node, fault) : PX_ERR_FOREIGN;
    }
    px_links_init(node);
    if (err) {
        px_node_close(node);
        return err;
    }
    node->start_us = px_node_now_us(node);
    node->configuration_said = node->view.configuration;
    px_roster_start(node);
    *opened = node;
    return PX_OK;
}

void px_node_close(px_node *node)
{
    px_timers_stop(node->ports.clock->timers, &node->turn_timer);
    px_links_deinit(node);
    px_proposals_clear(node);
    px_intakes_deinit(node);
    px_delivery_deinit(node);
    px_tail_deinit(&node->tail);
    px_wal_close(node->wal);
    free(node->waiting);
    free(node->assembly);
    free(node->core);
    free(node);
}

void px_node_connect(px_node *node, px_net *net)
{
    node->ports.net = net;
}

px_net_events *px_node_net_events(px_node *node)
{
    return &node->net_events;
}

px_app *px_node_app(px_node *node)
{
    return &node->app;
}

/* ---- turns ---- */

/* The loop sleeps until the core's next deadline, or a moment of the intakes' own. */
static void arm_turn_timer(px_node *node)
{
    uint64_t deadline_us = px_core_deadline_us(node->core);
    const bool has_unsent = node->barriers_waiting || node->barrier_flying_id || node->intakes;
    const uint64_t beat_us = px_node_now_us(node) + node->config.heartbeat_us;
    if (has_unsent && beat_us < deadline_us) deadline_us = beat_us;
    /* Space that comes back is seen by asking for it, also where nothing else happens. [R17] */
    const uint64_t look_us = px_node_now_us(node) + FULL_LOOK_US;
    if (node->is_full && look_us < deadline_us) deadline_us = look_us;
    if (deadline_us == UINT64_MAX)
        px_timers_stop(node->ports.clock->timers, &node->turn_timer);
    else
        px_timers_start(node->ports.clock->timers, &node->turn_timer, deadline_us);
}

void px_node_turn(px_node *node)
{
    node->counters.wakeups++;
    px_shell_watch_disk(node);
    px_shell_tick(node);
    px_roster_turn(node);
    px_recollection_turn(node);
    px_salvage_turn(node);
    px_kept_turn(node);
    px_forward_turn(node);
    if (node->view.role == PX_ROLE_LEADER)
        px_proposals_make(node);
    else if (node->forwarded)
        px_proposals_clear(node);
    px_barriers_turn(node);
    px_joins_turn(node);
    px_waiting_turn(node);
    px_shell_rest(node);
    /* What the others are to write goes out first: theirs is the longer way. Nothing leaves before its own
     * record, whatever the order here [R2]. */
    if (node->ports.net->flush) node->ports.net->flush(node->ports.net);
    px_wal_flush(node->wal);
    px_delivery_turn(node);
    px_intakes_turn(node);
    px_status_say_changes(node);
    arm_turn_timer(node);
}

void px_node_hand_over(px_node *node, uint32_t member)
{
    px_input input = {.kind = PX_IN_TRANSFER, .transfer = member};
    px_shell_step(node, &input);
}

bool px_node_is_drained(const px_node *node)
{
    for (const px_intake *intake = node->intakes; intake; intake = intake->next)
        if (intake->chosen < intake->pushed) return false;
    return true;
}

px_err px_node_keep(px_node *node)
{
    const uint64_t count = px_kept_count(node);
    const px_err err = px_kept_write(node, true);
    if (err)
        px_log_event(node->ports.log, PX_LOG_ERROR, "%s: %s: %llu messages taken from pipes are lost",
                     PX_KEPT_FILE_NAME, px_err_text(err), (unsigned long long)count);
    else if (count)
        px_log_event(node->ports.log, PX_LOG_WARN,
                     "%s: %llu messages taken from pipes are not committed; the next start sends them",
                     PX_KEPT_FILE_NAME, (unsigned long long)count);
    return err;
}

bool px_node_is_handed_over(const px_node *node)
{
    return node->view.role != PX_ROLE_LEADER || node->member_count == 1;
}

bool px_node_has_leader(const px_node *node)
{
    return !px_ballot_is_none(node->view.leader);
}

bool px_node_is_ready(const px_node *node)
{
    return node->was_ready;
}

void px_node_check(const px_node *node)
{
    px_core_check(node->core);
    px_assert(node->delivered_slot <= node->chosen_slot);
    px_assert(node->applied_slot == node->chosen_slot);
    px_assert(node->stored <= node->ticket_last.n);
    px_assert(node->tail.last == node->view.state.taken);
    for (const px_intake *intake = node->intakes; intake; intake = intake->next) {
        px_assert(intake->chosen <= intake->sent);
        px_assert(intake->sent <= intake->pushed || intake->sent == intake->chosen);
        px_assert(intake->bytes_sent <= intake->bytes_used);
    }
}
