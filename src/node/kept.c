/* kept.c - what a clean stop could not commit, on disk until the log has it. */
// SPDX-License-Identifier: Apache-2.0
#include "node/kept.h"

#include "base/assert.h"
#include "base/hash.h"
#include "node/memory.h"
#include <stdio.h>
#include <string.h>

#define FRESH_NAME "kept.new"
#define DAMAGED_NAME "kept.damaged"
#define LOST_NAME "kept.lost"
#define MAGIC 0x6b787031u
#define VERSION 1u
#define HEADER_BYTES 40u
#define LIST_BYTES 32u
/* Far above what all pipes and their kept lists can hold; a size beyond it is no size. */
#define FILE_BYTES_MAX (1u << 30)

/* Places in the header and at the beginning of a list. */
enum { AT_MAGIC = 0, AT_VERSION = 4, AT_STORAGE = 8, AT_BYTES = 16, AT_LISTS = 24, AT_HASH = 32 };
enum { AT_HOLDER = 0, AT_FIRST = 8, AT_COUNT = 16, AT_NAME_BYTES = 20, AT_PAYLOAD_BYTES = 24 };

static void put_number(uint8_t *to, uint64_t value, unsigned size_bytes)
{
    for (unsigned byte = 0; byte < size_bytes; byte++) to[byte] = (uint8_t)(value >> (8 * byte));
}

static uint64_t get_number(const uint8_t *from, unsigned size_bytes)
{
    uint64_t value = 0;
    for (unsigned byte = 0; byte < size_bytes; byte++) value |= (uint64_t)from[byte] << (8 * byte);
    return value;
}

/* ---- what is to be kept ---- */

/* A name that begins with a control character is not a pipe's: those who sent by a socket were told that px
 * stops, and send again. */
static bool is_pipe(const px_node *node, const px_intake *intake)
{
    return intake->kind == PX_SESSION_MEMBER && (uint8_t)intake->name[strlen(node->config.id) + 1] >= ' ';
}

static bool is_to_be_kept(const px_node *node, const px_intake *intake, bool all)
{
    if (intake->chosen >= intake->pushed) return false;
    return intake->is_kept || (all && is_pipe(node, intake));
}

static size_t list_bytes(const px_intake *intake)
{
    return LIST_BYTES + intake->name_bytes + (size_t)(intake->pushed - intake->chosen) * PX_LENGTH_BYTES +
           intake->bytes_used;
}

static uint8_t *put_list(uint8_t *to, const px_intake *intake)
{
    const uint64_t count = intake->pushed - intake->chosen;
    put_number(to + AT_HOLDER, intake->holder, 8);
    put_number(to + AT_FIRST, intake->chosen + 1, 8);
    put_number(to + AT_COUNT, count, 4);
    put_number(to + AT_NAME_BYTES, intake->name_bytes, 4);
    put_number(to + AT_PAYLOAD_BYTES, intake->bytes_used, 8);
    memcpy(to + LIST_BYTES, intake->name, intake->name_bytes);
    uint8_t *lengths = to + LIST_BYTES + intake->name_bytes;
    uint8_t *payloads = lengths + (size_t)count * PX_LENGTH_BYTES;
    px_intake_copy(intake, lengths, payloads);
    return payloads + intake->bytes_used;
}

static px_buffer *lay_out(const px_node *node, bool all)
{
    size_t size_bytes = HEADER_BYTES;
    uint32_t count = 0;
    for (const px_intake *intake = node->intakes; intake; intake = intake->next) {
        if (!is_to_be_kept(node, intake, all)) continue;
        size_bytes += list_bytes(intake);
        count++;
    }
    px_buffer *file = px_memory_buffer(size_bytes);
    memset(file->data, 0, HEADER_BYTES);
    if (count == 0) return file;
    put_number(file->data + AT_MAGIC, MAGIC, 4);
    put_number(file->data + AT_VERSION, VERSION, 4);
    put_number(file->data + AT_STORAGE, node->state.storage_id, 8);
    put_number(file->data + AT_BYTES, size_bytes - HEADER_BYTES, 8);
    put_number(file->data + AT_LISTS, count, 4);
    uint8_t *next = file->data + HEADER_BYTES;
    /* Kept ones first: they are older than what their pipe took since. */
    for (unsigned pass = 0; pass < 2; pass++)
        for (const px_intake *intake = node->intakes; intake; intake = intake->next)
            if (is_to_be_kept(node, intake, all) && intake->is_kept == (pass == 0))
                next = put_list(next, intake);
    px_assert(next == file->data + size_bytes);
    put_number(file->data + AT_HASH, px_hash_of(file->data, size_bytes).low, 8);
    return file;
}

/* ---- writing ---- */

