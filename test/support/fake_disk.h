/* fake_disk.h - a disk in memory that forgets, tears, fails, fills and rots on command.
 *
 * Meaning    Each file has what the system shows (its cache) and what the device holds (stable). A durable
 *            write is stable only when the
 *            test completes it; hints are stable whenever the disk likes. At a crash each unsynced write
 *            survives whole, torn or not at all, as the seed
 *            has it. All chance comes from the seed.
 * Source     port/disk.h; protocol.md §5. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_TEST_SUPPORT_FAKE_DISK_H
#define PX_TEST_SUPPORT_FAKE_DISK_H

#include "port/disk.h"

typedef struct fake_disk fake_disk;

fake_disk *fake_disk_make(uint64_t seed);
/* A disk of its own that holds what is stable on `disk` now. Nothing is open there. */
fake_disk *fake_disk_clone(const fake_disk *disk, uint64_t seed);
void fake_disk_free(fake_disk *disk);
px_disk *fake_disk_port(fake_disk *disk);

/* Durable writes handed over and not completed; how long the oldest is in bytes. */
size_t fake_disk_pending(const fake_disk *disk);
size_t fake_disk_pending_bytes(const fake_disk *disk);
/* Need the end of the oldest not wake anybody? */
bool fake_disk_is_resting(const fake_disk *disk);
/* Completes the oldest durable write: it is stable, and its on_done is called. False where there is none. */
bool fake_disk_complete(fake_disk *disk);
void fake_disk_complete_all(fake_disk *disk);

/* The process ends and the power fails: unsynced writes survive in any subset, torn at any sector or byte;
 * open files are forgotten, no on_done comes. With `keeps_cache` only the process ends (kill -9): what was
 * handed over to the system is shown by it, a durable write under way whole, torn or not at all; but none of
 * it is stable before the next write_now to its file. */
void fake_disk_crash(fake_disk *disk, bool keeps_cache);
/* The power fails; of the oldest durable write exactly [from, upto) reached the device, of later ones and of
 * hints nothing. */
void fake_disk_crash_torn(fake_disk *disk, size_t from, size_t upto);
/* The power fails within the change (create, write_now) that comes after `skip` more of them: it may be
 * there, torn or absent, and all calls fail until fake_disk_crash. */
void fake_disk_cut_power(fake_disk *disk, uint32_t skip);

/* The durable write after `skip` more fails with `err`; for ever where is_lasting. */
void fake_disk_fail_write(fake_disk *disk, uint32_t skip, px_err err, bool is_lasting);
/* Reads that touch [offset, offset + size_bytes) of a file fail with PX_ERR_IO, until all of it is written
 * durably. */
void fake_disk_fail_read(fake_disk *disk, const char *name, uint64_t offset, uint64_t size_bytes);
/* Of the reads after `skip` more the first `count` fail with PX_ERR_IO. */
void fake_disk_fail_reads(fake_disk *disk, uint32_t skip, uint32_t count);
/* No more of them. Has one failed? */
bool fake_disk_forgive_reads(fake_disk *disk);
/* The system writes back what it holds: hints are stable. */
void fake_disk_sync(fake_disk *disk);
/* Room for new files; UINT64_MAX at first. */
void fake_disk_set_free(fake_disk *disk, uint64_t free_bytes);

/* What the device holds, to look at and to spoil; both images change. NULL where there is no such file. */
const uint8_t *fake_disk_stable(const fake_disk *disk, const char *name, uint64_t *size_bytes);
void fake_disk_spoil(fake_disk *disk, const char *name, uint64_t offset, const uint8_t *bytes,
                     size_t size_bytes);
void fake_disk_flip(fake_disk *disk, const char *name, uint64_t offset, uint8_t mask);
void fake_disk_remove(fake_disk *disk, const char *name);
void fake_disk_wipe(fake_disk *disk);

/* Of what the device holds: equal folders have equal digests. */
uint64_t fake_disk_digest(const fake_disk *disk);

/* Durable writes completed, write_now not counted. */
uint64_t fake_disk_completed(const fake_disk *disk);

#endif
