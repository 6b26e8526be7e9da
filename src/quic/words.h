/* words.h - reasons, for people. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_QUIC_WORDS_H
#define PX_QUIC_WORDS_H

#include <stddef.h>
#include <stdint.h>

/* What a reason may take in the log. */
#define PX_WORDS_BYTES 768u

typedef struct {
    char text[PX_WORDS_BYTES];
} px_words;

/* Replaces the text; what does not fit is cut off. */
__attribute__((format(printf, 2, 3))) void px_words_set(px_words *words, const char *format, ...);
/* Adds to it. */
__attribute__((format(printf, 2, 3))) void px_words_add(px_words *words, const char *format, ...);
/* Adds bytes of somebody else: what is not printable ASCII becomes \xNN, and at most `bytes_max` are looked
 * at. */
void px_words_add_foreign(px_words *words, const void *bytes, size_t size_bytes, size_t bytes_max);

#endif
