/* sim_disk.c - completes writes in the world's time, and reads what is stable. */
// SPDX-License-Identifier: Apache-2.0
#include "sim/sim_disk.h"

#include "base/crc32c.h"
#include "sim/sim_node.h"
#include "wal/wal_priv.h"
#include <string.h>

/* While a disk hangs it is looked at again after so long. */
#define HUNG_US (2 * SIM_MS)

void sim_disk_init(sim_disk *disk, sim_world *world, uint32_t place)
{
    memset(disk, 0, sizeof *disk);
    disk->world = world;
    disk->place = place;
    disk->fake = fake_disk_make(px_prng_next(&world->chance[SIM_CHANCE_DISK]));
}

void sim_disk_deinit(sim_disk *disk)
{
    fake_disk_free(disk->fake);
    if (disk->copy) fake_disk_free(disk->copy);
}

px_disk *sim_disk_port(sim_disk *disk)
{
    return fake_disk_port(disk->fake);
}

/* ---- completing ---- */

static void on_complete(sim_world *world, void *context, uint64_t generation)
{
    sim_disk *disk = context;
    if (generation != disk->generation || disk->is_muted || sim_node_defers(world, disk->place)) return;
    disk->is_awaited = false;
    if (world->now_us < disk->hung_until_us) {
        disk->is_awaited = true;
        sim_world_after(world, HUNG_US, on_complete, disk, generation);
        return;
    }
    if (fake_disk_is_resting(disk->fake)) {
        disk->is_over = true;
        return;
    }
    if (!sim_node_enter(world, disk->place)) return;
    (void)fake_disk_complete(disk->fake);
    sim_node_leave(world, disk->place);
}

void sim_disk_wake(sim_disk *disk)
{
    if (!disk->is_over) return;
    disk->is_over = false;
    (void)fake_disk_complete(disk->fake);
}

void sim_disk_watch(sim_disk *disk)
{
    if (disk->is_over && fake_disk_is_resting(disk->fake)) return;
    if (disk->is_over) { /* it rests no longer */
        disk->is_over = false;
        disk->is_awaited = true;
        sim_world_after(disk->world, 0, on_complete, disk, disk->generation);
    }
    if (disk->is_awaited || disk->is_muted || fake_disk_pending(disk->fake) == 0) return;
    const uint64_t jitter_us = sim_below(disk->world, SIM_CHANCE_DISK, disk->sync_jitter_us + 1);
    disk->is_awaited = true;
    sim_world_after(disk->world, disk->sync_us + jitter_us, on_complete, disk, disk->generation);
}

/* ---- life ---- */

void sim_disk_start(sim_disk *disk)
{
    disk->generation++;
    disk->is_muted = disk->is_awaited = disk->is_over = disk->is_rotten = false;
    disk->image = (sim_image){.segment = 1};
}

void sim_disk_mute(sim_disk *disk)
{
    disk->is_muted = true;
}

void sim_disk_crash(sim_disk *disk, bool keeps_power)
{
    fake_disk_crash(disk->fake, keeps_power);
}

/* ---- faults ---- */

void sim_disk_calm(sim_disk *disk, uint64_t sync_us)
{
    disk->sync_us = sync_us;
    disk->sync_jitter_us = sync_us / 2;
    disk->hung_until_us = 0;
    disk->generation++; /* what was slow comes at the new pace, too */
    disk->is_awaited = disk->is_over = false;
    sim_disk_watch(disk);
    fake_disk_set_free(disk->fake, UINT64_MAX);
    fake_disk_fail_write(disk->fake, UINT32_MAX, PX_ERR_IO, false); /* what was to fail, no longer does */
}

void sim_disk_fail_next(sim_disk *disk)
{
    fake_disk_fail_write(disk->fake, 0, PX_ERR_IO, false);
}

void sim_disk_fill(sim_disk *disk)
{
    fake_disk_set_free(disk->fake, 0);
}

void sim_disk_empty(sim_disk *disk)
{
    fake_disk_wipe(disk->fake);
}

fake_disk *sim_disk_copy(const sim_disk *disk)
{
    fake_disk_sync(disk->fake);
    return fake_disk_clone(disk->fake, disk->world->options.seed);
}

void sim_disk_keep_copy(sim_disk *disk, uint64_t storage_id)
{
    if (disk->copy) fake_disk_free(disk->copy);
    disk->copy = fake_disk_clone(disk->fake, px_prng_next(&disk->world->chance[SIM_CHANCE_DISK]));
    disk->copy_id = storage_id;
}

void sim_disk_put_back(sim_disk *disk, fake_disk *copy)
{
    fake_disk_free(disk->fake);
    disk->fake = copy;
}

void sim_disk_use_copy(sim_disk *disk)
{
    sim_disk_put_back(disk, disk->copy);
    disk->copy = NULL;
}

