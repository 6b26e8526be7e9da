/* links.c - a link to each other member: one connection out, one in, and what hello says of them.
 *
 * Meaning    A link counts as up when the connection that this node dialled is up and the one that the other
 *            dialled has said a hello that fits: same members, same
 *            limits, same cluster, the name of its certificate. Only then does this node know whom its
 *            messages are for [R8]. Of two incoming
 *            connections of one run of a member the one of the higher number wins; another storage id or a
 *            later start replaces the link.
 * Holds      members[m].in has said hello; is_linked == (out_up && in).
 * Source     spec.md §8; protocol.md [R8, R18]. */
// SPDX-License-Identifier: Apache-2.0
#include "base/assert.h"
#include "node/memory.h"
#include "node/node_priv.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_SPACE_BYTES 65536u
/* A hello is short: before it no more than this is taken of anybody. */
#define HELLO_BYTES_MAX 16384u
#define PING_US 1000000u
/* A disagreement that lasts is said again after this long. */
#define COMPLAIN_US 10000000u

static px_node *node_of(px_net_events *events)
{
    return (px_node *)((char *)events - offsetof(px_node, net_events));
}

/* ---- up and down ---- */

static void set_linked(px_node *node, uint32_t place)
{
    px_member *member = &node->members[place];
    const bool is_linked = member->out_up && member->in;
    if (is_linked == member->is_linked) return;
    member->is_linked = is_linked;
    if (!is_linked) member->has_rtt = false;
    px_log_event(node->ports.log, PX_LOG_INFO, "link: %s is %s", member->name, is_linked ? "up" : "down");
    px_input input = {.kind = PX_IN_LINK, .link = {place, is_linked, member->incarnation.storage_id}};
    px_shell_step(node, &input);
    px_roster_on_news(node);
}

static void send_hello(px_node *node, uint32_t place)
{
    px_wire wire = {.kind = PX_WIRE_HELLO};
    px_wire_hello *hello = &wire.hello;
    char hex[33];
    hello->major = PX_PROTOCOL_MAJOR;
    hello->minor = PX_PROTOCOL_MINOR;
    hello->id = (px_bytes){(const uint8_t *)node->config.id, strlen(node->config.id)};
    hello->incarnation = (px_incarnation){node->state.storage_id, node->run};
    hello->connection = ++node->connections_dialled;
    hello->message_bytes_max = node->config.message_bytes_max;
    hello->cluster_id = (px_bytes){(const uint8_t *)hex, px_roster_cluster_hex(node, hex)};
    hello->roster = (px_roster_state)node->state.roster_state;
    hello->member_count = node->member_count;
    px_roster_fill(node, hello->members);
    px_recollection_put(node, place, hello);
    (void)px_shell_send(node, 1u << place, PX_LANE_CONTROL, &wire);
}

static void on_up(px_net_events *events, uint32_t place)
{
    px_node *node = node_of(events);
    node->members[place].out_up = true;
    send_hello(node, place);
    set_linked(node, place);
}

static void on_down(px_net_events *events, uint32_t place, const char *reason)
{
    px_node *node = node_of(events);
    px_log_event(node->ports.log, PX_LOG_DEBUG, "link: connection to %s ended: %s", node->members[place].name,
                 reason);
    node->members[place].out_up = false;
    set_linked(node, place);
}

/* Dials a member anew, since another of its runs than the one at the other end may be there. */
static void redial(px_node *node, uint32_t place, const char *reason)
{
    px_member *member = &node->members[place];
    if (!member->out_up) return;
    member->out_up = false;
    node->ports.net->redial(node->ports.net, place, true, reason);
    set_linked(node, place);
}

void px_links_say_hello_again(px_node *node)
{
    for (uint32_t place = 0; place < node->member_count; place++) {
        /* nothing more goes out under the former id */
        if (place != node->self) redial(node, place, "this node has another storage id now");
    }
}

/* ---- incoming connections ---- */

static void free_incoming(px_incoming *incoming)
{
    free(incoming->space);
    free(incoming);
}

/* Takes it out of the list, and out of its member's link. */
static void forget_incoming(px_node *node, px_incoming *incoming)
{
    px_incoming **at = &node->incoming;
    while (*at != incoming) at = &(*at)->next;
    *at = incoming->next;
    px_member *member = &node->members[incoming->member];
    const bool was_link = member->in == incoming;
    if (was_link) member->in = NULL;
    const uint32_t place = incoming->member;
    free_incoming(incoming);
    if (was_link) set_linked(node, place);
}

