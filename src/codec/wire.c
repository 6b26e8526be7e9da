/* wire.c - which fields each message has.
 *
 * Meaning    The tables that wire_priv.h describes; docs/wire-format.md is their text. Fields are written in
 *            this order and may be read in any. */
// SPDX-License-Identifier: Apache-2.0
#include "codec/wire.h"

#include "codec/wire_priv.h"

#define FIELD(field_name, field_value, member)                                            \
    {                                                                                     \
        .name = (field_name), .value = (field_value), .offset = offsetof(px_wire, member) \
    }
#define RECORD(field_name, member, of)                                                                       \
    {                                                                                                        \
        .name = (field_name), .value = PX_VALUE_RECORD, .offset = offsetof(px_wire, member), .record = &(of) \
    }
#define MEMBERS(struct_name)                                                                                 \
    {                                                                                                        \
        .name = "members", .value = PX_VALUE_MEMBERS, .offset = offsetof(px_wire, struct_name.member_count), \
        .items_offset = offsetof(px_wire, struct_name.members)                                               \
    }
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define ALL(array)                               \
    {                                            \
        .count = COUNT(array), .fields = (array) \
    }

const char *const px_wire_roster_names[PX_ROSTER_STATES] = {
    [PX_ROSTER_NONE] = "none", [PX_ROSTER_WRITTEN] = "written", [PX_ROSTER_COMPLETE] = "complete"};
const char *const px_wire_disk_names[PX_DISK_HEALTHS] = {
    [PX_DISK_WELL] = "well", [PX_DISK_OVERDUE] = "overdue", [PX_DISK_FULL] = "full"};
const char *const px_wire_entry_names[PX_ENTRY_KINDS] = {[PX_ENTRY_BATCH - PX_ENTRY_BATCH] = "batch",
                                                         [PX_ENTRY_OPEN - PX_ENTRY_BATCH] = "open",
                                                         [PX_ENTRY_CONFIG - PX_ENTRY_BATCH] = "config"};

/* ---- objects inside messages ---- */

static const px_wire_field state_fields[] = {
    {.name = "promised", .value = PX_VALUE_BALLOT, .offset = offsetof(px_node_state, promised)},
    {.name = "accepted", .value = PX_VALUE_BALLOT, .offset = offsetof(px_node_state, accepted)},
    {.name = "cuts", .value = PX_VALUE_NUMBER, .offset = offsetof(px_node_state, cuts)},
    {.name = "durable", .value = PX_VALUE_NUMBER, .offset = offsetof(px_node_state, durable)},
    {.name = "taken", .value = PX_VALUE_NUMBER, .offset = offsetof(px_node_state, taken)},
    {.name = "chosen", .value = PX_VALUE_NUMBER, .offset = offsetof(px_node_state, chosen)},
    {.name = "chain", .value = PX_VALUE_HASH, .offset = offsetof(px_node_state, chosen_chain)},
    {.name = "claimed",
     .value = PX_VALUE_NUMBER,
     .offset = offsetof(px_node_state, claimed),
     .is_optional = true},
    {.name = "quiet",
     .value = PX_VALUE_FLAG,
     .offset = offsetof(px_node_state, is_quiet),
     .is_optional = true},
};
static const px_wire_record state_record = ALL(state_fields);

static const px_wire_field entry_fields[] = {
    {.name = "slot", .value = PX_VALUE_NUMBER, .offset = offsetof(px_entry, slot)},
    {.name = "kind", .value = PX_VALUE_ENTRY_KIND, .offset = offsetof(px_entry, kind)},
    {.name = "count", .value = PX_VALUE_U32, .offset = offsetof(px_entry, message_count)},
    {.name = "index", .value = PX_VALUE_NUMBER, .offset = offsetof(px_entry, index_first)},
    {.name = "time", .value = PX_VALUE_NUMBER, .offset = offsetof(px_entry, stamp_ms)},
    {.name = "body", .value = PX_VALUE_BODY, .offset = offsetof(px_entry, body)},
};
const px_wire_record px_wire_entry_record = ALL(entry_fields);

static const px_wire_field member_fields[] = {
    {.name = "id", .value = PX_VALUE_NAME, .offset = offsetof(px_wire_member, name)},
    {.name = "storage", .value = PX_VALUE_STORAGE, .offset = offsetof(px_wire_member, storage_id)},
};
const px_wire_record px_wire_member_record = ALL(member_fields);

