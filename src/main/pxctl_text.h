/* pxctl_text.h - payloads in requests and messages of the socket.
 *
 * Meaning    A payload stands as `data`, a JSON string, where its bytes are UTF-8, and as `b64` where not.
 * Source     spec.md §4, §5. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_MAIN_PXCTL_TEXT_H
#define PX_MAIN_PXCTL_TEXT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Sets `data` or `b64` of the object. */
void px_payload_set(json_t *object, const void *payload, size_t size_bytes);

/* The payload of a message in memory of its own, to be freed; NULL where it has none or a bad one. */
uint8_t *px_payload_get(const json_t *object, size_t *size_bytes);

#endif