static void close_incoming(px_node *node, px_incoming *incoming, const char *reason)
{
    node->ports.net->close_incoming(node->ports.net, incoming->connection, reason);
    forget_incoming(node, incoming);
}

static px_incoming *find_incoming(px_node *node, uint64_t connection)
{
    for (px_incoming *incoming = node->incoming; incoming; incoming = incoming->next)
        if (incoming->connection == connection) return incoming;
    return NULL;
}

static void on_incoming(px_net_events *events, uint64_t connection, uint32_t place)
{
    px_node *node = node_of(events);
    /* One that has not said hello makes way for a newer one: a member holds at most two. */
    for (px_incoming *old = node->incoming, *next; old; old = next) {
        next = old->next;
        if (old->member == place && !old->has_hello)
            close_incoming(node, old, "a newer connection came before the hello of this one");
    }
    px_incoming *incoming = px_memory_zeroed(sizeof *incoming);
    incoming->connection = connection;
    incoming->member = place;
    incoming->space = px_memory_resize(NULL, FIRST_SPACE_BYTES);
    px_message_parser_init(&incoming->parser, incoming->space, FIRST_SPACE_BYTES, HELLO_BYTES_MAX);
    incoming->next = node->incoming;
    node->incoming = incoming;
}

static void on_incoming_closed(px_net_events *events, uint64_t connection, const char *reason)
{
    px_node *node = node_of(events);
    px_incoming *incoming = find_incoming(node, connection);
    if (!incoming) return;
    px_log_event(node->ports.log, PX_LOG_DEBUG, "link: connection from %s ended: %s",
                 node->members[incoming->member].name, reason);
    forget_incoming(node, incoming);
}

/* ---- hello ---- */

static bool same_text(px_bytes bytes, const char *text)
{
    return bytes.size_bytes == strlen(text) && memcmp(bytes.data, text, bytes.size_bytes) == 0;
}

static bool has_same_members(const px_node *node, const px_wire_hello *hello)
{
    if (hello->member_count != node->member_count) return false;
    for (uint32_t i = 0; i < hello->member_count; i++)
        if (!same_text(hello->members[i].name, node->members[i].name)) return false;
    return true;
}

/* Why this hello cannot be taken, in words for both sides; NULL where it can. */
static const char *refuse_hello(const px_node *node, uint32_t place, const px_wire_hello *hello, char *words,
                                size_t size_bytes)
{
    const px_member *member = &node->members[place];
    char hex[33];
    const size_t hex_bytes = px_roster_cluster_hex(node, hex);
    if (hello->major != PX_PROTOCOL_MAJOR) {
        (void)snprintf(words, size_bytes, "protocol version %u is not spoken here, only %u", hello->major,
                       (unsigned)PX_PROTOCOL_MAJOR);
    } else if (!same_text(hello->id, member->name)) {
        (void)snprintf(words, size_bytes, "the hello says another name than the certificate of %s",
                       member->name);
    } else if (!has_same_members(node, hello)) {
        (void)snprintf(
            words, size_bytes,
            "%s is configured with other members than %s: make `servers` name the same nodes everywhere",
            member->name, node->config.id);
    } else if (hello->message_bytes_max != node->config.message_bytes_max) {
        (void)snprintf(words, size_bytes,
                       "max_message_bytes is %u at %s and %u at %s: make it the same on every node",
                       hello->message_bytes_max, member->name, node->config.message_bytes_max,
                       node->config.id);
    } else if (hex_bytes && hello->cluster_id.size_bytes && node->state.roster_state == PX_ROSTER_COMPLETE &&
               hello->roster == PX_ROSTER_COMPLETE && memcmp(hello->cluster_id.data, hex, hex_bytes) != 0) {
        (void)
            snprintf(words, size_bytes,
                     "%s is of cluster %.8s, %s of cluster %.8s: one has the data folder of another cluster",
                     member->name, (const char *)hello->cluster_id.data, node->config.id, hex);
    } else {
        return NULL;
    }
    return words;
}

/* Is this hello of an older connection than the one in use? [R8] */
static bool is_superseded(const px_member *member, const px_wire_hello *hello)
{
    if (PX_MUTANT("r8_older_connection_wins")) return false;
    /* A run whose disk counts as another one since may still have a hello on its way. */
    const bool is_former = member->former.storage_id == hello->incarnation.storage_id &&
                           member->former.run == hello->incarnation.run;
    if (is_former && hello->connection <= member->former_connection && !PX_MUTANT("r8_former_disk_wins"))
        return true;
    if (member->incarnation.storage_id != hello->incarnation.storage_id) return false;
    /* A disk that was rolled back starts lower than before, and must be able to say hello. */
    if (hello->incarnation.run != member->incarnation.run)
        return member->in && hello->incarnation.run < member->incarnation.run;
    return hello->connection < member->connection;
}

