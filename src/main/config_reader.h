/* config_reader.h - typed access to a JSON file that knows where it is.
 *
 * Meaning    Keeps the path of the value being read, so that whoever finds something wrong says only what
 *            and how to mend it. The first fault wins; each function returns false once there is one. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_MAIN_CONFIG_READER_H
#define PX_MAIN_CONFIG_READER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PX_READER_PATH_BYTES 512u

typedef struct {
    const char *file;
    char path[PX_READER_PATH_BYTES]; /* `servers[1].addr`; empty at the top */
    char *fault;                     /* the caller's; empty as long as all is well */
    size_t fault_bytes;
} px_reader;

typedef struct {
    uint32_t least, most;
} px_range;

void px_reader_init(px_reader *reader, const char *file, char *fault, size_t fault_bytes);

/* Records a fault at the current path. Always returns false. */
__attribute__((format(printf, 2, 3))) bool px_reader_fail(px_reader *reader, const char *format, ...);

/* Steps into a key or an item; px_reader_leave goes back to where the path was that long. */
size_t px_reader_enter(px_reader *reader, const char *key);
size_t px_reader_enter_item(px_reader *reader, size_t place);
void px_reader_leave(px_reader *reader, size_t mark);

/* Parses the text of the file; NULL after a fault, which names the place. */
json_t *px_reader_parse(px_reader *reader, const char *text, size_t size_bytes);

/* True where `value` is an object with no other keys than `keys`, a list ended by NULL. */
bool px_reader_is_object(px_reader *reader, const json_t *value, const char *const *keys);

/* The member `key`, which must be there. */
bool px_reader_need(px_reader *reader, const json_t *object, const char *key, const json_t **value);

/* A member that may be missing: then the output stays as it is. Texts are never empty. */
bool px_reader_text(px_reader *reader, const json_t *object, const char *key, const char **text);
bool px_reader_number(px_reader *reader, const json_t *object, const char *key, px_range range,
                      uint32_t *number);
bool px_reader_flag(px_reader *reader, const json_t *object, const char *key, bool *flag);
/* One of `choices`, a list ended by NULL; gives its place there. */
bool px_reader_choice(px_reader *reader, const json_t *object, const char *key, const char *const *choices,
                      uint32_t *place);

#endif
