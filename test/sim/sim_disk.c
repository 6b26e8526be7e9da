/* sim_disk.c - one node's disk: test/support's fake disk, turned by the world. */
// SPDX-License-Identifier: Apache-2.0
#include "sim/sim_disk.h"

#include "base/assert.h"
#include "sim/sim_node.h"
#include "support/fake_disk.h"
#include "wal/wal.h"
#include <stdlib.h>
#include <string.h>

/* Stands before the fake disk, so that each durable write makes the event that completes it. */
struct sim_fake_disk {
    px_disk port; /* first */
    sim_disk *owner;
    fake_disk *fake;
};

static sim_fake_disk *front_of(px_disk *port)
{
    return (sim_fake_disk *)port;
}

static sim_fake_disk *front(const sim_disk *disk)
{
    return disk->fake;
}

static px_disk *behind(px_disk *port)
{
    return fake_disk_port(front_of(port)->fake);
}

/* ---- completing ---- */

static void await_next(sim_disk *disk);

static void on_complete(sim_world *world, void *context, uint64_t generation)
{
    sim_disk *disk = context;
    if (generation != disk->generation || disk->is_muted) return;
    disk->is_awaited = false;
    if (world->now_us < disk->hung_until_us) {
        disk->is_awaited = true;
        sim_world_after(world, disk->hung_until_us - world->now_us, on_complete, disk, generation);
        return;
    }
    if (!sim_node_enter(world, disk->place)) return;
    (void)fake_disk_complete(front(disk)->fake);
    sim_node_leave(world, disk->place);
    if (!disk->is_muted && generation == disk->generation) await_next(disk);
}

static void await_next(sim_disk *disk)
{
    if (disk->is_awaited || disk->is_muted || fake_disk_pending(front(disk)->fake) == 0) return;
    disk->is_awaited = true;
    const uint64_t jitter_us =
        disk->sync_jitter_us ? sim_below(disk->world, SIM_CHANCE_DISK, disk->sync_jitter_us + 1) : 0;
    sim_world_after(disk->world, disk->sync_us + jitter_us, on_complete, disk, disk->generation);
}

/* ---- the port ---- */

static px_err do_list(px_disk *port, void *context,
                      void (*each)(void *context, const char *name, uint64_t size_bytes))
{
    return behind(port)->list(behind(port), context, each);
}

static px_err do_open(px_disk *port, const char *name, px_disk_file **file)
{
    return behind(port)->open(behind(port), name, file);
}

static px_err do_create(px_disk *port, const char *name, uint64_t size_bytes, px_disk_file **file)
{
    return behind(port)->create(behind(port), name, size_bytes, file);
}

static void do_prepare(px_disk *port, px_disk_file *file, uint64_t upto)
{
    behind(port)->prepare(behind(port), file, upto);
}

static void do_close(px_disk *port, px_disk_file *file)
{
    behind(port)->close(behind(port), file);
}

static px_err do_read(px_disk *port, px_disk_file *file, uint64_t offset, uint8_t *space, size_t size_bytes,
                      bool fresh, size_t *read_bytes)
{
    return behind(port)->read(behind(port), file, offset, space, size_bytes, fresh, read_bytes);
}

static void do_write(px_disk *port, px_disk_write *write)
{
    sim_disk *disk = front_of(port)->owner;
    behind(port)->write(behind(port), write);
    await_next(disk);
}

static px_err do_write_hint(px_disk *port, px_disk_file *file, uint64_t offset, const uint8_t *data,
                            size_t size_bytes)
{
    return behind(port)->write_hint(behind(port), file, offset, data, size_bytes);
}

static px_err do_write_now(px_disk *port, px_disk_file *file, uint64_t offset, const uint8_t *data,
                           size_t size_bytes)
{
    front_of(port)->owner->writes++;
    return behind(port)->write_now(behind(port), file, offset, data, size_bytes);
}

static px_err do_rename(px_disk *port, const char *from, const char *to)
{
    return behind(port)->rename(behind(port), from, to);
}

