/* pxctl_text.c - payloads in requests and messages of the socket. */
// SPDX-License-Identifier: Apache-2.0
#include "main/pxctl_text.h"

#include <stdlib.h>
#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static json_t *make_b64(const uint8_t *bytes, size_t size_bytes)
{
    char *text = malloc((size_bytes + 2) / 3 * 4 + 1);
    if (!text) abort();
    size_t used = 0;
    for (size_t i = 0; i < size_bytes; i += 3) {
        const size_t left = size_bytes - i;
        const uint32_t group = (uint32_t)bytes[i] << 16 | (left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) |
                               (left > 2 ? bytes[i + 2] : 0);
        text[used++] = digits[group >> 18];
        text[used++] = digits[group >> 12 & 63];
        text[used++] = left > 1 ? digits[group >> 6 & 63] : '=';
        text[used++] = left > 2 ? digits[group & 63] : '=';
    }
    json_t *string = json_stringn_nocheck(text, used);
    free(text);
    return string;
}

/* Writes at most 3 bytes for each 4 digits; false where the text is no base64 with padding. */
static bool read_b64(const char *text, size_t text_bytes, uint8_t *bytes, size_t *size_bytes)
{
    size_t used = 0;
    if (text_bytes % 4 != 0) return false;
    for (size_t i = 0; i < text_bytes; i += 4) {
        const bool is_last = i + 4 == text_bytes;
        const size_t padding = !is_last || text[i + 3] != '=' ? 0 : text[i + 2] == '=' ? 2 : 1;
        uint32_t group = 0;
        for (size_t k = 0; k < 4; k++) {
            const char *at = k < 4 - padding && text[i + k] ? strchr(digits, text[i + k]) : NULL;
            if (!at && k < 4 - padding) return false;
            group = group << 6 | (at ? (uint32_t)(at - digits) : 0);
        }
        for (size_t k = 0; k < 3 - padding; k++) bytes[used++] = (uint8_t)(group >> (16 - 8 * k));
    }
    *size_bytes = used;
    return true;
}

void px_payload_set(json_t *object, const void *payload, size_t size_bytes)
{
    json_t *data = json_stringn(payload, size_bytes); /* NULL where it is not UTF-8 */
    if (data) {
        json_object_set_new(object, "data", data);
    } else {
        json_object_set_new(object, "b64", make_b64(payload, size_bytes));
    }
}

uint8_t *px_payload_get(const json_t *object, size_t *size_bytes)
{
    const json_t *data = json_object_get(object, "data");
    const json_t *b64 = json_object_get(object, "b64");
    const json_t *found = data ? data : b64;
    if (!json_is_string(found)) return NULL;
    uint8_t *payload = malloc(json_string_length(found) + 1);
    if (!payload) abort();
    if (data) {
        *size_bytes = json_string_length(data);
        memcpy(payload, json_string_value(data), *size_bytes);
    } else if (!read_b64(json_string_value(b64), json_string_length(b64), payload, size_bytes)) {
        free(payload);
        return NULL;
    }
    return payload;
}