static px_err write_file(px_disk *disk, const px_buffer *bytes)
{
    px_disk_file *file = NULL;
    px_err err = disk->open(disk, FRESH_NAME, &file);
    if (err == PX_ERR_NOT_FOUND) err = disk->create(disk, FRESH_NAME, bytes->size_bytes, &file);
    if (err) return err;
    err = disk->write_now(disk, file, 0, bytes->data, bytes->size_bytes);
    disk->close(disk, file);
    return err ? err : disk->rename(disk, FRESH_NAME, PX_KEPT_FILE_NAME);
}

static bool is_there(px_disk *disk)
{
    px_disk_file *file = NULL;
    const px_err err = disk->open(disk, PX_KEPT_FILE_NAME, &file);
    if (file) disk->close(disk, file);
    return err != PX_ERR_NOT_FOUND;
}

px_err px_kept_write(px_node *node, bool all)
{
    px_disk *disk = node->ports.disk;
    px_buffer *bytes = lay_out(node, all);
    px_err err = PX_OK;
    if (bytes->size_bytes > HEADER_BYTES || is_there(disk)) err = write_file(disk, bytes);
    px_buffer_release(bytes);
    return err;
}

void px_kept_turn(px_node *node)
{
    if (!node->is_kept_stale) return;
    const px_err err = px_kept_write(node, false);
    if (err == PX_ERR_NO_SPACE) return; /* tried again each turn; what is kept waits */
    if (err) {
        px_log_event(node->ports.log, PX_LOG_ERROR, "%s: %s", PX_KEPT_FILE_NAME, px_err_text(err));
        node->ports.fatal(node->ports.fatal_context, PX_KEPT_FILE_NAME);
        return;
    }
    node->is_kept_stale = false;
}

void px_kept_set_aside(px_node *node)
{
    const uint64_t count = px_intakes_drop_kept(node);
    if (count == 0) return;
    const px_err err = node->ports.disk->rename(node->ports.disk, PX_KEPT_FILE_NAME, LOST_NAME);
    if (err) {
        px_log_event(node->ports.log, PX_LOG_ERROR, "%s: %s", PX_KEPT_FILE_NAME, px_err_text(err));
        node->ports.fatal(node->ports.fatal_context, PX_KEPT_FILE_NAME);
        return;
    }
    px_log_event(
        node->ports.log, PX_LOG_WARN,
        "%s: %llu messages of an older state of the folder are not sent, since they may have been: they "
        "are in %s",
        PX_KEPT_FILE_NAME, (unsigned long long)count, LOST_NAME);
}

uint64_t px_kept_count(const px_node *node)
{
    uint64_t count = 0;
    for (const px_intake *intake = node->intakes; intake; intake = intake->next)
        if (is_to_be_kept(node, intake, true)) count += intake->pushed - intake->chosen;
    return count;
}

/* Of two kept ones of a session, the one that has its holder is older; there are never two without. */
bool px_kept_is_before(const px_node *node, const px_intake *intake)
{
    for (const px_intake *other = node->intakes; other; other = other->next)
        if (other->is_kept && other != intake && px_intake_is_same_session(other, intake)) return true;
    return node->is_kept_stale;
}

/* ---- reading ---- */

static px_err say(px_wal_fault *fault, const char *what, px_err err)
{
    (void)snprintf(fault->where, sizeof fault->where, "%s", PX_KEPT_FILE_NAME);
    (void)snprintf(fault->what, sizeof fault->what, "%s", what ? what : px_err_text(err));
    return err;
}

/* Reads the whole file; *bytes is NULL where nothing is kept. */
static px_err read_file(px_disk *disk, px_buffer **bytes)
{
    px_disk_file *file = NULL;
    uint8_t header[HEADER_BYTES] = {0};
    size_t got = 0;
    px_err err = disk->open(disk, PX_KEPT_FILE_NAME, &file);
    if (err) return err == PX_ERR_NOT_FOUND ? PX_OK : err;
    err = disk->read(disk, file, 0, header, sizeof header, true, &got);
    const uint64_t size_bytes = HEADER_BYTES + get_number(header + AT_BYTES, 8);
    static const uint8_t nothing[HEADER_BYTES];
    if (err || memcmp(header, nothing, sizeof header) == 0) goto done;
    err = PX_ERR_DAMAGED;
    if (get_number(header + AT_MAGIC, 4) != MAGIC || get_number(header + AT_VERSION, 4) != VERSION ||
        size_bytes > FILE_BYTES_MAX)
        goto done;
    px_buffer *read = px_memory_buffer((size_t)size_bytes);
    err = disk->read(disk, file, 0, read->data, (size_t)size_bytes, true, &got);
    put_number(read->data + AT_HASH, 0, 8);
    if (!err && (got != size_bytes ||
                 px_hash_of(read->data, (size_t)size_bytes).low != get_number(header + AT_HASH, 8)))
        err = PX_ERR_DAMAGED;
    if (err)
        px_buffer_release(read);
    else
        *bytes = read;
done:
    disk->close(disk, file);
    return err;
}

