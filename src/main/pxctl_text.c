/* pxctl_text.c - payloads in requests and messages of the socket. */
// SPDX-License-Identifier: Apache-2.0
#include "main/pxctl_text.h"

#include "codec/base64.h"

#include <stdlib.h>
#include <string.h>

static uint8_t *allocate(size_t size_bytes)
{
    uint8_t *space = malloc(size_bytes + 1);
    if (!space) abort();
    return space;
}

void px_payload_set(json_t *object, const void *payload, size_t size_bytes)
{
    json_t *data = json_stringn(payload, size_bytes); /* NULL where it is not UTF-8 */
    if (data) {
        json_object_set_new(object, "data", data);
        return;
    }
    const size_t text_bytes = px_base64_encoded_bytes(size_bytes);
    uint8_t *text = allocate(text_bytes);
    px_base64_encode(payload, size_bytes, text);
    json_object_set_new(object, "b64", json_stringn_nocheck((const char *)text, text_bytes));
    free(text);
}

uint8_t *px_payload_get(const json_t *object, size_t *size_bytes)
{
    const json_t *data = json_object_get(object, "data");
    const json_t *found = data ? data : json_object_get(object, "b64");
    if (!json_is_string(found)) return NULL;
    const size_t text_bytes = json_string_length(found);
    uint8_t *payload = allocate(text_bytes);
    memcpy(payload, json_string_value(found), text_bytes);
    if (data) {
        *size_bytes = text_bytes;
    } else if (px_base64_decode(payload, text_bytes, size_bytes)) {
        free(payload);
        return NULL;
    }
    return payload;
}
