/* request.c - reads a request of the socket.
 *
 * Source     spec.md §5. */
// SPDX-License-Identifier: Apache-2.0
#include "local/socket_priv.h"

#include "codec/json.h"

enum {
    FIELD_OP,
    FIELD_TAG,
    FIELD_DATA,
    FIELD_B64,
    FIELD_TIMEOUT,
    FIELD_FROM,
    FIELD_UNTIL,
    FIELD_CONSUMER,
    FIELD_INDEX,
    FIELD_ID,
    FIELD_SESSION,
    FIELD_SEQ,
    FIELD_FORMAT,
    FIELD_COUNT
};

static const char *const fields[FIELD_COUNT] = {
    [FIELD_OP] = "op",
    [FIELD_TAG] = "tag",
    [FIELD_DATA] = "data",
    [FIELD_B64] = "b64",
    [FIELD_TIMEOUT] = "timeout_ms",
    [FIELD_FROM] = "from",
    [FIELD_UNTIL] = "until",
    [FIELD_CONSUMER] = "consumer",
    [FIELD_INDEX] = "index",
    [FIELD_ID] = "id",
    [FIELD_SESSION] = "session",
    [FIELD_SEQ] = "seq",
    [FIELD_FORMAT] = "format",
};

static px_op read_op(px_json *json)
{
    static const char *const ops[] = {"send",    "publish", "follow", "ack",
                                      "barrier", "status",  "digest", "transfer"};
    static const px_op values[] = {PX_OP_SEND,    PX_OP_PUBLISH, PX_OP_FOLLOW, PX_OP_ACK,
                                   PX_OP_BARRIER, PX_OP_STATUS,  PX_OP_DIGEST, PX_OP_TRANSFER};
    enum { COUNT = sizeof values / sizeof *values };
    const uint32_t place = px_json_name_find(px_json_read_string(json), ops, COUNT);
    if (place < COUNT) return values[place];
    px_json_fail(json, "no such op");
    return PX_OP_NONE;
}

static void read_from(px_json *json, px_request *request)
{
    static const char *const words[] = {"start", "end"};
    if (px_json_peek(json) != PX_JSON_STRING) {
        request->from = PX_FROM_NUMBER;
        request->from_index = px_json_read_u64(json, UINT64_MAX - 1);
        return;
    }
    const uint32_t place = px_json_name_find(px_json_read_string(json), words, 2);
    if (place == 2) px_json_fail(json, "from is a number, \"start\" or \"end\"");
    request->from = place == 0 ? PX_FROM_START : PX_FROM_END;
}

static void read_session(px_json *json, px_request *request)
{
    request->session = px_json_read_string(json);
    request->has_session = true;
    if (request->session.size_bytes == 0 || request->session.size_bytes > PX_SESSION_NAME_BYTES_MAX)
        px_json_fail(json, "a session's name has 1 to 320 bytes");
}
_Static_assert(PX_SESSION_NAME_BYTES_MAX == 320, "as the words say");

static void read_format(px_json *json, px_request *request)
{
    static const char *const words[] = {"line", "length"};
    const uint32_t place = px_json_name_find(px_json_read_string(json), words, 2);
    if (place == 2) px_json_fail(json, "format is \"line\" or \"length\"");
    request->is_length_framed = place == 1;
}

static void read_field(px_json *json, uint32_t field, px_request *request)
{
    switch (field) {
    case FIELD_OP: request->op = read_op(json); break;
    case FIELD_TAG:
        request->tag = px_json_read_raw(json);
        if (request->tag.size_bytes <= PX_TAG_BYTES_MAX) break;
        request->tag = (px_bytes){0};
        px_json_fail(json, "the tag is too long");
        break;
    case FIELD_DATA: request->payload = px_json_read_string(json); break;
    case FIELD_B64: request->payload = px_json_read_base64(json); break;
    case FIELD_TIMEOUT: request->timeout_ms = px_json_read_u64(json, UINT32_MAX); break;
    case FIELD_FROM: read_from(json, request); break;
    case FIELD_SESSION: read_session(json, request); break;
    case FIELD_SEQ: request->sequence = px_json_read_u64(json, UINT64_MAX - 1); break;
    case FIELD_FORMAT: read_format(json, request); break;
    case FIELD_UNTIL: request->until = px_json_read_u64(json, UINT64_MAX - 1); break;
    case FIELD_CONSUMER:
        request->consumer = px_json_read_string(json);
        if (!px_consumers_is_name(request->consumer))
            px_json_fail(json, "a consumer's name has 1 to 80 bytes and no control character");
        break;
    case FIELD_ID:
        request->id = px_json_read_string(json);
        request->has_id = true;
        break;
    case FIELD_INDEX: request->index = px_json_read_u64(json, UINT64_MAX - 1); break;
    default: break;
    }
}

static const char *find_fault(const px_request *request, uint64_t seen)
{
    const bool has_data = seen & (1u << FIELD_DATA), has_b64 = seen & (1u << FIELD_B64);
    if (!(seen & (1u << FIELD_OP))) return "there is no op";
    if (request->op == PX_OP_SEND && has_data == has_b64) return "send takes data or b64, one of them";
    const bool has_consumer = seen & (1u << FIELD_CONSUMER), has_index = seen & (1u << FIELD_INDEX);
    const bool has_sequence = seen & (1u << FIELD_SEQ);
    if (request->op == PX_OP_SEND &&
        (request->has_session != has_sequence || (has_sequence && request->sequence == 0)))
        return "send takes a session and a seq, which begins at 1; or neither";
    if (request->op == PX_OP_FOLLOW && request->from == PX_FROM_NONE && !has_consumer)
        return "follow takes from: a number, \"start\" or \"end\"; or a consumer; or both";
    if (request->op == PX_OP_ACK && !(has_consumer && has_index)) return "ack takes a consumer and an index";
    return NULL;
}

void px_request_read(uint8_t *line, size_t size_bytes, px_request *request)
{
    px_json json;
    px_json_object object;
    *request = (px_request){.until = UINT64_MAX};
    px_json_open(&json, line, size_bytes);
    px_json_object_open(&json, &object);
    while (px_json_field_next(&json, &object, fields, FIELD_COUNT)) read_field(&json, object.field, request);
    request->has_timeout = object.seen & (1u << FIELD_TIMEOUT);
    request->fault = px_json_end(&json) ? json.fault : find_fault(request, object.seen);
}