bool sim_disk_is_hurt(const sim_disk *disk)
{
    return disk->is_hurt || disk->swapped_with;
}

static void exchange(sim_disk *one, sim_disk *other)
{
    fake_disk *folder = one->fake;
    one->fake = other->fake;
    other->fake = folder;
}

void sim_disk_swap(sim_disk *one, sim_disk *other)
{
    exchange(one, other);
    one->swapped_with = other->place + 1;
    other->swapped_with = one->place + 1;
    one->digest = fake_disk_digest(one->fake);
    other->digest = fake_disk_digest(other->fake);
}

void sim_disk_swap_back(sim_disk *one, sim_disk *other)
{
    sim_check(one->world,
              fake_disk_digest(one->fake) == one->digest && fake_disk_digest(other->fake) == other->digest,
              "foreign folder", "who was refused has changed the folder of %u or %u", one->place + 1,
              other->place + 1);
    exchange(one, other);
    one->swapped_with = other->swapped_with = 0;
}

bool sim_disk_rot(sim_disk *disk, const char *name, uint64_t offset, uint8_t mask)
{
    uint64_t size_bytes = 0;
    if (!fake_disk_stable(disk->fake, name, &size_bytes) || size_bytes == 0) return false;
    fake_disk_flip(disk->fake, name, offset % size_bytes, mask);
    sim_trace(disk->world, "faults  %s of %u rots", name, disk->place + 1);
    return true;
}

/* Of a disk of which more cannot be read nothing is asked: px gives up at 64 in one reading. */
#define UNREADABLE_MAX 16u
/* Blocks between a spoilt one and the end of the log, at the least: groups that follow it. */
#define BLOCKS_BEHIND 8u

bool sim_disk_spoil(sim_disk *disk, sim_spoil spoil, uint64_t chance)
{
    const sim_image image = *sim_disk_image(disk);
    char name[PX_FILE_NAME_BYTES];
    const uint64_t segment = 1 + chance % image.segment;
    if (spoil == SIM_SPOIL_UNREADABLE && ++disk->unreadable > UNREADABLE_MAX) return false;
    uint64_t blocks = 0;
    px_segment_name(segment, name);
    const uint8_t *bytes = fake_disk_stable(disk->fake, name, &blocks);
    if (!bytes) return false;
    if (segment == image.segment) blocks = image.offset;
    blocks /= PX_DISK_BLOCK_BYTES;
    if (blocks <= BLOCKS_BEHIND) return false;
    blocks -= BLOCKS_BEHIND;
    /* Where the mark is lost, the newest group looks like a torn tail when it is damaged. */
    const uint64_t group = image.group / PX_DISK_BLOCK_BYTES;
    if (segment == image.segment && blocks > group) blocks = group;
    if (blocks == 0) return false;
    const uint64_t offset = (chance >> 20) % blocks * PX_DISK_BLOCK_BYTES;
    const uint64_t other = (chance >> 40) % blocks * PX_DISK_BLOCK_BYTES;
    uint8_t block[PX_DISK_BLOCK_BYTES] = {0};
    if (spoil == SIM_SPOIL_COPY) memcpy(block, bytes + other, sizeof block);
    if (spoil == SIM_SPOIL_FLIP)
        fake_disk_flip(disk->fake, name, offset + chance % PX_DISK_BLOCK_BYTES, (uint8_t)(1u << chance % 8));
    else if (spoil == SIM_SPOIL_UNREADABLE)
        fake_disk_fail_read(disk->fake, name, offset, PX_DISK_BLOCK_BYTES);
    else
        fake_disk_spoil(disk->fake, name, offset, block, sizeof block);
    disk->is_hurt = disk->is_rotten = true;
    sim_trace(disk->world, "faults  %s of %u is spoilt (%d) at byte %llu", name, disk->place + 1, (int)spoil,
              (unsigned long long)offset);
    return true;
}

void sim_disk_spoil_end(sim_disk *disk, uint64_t chance)
{
    const sim_image image = *sim_disk_image(disk);
    const uint64_t blocks = (image.offset + PX_DISK_BLOCK_BYTES - 1) / PX_DISK_BLOCK_BYTES;
    const uint64_t newest = blocks < BLOCKS_BEHIND ? blocks : BLOCKS_BEHIND;
    if (newest == 0) return;
    const uint64_t offset = (blocks - 1 - chance % newest) * PX_DISK_BLOCK_BYTES;
    static const uint8_t zeros[PX_DISK_BLOCK_BYTES];
    char name[PX_FILE_NAME_BYTES];
    px_segment_name(image.segment, name);
    if (chance >> 33 & 1)
        fake_disk_flip(disk->fake, name, offset + (chance >> 10) % 256, (uint8_t)(1u << chance % 8));
    else
        for (uint64_t at = offset; at < blocks * PX_DISK_BLOCK_BYTES; at += sizeof zeros)
            fake_disk_spoil(disk->fake, name, at, zeros, sizeof zeros);
    if (chance >> 32 & 1) fake_disk_remove(disk->fake, "mark");
    disk->is_hurt = true;
    sim_trace(disk->world, "faults  the end of %s of %u is spoilt from byte %llu", name, disk->place + 1,
              (unsigned long long)offset);
}

