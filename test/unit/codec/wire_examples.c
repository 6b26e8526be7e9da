/* wire_examples.c - one message of each type. */
// SPDX-License-Identifier: Apache-2.0
#include "wire_examples.h"

#include "base/assert.h"
#include "exact.h"
#include "paxos/batch.h"
#include "paxos/little_endian.h"

#define NAME(text) ((px_bytes){(const uint8_t *)(text), sizeof(text) - 1})

static const px_ballot promised = {0, 9, 1}, accepted = {0, 8, 2}, led = {0, 8, 2};
static const px_hash chain = {0x41c8d1e28f3b5a60, 0x9d27f0b1c3e4a586};

/* Two messages of member 1's session that slot 2 opened: "hello" and "world". */
static px_bytes example_batch(void)
{
    static uint8_t body[128];
    const px_run run = {.holder = 2, .sequence = 7, .count = 2, .size_bytes = 10, .origin = 1};
    px_batch_put_header(body, 1, 2);
    px_batch_put_run(body, 0, &run);
    uint8_t *const lengths = body + PX_BATCH_HEADER_BYTES + PX_RUN_HEADER_BYTES;
    px_u32_store(lengths, 5);
    px_u32_store(lengths + PX_LENGTH_BYTES, 5);
    memcpy(lengths + 2 * PX_LENGTH_BYTES, "helloworld", 10);
    return (px_bytes){body, px_batch_size_bytes(1, 2, 10)};
}

/* A client's session "orders", asked for by member 1. */
static px_bytes example_opening(void)
{
    static uint8_t body[PX_OPENING_BYTES_MAX];
    const px_opening opening = {
        .opener = {.storage_id = 0x5eed000000000001, .run = 3, .counter = 12},
        .origin = 1,
        .kind = PX_SESSION_CLIENT,
        .name = NAME("orders"),
    };
    return (px_bytes){body, px_opening_put(&opening, body)};
}

static px_log_part example_log(uint32_t count)
{
    static px_entry entries[2];
    entries[0] = (px_entry){
        .slot = 42,
        .kind = PX_ENTRY_BATCH,
        .message_count = 2,
        .index_first = 1001,
        .stamp_ms = 1767225600123,
        .body = example_batch(),
    };
    entries[1] = (px_entry){
        .slot = 43,
        .kind = PX_ENTRY_OPEN,
        .index_first = 1003,
        .stamp_ms = 1767225600125,
        .body = example_opening(),
    };
    return (px_log_part){.after = 41, .after_chain = chain, .count = count, .entries = entries};
}

static px_wire example_core(px_message_kind kind)
{
    px_wire wire = {.kind = PX_WIRE_CORE};
    px_message *const message = &wire.core;
    const px_node_state state = {promised, accepted, 1, 43, 44, 41, chain, 47, true};
    message->kind = kind;
    message->state = state;
    message->ballot = led;
    switch (kind) {
    case PX_MESSAGE_HEARTBEAT:
    case PX_MESSAGE_HEARD:
        message->ballot = (px_ballot){0};
        message->round = 512;
        message->served = kind == PX_MESSAGE_HEARD;
        if (kind == PX_MESSAGE_HEARD) message->follows = led;
        if (kind == PX_MESSAGE_HEARD) message->above = 9;
        if (kind == PX_MESSAGE_HEARD) message->disk = PX_DISK_OVERDUE;
        break;
    case PX_MESSAGE_PREPARE:
    case PX_MESSAGE_PROMISE:
    case PX_MESSAGE_REFUSE:
    case PX_MESSAGE_FETCH:
    case PX_MESSAGE_ACCEPTED: break;
    case PX_MESSAGE_PIECE:
        message->ballot = (px_ballot){0};
        message->state = (px_node_state){0};
        message->log = example_log(2);
        break;
    case PX_MESSAGE_MENDED:
        message->state = (px_node_state){0};
        message->log = example_log(2);
        break;
    case PX_MESSAGE_TAIL:
    case PX_MESSAGE_SYNC: message->log = example_log(2); break;
    case PX_MESSAGE_ACCEPT:
        message->log = example_log(1);
        message->state = (px_node_state){.chosen = 40};
        break;
    case PX_MESSAGE_CHOSEN: message->state = (px_node_state){.chosen = 40}; break;
    case PX_MESSAGE_PROBE:
    case PX_MESSAGE_PROBED:
        message->probe = 77;
        if (kind == PX_MESSAGE_PROBE) message->state = (px_node_state){0};
        break;
    case PX_MESSAGE_TAKE_OVER: message->state = (px_node_state){0}; break;
    }
    return wire;
}

static void fill_members(px_wire_member *members, uint32_t *count)
{
    members[0] = (px_wire_member){NAME("px1.example"), 0x5eed000000000001};
    members[1] = (px_wire_member){NAME("px2.example"), 0x5eed000000000002};
    members[2] = (px_wire_member){NAME("px3.example"), 0};
    *count = 3;
}

