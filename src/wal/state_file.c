/* state_file.c - the small state, in two checksummed copies.
 *
 * Meaning    Both are written and synced, one after the other, before anything they state is said; whichever
 *            copy a crash or rot spoils, the other one states at least what was said last. Each also states
 *            how far the log was synced when it was written.
 * Source     [R15, R16, R18]. */
// SPDX-License-Identifier: Apache-2.0
#include "wal/wal_priv.h"

#include "base/assert.h"
#include "base/crc32c.h"
#include <stdio.h>
#include <string.h>

#define STATE_MAGIC 0x31535850u /* "PXS1" */
#define SYNCED_AT (8u * 8 + 16 + PX_NAME_BYTES_MAX + PX_MEMBERS_MAX * (PX_NAME_BYTES_MAX + 8))
#define CRC_AT (PX_STATE_BYTES - 8)
/* What is remembered of others stands behind room for other things; zeros where a former version wrote. */
#define RECOLLECTIONS_AT 3072u
#define RECOLLECTION_BYTES (8u + 3 * 8 + 3 * 8 + 8 + 8)
_Static_assert(SYNCED_AT + 16 <= RECOLLECTIONS_AT, "the parts do not overlap");
_Static_assert(RECOLLECTIONS_AT + PX_MEMBERS_MAX * RECOLLECTION_BYTES <= CRC_AT,
               "the small state is one block");

static const char *const names[2] = {"state-a", "state-b"};

static uint8_t *put_number(uint8_t *at, uint64_t value)
{
    for (unsigned byte = 0; byte < 8; byte++) at[byte] = (uint8_t)(value >> (8 * byte));
    return at + 8;
}

static const uint8_t *get_number(const uint8_t *at, uint64_t *value)
{
    *value = 0;
    for (unsigned byte = 0; byte < 8; byte++) *value |= (uint64_t)at[byte] << (8 * byte);
    return at + 8;
}

void px_state_put_synced(uint8_t *space, px_wal_place synced)
{
    (void)put_number(put_number(space + SYNCED_AT, synced.segment), synced.offset);
    (void)put_number(space + CRC_AT, px_crc32c(0, space, CRC_AT));
}

static uint8_t *put_ballot(uint8_t *at, px_ballot ballot)
{
    return put_number(put_number(put_number(at, ballot.config), ballot.number), ballot.node);
}

static const uint8_t *get_ballot(const uint8_t *at, px_ballot *ballot)
{
    return get_number(get_number(get_number(at, &ballot->config), &ballot->number), &ballot->node);
}

static void put_recollections(uint8_t *space, const px_recollection *recollections)
{
    uint8_t *at = space + RECOLLECTIONS_AT;
    for (uint32_t i = 0; i < PX_MEMBERS_MAX; i++) {
        at = put_number(at, recollections[i].storage_id);
        at = put_ballot(put_ballot(at, recollections[i].promised), recollections[i].accepted);
        at = put_number(put_number(at, recollections[i].cuts), recollections[i].length);
    }
}

static void get_recollections(const uint8_t *space, px_recollection *recollections)
{
    const uint8_t *at = space + RECOLLECTIONS_AT;
    for (uint32_t i = 0; i < PX_MEMBERS_MAX; i++) {
        at = get_number(at, &recollections[i].storage_id);
        at = get_ballot(get_ballot(at, &recollections[i].promised), &recollections[i].accepted);
        at = get_number(get_number(at, &recollections[i].cuts), &recollections[i].length);
    }
}

void px_state_encode(const px_wal *wal, uint8_t *space)
{
    const px_state *state = &wal->state;
    memset(space, 0, PX_STATE_BYTES);
    uint8_t *at = put_number(space, STATE_MAGIC);
    at = put_number(at, wal->state_version);
    at = put_number(at, state->storage_id);
    at = put_number(at, state->start_count);
    /* Whatever becomes of the log: no ballot below one that it took is promised or taken again. [R3, R16] */
    const px_ballot promised =
        px_ballot_less(state->promised, wal->accepted) ? wal->accepted : state->promised;
    at = put_ballot(at, promised);
    at = put_number(at, (uint64_t)state->roster_state | (uint64_t)state->member_count << 32);
    memcpy(at, state->cluster_id, 16);
    at += 16;
    memcpy(at, state->self, PX_NAME_BYTES_MAX);
    at += PX_NAME_BYTES_MAX;
    for (uint32_t i = 0; i < PX_MEMBERS_MAX; i++) {
        memcpy(at, state->members[i].name, PX_NAME_BYTES_MAX);
        at = put_number(at + PX_NAME_BYTES_MAX, state->members[i].storage_id);
    }
    put_recollections(space, state->recollections);
    px_state_put_synced(space, wal->synced);
}

