/* consumers.c - named readers of the socket, and how far each has acknowledged.
 *
 * Source     spec.md §5 (follow, ack). */
// SPDX-License-Identifier: Apache-2.0
#include "local/consumers.h"

#include "base/assert.h"
#include "local/cursor_file.h"
#include <stdlib.h>
#include <string.h>

struct px_consumers {
    const px_local_env *env;
    px_cursor_file *file;
    px_consumers_events *events;
    px_cursor_save save;
    bool is_saving;
    px_ack *saving;                   /* told when the save under way is done */
    px_ack *gathered, **gathered_end; /* those of the next save */
};

static void start_save(px_consumers *consumers)
{
    consumers->is_saving = true;
    consumers->saving = consumers->gathered;
    consumers->gathered = NULL;
    consumers->gathered_end = &consumers->gathered;
    px_cursor_file_save(consumers->file, &consumers->save);
}

/* The next save begins before those of this one are told: the disk works while clients are written to. */
static void on_saved(px_cursor_save *save, px_err err)
{
    px_consumers *consumers = PX_OWNER_OF(save, px_consumers, save);
    px_ack *done = consumers->saving;
    consumers->is_saving = false;
    consumers->saving = NULL;
    if (PX_MUTANT("s5_acks_are_told_with_the_save_before")) {
        px_ack **end = &done;
        while (*end) end = &(*end)->next;
        *end = consumers->gathered;
        consumers->gathered = NULL;
        consumers->gathered_end = &consumers->gathered;
    }
    if (consumers->gathered) start_save(consumers);
    consumers->events->on_acked(consumers->events, done, err);
}

bool px_consumers_is_name(px_bytes name)
{
    if (name.size_bytes == 0 || name.size_bytes > PX_CURSOR_NAME_BYTES_MAX) return false;
    for (size_t i = 0; i < name.size_bytes; i++)
        if (name.data[i] < 0x20 || name.data[i] == 0x7f) return false;
    return true;
}

static px_cursor *find(px_consumers *consumers, px_bytes name, char text[PX_CURSOR_NAME_BYTES_MAX + 1])
{
    px_assert(px_consumers_is_name(name));
    memcpy(text, name.data, name.size_bytes);
    text[name.size_bytes] = '\0';
    return px_cursor_find(consumers->file, PX_CURSOR_CONSUMER, text);
}

bool px_consumers_find(px_consumers *consumers, px_bytes name, uint64_t *index)
{
    char text[PX_CURSOR_NAME_BYTES_MAX + 1];
    const px_cursor *cursor = find(consumers, name, text);
    if (cursor) *index = px_cursor_index(cursor);
    return cursor != NULL;
}

px_err px_consumers_ack(px_consumers *consumers, px_bytes name, uint64_t index, px_ack *ack)
{
    char text[PX_CURSOR_NAME_BYTES_MAX + 1];
    px_cursor *cursor = find(consumers, name, text);
    if (cursor)
        px_cursor_move(cursor, index);
    else if (!px_cursor_add(consumers->file, PX_CURSOR_CONSUMER, text, index))
        return PX_ERR_NO_SPACE;
    ack->next = NULL;
    *consumers->gathered_end = ack;
    consumers->gathered_end = &ack->next;
    if (!consumers->is_saving) start_save(consumers);
    return PX_OK;
}

px_err px_consumers_open(const px_local_env *env, px_disk *disk, px_consumers **made)
{
    px_consumers *consumers = calloc(1, sizeof *consumers);
    if (!consumers) return PX_ERR_NO_SPACE;
    const px_err err = px_cursor_file_open(disk, env->log, PX_CURSOR_FILE_CONSUMERS, &consumers->file);
    if (err) {
        free(consumers);
        return err;
    }
    consumers->env = env;
    consumers->save.on_saved = on_saved;
    consumers->gathered_end = &consumers->gathered;
    if (px_cursor_file_is_damaged(consumers->file))
        px_log_event(
            env->log, PX_LOG_WARN,
            "consumers: a cursor in %s is damaged: its consumer starts anew, and sees messages again",
            PX_CURSOR_FILE_CONSUMERS);
    *made = consumers;
    return PX_OK;
}

void px_consumers_hear(px_consumers *consumers, px_consumers_events *events)
{
    consumers->events = events;
}

void px_consumers_close(px_consumers *consumers)
{
    px_cursor_file_close(consumers->file);
    if (consumers->saving) consumers->events->on_acked(consumers->events, consumers->saving, PX_ERR_CLOSED);
    if (consumers->gathered)
        consumers->events->on_acked(consumers->events, consumers->gathered, PX_ERR_CLOSED);
    free(consumers);
}