/* ---- the image ---- */

static px_ballot higher(px_ballot a, px_ballot b)
{
    return px_ballot_less(a, b) ? b : a;
}

/* Reads the record at the image's place, if a valid one stands there. */
static bool take_record(sim_image *image, const uint8_t *bytes, uint64_t size_bytes)
{
    px_record_header header;
    if (image->offset + PX_RECORD_HEADER_BYTES > size_bytes) return false;
    if (px_record_decode_header(bytes + image->offset, &header)) return false;
    if (header.place.segment != image->segment || header.place.offset != image->offset) return false;
    const uint64_t payload_at = image->offset + PX_RECORD_HEADER_BYTES;
    if (header.payload_bytes > size_bytes - payload_at) return false;
    if (!px_record_is_payload(&header, bytes + payload_at)) return false;
    image->promised = higher(image->promised, higher(header.promised, header.accepted));
    image->accepted = header.accepted;
    image->cuts = header.cuts;
    image->length = header.after + header.count;
    image->offset += (PX_RECORD_HEADER_BYTES + header.payload_bytes + 7) / 8 * 8;
    return true;
}

/* Reads on from where it stood; records of a group follow one another, a group begins at a block. */
static void read_segment(sim_image *image, const uint8_t *bytes, uint64_t size_bytes)
{
    for (;;) {
        while (take_record(image, bytes, size_bytes)) continue;
        sim_image next = *image;
        next.offset = (next.offset + PX_DISK_BLOCK_BYTES - 1) / PX_DISK_BLOCK_BYTES * PX_DISK_BLOCK_BYTES;
        next.group = next.offset;
        if (!take_record(&next, bytes, size_bytes)) return;
        *image = next;
    }
}

/* Goes to the next segment that a record stands at the beginning of: one too small for it stays empty. */
static bool enter_segment(sim_disk *disk)
{
    sim_image next = disk->image;
    next.offset = next.group = 0;
    for (;;) {
        char name[PX_FILE_NAME_BYTES];
        uint64_t size_bytes = 0;
        px_segment_name(++next.segment, name);
        const uint8_t *bytes = fake_disk_stable(disk->fake, name, &size_bytes);
        if (!bytes) return false;
        if (!take_record(&next, bytes, size_bytes)) continue;
        disk->image = next;
        return true;
    }
}

static void read_log(sim_disk *disk)
{
    do {
        char name[PX_FILE_NAME_BYTES];
        uint64_t size_bytes = 0;
        px_segment_name(disk->image.segment, name);
        const uint8_t *bytes = fake_disk_stable(disk->fake, name, &size_bytes);
        if (bytes) read_segment(&disk->image, bytes, size_bytes);
    } while (enter_segment(disk));
}

static uint64_t get_number(const uint8_t *at)
{
    uint64_t value = 0;
    for (unsigned byte = 0; byte < 8; byte++) value |= (uint64_t)at[byte] << (8 * byte);
    return value;
}

/* The lower promise of the copies of the small state that are valid: what is said must outlive rot in the
 * other. [R2, log-format.md] */
static px_ballot read_promise(const sim_disk *disk)
{
    px_ballot promised = {UINT64_MAX, UINT64_MAX, UINT64_MAX};
    unsigned valid = 0;
    for (unsigned copy = 0; copy < 2; copy++) {
        uint64_t size_bytes = 0;
        const uint8_t *bytes = fake_disk_stable(disk->fake, copy ? "state-b" : "state-a", &size_bytes);
        if (!bytes || size_bytes != PX_STATE_BYTES) continue;
        if (get_number(bytes + PX_STATE_BYTES - 8) != px_crc32c(0, bytes, PX_STATE_BYTES - 8)) continue;
        const px_ballot each = {get_number(bytes + 32), get_number(bytes + 40), get_number(bytes + 48)};
        if (px_ballot_less(each, promised)) promised = each;
        valid++;
    }
    return valid ? promised : (px_ballot){0, 0, 0};
}

const sim_image *sim_disk_image(sim_disk *disk)
{
    sim_image *image = &disk->image;
    const uint64_t completed = fake_disk_completed(disk->fake);
    if (image->is_read && image->completed == completed) return image;
    image->is_read = true;
    image->completed = completed;
    disk->world->counts.images_read++;
    read_log(disk);
    image->promised = higher(image->promised, read_promise(disk));
    return image;
}
