/* wire_priv.h - which fields each message has, as one table for writer and reader.
 *
 * Meaning    A layout says of each type which fields it has; a field says its name, how its value looks in
 *            JSON, and where it lives in the struct. wire_encode.c walks the table to write, wire_decode.c to
 *            read: what one says the other understands. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_CODEC_WIRE_PRIV_H
#define PX_CODEC_WIRE_PRIV_H

#include "codec/wire.h"

/* How a value looks. */
typedef enum {
    PX_VALUE_NUMBER,     /* uint64_t below PX_NUMBER_END */
    PX_VALUE_U32,        /* uint32_t */
    PX_VALUE_MEMBER,     /* uint32_t below PX_MEMBERS_MAX */
    PX_VALUE_FLAG,       /* bool */
    PX_VALUE_BALLOT,     /* px_ballot: [config,number,node] */
    PX_VALUE_HASH,       /* px_hash: 32 digits */
    PX_VALUE_STORAGE,    /* uint64_t: 16 digits */
    PX_VALUE_NAME,       /* px_bytes: printable ASCII */
    PX_VALUE_CLUSTER,    /* px_bytes: 32 digits or nothing */
    PX_VALUE_ROSTER,     /* px_roster_state by its name */
    PX_VALUE_DISK,       /* px_disk_health by its name */
    PX_VALUE_ENTRY_KIND, /* px_entry_kind by its name */
    PX_VALUE_BODY,       /* px_bytes: base64 */
    PX_VALUE_RECORD,     /* an object with the fields of `record`; inside it there are only values as above */
    PX_VALUE_ENTRIES,    /* px_log_part: an array of px_wire_entry_record */
    PX_VALUE_MEMBERS     /* uint32_t count, px_wire_member items at `items_offset`: an array */
} px_wire_value;

typedef struct px_wire_record px_wire_record;

typedef struct {
    const char *name;
    px_wire_value value;
    uint16_t offset; /* in the struct around it */
    uint16_t items_offset;
    const px_wire_record *record;
    bool is_optional; /* a number or flag: 0 or false where it is missing, and then it is not written */
} px_wire_field;

struct px_wire_record {
    uint32_t count;
    const px_wire_field *fields;
};

typedef struct {
    const char *type;
    px_wire_kind kind;
    px_message_kind core; /* of PX_WIRE_CORE */
    px_wire_record record;
} px_wire_layout;

#define PX_WIRE_LAYOUTS (PX_MESSAGE_KINDS + 8)
extern const px_wire_layout px_wire_layouts[PX_WIRE_LAYOUTS];
extern const px_wire_record px_wire_entry_record;
extern const px_wire_record px_wire_member_record;

/* Names of enumerations' values in order; kinds of entries from PX_ENTRY_BATCH on. */
#define PX_ROSTER_STATES 3u
#define PX_DISK_HEALTHS 3u
#define PX_ENTRY_KINDS 3u
extern const char *const px_wire_roster_names[PX_ROSTER_STATES];
extern const char *const px_wire_disk_names[PX_DISK_HEALTHS];
extern const char *const px_wire_entry_names[PX_ENTRY_KINDS];

/* The layout of this message; NULL of an unknown one. */
const px_wire_layout *px_wire_layout_of(const px_wire *wire);

/* Room for a name in px_wire_member and hello, its zero byte not counted. */
#define PX_WIRE_NAME_BYTES_MAX (PX_NAME_BYTES_MAX - 1)
#define PX_WIRE_CLUSTER_BYTES 32u

#endif
