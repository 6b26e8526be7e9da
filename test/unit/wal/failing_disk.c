/* failing_disk.c - a disk of which one call fails. */
// SPDX-License-Identifier: Apache-2.0
#include "failing_disk.h"

static failing_disk *failing_of(px_disk *disk)
{
    return (failing_disk *)disk;
}

static bool fails(px_disk *disk)
{
    failing_disk *of = failing_of(disk);
    if (of->has_failed) return of->is_lasting;
    if (of->skip-- > 0) return false;
    of->has_failed = true;
    return true;
}

static px_err list(px_disk *disk, void *context,
                   void (*each)(void *context, const char *name, uint64_t size_bytes))
{
    px_disk *inner = failing_of(disk)->inner;
    return fails(disk) ? failing_of(disk)->err : inner->list(inner, context, each);
}

static px_err open_file(px_disk *disk, const char *name, px_disk_file **file)
{
    px_disk *inner = failing_of(disk)->inner;
    return fails(disk) ? failing_of(disk)->err : inner->open(inner, name, file);
}

static px_err list_well(px_disk *disk, void *context,
                        void (*each)(void *context, const char *name, uint64_t size_bytes))
{
    px_disk *inner = failing_of(disk)->inner;
    return inner->list(inner, context, each);
}

static px_err open_well(px_disk *disk, const char *name, px_disk_file **file)
{
    px_disk *inner = failing_of(disk)->inner;
    return inner->open(inner, name, file);
}

static px_err create(px_disk *disk, const char *name, uint64_t size_bytes, px_disk_file **file)
{
    px_disk *inner = failing_of(disk)->inner;
    return fails(disk) ? failing_of(disk)->err : inner->create(inner, name, size_bytes, file);
}

static void prepare(px_disk *disk, px_disk_file *file, uint64_t upto)
{
    px_disk *inner = failing_of(disk)->inner;
    inner->prepare(inner, file, upto);
}

static void close_file(px_disk *disk, px_disk_file *file)
{
    px_disk *inner = failing_of(disk)->inner;
    inner->close(inner, file);
}

static px_err read_file(px_disk *disk, px_disk_file *file, uint64_t offset, uint8_t *space, size_t size_bytes,
                        bool fresh, size_t *read_bytes)
{
    px_disk *inner = failing_of(disk)->inner;
    if (fails(disk)) return failing_of(disk)->err;
    return inner->read(inner, file, offset, space, size_bytes, fresh, read_bytes);
}

static px_err read_well(px_disk *disk, px_disk_file *file, uint64_t offset, uint8_t *space, size_t size_bytes,
                        bool fresh, size_t *read_bytes)
{
    px_disk *inner = failing_of(disk)->inner;
    return inner->read(inner, file, offset, space, size_bytes, fresh, read_bytes);
}

static void write_file(px_disk *disk, px_disk_write *write)
{
    px_disk *inner = failing_of(disk)->inner;
    inner->write(inner, write);
}

static px_err write_hint(px_disk *disk, px_disk_file *file, uint64_t offset, const uint8_t *data,
                         size_t size_bytes)
{
    px_disk *inner = failing_of(disk)->inner;
    return inner->write_hint(inner, file, offset, data, size_bytes);
}

static px_err write_now(px_disk *disk, px_disk_file *file, uint64_t offset, const uint8_t *data,
                        size_t size_bytes)
{
    px_disk *inner = failing_of(disk)->inner;
    return fails(disk) ? failing_of(disk)->err : inner->write_now(inner, file, offset, data, size_bytes);
}

static px_err write_well(px_disk *disk, px_disk_file *file, uint64_t offset, const uint8_t *data,
                         size_t size_bytes)
{
    px_disk *inner = failing_of(disk)->inner;
    return inner->write_now(inner, file, offset, data, size_bytes);
}

static uint64_t free_bytes(px_disk *disk)
{
    px_disk *inner = failing_of(disk)->inner;
    return inner->free_bytes(inner);
}

failing_disk failing_disk_make(px_disk *inner, uint32_t skip, px_err err)
{
    const bool is_full = err == PX_ERR_NO_SPACE, is_device = err == PX_ERR_IO;
    failing_disk made = {.inner = inner, .skip = skip, .err = err};
    made.disk = (px_disk){
        .list = is_full || is_device ? list_well : list,
        .open = is_full || is_device ? open_well : open_file,
        .create = create,
        .prepare = prepare,
        .close = close_file,
        .read = is_full ? read_well : read_file,
        .write = write_file,
        .write_hint = write_hint,
        .write_now = is_full ? write_well : write_now,
        .free_bytes = free_bytes,
    };
    return made;
}
