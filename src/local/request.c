/* request.c - reads a request of the socket.
 *
 * Source     spec.md §5. */
// SPDX-License-Identifier: Apache-2.0
#include "local/socket_priv.h"

#include "codec/base64.h"
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

/* What is said of a value that is none of these. */
static const char *const wanted[FIELD_COUNT] = {
    [FIELD_OP] = "op is send, publish, follow, ack, barrier, status, digest or transfer",
    [FIELD_TAG] = "a tag has at most 256 bytes",
    [FIELD_DATA] = "data is a string; bytes that are not UTF-8 go into b64",
    [FIELD_B64] = "b64 is a string of standard base64 with padding",
    [FIELD_TIMEOUT] = "timeout_ms is a whole number of milliseconds below 2^32",
    [FIELD_FROM] = "from is a message's number, \"start\" or \"end\"",
    [FIELD_UNTIL] = "until is a message's number",
    [FIELD_CONSUMER] = "a consumer's name has 1 to 80 bytes and no control character",
    [FIELD_INDEX] = "index is a message's number",
    [FIELD_ID] = "id is a member's name",
    [FIELD_SESSION] = "a session's name has 1 to 320 bytes",
    [FIELD_SEQ] = "seq is a whole number, 1 for a session's first message",
    [FIELD_FORMAT] = "format is \"line\" or \"length\"",
};
_Static_assert(PX_TAG_BYTES_MAX == 256 && PX_SESSION_NAME_BYTES_MAX == 320, "as the words say");

/* These take any value to its end, and give false where it is none of those wanted: so what stands behind it
 * in the request, a tag say, is read all the same. */

static bool take_string(px_json *json, px_bytes *string)
{
    const bool is_string = px_json_peek(json) == PX_JSON_STRING;
    if (is_string)
        *string = px_json_read_string(json);
    else
        px_json_skip(json);
    return is_string;
}

static bool take_base64(px_json *json, px_bytes *bytes)
{
    px_bytes text;
    if (!take_string(json, &text)) return false;
    bytes->data = text.data;
    return px_base64_decode((uint8_t *)text.data, text.size_bytes, &bytes->size_bytes) == PX_OK;
}

static bool take_number(px_json *json, uint64_t most, uint64_t *number)
{
    const px_bytes digits = px_json_read_raw(json);
    uint64_t value = 0;
    for (size_t i = 0; i < digits.size_bytes; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9') return false;
        const uint64_t digit = (uint64_t)(digits.data[i] - '0');
        if (value > (most - digit) / 10) return false;
        value = value * 10 + digit;
    }
    *number = value;
    return true;
}

static bool take_word(px_json *json, const char *const *words, uint32_t count, uint32_t *place)
{
    px_bytes word;
    if (!take_string(json, &word)) return false;
    *place = px_json_name_find(word, words, count);
    return *place < count;
}

static bool take_op(px_json *json, px_op *op)
{
    static const char *const ops[] = {"send",    "publish", "follow", "ack",
                                      "barrier", "status",  "digest", "transfer"};
    static const px_op values[] = {PX_OP_SEND,    PX_OP_PUBLISH, PX_OP_FOLLOW, PX_OP_ACK,
                                   PX_OP_BARRIER, PX_OP_STATUS,  PX_OP_DIGEST, PX_OP_TRANSFER};
    uint32_t place = 0;
    if (!take_word(json, ops, sizeof values / sizeof *values, &place)) return false;
    *op = values[place];
    return true;
}

static bool take_from(px_json *json, px_request *request)
{
    static const char *const words[] = {"start", "end"};
    uint32_t place = 0;
    if (px_json_peek(json) == PX_JSON_NUMBER) {
        request->from = PX_FROM_NUMBER;
        return take_number(json, UINT64_MAX - 1, &request->from_index);
    }
    if (!take_word(json, words, 2, &place)) return false;
    request->from = place == 0 ? PX_FROM_START : PX_FROM_END;
    return true;
}

static bool take_session(px_json *json, px_request *request)
{
    request->has_session = true;
    return take_string(json, &request->session) && request->session.size_bytes > 0 &&
           request->session.size_bytes <= PX_SESSION_NAME_BYTES_MAX;
}

static bool take_format(px_json *json, px_request *request)
{
    static const char *const words[] = {"line", "length"};
    uint32_t place = 0;
    if (!take_word(json, words, 2, &place)) return false;
    request->is_length_framed = place == 1;
    return true;
}

static bool take_tag(px_json *json, px_request *request)
{
    const px_bytes tag = px_json_read_raw(json);
    if (tag.size_bytes > PX_TAG_BYTES_MAX) return false;
    request->tag = tag;
    return true;
}

static bool take_field(px_json *json, uint32_t field, px_request *request)
{
    switch (field) {
    case FIELD_OP: return take_op(json, &request->op);
    case FIELD_TAG: return take_tag(json, request);
    case FIELD_DATA: return take_string(json, &request->payload);
    case FIELD_B64: return take_base64(json, &request->payload);
    case FIELD_TIMEOUT: return take_number(json, UINT32_MAX, &request->timeout_ms);
    case FIELD_FROM: return take_from(json, request);
    case FIELD_UNTIL: return take_number(json, UINT64_MAX - 1, &request->until);
    case FIELD_CONSUMER:
        return take_string(json, &request->consumer) && px_consumers_is_name(request->consumer);
    case FIELD_INDEX: return take_number(json, UINT64_MAX - 1, &request->index);
    case FIELD_ID: request->has_id = true; return take_string(json, &request->id);
    case FIELD_SESSION: return take_session(json, request);
    case FIELD_SEQ: return take_number(json, UINT64_MAX - 1, &request->sequence);
    case FIELD_FORMAT: return take_format(json, request);
    default: return true;
    }
}

static const char *find_fault(const px_request *request, uint64_t seen)
{
    const bool has_data = seen & (1u << FIELD_DATA), has_b64 = seen & (1u << FIELD_B64);
    if (!(seen & (1u << FIELD_OP))) return "the request has no op";
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
    const char *fault = NULL;
    while (px_json_field_next(&json, &object, fields, FIELD_COUNT))
        if (!take_field(&json, object.field, request) && !fault) fault = wanted[object.field];
    request->has_timeout = object.seen & (1u << FIELD_TIMEOUT);
    if (!fault) fault = find_fault(request, object.seen);
    request->fault = px_json_end(&json) ? json.fault : fault;
}