/* One list of the file, its payloads not yet looked at. */
typedef struct {
    uint64_t holder, first;
    size_t count;
    px_bytes name;
    const uint8_t *lengths, *payloads, *end;
} kept_list;

static bool open_list(const uint8_t *from, const uint8_t *end, kept_list *list)
{
    if ((size_t)(end - from) < LIST_BYTES) return false;
    const size_t rest = (size_t)(end - from) - LIST_BYTES;
    const uint64_t count = get_number(from + AT_COUNT, 4), name_bytes = get_number(from + AT_NAME_BYTES, 4);
    const uint64_t payload_bytes = get_number(from + AT_PAYLOAD_BYTES, 8);
    if (name_bytes > PX_SESSION_NAME_BYTES_MAX || payload_bytes > rest ||
        name_bytes + count * PX_LENGTH_BYTES + payload_bytes > rest)
        return false;
    *list = (kept_list){
        .holder = get_number(from + AT_HOLDER, 8),
        .first = get_number(from + AT_FIRST, 8),
        .count = (size_t)count,
        .name = {from + LIST_BYTES, (size_t)name_bytes},
        .lengths = from + LIST_BYTES + name_bytes,
    };
    list->payloads = list->lengths + list->count * PX_LENGTH_BYTES;
    list->end = list->payloads + payload_bytes;
    return list->first > 0;
}

/* Where the log tells how far the list was chosen already, it is right: the file may be older. Behind a
 * fence no more of it can enter the log under its holder, so the rest is sent anew. */
static uint64_t first_missing(const px_node *node, kept_list *list)
{
    px_session session;
    if (list->holder == 0 || !px_core_session_by_holder(node->core, list->holder, &session))
        return list->first;
    if (session.fenced) list->holder = 0;
    return session.next > list->first ? session.next : list->first;
}

static px_err take_list(px_node *node, kept_list *list)
{
    const uint64_t missing = first_missing(node, list);
    const uint8_t *payload = list->payloads;
    px_intake *intake = NULL;
    for (size_t i = 0; i < list->count; i++) {
        const size_t length = (size_t)get_number(list->lengths + i * PX_LENGTH_BYTES, 4);
        if (length > (size_t)(list->end - payload)) return PX_ERR_DAMAGED;
        if (length > node->config.message_bytes_max) return PX_ERR_OVERSIZE;
        if (list->first + i >= missing) {
            if (!intake) intake = px_intake_make_kept(node, list->name, list->holder, missing);
            (void)px_intake_push(&node->app, intake, (px_bytes){payload, length});
        }
        payload += length;
    }
    return payload == list->end ? PX_OK : PX_ERR_DAMAGED;
}

static px_err take_lists(px_node *node, const px_buffer *bytes)
{
    const uint8_t *next = bytes->data + HEADER_BYTES, *end = bytes->data + bytes->size_bytes;
    const uint32_t count = (uint32_t)get_number(bytes->data + AT_LISTS, 4);
    for (uint32_t i = 0; i < count; i++) {
        kept_list list;
        if (!open_list(next, end, &list)) return PX_ERR_DAMAGED;
        const px_err err = take_list(node, &list);
        if (err) return err;
        next = list.end;
    }
    return next == end ? PX_OK : PX_ERR_DAMAGED;
}

px_err px_kept_read(px_node *node, px_wal_fault *fault)
{
    px_buffer *bytes = NULL;
    px_err err = read_file(node->ports.disk, &bytes);
    if (!err && bytes && get_number(bytes->data + AT_STORAGE, 8) != node->state.storage_id) {
        px_log_event(node->ports.log, PX_LOG_WARN, "%s: of another log: left alone", PX_KEPT_FILE_NAME);
    } else if (!err && bytes) {
        err = take_lists(node, bytes);
    }
    const bool is_read = bytes != NULL;
    px_buffer_release(bytes);
    if (err == PX_ERR_OVERSIZE)
        return say(fault, "a message there is over max_message_bytes; raise it until it is sent", err);
    if (err == PX_ERR_DAMAGED) {
        px_log_event(node->ports.log, PX_LOG_ERROR,
                     "%s: damaged: what the last clean stop had taken from pipes and not committed is lost; "
                     "the file is now %s",
                     PX_KEPT_FILE_NAME, DAMAGED_NAME);
        px_intakes_deinit(node);
        err = node->ports.disk->rename(node->ports.disk, PX_KEPT_FILE_NAME, DAMAGED_NAME);
    }
    if (err) return say(fault, NULL, err);
    node->is_kept_stale = is_read; /* what the log has by now leaves the file */
    if (node->intakes)
        px_log_event(node->ports.log, PX_LOG_INFO,
                     "%s: %llu messages that the last clean stop could not commit are sent first",
                     PX_KEPT_FILE_NAME, (unsigned long long)px_kept_count(node));
    return PX_OK;
}