/* One copy as it was found. */
typedef struct {
    px_state state;
    uint64_t version;
    px_wal_place synced;
    bool is_valid;
    bool is_untouched; /* not there, or never written: it is all zeros */
    bool is_unread;    /* the disk does not give it, now */
    bool is_other;     /* of another version of px, by its first bytes */
} px_state_copy;

/* Every version of px begins with these characters and its digit, and ends with the checksum. */
static bool has_checksum(const uint8_t *space)
{
    uint64_t crc;
    (void)get_number(space + CRC_AT, &crc);
    return crc == px_crc32c(0, space, CRC_AT);
}

static bool is_of_other_version(const uint8_t *space)
{
    return has_checksum(space) && memcmp(space, "PXS", 3) == 0 && space[3] != STATE_MAGIC >> 24;
}

static bool decode_state(const uint8_t *space, px_state_copy *copy)
{
    px_state *state = &copy->state;
    uint64_t magic, packed;
    if (!has_checksum(space)) return false;
    const uint8_t *at = get_number(space, &magic);
    if (magic != STATE_MAGIC) return false;
    at = get_number(at, &copy->version);
    memset(state, 0, sizeof *state);
    at = get_number(at, &state->storage_id);
    at = get_number(at, &state->start_count);
    at = get_ballot(at, &state->promised);
    at = get_number(at, &packed);
    state->roster_state = (uint32_t)packed;
    state->member_count = (uint32_t)(packed >> 32);
    if (state->member_count > PX_MEMBERS_MAX) return false;
    memcpy(state->cluster_id, at, 16);
    at += 16;
    memcpy(state->self, at, PX_NAME_BYTES_MAX - 1);
    at += PX_NAME_BYTES_MAX;
    for (uint32_t i = 0; i < PX_MEMBERS_MAX; i++) {
        memcpy(state->members[i].name, at, PX_NAME_BYTES_MAX - 1);
        at = get_number(at + PX_NAME_BYTES_MAX, &state->members[i].storage_id);
    }
    (void)get_number(get_number(at, &copy->synced.segment), &copy->synced.offset);
    get_recollections(space, state->recollections);
    return true;
}

static px_err say(px_wal_fault *fault, px_err err, const char *what)
{
    (void)snprintf(fault->where, sizeof fault->where, "state-a, state-b");
    (void)snprintf(fault->what, sizeof fault->what, "%s", what);
    return err;
}

static px_err open_copy(px_wal *wal, unsigned place, px_state_copy *copy)
{
    uint8_t space[PX_STATE_BYTES];
    size_t read_bytes = 0;
    px_disk *disk = wal->disk;
    memset(copy, 0, sizeof *copy);
    px_err err = disk->open(disk, names[place], &wal->state_files[place]);
    if (err == PX_ERR_NOT_FOUND) copy->is_untouched = true;
    if (err) return err == PX_ERR_NOT_FOUND ? PX_OK : err;
    err = disk->read(disk, wal->state_files[place], 0, space, sizeof space, true, &read_bytes);
    copy->is_unread = err != PX_OK;
    if (err) return PX_OK;
    copy->is_valid = read_bytes == sizeof space && decode_state(space, copy);
    copy->is_other = read_bytes == sizeof space && is_of_other_version(space);
    copy->is_untouched = true;
    for (size_t i = 0; i < read_bytes; i++)
        if (space[i]) copy->is_untouched = false;
    return PX_OK;
}

static px_err write_copy(px_wal *wal, unsigned place)
{
    uint8_t space[PX_STATE_BYTES];
    px_disk *disk = wal->disk;
    px_state_encode(wal, space);
    if (!wal->state_files[place]) {
        const px_err err = disk->create(disk, names[place], PX_STATE_BYTES, &wal->state_files[place]);
        if (err) return err;
    }
    return disk->write_now(disk, wal->state_files[place], 0, space, sizeof space);
}

