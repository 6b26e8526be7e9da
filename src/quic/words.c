/* words.c - reasons, for people. What came from outside is never printed as it is. [Q33] */
// SPDX-License-Identifier: Apache-2.0
#include "quic/words.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void px_words_set(px_words *words, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(words->text, sizeof words->text, format, arguments);
    va_end(arguments);
}

void px_words_add(px_words *words, const char *format, ...)
{
    const size_t used = strlen(words->text);
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(words->text + used, sizeof words->text - used, format, arguments);
    va_end(arguments);
}

void px_words_add_foreign(px_words *words, const void *bytes, size_t size_bytes, size_t bytes_max)
{
    const uint8_t *each = bytes;
    for (size_t i = 0; i < size_bytes && i < bytes_max; i++) {
        if (each[i] >= 0x20 && each[i] < 0x7f && each[i] != '\\')
            px_words_add(words, "%c", each[i]);
        else
            px_words_add(words, "\\x%02x", each[i]);
    }
    if (size_bytes > bytes_max) px_words_add(words, "...");
}
