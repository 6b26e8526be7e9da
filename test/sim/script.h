/* script.h - the words that directed scenarios are written in.
 *
 * Meaning    `until` lets events happen and asks every STEP_US; `hold`, `drop` and `part` are rules of the
 *            net,
 *            the first that fits decides, `clear` takes all away. Nodes are called A to E. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_TEST_SIM_SCRIPT_H
#define PX_TEST_SIM_SCRIPT_H

#include "node/node_priv.h"
#include "paxos/core_priv.h"
#include "sim/check_protocol.h"
#include "sim/checks.h"
#include "sim/faults.h"
#include "sim/liveness.h"
#include "sim/sim_net.h"
#include "sim/sim_node.h"

/* Places, and masks of them. */
enum { A, B, C, D, E };
#define MASK(place) (1u << (place))
#define ALL 0xffu

#define STEP_US 50u
#define WAIT_US (5 * SIM_SECOND)

/* Lets events happen until it is so; that it comes is part of the scenario. */
#define until(world, condition)                                                                    \
    do {                                                                                           \
        const uint64_t end_us = (world)->now_us + WAIT_US;                                         \
        while (!(condition)) {                                                                     \
            sim_check(world, (world)->now_us < end_us, "scenario", "not reached: %s", #condition); \
            sim_world_run_until(world, (world)->now_us + STEP_US);                                 \
        }                                                                                          \
    } while (0)

static inline void wait_ms(sim_world *world, uint64_t ms)
{
    sim_world_run_until(world, world->now_us + ms * SIM_MS);
}

/* ---- looking ---- */

static inline const px_node *node_at(const sim_world *world, uint32_t place)
{
    return world->nodes[place]->node;
}

static inline const px_core *core_at(const sim_world *world, uint32_t place)
{
    return world->nodes[place]->node->core;
}

static inline bool leads(const sim_world *world, uint32_t place)
{
    const px_node *node = node_at(world, place);
    return node && node->view.role == PX_ROLE_LEADER && node->view.adopted;
}

static inline uint64_t number_of(const sim_world *world, uint32_t place)
{
    return core_at(world, place)->promised.number;
}

static inline uint64_t taken_of(const sim_world *world, uint32_t place)
{
    return core_at(world, place)->slots.taken;
}

static inline uint64_t chosen_of(const sim_world *world, uint32_t place)
{
    return core_at(world, place)->slots.chosen;
}

static inline bool are_linked(const sim_world *world, uint32_t a, uint32_t b)
{
    const px_node *one = node_at(world, a), *other = node_at(world, b);
    return one && other && one->members[b].is_linked && other->members[a].is_linked;
}

static inline sim_writer *writer_of(const sim_world *world, uint32_t place)
{
    return &world->checks->writers[world->nodes[place]->app.intakes[0].writer];
}

static inline bool all_told(const sim_world *world, uint32_t place)
{
    const sim_writer *writer = writer_of(world, place);
    return writer->acknowledged == writer->pushed;
}

static inline uint64_t configuration_of(const sim_world *world, uint32_t place)
{
    return node_at(world, place) ? core_at(world, place)->voters.current.number : 0;
}

static inline bool votes_in(const sim_world *world, uint32_t place, uint64_t configuration)
{
    return node_at(world, place) && core_at(world, place)->is_voting &&
           configuration_of(world, place) >= configuration;
}

/* ---- doing ---- */

static inline void push(sim_world *world, uint32_t place, uint64_t count)
{
    sim_app_push(&world->nodes[place]->app, count);
}

static inline void ask_barrier(sim_world *world, uint32_t place)
{
    sim_app_ask(&world->nodes[place]->app);
}

static inline void hold(sim_world *world, uint32_t from, uint32_t to, px_message_kind kind)
{
    sim_net_rule(world->net, (sim_rule){from, to, PX_WIRE_CORE, kind, SIM_HOLD});
}

static inline void hold_wire(sim_world *world, uint32_t from, uint32_t to, px_wire_kind kind)
{
    sim_net_rule(world->net, (sim_rule){from, to, kind, 0, SIM_HOLD});
}

static inline void drop(sim_world *world, uint32_t from, uint32_t to, px_message_kind kind)
{
    sim_net_rule(world->net, (sim_rule){from, to, kind ? PX_WIRE_CORE : PX_WIRE_UNKNOWN, kind, SIM_DROP});
}

static inline void drop_wire(sim_world *world, uint32_t from, uint32_t to, px_wire_kind kind)
{
    sim_net_rule(world->net, (sim_rule){from, to, kind, 0, SIM_DROP});
}

/* Nothing passes between the two sides. */
static inline void part(sim_world *world, uint32_t side, uint32_t other)
{
    drop(world, side, other, 0);
    drop(world, other, side, 0);
}

static inline void clear(sim_world *world)
{
    sim_net_clear_rules(world->net);
}

static inline void hand_over(sim_world *world, uint32_t from, uint32_t to)
{
    if (!sim_node_enter(world, from)) return;
    px_node_hand_over(world->nodes[from]->node, to);
    sim_node_leave(world, from);
}

/* Its process is killed, and both copies of its small state rot; the log is whole. [R16] */
static inline void lose_state(sim_world *world, uint32_t place)
{
    sim_disk *disk = &world->nodes[place]->disk;
    sim_node_crash(world, place, true);
    const bool is_lost = sim_disk_rot(disk, "state-a", 40, 1) && sim_disk_rot(disk, "state-b", 50, 2);
    sim_check(world, is_lost, "scenario", "there is no small state to lose");
    sim_check_state_lost(world, place);
    world->nodes[place]->app.reader.next = 1;
}

static inline void make_leader(sim_world *world, uint32_t place)
{
    const uint32_t members = (1u << world->options.node_count) - 1;
    for (unsigned attempt = 0; attempt < 10 && !leads(world, place); attempt++) {
        until(world, sim_liveness_leader(world, members) < PX_MEMBERS_MAX);
        hand_over(world, sim_liveness_leader(world, members), place);
        wait_ms(world, 50);
    }
    until(world, sim_liveness_leader(world, members) == place);
    wait_ms(world, 500); /* rounds enough for all to be served by it */
}

#endif