static void refuse_incoming(px_node *node, px_incoming *incoming, const char *reason)
{
    px_member *member = &node->members[incoming->member];
    const uint64_t now_us = px_node_now_us(node);
    if (member->complained_us == 0 || now_us - member->complained_us > COMPLAIN_US) {
        member->complained_us = now_us;
        px_log_event(node->ports.log, PX_LOG_ERROR, "link: refused %s: %s", member->name, reason);
    }
    close_incoming(node, incoming, reason);
}

/* A certificate may bear several members' names: the hello says which of them speaks. */
static void take_name(const px_node *node, px_incoming *incoming, const px_wire_hello *hello)
{
    px_net *net = node->ports.net;
    for (uint32_t place = 0; place < node->member_count; place++) {
        if (place == node->self || place == incoming->member || !net->bears) continue;
        if (!same_text(hello->id, node->members[place].name)) continue;
        if (net->bears(net, incoming->connection, place)) incoming->member = place;
    }
}

/* A hello of an earlier run may have been on its way for long; or the disk was rolled back, and then it is to
 * hear what is remembered of it, though the connection of the later run still counts. Dialling anew finds who
 * is there; once, since two that have copies of one folder would never end. [R8, R19] */
static void doubt_run(px_node *node, uint32_t place, const px_wire_hello *hello)
{
    px_member *member = &node->members[place];
    const bool is_same_disk = hello->incarnation.storage_id == member->incarnation.storage_id;
    if (!is_same_disk || hello->incarnation.run >= member->incarnation.run || member->is_doubted) return;
    if (PX_MUTANT("r19_hello_comes_late")) return;
    member->is_doubted = true;
    redial(node, place, "an earlier run of the member has come");
}

/* The run before, or its disk, is gone. What this node dialled to it leads nowhere, and the new run is to
 * hear at once what is remembered of its disk: before it votes. [R19] */
static void forget_run(px_node *node, uint32_t place, bool is_new_disk)
{
    px_member *member = &node->members[place];
    const bool has_former = member->former.storage_id && !PX_MUTANT("r19_hello_comes_late");
    if (is_new_disk || has_former) redial(node, place, "the member came back");
    member->is_doubted = false;
    if (!member->is_linked && !is_new_disk) return;
    /* The core forgets what it heard of the former run: a link that comes back starts afresh. */
    member->is_linked = false;
    px_input input = {.kind = PX_IN_LINK, .link = {place, false, member->incarnation.storage_id}};
    px_shell_step(node, &input);
}

/* False where the connection is closed now. */
static bool take_hello(px_node *node, px_incoming *incoming, const px_wire_hello *hello)
{
    take_name(node, incoming, hello);
    px_member *member = &node->members[incoming->member];
    char words[512];
    const char *reason = refuse_hello(node, incoming->member, hello, words, sizeof words);
    if (reason) {
        refuse_incoming(node, incoming, reason);
        return false;
    }
    if (member->in && member->incarnation.storage_id != hello->incarnation.storage_id &&
        px_core_is_dead(node->core, hello->incarnation.storage_id)) {
        refuse_incoming(node, incoming, "the cluster has replaced this disk by another, which is here");
        return false;
    }
    if (is_superseded(member, hello)) {
        doubt_run(node, incoming->member, hello);
        close_incoming(node, incoming, "a newer connection of this node is in use");
        return false;
    }
    if (member->in) close_incoming(node, member->in, "a newer connection of this node has come");
    const px_incarnation before = member->incarnation;
    const bool is_new_disk = before.storage_id && before.storage_id != hello->incarnation.storage_id;
    const bool is_new_run = is_new_disk || before.run != hello->incarnation.run;
    if (is_new_run) {
        member->former = before;
        member->former_connection = member->connection;
    }
    incoming->has_hello = true;
    incoming->parser.line_bytes_max = px_wire_line_bytes_max(node->config.message_bytes_max);
    member->in = incoming;
    member->incarnation = hello->incarnation;
    member->connection = hello->connection;
    if (is_new_run) forget_run(node, incoming->member, is_new_disk);
    px_recollection_on_hello(node, incoming->member, hello);
    px_roster_on_message(node, incoming->member, hello->roster, hello->cluster_id, hello->member_count,
                         hello->members);
    set_linked(node, incoming->member);
    return true;
}

