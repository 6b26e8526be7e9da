/* verify.c - is every record of a data folder sound? */
// SPDX-License-Identifier: Apache-2.0
#include "wal/verify.h"

#include "base/assert.h"
#include "base/crc32c.h"
#include "paxos/batch.h"
#include "paxos/configuration.h"
#include "paxos/entry.h"
#include "wal/wal_priv.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define READ_BYTES (4u << 20)

static px_err say(px_wal_fault *fault, px_err err, const char *where, const char *what)
{
    (void)snprintf(fault->where, sizeof fault->where, "%s", where);
    (void)snprintf(fault->what, sizeof fault->what, "%s", what);
    return err;
}

static px_err say_slot(px_wal_fault *fault, uint64_t slot, const char *what)
{
    char where[40];
    (void)snprintf(where, sizeof where, "slot %llu", (unsigned long long)slot);
    return say(fault, PX_ERR_DAMAGED, where, what);
}

/* ---- the small state ---- */

static bool is_copy_good(px_disk *disk, px_disk_file *file)
{
    uint8_t space[PX_STATE_BYTES];
    size_t got = 0;
    if (!file || disk->read(disk, file, 0, space, sizeof space, true, &got) || got != sizeof space)
        return false;
    uint64_t crc = 0;
    for (unsigned byte = 0; byte < 8; byte++) crc |= (uint64_t)space[sizeof space - 8 + byte] << (8 * byte);
    return crc == px_crc32c(0, space, sizeof space - 8);
}

/* Whose folder it is stands in the state, which is why it is read before the log. */
static px_err read_state(px_disk *disk, px_wal_report *report, px_wal_fault *fault)
{
    px_wal *wal = calloc(1, sizeof *wal);
    px_assert(wal != NULL);
    wal->disk = disk;
    wal->jobs_end = &wal->jobs;
    wal->config.self = "";
    px_wal_place synced;
    px_err err = px_state_open(wal, true, &synced, fault);
    if (err == PX_ERR_FOREIGN) err = PX_OK; /* it is the folder of somebody, as it must be */
    report->state = wal->state;
    for (unsigned copy = 0; copy < 2; copy++)
        if (is_copy_good(disk, wal->state_files[copy])) report->state_good++;
    px_wal_close(wal);
    return err;
}

/* ---- the log ---- */

static void note_record(void *context, const px_record *record)
{
    px_wal_report *report = context;
    if (record->kind == PX_RECORD_PROMISE) return;
    report->slots = record->log.after + record->log.count;
    if (record->chosen > report->chosen) report->chosen = record->chosen;
}

/* Does the entry follow what was read so far? */
static px_err check_entry(const px_entry *entry, px_wal_report *report, px_wal_fault *fault)
{
    px_batch batch;
    px_opening opening;
    px_configuration configuration;
    px_entry copy = *entry;
    copy.body_hash = px_hash_of(entry->body.data, entry->body.size_bytes);
    const px_hash chain = px_entry_chain(report->chain, &copy);
    px_assert(entry->slot == report->slots + 1);
    if (entry->index_first != report->messages + 1)
        return say_slot(fault, entry->slot, "its messages have other numbers than those before it");
    if (chain.high != entry->chain.high || chain.low != entry->chain.low)
        return say_slot(fault, entry->slot, "its chain hash does not follow from what stands before it");
    const bool is_malformed =
        (entry->kind == PX_ENTRY_BATCH && px_batch_open(entry->body, PX_MESSAGE_BYTES_MOST, &batch)) ||
        (entry->kind == PX_ENTRY_OPEN && px_opening_open(entry->body, &opening)) ||
        (entry->kind == PX_ENTRY_CONFIG && px_configuration_open(entry->body, &configuration));
    if (is_malformed) return say_slot(fault, entry->slot, "its body is malformed");
    report->slots++;
    report->messages += entry->message_count;
    report->chain = entry->chain;
    return PX_OK;
}

static px_err read_back(px_wal *wal, px_wal_report *report, px_wal_fault *fault)
{
    const uint64_t last = report->slots;
    px_wal_entries *entries = calloc(1, sizeof *entries);
    px_assert(entries != NULL);
    px_err err = PX_OK;
    report->slots = 0;
    while (!err && report->slots < last) {
        err = px_wal_read(wal, report->slots + 1, last, READ_BYTES, entries);
        if (err) {
            (void)say_slot(fault, report->slots + 1, px_err_text(err));
            break;
        }
        for (uint32_t i = 0; !err && i < entries->count; i++)
            err = check_entry(&entries->entries[i], report, fault);
        px_buffer_release(entries->owner);
    }
    free(entries);
    return err;
}

static void find_any(void *context, const char *name, uint64_t size_bytes)
{
    (void)size_bytes;
    bool *is_found = context;
    if (strncmp(name, "state-", 6) == 0 || strcmp(name, "mark") == 0) *is_found = true;
}

px_err px_wal_verify(px_disk *disk, px_wal_report *report, px_wal_fault *fault)
{
    bool is_found = false;
    px_wal *wal = NULL;
    px_state state;
    px_wal_events events = {NULL, NULL, NULL};
    memset(report, 0, sizeof *report);
    *fault = (px_wal_fault){{0}, {0}};
    px_err err = disk->list(disk, &is_found, find_any);
    if (err) return say(fault, err, "the folder", px_err_text(err));
    if (!is_found) return say(fault, PX_ERR_NOT_FOUND, "the folder", "no node has kept its log here");
    err = read_state(disk, report, fault);
    if (err) return err;
    const px_wal_config config = {.message_bytes_max = PX_MESSAGE_BYTES_MOST,
                                  .random = 1,
                                  .self = report->state.self};
    err = px_wal_open(disk, &config, &events, report, note_record, &wal, &state, fault);
    if (err) return err;
    if (!fault->where[0] && px_wal_is_claimed(wal))
        (void)say_slot(fault, wal->length + 1, "it was damaged, and is not mended yet");
    px_wal_fault later = {{0}, {0}};
    err = read_back(wal, report, fault->where[0] ? &later : fault);
    if (!err && fault->where[0]) err = PX_ERR_DAMAGED;
    px_wal_close(wal);
    if (report->chosen > report->slots) report->chosen = report->slots;
    return err;
}
