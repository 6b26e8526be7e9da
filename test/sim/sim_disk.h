/* sim_disk.h - one node's disk: test/support's fake disk, turned by the world.
 *
 * Meaning    Durable writes complete in order, each after a delay that the disk's speed draws. An image is
 *            what stands on the stable device at this moment: the monitor reads the records as they become
 *            stable, one behind the other, so that every statement of every node can be compared with it.
 *            That px's own recovery finds the same is seen at every start.
 * Source     port/disk.h, protocol.md §5. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_TEST_SIM_SIM_DISK_H
#define PX_TEST_SIM_SIM_DISK_H

#include "base/ballot.h"
#include "port/disk.h"
#include "sim/world.h"
#include "support/fake_disk.h"

/* What a node would know if it crashed now. */
typedef struct {
    px_ballot promised, accepted;
    uint64_t cuts, length;
    uint64_t segment, offset; /* where reading goes on */
    uint64_t group;           /* where the newest group of that segment begins */
    uint64_t completed;       /* writes that it has seen */
    bool is_read;
} sim_image;

/* How a place of the log is spoilt. */
typedef enum { SIM_SPOIL_FLIP, SIM_SPOIL_ZERO, SIM_SPOIL_COPY, SIM_SPOIL_UNREADABLE } sim_spoil;

typedef struct {
    sim_world *world;
    uint32_t place;
    fake_disk *fake;
    uint64_t sync_us, sync_jitter_us; /* how long a write takes */
    uint64_t hung_until_us;           /* nothing completes before */
    uint64_t generation;              /* of events: those of the run before are void */
    bool is_muted;                    /* the process has ended: nothing completes any more */
    bool is_hurt;                     /* what was stable was spoilt */
    uint32_t unreadable;              /* blocks, or less where some can be read again */
    bool is_rotten;                   /* and its node has not started since: it may meet it any time */
    uint32_t swapped_with;            /* it has the folder of the node at this place less 1; 0: its own */
    uint64_t digest;                  /* of the folder that it got */
    bool is_awaited;                  /* an event for the next completion is made */
    bool is_over;                     /* the oldest is carried out, and its node is not woken for it */
    sim_image image;
    fake_disk *copy;  /* of the folder as it was at some time, or NULL */
    uint64_t copy_id; /* the storage id that it had */
} sim_disk;

void sim_disk_init(sim_disk *disk, sim_world *world, uint32_t place);
void sim_disk_deinit(sim_disk *disk);
px_disk *sim_disk_port(sim_disk *disk);
void sim_disk_start(sim_disk *disk);
/* The process has said its last word. */
void sim_disk_mute(sim_disk *disk);
/* What was not synced may be lost, in part or torn; with `keeps_power` the system lives on. */
void sim_disk_crash(sim_disk *disk, bool keeps_power);
/* Something else has woken the node: before its turn it takes what is over. */
void sim_disk_wake(sim_disk *disk);
/* After whatever may have handed over a write. */
void sim_disk_watch(sim_disk *disk);

/* Fast again, and never full. */
void sim_disk_calm(sim_disk *disk, uint64_t sync_us);
/* The next durable write fails. */
void sim_disk_fail_next(sim_disk *disk);
/* No space for another file. */
void sim_disk_fill(sim_disk *disk);
/* Two nodes that are down get each other's folder, and back: untouched, or the run fails. */
void sim_disk_swap(sim_disk *one, sim_disk *other);
void sim_disk_swap_back(sim_disk *one, sim_disk *other);
/* Flips bits of a byte of a file; false where there is no such file. */
bool sim_disk_rot(sim_disk *disk, const char *name, uint64_t offset, uint8_t mask);
/* Spoils a place of the log that is well behind its end, so that what follows it tells that it was synced.
 * False where the log is too short. */
bool sim_disk_spoil(sim_disk *disk, sim_spoil spoil, uint64_t chance);
/* Spoils one of the newest blocks of the log, or loses all behind it as a disk does that says too early that
 * it has written; and perhaps the mark: what was synced may look like a torn tail. */
void sim_disk_spoil_end(sim_disk *disk, uint64_t chance);
/* An emptied disk under the old name: its node is down. */
void sim_disk_empty(sim_disk *disk);

/* Keeps a copy of what a power cut would leave at this moment, under its storage id. */
void sim_disk_keep_copy(sim_disk *disk, uint64_t storage_id);
/* Puts it in the disk's place: its node is down. */
void sim_disk_use_copy(sim_disk *disk);
/* A copy of what is stable, and that copy in the disk's place, which takes it over: its node is down. */
fake_disk *sim_disk_copy(const sim_disk *disk);
void sim_disk_put_back(sim_disk *disk, fake_disk *copy);

const sim_image *sim_disk_image(sim_disk *disk);
bool sim_disk_is_hurt(const sim_disk *disk);

#endif