/* ---- messages ---- */

/* A message that breaks the protocol costs its sender the connection. [§7] */
static bool closes_violator(px_node *node, uint64_t connection)
{
    if (node->violations_seen == node->view.violations) return false;
    node->violations_seen = node->view.violations;
    px_incoming *incoming = find_incoming(node, connection);
    if (!incoming || incoming->member != node->view.violator) return false;
    refuse_incoming(node, incoming, node->view.violation);
    return true;
}

/* False where the connection is closed now. */
static bool take_line(px_node *node, px_incoming *incoming, uint8_t *line, size_t size_bytes)
{
    px_wire wire;
    const char *fault = NULL;
    const px_wire_entries entries = {node->entry_space, PX_WINDOW_SLOTS};
    node->counters.json_received++;
    if (px_wire_decode(line, size_bytes, node->config.message_bytes_max, &entries, &wire, &fault)) {
        refuse_incoming(node, incoming, fault);
        return false;
    }
    if (wire.kind == PX_WIRE_HELLO) {
        if (!incoming->has_hello) return take_hello(node, incoming, &wire.hello);
        refuse_incoming(node, incoming, "a second hello on one connection");
        return false;
    }
    if (!incoming->has_hello) {
        refuse_incoming(node, incoming, "the first message is not a hello");
        return false;
    }
    const bool is_meant = wire.to.storage_id == node->state.storage_id && wire.to.run == node->run;
    if (!is_meant && !PX_MUTANT("r8_another_runs_messages_count")) return true;
    const uint64_t connection = incoming->connection;
    px_dispatch(node, incoming->member, &wire);
    return !closes_violator(node, connection);
}

static void grow_space(px_incoming *incoming)
{
    const size_t needs = px_message_parser_needs(&incoming->parser);
    incoming->space = px_memory_resize(incoming->space, needs);
    incoming->parser.space = incoming->space;
    incoming->parser.space_bytes = needs;
}

static void on_bytes(px_net_events *events, uint64_t connection, uint8_t *bytes, size_t size_bytes)
{
    px_node *node = node_of(events);
    px_incoming *incoming = find_incoming(node, connection);
    if (!incoming) return;
    px_message_parser_feed(&incoming->parser, bytes, size_bytes);
    for (;;) {
        uint8_t *line = NULL;
        size_t line_bytes = 0;
        const px_err err = px_message_parser_next(&incoming->parser, &line, &line_bytes);
        if (err == PX_ERR_MORE) return;
        if (err == PX_ERR_NO_SPACE) {
            grow_space(incoming);
        } else if (err) {
            refuse_incoming(node, incoming,
                            "a message is longer than any that a node of this configuration sends");
            return;
        } else {
            if (!take_line(node, incoming, line, line_bytes)) return;
            incoming = find_incoming(node, connection); /* a message may have closed it */
            if (!incoming) return;
        }
    }
}

/* ---- the round trip ---- */

static void on_ping_timer(px_timer *timer)
{
    px_node *node = (px_node *)((char *)timer - offsetof(px_node, ping_timer));
    px_links_ping(node);
}

void px_links_ping(px_node *node)
{
    const uint64_t now_us = px_node_now_us(node);
    for (uint32_t place = 0; place < node->member_count; place++) {
        px_member *member = &node->members[place];
        if (!member->is_linked) continue;
        const px_wire wire = {.kind = PX_WIRE_PING, .ping = {++member->ping_number}};
        member->ping_sent_us = now_us;
        (void)px_shell_send(node, 1u << place, PX_LANE_CONTROL, &wire);
    }
    px_timers_start(node->ports.clock->timers, &node->ping_timer, now_us + PING_US);
}

bool px_links_is_voter(const px_node *node, uint32_t place)
{
    return node->view.voters_mask >> place & 1;
}

void px_links_init(px_node *node)
{
    node->net_events = (px_net_events){on_up, on_down, on_incoming, on_bytes, on_incoming_closed};
    node->ping_timer.on_fire = on_ping_timer;
    px_timers_start(node->ports.clock->timers, &node->ping_timer, px_node_now_us(node) + PING_US / 10);
}

void px_links_deinit(px_node *node)
{
    px_timers_stop(node->ports.clock->timers, &node->ping_timer);
    while (node->incoming) {
        px_incoming *incoming = node->incoming;
        node->incoming = incoming->next;
        free_incoming(incoming);
    }
}