static px_wire example_hello(void)
{
    px_wire wire = {.kind = PX_WIRE_HELLO};
    px_wire_hello *const hello = &wire.hello;
    hello->major = PX_PROTOCOL_MAJOR;
    hello->minor = PX_PROTOCOL_MINOR;
    hello->id = NAME("px1.example");
    hello->incarnation = (px_incarnation){0x5eed000000000001, 3};
    hello->connection = 5;
    hello->message_bytes_max = WIRE_EXAMPLE_MESSAGE_BYTES_MAX;
    hello->cluster_id = NAME("0f1e2d3c4b5a69788796a5b4c3d2e1f0");
    hello->roster = PX_ROSTER_WRITTEN;
    fill_members(hello->members, &hello->member_count);
    hello->remembered_promised = promised;
    hello->remembered_accepted = accepted;
    hello->remembered_cuts = 1;
    hello->remembered_length = 43;
    hello->remembered_storage_id = 0x5eed000000000002;
    return wire;
}

static px_wire example_node(px_wire_kind kind)
{
    px_wire wire = {.kind = kind};
    switch (kind) {
    case PX_WIRE_UNKNOWN:
    case PX_WIRE_CORE: px_assert(false); break;
    case PX_WIRE_HELLO: return example_hello();
    case PX_WIRE_PING: wire.ping.number = 6; break;
    case PX_WIRE_PONG: wire.pong.number = 6; break;
    case PX_WIRE_FORWARD:
        wire.forward.ballot = led;
        wire.forward.origin = 1;
        wire.forward.relay = 2;
        wire.forward.body = example_batch();
        break;
    case PX_WIRE_FORWARD_OPEN:
        wire.forward_open.ballot = led;
        wire.forward_open.origin = 1;
        wire.forward_open.relay = 2;
        wire.forward_open.body = example_opening();
        break;
    case PX_WIRE_BARRIER:
        wire.barrier.ballot = led;
        wire.barrier.origin = 1;
        wire.barrier.relay = 2;
        wire.barrier.id = 31;
        break;
    case PX_WIRE_BARRIER_ANSWER:
        wire.barrier_answer.origin = 1;
        wire.barrier_answer.relay = 2;
        wire.barrier_answer.id = 31;
        wire.barrier_answer.ok = true;
        wire.barrier_answer.index = 1002;
        wire.barrier_answer.slot = 811;
        break;
    case PX_WIRE_ROSTER:
        wire.roster.roster = PX_ROSTER_COMPLETE;
        wire.roster.cluster_id = NAME("0f1e2d3c4b5a69788796a5b4c3d2e1f0");
        fill_members(wire.roster.members, &wire.roster.member_count);
        break;
    }
    return wire;
}

px_wire wire_example(uint32_t place)
{
    px_assert(place < WIRE_EXAMPLES);
    px_wire wire = place < PX_MESSAGE_KINDS
                       ? example_core((px_message_kind)(place + 1))
                       : example_node((px_wire_kind)(place - PX_MESSAGE_KINDS + PX_WIRE_HELLO));
    if (wire.kind != PX_WIRE_HELLO) wire.to = (px_incarnation){0x5eed000000000002, 4};
    return wire;
}

uint8_t *wire_line(const px_wire *wire, size_t *size_bytes)
{
    uint8_t head[PX_WIRE_HEAD_BYTES_MAX];
    const size_t head_bytes = px_wire_head(wire->kind, wire->to, head);
    uint8_t *const rest = malloc(px_wire_size_max(wire));
    px_assert(rest);
    const size_t rest_bytes = px_wire_encode(wire, rest);
    px_assert(rest_bytes <= px_wire_size_max(wire));
    px_assert(memcmp(rest + rest_bytes - 2, "\r\n", 2) == 0);
    *size_bytes = head_bytes + rest_bytes - 2;
    uint8_t *const line = malloc(*size_bytes);
    px_assert(line);
    memcpy(line, head, head_bytes);
    memcpy(line + head_bytes, rest, rest_bytes - 2);
    free(rest);
    return line;
}

px_err wire_decode_copy(const void *line, size_t size_bytes, px_wire *wire)
{
    static uint8_t *copy;
    static px_entry items[PX_WINDOW_SLOTS];
    const px_wire_entries entries = {.items = items, .capacity = PX_WINDOW_SLOTS};
    const char *fault = NULL;
    free(copy);
    copy = exact_copy(line, size_bytes);
    const px_err err =
        px_wire_decode(copy, size_bytes, WIRE_EXAMPLE_MESSAGE_BYTES_MAX, &entries, wire, &fault);
    px_assert(err == PX_OK || (err == PX_ERR_MALFORMED && fault));
    return err;
}

bool wire_is_refused(const char *line)
{
    px_wire wire;
    return wire_decode_copy(line, strlen(line), &wire) != PX_OK;
}