static uint64_t do_free_bytes(px_disk *port)
{
    return behind(port)->free_bytes(behind(port));
}

/* ---- life ---- */

void sim_disk_init(sim_disk *disk, sim_world *world, uint32_t place)
{
    *disk = (sim_disk){.world = world, .place = place};
    sim_fake_disk *made = sim_zeroed(sizeof *made);
    made->port = (px_disk){
        do_list,  do_open,       do_create,    do_prepare, do_close,      do_read,
        do_write, do_write_hint, do_write_now, do_rename,  do_free_bytes,
    };
    made->owner = disk;
    made->fake = fake_disk_make(px_prng_next(&world->chance[SIM_CHANCE_DISK]));
    disk->fake = made;
    disk->image_writes = UINT64_MAX;
}

void sim_disk_deinit(sim_disk *disk)
{
    fake_disk_free(front(disk)->fake);
    free(disk->fake);
    disk->fake = NULL;
}

px_disk *sim_disk_port(sim_disk *disk)
{
    return &front(disk)->port;
}

void sim_disk_start(sim_disk *disk)
{
    disk->is_muted = disk->is_awaited = false;
    disk->generation++;
}

void sim_disk_mute(sim_disk *disk)
{
    disk->is_muted = true;
    disk->generation++;
}

void sim_disk_crash(sim_disk *disk)
{
    fake_disk_crash(front(disk)->fake, sim_happens(disk->world, SIM_CHANCE_DISK, 300000));
    disk->writes++;
}

void sim_disk_calm(sim_disk *disk, uint64_t sync_us)
{
    disk->sync_us = sync_us;
    disk->sync_jitter_us = sync_us / 2;
    disk->hung_until_us = 0;
    fake_disk_set_free(front(disk)->fake, UINT64_MAX);
}

void sim_disk_fail_next(sim_disk *disk)
{
    fake_disk_fail_write(front(disk)->fake, 0, PX_ERR_IO, false);
}

void sim_disk_fill(sim_disk *disk)
{
    fake_disk_set_free(front(disk)->fake, 0);
}

/* ---- images ---- */

static void take_record(void *context, const px_record *record)
{
    sim_image *image = context;
    if (px_ballot_less(image->promised, record->promised)) image->promised = record->promised;
    if (px_ballot_less(image->promised, record->accepted)) image->promised = record->accepted;
    if (record->kind == PX_RECORD_PROMISE) return;
    image->accepted = record->accepted;
    image->cuts = record->cuts;
    image->length = record->log.after + record->log.count;
}

static void on_stored(px_wal_events *events, px_ticket upto)
{
    (void)events;
    (void)upto;
}

static void on_failed(px_wal_events *events, px_err err, const char *where)
{
    (void)events;
    (void)err;
    (void)where;
}

static void on_full(px_wal_events *events, bool is_full)
{
    (void)events;
    (void)is_full;
}

const sim_image *sim_disk_image(sim_disk *disk)
{
    const uint64_t writes = disk->writes + fake_disk_completed(front(disk)->fake);
    if (disk->image_writes == writes) return &disk->image;
    const sim_node *node = disk->world->nodes[disk->place];
    fake_disk *clone = fake_disk_clone(front(disk)->fake, 1);
    px_wal_events events = {on_stored, on_failed, on_full};
    const px_wal_config config = {
        .segment_bytes = node->config.segment_bytes,
        .message_bytes_max = node->config.message_bytes_max,
        .random = 1,
        .self = node->config.id,
    };
    px_wal *wal = NULL;
    px_state state;
    px_wal_fault fault;
    disk->image = (sim_image){0};
    disk->image.err =
        px_wal_open(fake_disk_port(clone), &config, &events, &disk->image, take_record, &wal, &state, &fault);
    if (!disk->image.err) px_wal_close(wal);
    fake_disk_free(clone);
    disk->image_writes = writes;
    disk->world->counts.images_read++;
    return &disk->image;
}

bool sim_disk_is_hurt(const sim_disk *disk)
{
    return disk->is_hurt;
}