px_err px_state_set_aside(px_wal *wal)
{
    px_err err = PX_OK;
    for (unsigned place = 2; place-- > 0 && !err;) { /* the first copy last: without it the folder is new */
        if (wal->state_files[place]) wal->disk->close(wal->disk, wal->state_files[place]);
        wal->state_files[place] = NULL;
        err = px_wal_set_aside(wal, names[place]);
    }
    return err;
}

px_err px_state_write_both(px_wal *wal)
{
    wal->state_version++;
    const px_err err = write_copy(wal, wal->state_first);
    return err ? err : write_copy(wal, 1 - wal->state_first);
}

/* What is staged is never newer than what is written here, so every copy not yet handed to the disk becomes
 * this one. The copy under way is written again when it is done: two writes at once could mix. */
px_err px_wal_write_state_now(px_wal *wal, const px_state *state)
{
    if (wal->is_failed) return PX_ERR_IO;
    wal->state = *state;
    wal->state_version++;
    for (px_job *job = wal->jobs; job; job = job->next)
        if (job->kind == PX_JOB_STATE) px_state_encode(wal, job->space);
    px_job *writing = wal->writing && wal->writing->kind == PX_JOB_STATE ? wal->writing : NULL;
    if (writing) writing->is_overtaken = true;
    for (unsigned i = 0; i < 2; i++) {
        const unsigned place = i == 0 ? wal->state_first : 1 - wal->state_first;
        if (writing && writing->copy == place) continue;
        const px_err err = write_copy(wal, place);
        if (err) return err;
    }
    return PX_OK;
}

/* Neither copy is valid. The second is written only behind the first, so a second that was never written says
 * that nothing was ever stated: a first start ended there. */
static px_err begin_new(px_wal *wal, bool is_first_start, px_wal_fault *fault)
{
    if (!is_first_start)
        return say(
            fault, PX_ERR_DAMAGED,
            "both copies of the small state are damaged or gone: what this node promised is not known; "
            "keep the folder, and read `damaged logs` in operating.md");
    memset(&wal->state, 0, sizeof wal->state);
    wal->state.storage_id = wal->config.random;
    (void)snprintf(wal->state.self, sizeof wal->state.self, "%s", wal->config.self);
    return PX_OK;
}

px_err px_state_open(px_wal *wal, bool has_log, px_wal_place *synced, px_wal_fault *fault)
{
    px_state_copy copies[2];
    *synced = (px_wal_place){0, 0};
    for (unsigned place = 0; place < 2; place++) {
        const px_err err = open_copy(wal, place, &copies[place]);
        if (err) return say(fault, err, px_err_text(err));
        if (copies[place].is_valid && px_wal_place_less(*synced, copies[place].synced))
            *synced = copies[place].synced;
    }
    if (!copies[0].is_valid && !copies[1].is_valid) {
        if (copies[0].is_other || copies[1].is_other)
            return say(fault, PX_ERR_FOREIGN, "written by another version of px: start that one");
        if ((copies[0].is_unread || copies[1].is_unread) && !PX_MUTANT("r17_unread_state_is_lost"))
            return say(fault, PX_ERR_IO,
                       "the disk gives no sound copy of the small state; start px again, and if it stays so, "
                       "read `damaged logs` in operating.md");
        return begin_new(wal, !has_log && copies[1].is_untouched, fault);
    }
    const bool is_second =
        !copies[0].is_valid || (copies[1].is_valid && copies[1].version > copies[0].version);
    const px_state_copy *newer = &copies[is_second ? 1 : 0];
    wal->state = newer->state;
    wal->state_version = newer->version;
    wal->state_first = is_second ? 0 : 1; /* while the other one is written, this one must stay */
    if (strcmp(wal->state.self, wal->config.self) == 0) return PX_OK;
    (void)say(fault, PX_ERR_FOREIGN, "");
    (void)snprintf(fault->what, sizeof fault->what,
                   "the folder is of node %.120s: give each node a data_dir of its own", wal->state.self);
    return PX_ERR_FOREIGN;
}
