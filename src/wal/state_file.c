/* state_file.c - the small state, in two checksummed copies.
 *
 * Meaning    Both are written and synced, one after the other, before anything they state is said; whichever
 *            copy a crash or rot spoils, the other one states
 *            at least what was said last.
 * Source     [R16, R18]. */
// SPDX-License-Identifier: Apache-2.0
#include "wal/wal_priv.h"

#include "base/crc32c.h"
#include <stdio.h>
#include <string.h>

#define STATE_MAGIC 0x31535850u /* "PXS1" */
#define STATE_USED_BYTES \
    (4u + 4 + 8 * 7 + 16 + 8 + PX_NAME_BYTES_MAX + PX_MEMBERS_MAX * (PX_NAME_BYTES_MAX + 8))
_Static_assert(STATE_USED_BYTES + 4 <= PX_STATE_BYTES, "the small state is one block");

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

void px_state_encode(const px_state *state, uint64_t version, uint8_t *space)
{
    memset(space, 0, PX_STATE_BYTES);
    uint8_t *at = put_number(space, STATE_MAGIC);
    at = put_number(at, version);
    at = put_number(at, state->storage_id);
    at = put_number(at, state->start_count);
    at = put_number(at, state->promised.config);
    at = put_number(at, state->promised.number);
    at = put_number(at, state->promised.node);
    at = put_number(at, (uint64_t)state->roster_state | (uint64_t)state->member_count << 32);
    memcpy(at, state->cluster_id, 16);
    at += 16;
    memcpy(at, state->self, PX_NAME_BYTES_MAX);
    at += PX_NAME_BYTES_MAX;
    for (uint32_t i = 0; i < PX_MEMBERS_MAX; i++) {
        memcpy(at, state->members[i].name, PX_NAME_BYTES_MAX);
        at = put_number(at + PX_NAME_BYTES_MAX, state->members[i].storage_id);
    }
    const uint32_t crc = px_crc32c(0, space, PX_STATE_BYTES - 8);
    (void)put_number(space + PX_STATE_BYTES - 8, crc);
}

static bool decode_state(const uint8_t *space, px_state *state, uint64_t *version)
{
    uint64_t magic, crc, packed;
    (void)get_number(space + PX_STATE_BYTES - 8, &crc);
    if (crc != px_crc32c(0, space, PX_STATE_BYTES - 8)) return false;
    const uint8_t *at = get_number(space, &magic);
    if (magic != STATE_MAGIC) return false;
    at = get_number(at, version);
    memset(state, 0, sizeof *state);
    at = get_number(at, &state->storage_id);
    at = get_number(at, &state->start_count);
    at = get_number(at, &state->promised.config);
    at = get_number(at, &state->promised.number);
    at = get_number(at, &state->promised.node);
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
    return true;
}

static px_err say(px_wal_fault *fault, px_err err, const char *what)
{
    (void)snprintf(fault->where, sizeof fault->where, "state-a, state-b");
    (void)snprintf(fault->what, sizeof fault->what, "%s", what);
    return err;
}

/* Opens, or makes, one copy; what it states goes to *state. */
static px_err open_copy(px_wal *wal, unsigned copy, px_state *state, uint64_t *version, bool *is_valid,
                        bool *is_made)
{
    uint8_t space[PX_STATE_BYTES];
    size_t read_bytes = 0;
    px_disk *disk = wal->disk;
    *is_valid = *is_made = false;
    px_err err = disk->open(disk, names[copy], &wal->state_files[copy]);
    if (err == PX_ERR_NOT_FOUND) {
        *is_made = true;
        return disk->create(disk, names[copy], PX_STATE_BYTES, &wal->state_files[copy]);
    }
    if (err) return err;
    err = disk->read(disk, wal->state_files[copy], 0, space, sizeof space, true, &read_bytes);
    if (!err) *is_valid = read_bytes == sizeof space && decode_state(space, state, version);
    return PX_OK; /* an unreadable copy is a bad copy */
}

static px_err write_both(px_wal *wal)
{
    uint8_t space[PX_STATE_BYTES];
    px_state_encode(&wal->state, ++wal->state_version, space);
    for (unsigned copy = 0; copy < 2; copy++) {
        const px_err err = wal->disk->write_now(wal->disk, wal->state_files[copy], 0, space, sizeof space);
        if (err) return err;
    }
    return PX_OK;
}

px_err px_wal_write_state_now(px_wal *wal, const px_state *state)
{
    wal->state = *state;
    return write_both(wal);
}

px_err px_state_open(px_wal *wal, bool has_log, px_wal_fault *fault)
{
    px_state states[2];
    uint64_t versions[2] = {0, 0};
    bool is_valid[2], is_made[2];
    for (unsigned copy = 0; copy < 2; copy++) {
        const px_err err =
            open_copy(wal, copy, &states[copy], &versions[copy], &is_valid[copy], &is_made[copy]);
        if (err) return say(fault, err, px_err_text(err));
    }
    if (!is_valid[0] && !is_valid[1]) {
        const bool is_new = is_made[0] || is_made[1]; /* a first start may have ended between the two */
        if (has_log || !is_new)
            return say(
                fault, PX_ERR_DAMAGED,
                "both copies of the small state are damaged or gone: what this node promised is not known; "
                "restore the folder or start with an empty one");
        memset(&wal->state, 0, sizeof wal->state);
        wal->state.storage_id = wal->config.random;
        (void)snprintf(wal->state.self, sizeof wal->state.self, "%s", wal->config.self);
    } else {
        const unsigned newer = !is_valid[0] || (is_valid[1] && versions[1] > versions[0]) ? 1 : 0;
        wal->state = states[newer];
        wal->state_version = versions[newer];
    }
    if (strcmp(wal->state.self, wal->config.self) != 0) {
        (void)snprintf(fault->where, sizeof fault->where, "state-a");
        (void)snprintf(fault->what, sizeof fault->what,
                       "the folder is of node %.120s: give each node a data_dir of its own", wal->state.self);
        return PX_ERR_FOREIGN;
    }
    return PX_OK;
}
