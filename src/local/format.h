/* format.h - how messages stand in a FIFO.
 *
 * Meaning    One px_format a kind of framing (spec.md §4 `format`): it cuts what was read into messages, and
 *            puts messages as bytes. Framing keeps its place between calls in a px_framing, zero at first.
 * Source     spec.md §4. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_LOCAL_FORMAT_H
#define PX_LOCAL_FORMAT_H

#include "base/bytes.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a reader is given of one message. */
typedef struct {
    uint64_t index;
    uint64_t stamp_ms;
    const char *from; /* id of the member that took it */
    px_bytes payload; /* borrowed */
} px_letter;

typedef enum {
    PX_CUT_MORE, /* no whole message yet; nothing is used */
    PX_CUT_MESSAGE,
    PX_CUT_DROPPED, /* a message is not valid; its rest, if there is more, is skipped by the next cuts */
    PX_CUT_SKIPPED  /* more of a message that was dropped */
} px_cut_kind;

typedef struct {
    px_cut_kind kind;
    size_t used_bytes; /* done with; those of `message` are valid until the owner moves them */
    px_bytes message;
    const char *fault; /* DROPPED: static words */
} px_cut;

/* Where the framing stands between two cuts. */
typedef struct {
    size_t looked;       /* bytes of the unfinished message in which there is no end */
    uint64_t skip_bytes; /* of a dropped message, still to come */
    bool skip_line;      /* a dropped line has not ended */
} px_framing;

typedef struct {
    /* Cuts the first message off `bytes`, which may be decoded in place. `is_end`: the last writer has closed
     * behind them; then there is no MORE * but for no bytes at all. */
    px_cut (*cut)(px_framing *framing, uint8_t *bytes, size_t size_bytes, bool is_end,
                  uint32_t message_bytes_max);
    /* Bytes that may follow `bytes`, what is left behind the last cut, without reaching beyond the message
     * they begin; at least 1. */
    size_t (*missing_bytes)(const px_framing *framing, const uint8_t *bytes, size_t size_bytes);
    /* The longest message as it may stand in the FIFO. */
    size_t (*frame_bytes_max)(uint32_t message_bytes_max);
    /* An upper bound of what put writes. */
    size_t (*put_bytes_max)(const px_letter *letter);
    /* Writes the message, its end or prefix counted. Returns its size in bytes. */
    size_t (*put)(const px_letter *letter, uint8_t *space);
} px_format;

extern const px_format px_format_line;
extern const px_format px_format_json;
extern const px_format px_format_length;

#endif
