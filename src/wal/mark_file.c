/* mark_file.c - how far the log was synced, stated after each sync and not synced itself.
 *
 * Meaning    Two lines that are written in turn. A bad record below what a valid line states was on disk
 *            once, so it is damage and no torn tail. The file
 *            may be lost or old: then records and small state alone decide.
 * Source     [R15]. */
// SPDX-License-Identifier: Apache-2.0
#include "wal/wal_priv.h"

#include "base/crc32c.h"
#include <string.h>

#define MARK_NAME "mark"
#define MARK_MAGIC 0x324d5850u /* "PXM2" */
#define MARK_NUMBERS 15u
#define MARK_BYTES (8u * MARK_NUMBERS + 8u)
#define MARK_IS_UNSURE 1u
#define MARK_SECTOR_BYTES 512u

static void put_number(uint8_t *at, uint64_t value)
{
    for (unsigned byte = 0; byte < 8; byte++) at[byte] = (uint8_t)(value >> (8 * byte));
}

static uint64_t get_number(const uint8_t *at)
{
    uint64_t value = 0;
    for (unsigned byte = 0; byte < 8; byte++) value |= (uint64_t)at[byte] << (8 * byte);
    return value;
}

static bool decode_mark(const px_wal *wal, const uint8_t *line, uint64_t *version, px_wal_stated *stated)
{
    uint64_t numbers[MARK_NUMBERS];
    for (unsigned i = 0; i < MARK_NUMBERS; i++) numbers[i] = get_number(line + 8 * i);
    if (numbers[0] != MARK_MAGIC || numbers[1] != wal->state.storage_id) return false;
    if (get_number(line + MARK_BYTES - 8) != px_crc32c(0, line, MARK_BYTES - 8)) return false;
    *version = numbers[2];
    *stated = (px_wal_stated){
        .synced = {numbers[3], numbers[4]},
        .accepted = {numbers[5], numbers[6], numbers[7]},
        .cuts = numbers[8] & UINT32_MAX,
        .claims = (uint32_t)(numbers[8] >> 32),
        .length = numbers[9],
        .chosen = numbers[10],
        .chain = {numbers[11], numbers[12]},
        .claimed = numbers[13],
        .is_unsure = (numbers[14] & MARK_IS_UNSURE) != 0,
    };
    return true;
}

px_err px_mark_open(px_wal *wal, px_wal_stated *newest)
{
    uint8_t lines[2 * MARK_SECTOR_BYTES];
    size_t read_bytes = 0;
    px_disk *disk = wal->disk;
    *newest = (px_wal_stated){0};
    px_err err = disk->open(disk, MARK_NAME, &wal->mark_file);
    if (err) return err == PX_ERR_NOT_FOUND ? PX_OK : err;
    err = disk->read(disk, wal->mark_file, 0, lines, sizeof lines, false, &read_bytes);
    if (err || read_bytes != sizeof lines) return PX_OK; /* a hint that cannot be read states nothing */
    for (unsigned place = 0; place < 2; place++) {
        uint64_t version;
        px_wal_stated stated;
        if (!decode_mark(wal, lines + place * MARK_SECTOR_BYTES, &version, &stated)) continue;
        if (version > wal->mark_version) wal->mark_version = version;
        if (px_wal_place_less(newest->synced, stated.synced)) *newest = stated;
    }
    return PX_OK;
}

px_err px_mark_make(px_wal *wal)
{
    if (wal->mark_file) return PX_OK;
    return wal->disk->create(wal->disk, MARK_NAME, 2 * (uint64_t)MARK_SECTOR_BYTES, &wal->mark_file);
}

px_err px_mark_set_aside(px_wal *wal)
{
    return px_wal_set_aside(wal, MARK_NAME);
}

void px_mark_write(px_wal *wal, const px_wal_stated *is)
{
    uint8_t line[MARK_BYTES];
    const uint64_t numbers[MARK_NUMBERS] = {
        MARK_MAGIC,
        wal->state.storage_id,
        ++wal->mark_version,
        wal->synced.segment,
        wal->synced.offset,
        is->accepted.config,
        is->accepted.number,
        is->accepted.node,
        is->cuts | (uint64_t)is->claims << 32,
        is->length,
        is->chosen,
        is->chain.high,
        is->chain.low,
        is->claimed,
        is->is_unsure ? MARK_IS_UNSURE : 0,
    };
    for (unsigned i = 0; i < MARK_NUMBERS; i++) put_number(line + 8 * i, numbers[i]);
    put_number(line + MARK_BYTES - 8, px_crc32c(0, line, MARK_BYTES - 8));
    (void)wal->disk->write_hint(wal->disk, wal->mark_file, wal->mark_version % 2 * MARK_SECTOR_BYTES, line,
                                sizeof line);
}
