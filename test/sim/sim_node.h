/* sim_node.h - one px node and the machine under it: it starts, turns, pauses, crashes and starts again.
 *
 * Meaning    The node is the one that px runs, linked from the same objects; clock, disk, net and
 *            applications are this folder's. What happens to it comes between sim_node_enter and
 *            sim_node_leave; the turn follows a little later, as in a loop that drains its devices first.
 *            While it is paused (SIGSTOP) what happens to it waits in its backlog, in order.
 * Holds      Its disk and its clock outlive a crash, nothing else does. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_TEST_SIM_SIM_NODE_H
#define PX_TEST_SIM_SIM_NODE_H

#include "codec/wire.h"
#include "node/node.h"
#include "sim/sim_app.h"
#include "sim/sim_clock.h"
#include "sim/sim_disk.h"
#include "sim/traps.h"
#include "sim/world.h"

#define SIM_NAME_BYTES 16u
#define SIM_MESSAGE_BYTES_MAX (64u << 10)

/* The connection that a node took last of a member. */
typedef struct {
    px_incarnation incarnation;
    uint64_t connection;
} sim_link;

struct sim_node {
    sim_world *world;
    uint32_t place;
    char name[SIM_NAME_BYTES];
    px_node *node; /* NULL while it is down */
    uint64_t run;  /* raised at each start */
    sim_clock clock;
    sim_disk disk;
    sim_app app;
    px_log log;
    px_node_config config;
    bool is_dying;   /* it said that it cannot go on: ends when the call returns */
    bool is_inside;  /* a call into it is under way */
    bool is_refused; /* its log could not be opened: stays down */
    bool is_paused;
    bool is_turn_due;
    uint64_t timer_us;     /* when the event for its next timer comes; UINT64_MAX: none */
    uint64_t turn_most_us; /* how long a turn may let wait for it */
    uint64_t pauses, rests, check_due;
    uint64_t role_seen, ballot_seen;
    sim_link links[PX_MEMBERS_MAX];
    sim_trap trap;
    sim_event *backlog;
    size_t backlog_count, backlog_capacity;
};

/* Makes the machines of a world, all down. Names sort as places do. */
void sim_nodes_make(sim_world *world);
void sim_nodes_free(sim_world *world);

/* Opens the node over what its disk holds. */
void sim_node_start(sim_world *world, uint32_t place);
/* kill -9 where the power is kept, else the power fails: what was not synced may be lost. */
void sim_node_crash(sim_world *world, uint32_t place, bool keeps_power);
/* As SIGTERM ends: what pipes handed over is chosen, or kept on its disk for the next start. False where that
 * failed, and it ended as after a kill. */
bool sim_node_stop(sim_world *world, uint32_t place);
void sim_node_pause(sim_world *world, uint32_t place);
void sim_node_resume(sim_world *world, uint32_t place);

bool sim_node_is_up(const sim_world *world, uint32_t place);

/* True where the event that is happening has to wait for this node to go on: it will happen again then. */
bool sim_node_defers(sim_world *world, uint32_t place);

/* Around every call into the node. False where it is down: then there is nothing to leave. */
bool sim_node_enter(sim_world *world, uint32_t place);
void sim_node_leave(sim_world *world, uint32_t place);

#endif
