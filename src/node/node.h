/* node.h - the conductor: inputs to the core, effects to disk, peers and applications.
 *
 * Meaning    One node over its ports. It owns no thread, socket, file or clock; os/, quic/ and local/ drive
 *            it in production, test/support/ in
 *            the simulator, the same objects in both. A turn: the ports call the node, px_node_turn carries
 *            out what came of it.
 * Source     style.md's contract of the shell is in paxos/core.h. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_NODE_NODE_H
#define PX_NODE_NODE_H

#include "port/app.h"
#include "port/clock.h"
#include "port/disk.h"
#include "port/log.h"
#include "port/net.h"
#include "wal/wal.h"

typedef struct px_node px_node;

typedef struct {
    const char *id; /* own name */
    uint32_t server_count;
    const char *servers[PX_MEMBERS_MAX];   /* names of the others, in the order of the configuration */
    const char *addresses[PX_MEMBERS_MAX]; /* for status: own at [server_count] */
    uint64_t heartbeat_us;
    uint32_t message_bytes_max;
    uint64_t segment_bytes; /* 0: the default */
    uint64_t seed;          /* all chance of the node */
    uint32_t sessions_max;  /* that the log remembers, the same everywhere; 0: the default */
} px_node_config;

typedef struct {
    px_disk *disk;
    px_net *net; /* member numbers are places in the sorted list of all names: px_node_place */
    px_clock *clock;
    px_log *log;
    void *fatal_context;
    void (*fatal)(void *context,
                  const char *what); /* the node cannot go on; does not return in production [R17] */
} px_node_ports;

/* Place of `name` among all names of the configuration, sorted: a member's number everywhere. PX_MEMBERS_MAX
 * where it is none of them. */
uint32_t px_node_place(const px_node_config *config, const char *name);

/* Opens the log and makes the node. It acts from the first px_node_turn on. *node only on PX_OK. */
PX_MUST_USE px_err px_node_open(const px_node_config *config, const px_node_ports *ports, px_node **node,
                                px_wal_fault *fault);
/* Frees everything; what was not durable is lost, as in a crash. */
void px_node_close(px_node *node);

/* Gives the node its net, where px_node_open got none (the net wants the node's events first). */
void px_node_connect(px_node *node, px_net *net);

/* Where the net reports to, and where applications ask. */
px_net_events *px_node_net_events(px_node *node);
px_app *px_node_app(px_node *node);

/* Ends a turn of the loop: steps the core with what gathered, stages and flushes the log, sends, delivers.
 * Call after every batch of port
 * events and timer firings; the node also asks for one through its ports where it needs it. */
void px_node_turn(px_node *node);

/* Hands leadership over and calls `done` when it is given up or there is nobody to take it. [R14] */
void px_node_hand_over(px_node *node, uint32_t member);

/* Is everything that was pushed chosen? */
bool px_node_is_drained(const px_node *node);

/* At a clean stop, when local takes nothing more: what pipes handed over and is not chosen goes to disk, to
 * be sent by the next start. The node does not turn again. [R12] */
PX_MUST_USE px_err px_node_keep(px_node *node);

/* Has this node given up leading, or was it never? */
bool px_node_is_handed_over(const px_node *node);

/* Does it know a leader now, be it this node? */
bool px_node_has_leader(const px_node *node);

/* Has it said `ready`: did it ever know a leader? */
bool px_node_is_ready(const px_node *node);

/* Every invariant of core and shell, or px_assert: after each event in tests. */
void px_node_check(const px_node *node);

#endif
