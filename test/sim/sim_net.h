/* sim_net.h - connections between the nodes of a world, and everything that befalls them.
 *
 * Meaning    For each ordered pair of nodes there is a dialler and a path. A path has a delay, a rate and
 *            may be cut, one way alone too. Two modes. As *streams*, what QUIC gives: bytes of a connection
 *            come whole and in order or its end breaks; a cut path holds them back, and breaks the
 *            connection when it lasts. As *datagrams*, harsher than px will ever see and still allowed,
 *            since no rule relies on the order in which messages arrive: whole messages are lost, doubled
 *            and overtaken, connections stay up. Both sides notice an end each at its own time; bytes of an
 *            old connection may come after a new one is up. Back-off, and the dialling back of whoever is
 *            dialled, are as in quic/.
 * Holds      Events are called between sim_node_enter and sim_node_leave, never from inside a node's call.
 * Source     port/net.h, protocol.md [R8]. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_TEST_SIM_SIM_NET_H
#define PX_TEST_SIM_SIM_NET_H

#include "codec/wire.h"
#include "port/net.h"
#include "sim/world.h"

/* The way from one node to another. */
typedef struct {
    uint64_t delay_us, jitter_us;
    uint64_t bytes_per_ms;
    bool is_cut;
    uint64_t cut_us; /* when it was cut last */
    uint64_t passed; /* bytes let through since its way back was cut: a sender's window without acks */
    uint64_t loss, doubling, late; /* per million messages, in datagram mode */
} sim_path;

sim_net *sim_net_make(sim_world *world, bool is_datagram);
void sim_net_free(sim_net *net);

px_net *sim_net_port(sim_net *net, uint32_t place);

/* The node is there: its diallers begin. */
void sim_net_start(sim_net *net, uint32_t place, px_net_events *events);
/* It is gone: its connections end, which the others notice in their own time. */
void sim_net_crash(sim_net *net, uint32_t place);

/* It has stopped for the `pause`-th time: if that lasts, its connections end. */
void sim_net_pause(sim_net *net, uint32_t place, uint64_t pause);

sim_path *sim_net_path(sim_net *net, uint32_t from, uint32_t to);
/* Cuts or mends one direction. */
void sim_net_cut(sim_net *net, uint32_t from, uint32_t to, bool is_cut);
/* What was said on the connection before comes again, as on a connection that is late. False where there was
 * none, or nobody hears. */
bool sim_net_replay(sim_net *net, uint32_t from, uint32_t to);
/* Ends the connection that `from` dialled, with what is queued and some of what is under way. False where
 * there is none. */
bool sim_net_break(sim_net *net, uint32_t from, uint32_t to);
/* Breaks every connection on which a message is under way for longer than an idle time: it went off when
 * the way was slow, and what follows would wait for it on a way that is fast again. */
void sim_net_break_slow(sim_net *net);
/* When the last message arrives that is under way now on any connection that is up. */
uint64_t sim_net_arrived_us(const sim_net *net);
/* The next connection that `from` dials comes so much later at `to`, with its hello, and is given up before.
 * [R8] */
void sim_net_make_late(sim_net *net, uint32_t from, uint32_t to, uint64_t late_us);
/* True where both nodes know of a connection each way. */
bool sim_net_is_whole(const sim_net *net);

/* ---- what scenarios do to single messages; a hello always passes ---- */
typedef enum { SIM_PASS, SIM_HOLD, SIM_DROP } sim_verdict;
/* Fits messages of one kind between these nodes (masks). The first rule that fits decides. */
typedef struct {
    uint32_t from, to;
    px_wire_kind wire;    /* PX_WIRE_UNKNOWN: any */
    px_message_kind core; /* of PX_WIRE_CORE; 0: any */
    sim_verdict verdict;
} sim_rule;
void sim_net_rule(sim_net *net, sim_rule rule);
void sim_net_clear_rules(sim_net *net);
/* How many messages are held between these nodes (masks), of that kind as in a rule. */
uint32_t sim_net_held(const sim_net *net, uint32_t from, uint32_t to, px_wire_kind wire,
                      px_message_kind core);
/* Lets what is held go on its way, the oldest first. */
void sim_net_release(sim_net *net, uint32_t from, uint32_t to);

#endif
