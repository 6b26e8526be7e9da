/* disk_view.c - a data folder that is looked at and never changed. */
// SPDX-License-Identifier: Apache-2.0
#include "main/disk_view.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct px_disk_file {
    int fd; /* -1: it was made here, and is empty */
    char name[256];
};

typedef struct {
    px_disk disk; /* first, so that a px_disk is its view */
    int folder, lock;
    px_disk_view_events events;
} view;

static px_err err_of(int number)
{
    if (number == ENOENT || number == ENOTDIR) return PX_ERR_NOT_FOUND;
    return number == EACCES || number == EPERM ? PX_ERR_DENIED : PX_ERR_IO;
}

static px_err do_list(px_disk *disk, void *context,
                      void (*each)(void *context, const char *name, uint64_t size_bytes))
{
    const view *self = (const view *)disk;
    const int fd = openat(self->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    if (!folder) {
        const int number = errno;
        if (fd >= 0) (void)close(fd);
        return err_of(number);
    }
    for (const struct dirent *item = readdir(folder); item; item = readdir(folder)) {
        struct stat facts;
        if (fstatat(self->folder, item->d_name, &facts, AT_SYMLINK_NOFOLLOW) || !S_ISREG(facts.st_mode))
            continue;
        each(context, item->d_name, (uint64_t)facts.st_size);
    }
    (void)closedir(folder);
    return PX_OK;
}

static px_err make_file(int fd, const char *name, px_disk_file **file)
{
    px_disk_file *made = calloc(1, sizeof *made);
    if (!made) {
        if (fd >= 0) (void)close(fd);
        return PX_ERR_IO;
    }
    made->fd = fd;
    (void)snprintf(made->name, sizeof made->name, "%s", name);
    *file = made;
    return PX_OK;
}

static px_err do_open(px_disk *disk, const char *name, px_disk_file **file)
{
    const int fd = openat(((const view *)disk)->folder, name, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? err_of(errno) : make_file(fd, name, file);
}

static px_err do_create(px_disk *disk, const char *name, uint64_t size_bytes, px_disk_file **file)
{
    (void)disk;
    (void)size_bytes;
    return make_file(-1, name, file);
}

static void do_prepare(px_disk *disk, px_disk_file *file, uint64_t upto)
{
    (void)disk;
    (void)file;
    (void)upto;
}

static void do_close(px_disk *disk, px_disk_file *file)
{
    (void)disk;
    if (file->fd >= 0) (void)close(file->fd);
    free(file);
}

static px_err do_read(px_disk *disk, px_disk_file *file, uint64_t offset, uint8_t *space, size_t size_bytes,
                      bool fresh, size_t *read_bytes)
{
    const view *self = (const view *)disk;
    *read_bytes = 0;
    if (file->fd < 0) return PX_OK;
    if (fresh) (void)posix_fadvise(file->fd, (off_t)offset, (off_t)size_bytes, POSIX_FADV_DONTNEED);
    while (*read_bytes < size_bytes) {
        const ssize_t got =
            pread(file->fd, space + *read_bytes, size_bytes - *read_bytes, (off_t)(offset + *read_bytes));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return PX_ERR_IO;
        if (got == 0) break;
        *read_bytes += (size_t)got;
    }
    if (self->events.on_read) self->events.on_read(self->events.context, *read_bytes);
    return PX_OK;
}

static px_err do_write_now(px_disk *disk, px_disk_file *file, uint64_t offset, const uint8_t *data,
                           size_t size_bytes)
{
    const view *self = (const view *)disk;
    (void)data;
    if (size_bytes && self->events.on_write)
        self->events.on_write(self->events.context, file->name, offset, size_bytes);
    return PX_OK;
}

/* No durable write is ever handed over here: nothing is staged by whoever only reads. */
static void do_write(px_disk *disk, px_disk_write *write)
{
    (void)disk;
    (void)write;
    abort();
}

static px_err do_rename(px_disk *disk, const char *from, const char *to)
{
    (void)disk;
    (void)from;
    (void)to;
    return PX_OK;
}

static uint64_t do_free_bytes(px_disk *disk)
{
    (void)disk;
    return UINT64_MAX;
}

static const px_disk calls = {
    .list = do_list,
    .open = do_open,
    .create = do_create,
    .prepare = do_prepare,
    .close = do_close,
    .read = do_read,
    .write = do_write,
    .write_hint = do_write_now,
    .write_now = do_write_now,
    .rename = do_rename,
    .free_bytes = do_free_bytes,
};

px_err px_disk_view_open(const char *folder, const px_disk_view_events *events, px_disk **disk)
{
    view *made = calloc(1, sizeof *made);
    if (!made) return PX_ERR_IO;
    *made = (view){.disk = calls, .folder = -1, .lock = -1, .events = *events};
    made->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    px_err err = made->folder < 0 ? err_of(errno) : PX_OK;
    /* A copy of a folder may lack the file of the lock; nobody runs on it then. */
    if (!err) made->lock = openat(made->folder, "lock", O_RDONLY | O_CLOEXEC);
    if (made->lock >= 0 && flock(made->lock, LOCK_SH | LOCK_NB))
        err = errno == EWOULDBLOCK ? PX_ERR_BUSY : err_of(errno);
    if (err) {
        px_disk_view_close(&made->disk);
        return err;
    }
    *disk = &made->disk;
    return PX_OK;
}

void px_disk_view_close(px_disk *disk)
{
    view *self = (view *)disk;
    if (self->lock >= 0) (void)close(self->lock);
    if (self->folder >= 0) (void)close(self->folder);
    free(self);
}