static const px_wire_field remembered_fields[] = {
    {.name = "storage", .value = PX_VALUE_STORAGE, .offset = offsetof(px_wire_hello, remembered_storage_id)},
    {.name = "promised", .value = PX_VALUE_BALLOT, .offset = offsetof(px_wire_hello, remembered_promised)},
    {.name = "accepted", .value = PX_VALUE_BALLOT, .offset = offsetof(px_wire_hello, remembered_accepted)},
    {.name = "cuts", .value = PX_VALUE_NUMBER, .offset = offsetof(px_wire_hello, remembered_cuts)},
    {.name = "length", .value = PX_VALUE_NUMBER, .offset = offsetof(px_wire_hello, remembered_length)},
};
static const px_wire_record remembered_record = ALL(remembered_fields);

/* ---- what cores say to one another; the order is that of px_message_kind ---- */

#define BALLOT FIELD("ballot", PX_VALUE_BALLOT, core.ballot)
#define STATE RECORD("state", core.state, state_record)
#define CHOSEN FIELD("chosen", PX_VALUE_NUMBER, core.state.chosen)
#define PROBE FIELD("probe", PX_VALUE_NUMBER, core.probe)
#define ROUND FIELD("round", PX_VALUE_NUMBER, core.round)
#define LOG                                                        \
    FIELD("after", PX_VALUE_NUMBER, core.log.after),               \
        FIELD("after_chain", PX_VALUE_HASH, core.log.after_chain), \
        FIELD("slots", PX_VALUE_ENTRIES, core.log)

static const px_wire_field heartbeat_fields[] = {ROUND, STATE};
static const px_wire_field heard_fields[] = {
    ROUND,
    FIELD("served", PX_VALUE_FLAG, core.served),
    FIELD("leads", PX_VALUE_BALLOT, core.leads),
    FIELD("follows", PX_VALUE_BALLOT, core.follows),
    {.name = "above", .value = PX_VALUE_NUMBER, .offset = offsetof(px_wire, core.above), .is_optional = true},
    FIELD("disk", PX_VALUE_DISK, core.disk),
    STATE,
};
static const px_wire_field voting_fields[] = {BALLOT, STATE};
static const px_wire_field piece_fields[] = {LOG};
static const px_wire_field mended_fields[] = {BALLOT, LOG};
static const px_wire_field log_fields[] = {BALLOT, STATE, LOG};
static const px_wire_field accept_fields[] = {BALLOT, CHOSEN, LOG};
static const px_wire_field chosen_fields[] = {BALLOT, CHOSEN};
static const px_wire_field probe_fields[] = {BALLOT, PROBE};
static const px_wire_field probed_fields[] = {BALLOT, PROBE, STATE};
static const px_wire_field take_over_fields[] = {BALLOT};

/* ---- what nodes say to one another ---- */

static const px_wire_field hello_fields[] = {
    FIELD("major", PX_VALUE_U32, hello.major),
    FIELD("minor", PX_VALUE_U32, hello.minor),
    FIELD("id", PX_VALUE_NAME, hello.id),
    FIELD("storage", PX_VALUE_STORAGE, hello.incarnation.storage_id),
    FIELD("start", PX_VALUE_NUMBER, hello.incarnation.run),
    FIELD("connection", PX_VALUE_NUMBER, hello.connection),
    FIELD("max_message_bytes", PX_VALUE_U32, hello.message_bytes_max),
    FIELD("cluster", PX_VALUE_CLUSTER, hello.cluster_id),
    FIELD("roster", PX_VALUE_ROSTER, hello.roster),
    MEMBERS(hello),
    RECORD("remembered", hello, remembered_record),
};
static const px_wire_field ping_fields[] = {FIELD("number", PX_VALUE_NUMBER, ping.number)};
static const px_wire_field pong_fields[] = {FIELD("number", PX_VALUE_NUMBER, pong.number)};
static const px_wire_field forward_fields[] = {
    FIELD("ballot", PX_VALUE_BALLOT, forward.ballot),
    FIELD("origin", PX_VALUE_MEMBER, forward.origin),
    FIELD("relay", PX_VALUE_U32, forward.relay),
    FIELD("body", PX_VALUE_BODY, forward.body),
};
static const px_wire_field forward_open_fields[] = {
    FIELD("ballot", PX_VALUE_BALLOT, forward_open.ballot),
    FIELD("origin", PX_VALUE_MEMBER, forward_open.origin),
    FIELD("relay", PX_VALUE_U32, forward_open.relay),
    FIELD("body", PX_VALUE_BODY, forward_open.body),
};
static const px_wire_field barrier_fields[] = {
    FIELD("ballot", PX_VALUE_BALLOT, barrier.ballot),
    FIELD("origin", PX_VALUE_MEMBER, barrier.origin),
    FIELD("relay", PX_VALUE_U32, barrier.relay),
    FIELD("id", PX_VALUE_NUMBER, barrier.id),
};
static const px_wire_field barrier_answer_fields[] = {
    FIELD("origin", PX_VALUE_MEMBER, barrier_answer.origin),
    FIELD("relay", PX_VALUE_U32, barrier_answer.relay),
    FIELD("id", PX_VALUE_NUMBER, barrier_answer.id),
    FIELD("ok", PX_VALUE_FLAG, barrier_answer.ok),
    FIELD("index", PX_VALUE_NUMBER, barrier_answer.index),
    FIELD("slot", PX_VALUE_NUMBER, barrier_answer.slot),
};
static const px_wire_field roster_fields[] = {
    FIELD("cluster", PX_VALUE_CLUSTER, roster.cluster_id),
    FIELD("roster", PX_VALUE_ROSTER, roster.roster),
    MEMBERS(roster),
};

