/* sim_disk.h - one node's disk: test/support's fake disk, turned by the world.
 *
 * Meaning    Durable writes complete in order, each after a delay that the disk's speed draws. An image is
 *            what px would read after a crash at this moment: opened by px's own log, on a copy of what is
 *            stable.
 * Source     port/disk.h, protocol.md §5. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_TEST_SIM_SIM_DISK_H
#define PX_TEST_SIM_SIM_DISK_H

#include "base/ballot.h"
#include "port/disk.h"
#include "sim/world.h"

typedef struct {
    px_err err;
    px_ballot promised, accepted;
    uint64_t cuts, length;
} sim_image;

typedef struct sim_fake_disk sim_fake_disk;

typedef struct {
    sim_world *world;
    uint32_t place;
    void *fake;
    uint64_t sync_us, sync_jitter_us; /* how long a write takes */
    uint64_t hung_until_us;           /* nothing completes before */
    uint64_t generation;              /* of events: those of the run before are void */
    bool is_muted;                    /* the process has ended: nothing is handed over or completes */
    bool is_hurt;                     /* somebody flipped a bit of what was stable */
    bool is_awaited;                  /* an event for the next completion is made */
    sim_image image;
    uint64_t image_writes; /* how many completed writes the image has */
    uint64_t writes;
} sim_disk;

void sim_disk_init(sim_disk *disk, sim_world *world, uint32_t place);
void sim_disk_deinit(sim_disk *disk);
px_disk *sim_disk_port(sim_disk *disk);
void sim_disk_start(sim_disk *disk);
void sim_disk_mute(sim_disk *disk);
void sim_disk_crash(sim_disk *disk);
/* Fast again, and never full. */
void sim_disk_calm(sim_disk *disk, uint64_t sync_us);
/* The next durable write fails. */
void sim_disk_fail_next(sim_disk *disk);
/* No space for another file. */
void sim_disk_fill(sim_disk *disk);
const sim_image *sim_disk_image(sim_disk *disk);
bool sim_disk_is_hurt(const sim_disk *disk);

#endif