#define CORE(type_name, core_kind, of)                  \
    {                                                   \
        (type_name), PX_WIRE_CORE, (core_kind), ALL(of) \
    }
#define NODE(type_name, wire_kind, of)                              \
    {                                                               \
        .type = (type_name), .kind = (wire_kind), .record = ALL(of) \
    }

/* Invariant: a core's message stands at its kind - 1, any other at its kind - PX_WIRE_HELLO behind those. */
const px_wire_layout px_wire_layouts[PX_WIRE_LAYOUTS] = {
    CORE("heartbeat", PX_MESSAGE_HEARTBEAT, heartbeat_fields),
    CORE("heard", PX_MESSAGE_HEARD, heard_fields),
    CORE("prepare", PX_MESSAGE_PREPARE, voting_fields),
    CORE("promise", PX_MESSAGE_PROMISE, voting_fields),
    CORE("refuse", PX_MESSAGE_REFUSE, voting_fields),
    CORE("fetch", PX_MESSAGE_FETCH, voting_fields),
    CORE("piece", PX_MESSAGE_PIECE, piece_fields),
    CORE("tail", PX_MESSAGE_TAIL, log_fields),
    CORE("sync", PX_MESSAGE_SYNC, log_fields),
    CORE("accept", PX_MESSAGE_ACCEPT, accept_fields),
    CORE("accepted", PX_MESSAGE_ACCEPTED, voting_fields),
    CORE("chosen", PX_MESSAGE_CHOSEN, chosen_fields),
    CORE("probe", PX_MESSAGE_PROBE, probe_fields),
    CORE("probed", PX_MESSAGE_PROBED, probed_fields),
    CORE("take_over", PX_MESSAGE_TAKE_OVER, take_over_fields),
    CORE("mended", PX_MESSAGE_MENDED, mended_fields),
    NODE("hello", PX_WIRE_HELLO, hello_fields),
    NODE("ping", PX_WIRE_PING, ping_fields),
    NODE("pong", PX_WIRE_PONG, pong_fields),
    NODE("forward", PX_WIRE_FORWARD, forward_fields),
    NODE("forward_open", PX_WIRE_FORWARD_OPEN, forward_open_fields),
    NODE("barrier", PX_WIRE_BARRIER, barrier_fields),
    NODE("barrier_answer", PX_WIRE_BARRIER_ANSWER, barrier_answer_fields),
    NODE("roster", PX_WIRE_ROSTER, roster_fields),
};
_Static_assert(PX_MESSAGE_MENDED == PX_MESSAGE_KINDS, "kinds of a core's messages are numbered from 1");
_Static_assert(PX_WIRE_LAYOUTS == PX_MESSAGE_KINDS + (PX_WIRE_ROSTER - PX_WIRE_HELLO + 1), "each kind once");

const px_wire_layout *px_wire_layout_of(const px_wire *wire)
{
    if (wire->kind == PX_WIRE_UNKNOWN) return NULL;
    if (wire->kind == PX_WIRE_CORE) return &px_wire_layouts[wire->core.kind - 1];
    return &px_wire_layouts[PX_MESSAGE_KINDS + (wire->kind - PX_WIRE_HELLO)];
}

const char *px_wire_type(const px_wire *wire)
{
    const px_wire_layout *const layout = px_wire_layout_of(wire);
    return layout ? layout->type : "unknown";
}
