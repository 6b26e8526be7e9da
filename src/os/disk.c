/* disk.c - a data folder on the system's disk: px_disk over files and one thread that writes.
 *
 * Meaning    Durable writes go through a descriptor with O_DIRECT | O_DSYNC where the file system has it,
 *            else O_DSYNC: when such a write returns, its bytes are on stable storage. The kernel carries
 *            them out by itself where it need not wait (aio.h), else one thread does. Reads, hints and
 *            small files go through an ordinary descriptor, on the loop's thread. A second thread writes
 *            zeros ahead of the log, since a synced write into written space needs no change of the file
 *            system's own records. A new file gets its name only when it is whole.
 * Holds      The filler never writes where a durable write has been handed over. Of the durable writes one is
 *            under way at a time, in the order given.
 * Source     protocol.md §5, [R17]. */
// SPDX-License-Identifier: Apache-2.0
#include "os/disk.h"

#include "base/assert.h"
#include "os/aio.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#define FILL_CHUNK_BYTES (256u << 10)
#define FILE_NAME_BYTES 64u
/* A file that is being made has this behind its name. */
#define NEW_SUFFIX ".new"

struct px_disk_file {
    char name[FILE_NAME_BYTES];
    int plain;
    int synced;       /* -1 before the first durable write: most segments are only read */
    bool is_direct;   /* `synced` goes past the page cache */
    uint32_t pending; /* durable writes handed over and not yet carried out */
    uint64_t claimed; /* durable writes have been handed over below this offset */
    /* Zeros or writes stand below this offset. UINT64_MAX until the first write here: what an opened file
     * holds
     * above is not known before. */
    uint64_t filled;
    uint64_t wanted;    /* zeros are wanted below this one */
    px_disk_file *next; /* in the filler's list */
};

typedef struct {
    px_disk disk; /* first, so that a px_disk is its os_disk */
    int folder, lock;
    uv_async_t async;
    px_aio aio;
    bool is_resting;
    px_disk_write *in_kernel; /* under way without a thread; NULL: none. Only the loop's thread sets it. */
    uint64_t in_kernel_since_us;
    pthread_t writer, filler;
    pthread_mutex_t mutex;
    pthread_cond_t has_work, has_fill, fill_done, write_done;
    px_disk_write *queue, **queue_end; /* to be written */
    px_disk_write *done, **done_end;   /* to be told */
    px_disk_file *files;
    px_disk_file *filling;
    uint64_t filling_offset, filling_end;
    uint8_t *zeros;
    bool is_writing; /* the writer's thread is at a write */
    bool is_closing;
    unsigned open_handles;
} os_disk;

static px_err err_of(int number)
{
    switch (number) {
    case ENOENT: return PX_ERR_NOT_FOUND;
    case EACCES:
    case EPERM:
    case EROFS: return PX_ERR_DENIED;
    case EMFILE:
    case ENFILE: return PX_ERR_NO_FILES;
    case ENOSPC:
    case EDQUOT: return PX_ERR_NO_SPACE;
    case EEXIST: return PX_ERR_EXISTS;
    default: return PX_ERR_IO;
    }
}

static uint64_t now_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

/* ---- whole writes and reads ---- */

static px_err write_whole(int fd, const uint8_t *data, size_t size_bytes, uint64_t offset)
{
    while (size_bytes) {
        const ssize_t written = pwrite(fd, data, size_bytes, (off_t)offset);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return written < 0 ? err_of(errno) : PX_ERR_IO;
        data += written;
        offset += (uint64_t)written;
        size_bytes -= (size_t)written;
    }
    return PX_OK;
}

static px_err read_whole(int fd, uint8_t *space, size_t size_bytes, uint64_t offset, size_t *read_bytes)
{
    size_t got = 0;
    while (got < size_bytes) {
        const ssize_t count = pread(fd, space + got, size_bytes - got, (off_t)(offset + got));
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return err_of(errno);
        if (count == 0) break;
        got += (size_t)count;
    }
    *read_bytes = got;
    return PX_OK;
}

static int sync_file(int fd)
{
    int result;
    do result = fsync(fd);
    while (result && errno == EINTR);
    return result;
}

/* ---- the writer's thread ---- */

/* Some file systems take O_DIRECT when a file is opened, and refuse writes of this alignment then. */
static px_err write_durably(int fd, const uint8_t *data, size_t size_bytes, uint64_t offset)
{
    if (fd < 0) return PX_ERR_IO;
    const ssize_t written = pwrite(fd, data, size_bytes, (off_t)offset);
    if (written == (ssize_t)size_bytes) return PX_OK;
    const int flags = written < 0 && errno == EINVAL ? fcntl(fd, F_GETFL) : 0;
    if (flags > 0 && flags & O_DIRECT && fcntl(fd, F_SETFL, flags & ~O_DIRECT) == 0)
        return write_whole(fd, data, size_bytes, offset);
    if (written < 0 && errno != EINTR) return err_of(errno);
    const size_t done = written > 0 ? (size_t)written : 0;
    return write_whole(fd, data + done, size_bytes - done, offset + done);
}

/* Are zeros being written where this one goes? */
static bool is_filling(const os_disk *disk, const px_disk_write *write)
{
    return disk->filling == write->file && write->offset < disk->filling_end &&
           write->offset + write->size_bytes > disk->filling_offset;
}

static void *run_writer(void *context)
{
    os_disk *disk = context;
    (void)pthread_mutex_lock(&disk->mutex);
    for (;;) {
        while ((!disk->queue || disk->in_kernel) && !disk->is_closing)
            (void)pthread_cond_wait(&disk->has_work, &disk->mutex);
        if (!disk->queue) break;
        px_disk_write *write = disk->queue;
        while (is_filling(disk, write)) (void)pthread_cond_wait(&disk->fill_done, &disk->mutex);
        disk->queue = write->next;
        if (!disk->queue) disk->queue_end = &disk->queue;
        disk->is_writing = true;
        (void)pthread_mutex_unlock(&disk->mutex);
        const uint64_t started_us = now_us();
        const px_err err = write_durably(write->file->synced, write->data, write->size_bytes, write->offset);
        write->sync_us = now_us() - started_us;
        write->err = err;
        (void)pthread_mutex_lock(&disk->mutex);
        disk->is_writing = false;
        write->next = NULL;
        *disk->done_end = write;
        disk->done_end = &write->next;
        write->file->pending--;
        (void)pthread_cond_broadcast(&disk->write_done);
        (void)uv_async_send(&disk->async);
    }
    (void)pthread_mutex_unlock(&disk->mutex);
    return NULL;
}

static void on_async(uv_async_t *async)
{
    os_disk *disk = async->data;
    for (;;) {
        (void)pthread_mutex_lock(&disk->mutex);
        px_disk_write *write = disk->done;
        if (write) disk->done = write->next;
        if (!disk->done) disk->done_end = &disk->done;
        (void)pthread_mutex_unlock(&disk->mutex);
        if (!write) return;
        write->on_done(write, write->err);
    }
}

/* ---- without a thread ---- */

/* Begins the write at once where nothing is before it. */
static bool submit(os_disk *disk, px_disk_write *write)
{
    const px_disk_file *file = write->file;
    if (!file->is_direct || disk->queue || disk->is_writing || disk->in_kernel) return false;
    if (is_filling(disk, write)) return false;
    disk->in_kernel_since_us = now_us();
    if (!px_aio_write(&disk->aio, file->synced, write->data, write->size_bytes, write->offset,
                      disk->is_resting && write->may_rest))
        return false;
    disk->in_kernel = write;
    return true;
}

/* What the kernel would have had to wait for, it has not begun: the thread may wait. */
static void on_kernel_done(void *context, int64_t result)
{
    os_disk *disk = context;
    px_disk_write *write = disk->in_kernel;
    write->sync_us = now_us() - disk->in_kernel_since_us;
    const bool is_whole = result == (int64_t)write->size_bytes;
    const bool is_refused = result >= 0 || result == -EAGAIN || result == -EOPNOTSUPP || result == -EINVAL;
    if (result == -EOPNOTSUPP || result == -EINVAL) write->file->is_direct = false;
    (void)pthread_mutex_lock(&disk->mutex);
    disk->in_kernel = NULL;
    if (is_refused && !is_whole) {
        write->next = disk->queue;
        if (!disk->queue) disk->queue_end = &write->next;
        disk->queue = write;
    } else {
        write->file->pending--;
    }
    if (disk->queue) (void)pthread_cond_signal(&disk->has_work);
    (void)pthread_mutex_unlock(&disk->mutex);
    if (!is_refused || is_whole) write->on_done(write, is_whole ? PX_OK : err_of((int)-result));
}

/* Pages of the cache behind `offset`, where it will be written, go: what read the file at a start has left
 * them, and the kernel would have to wait for each. */
static void open_synced(const os_disk *disk, px_disk_file *file, uint64_t offset)
{
    (void)posix_fadvise(file->plain, (off_t)offset, 0, POSIX_FADV_DONTNEED);
    file->synced = openat(disk->folder, file->name, O_WRONLY | O_DIRECT | O_DSYNC | O_CLOEXEC);
    file->is_direct = file->synced >= 0;
    if (!file->is_direct) file->synced = openat(disk->folder, file->name, O_WRONLY | O_DSYNC | O_CLOEXEC);
}

static void do_write(px_disk *base, px_disk_write *write)
{
    os_disk *disk = (os_disk *)base;
    write->next = NULL;
    (void)pthread_mutex_lock(&disk->mutex);
    const uint64_t end = write->offset + write->size_bytes;
    px_disk_file *file = write->file;
    file->pending++;
    if (file->synced < 0) open_synced(disk, file, write->offset); /* where it fails, the write does */
    if (file->filled == UINT64_MAX) file->filled = end;
    if (end > file->claimed) file->claimed = end;
    if (!submit(disk, write)) {
        *disk->queue_end = write;
        disk->queue_end = &write->next;
        px_aio_hurry(&disk->aio); /* it may not rest any more: this one waits for it */
        (void)pthread_cond_signal(&disk->has_work);
    }
    (void)pthread_mutex_unlock(&disk->mutex);
}

static void do_rest(px_disk *base, bool is_resting)
{
    os_disk *disk = (os_disk *)base;
    disk->is_resting = is_resting;
    if (!is_resting) px_aio_hurry(&disk->aio);
}

/* ---- the filler's thread ---- */

/* The file that wants zeros; its next chunk begins behind what is claimed. */
static px_disk_file *find_unfilled(os_disk *disk)
{
    for (px_disk_file *file = disk->files; file; file = file->next) {
        if (file->filled == UINT64_MAX || file->synced < 0) continue;
        if (file->filled < file->claimed) file->filled = file->claimed;
        if (file->filled < file->wanted) return file;
    }
    return NULL;
}

static void *run_filler(void *context)
{
    os_disk *disk = context;
    (void)pthread_mutex_lock(&disk->mutex);
    while (!disk->is_closing) {
        px_disk_file *file = disk->queue ? NULL : find_unfilled(disk);
        if (!file) {
            (void)pthread_cond_wait(&disk->has_fill, &disk->mutex);
            continue;
        }
        const uint64_t offset = file->filled;
        const uint64_t left = file->wanted - offset;
        const size_t size_bytes = left < FILL_CHUNK_BYTES ? (size_t)left : FILL_CHUNK_BYTES;
        disk->filling = file;
        disk->filling_offset = offset;
        disk->filling_end = offset + size_bytes;
        (void)pthread_mutex_unlock(&disk->mutex);
        const px_err err = write_durably(file->synced, disk->zeros, size_bytes, offset);
        (void)pthread_mutex_lock(&disk->mutex);
        disk->filling = NULL;
        file->filled = offset + size_bytes;
        if (err) file->wanted = 0; /* the writer meets the same error, and says so */
        (void)pthread_cond_broadcast(&disk->fill_done);
    }
    (void)pthread_mutex_unlock(&disk->mutex);
    return NULL;
}

static void do_prepare(px_disk *base, px_disk_file *file, uint64_t upto)
{
    os_disk *disk = (os_disk *)base;
    (void)pthread_mutex_lock(&disk->mutex);
    if (upto > file->wanted) {
        file->wanted = upto;
        (void)pthread_cond_signal(&disk->has_fill);
    }
    (void)pthread_mutex_unlock(&disk->mutex);
}

/* ---- files ---- */

static px_err adopt(os_disk *disk, const char *name, int plain, px_disk_file **opened)
{
    px_disk_file *file = strlen(name) < FILE_NAME_BYTES ? calloc(1, sizeof *file) : NULL;
    if (!file) {
        (void)close(plain);
        return PX_ERR_IO;
    }
    strcpy(file->name, name);
    file->plain = plain;
    file->synced = -1;
    file->filled = UINT64_MAX;
    (void)pthread_mutex_lock(&disk->mutex);
    file->next = disk->files;
    disk->files = file;
    (void)pthread_mutex_unlock(&disk->mutex);
    *opened = file;
    return PX_OK;
}

static px_err do_open(px_disk *base, const char *name, px_disk_file **file)
{
    os_disk *disk = (os_disk *)base;
    const int plain = openat(disk->folder, name, O_RDWR | O_CLOEXEC);
    return plain < 0 ? err_of(errno) : adopt(disk, name, plain, file);
}

/* Reserves the file's space; 0, or what is wrong. */
static int reserve(int fd, uint64_t size_bytes)
{
    int number;
    do number = posix_fallocate(fd, 0, (off_t)size_bytes);
    while (number == EINTR);
    if (!number && sync_file(fd)) number = errno;
    return number;
}

/* The file gets its name only when its space is there, so that a crash leaves it whole or not at all. */
static px_err do_create(px_disk *base, const char *name, uint64_t size_bytes, px_disk_file **file)
{
    os_disk *disk = (os_disk *)base;
    char made[FILE_NAME_BYTES + sizeof NEW_SUFFIX];
    if (snprintf(made, sizeof made, "%s" NEW_SUFFIX, name) >= (int)sizeof made) return PX_ERR_IO;
    if (faccessat(disk->folder, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0) return PX_ERR_EXISTS;
    const int plain = openat(disk->folder, made, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (plain < 0) return err_of(errno);
    int number = reserve(plain, size_bytes);
    if (!number && renameat(disk->folder, made, disk->folder, name)) number = errno;
    if (number) {
        (void)close(plain);
        (void)unlinkat(disk->folder, made, 0);
        return err_of(number);
    }
    if (sync_file(disk->folder)) {
        number = errno;
        (void)close(plain);
        return number == ENOSPC ? PX_ERR_IO : err_of(number); /* the name may be there: no simple "full" */
    }
    return adopt(disk, name, plain, file);
}

/* Writes of a file that nobody will hear of any more. */
static void forget_done(os_disk *disk, const px_disk_file *file)
{
    px_disk_write **at = &disk->done;
    while (*at) {
        if ((*at)->file == file)
            *at = (*at)->next;
        else
            at = &(*at)->next;
    }
    disk->done_end = at;
}

/* What was handed over is carried out before the file goes, and not told: then its memory is its owner's. */
static void do_close(px_disk *base, px_disk_file *file)
{
    os_disk *disk = (os_disk *)base;
    if (disk->in_kernel && disk->in_kernel->file == file) {
        (void)px_aio_wait(&disk->aio);
        (void)pthread_mutex_lock(&disk->mutex);
        disk->in_kernel = NULL;
        file->pending--;
        (void)pthread_cond_signal(&disk->has_work);
        (void)pthread_mutex_unlock(&disk->mutex);
    }
    (void)pthread_mutex_lock(&disk->mutex);
    while (file->pending) (void)pthread_cond_wait(&disk->write_done, &disk->mutex);
    while (disk->filling == file) (void)pthread_cond_wait(&disk->fill_done, &disk->mutex);
    forget_done(disk, file);
    px_disk_file **at = &disk->files;
    while (*at != file) at = &(*at)->next;
    *at = file->next;
    (void)pthread_mutex_unlock(&disk->mutex);
    (void)close(file->plain);
    if (file->synced >= 0) (void)close(file->synced);
    free(file);
}

static px_err do_read(px_disk *base, px_disk_file *file, uint64_t offset, uint8_t *space, size_t size_bytes,
                      bool fresh, size_t *read_bytes)
{
    (void)base;
    /* What a failed sync left in the page cache is not what the device holds. Only whole pages go. [R17] */
    if (fresh) {
        const uint64_t begin = offset / PX_DISK_BLOCK_BYTES * PX_DISK_BLOCK_BYTES;
        const uint64_t blocks = (offset + size_bytes - begin) / PX_DISK_BLOCK_BYTES + 1;
        (void)posix_fadvise(file->plain, (off_t)begin, (off_t)(blocks * PX_DISK_BLOCK_BYTES),
                            POSIX_FADV_DONTNEED);
    }
    return read_whole(file->plain, space, size_bytes, offset, read_bytes);
}

static px_err do_write_hint(px_disk *base, px_disk_file *file, uint64_t offset, const uint8_t *data,
                            size_t size_bytes)
{
    (void)base;
    return write_whole(file->plain, data, size_bytes, offset);
}

static px_err do_write_now(px_disk *base, px_disk_file *file, uint64_t offset, const uint8_t *data,
                           size_t size_bytes)
{
    (void)base;
    const px_err err = write_whole(file->plain, data, size_bytes, offset);
    if (err) return err;
    int result;
    do result = fdatasync(file->plain);
    while (result && errno == EINTR);
    return result ? err_of(errno) : PX_OK;
}

static px_err do_rename(px_disk *base, const char *from, const char *to)
{
    os_disk *disk = (os_disk *)base;
    if (renameat(disk->folder, from, disk->folder, to) || sync_file(disk->folder)) return err_of(errno);
    return PX_OK;
}

static uint64_t do_free_bytes(px_disk *base)
{
    struct statvfs facts;
    if (fstatvfs(((os_disk *)base)->folder, &facts)) return 0;
    return (uint64_t)facts.f_bavail * facts.f_frsize;
}

static px_err do_list(px_disk *base, void *context,
                      void (*each)(void *context, const char *name, uint64_t size_bytes))
{
    os_disk *disk = (os_disk *)base;
    const int fd = openat(disk->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    if (!folder) {
        const int number = errno;
        if (fd >= 0) (void)close(fd);
        return err_of(number);
    }
    struct dirent *item;
    while ((item = readdir(folder))) {
        struct stat facts;
        if (fstatat(disk->folder, item->d_name, &facts, AT_SYMLINK_NOFOLLOW) || !S_ISREG(facts.st_mode))
            continue;
        each(context, item->d_name, (uint64_t)facts.st_size);
    }
    (void)closedir(folder);
    return PX_OK;
}

/* ---- open and close ---- */

static const px_disk calls = {
    .list = do_list,
    .open = do_open,
    .create = do_create,
    .prepare = do_prepare,
    .close = do_close,
    .read = do_read,
    .write = do_write,
    .rest = do_rest,
    .write_hint = do_write_hint,
    .write_now = do_write_now,
    .rename = do_rename,
    .free_bytes = do_free_bytes,
};

/* The folder's own name must be as durable as what it will hold. Who may not read the folder above cannot
 * sync it; then whoever made this one has to. */
static px_err sync_parent(const os_disk *disk)
{
    const int parent = openat(disk->folder, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (parent < 0) return errno == EACCES ? PX_OK : err_of(errno);
    const int failed = sync_file(parent) ? errno : 0;
    (void)close(parent);
    return failed && failed != EINVAL ? err_of(failed) : PX_OK;
}

/* Each segment has a descriptor: a long log needs more than the usual soft limit. */
static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit)) return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static px_err lock_folder(os_disk *disk, const char *folder)
{
    if (mkdir(folder, 0700) && errno != EEXIST) return err_of(errno);
    disk->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (disk->folder < 0) return err_of(errno);
    const px_err err = sync_parent(disk);
    if (err) return err;
    disk->lock = openat(disk->folder, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (disk->lock < 0) return err_of(errno);
    /* The file is what others look at; the folder itself is locked since a file can be removed. */
    if (flock(disk->folder, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK) return PX_ERR_BUSY;
    if (flock(disk->lock, LOCK_EX | LOCK_NB)) return errno == EWOULDBLOCK ? PX_ERR_BUSY : err_of(errno);
    return PX_OK;
}

px_err px_os_disk_open(struct uv_loop_s *loop, const char *folder, px_disk **opened)
{
    os_disk *disk = calloc(1, sizeof *disk);
    if (!disk) return PX_ERR_IO;
    disk->disk = calls;
    disk->folder = disk->lock = -1;
    const px_err err = lock_folder(disk, folder);
    if (err || posix_memalign((void **)&disk->zeros, PX_DISK_BLOCK_BYTES, FILL_CHUNK_BYTES)) {
        if (disk->lock >= 0) (void)close(disk->lock);
        if (disk->folder >= 0) (void)close(disk->folder);
        free(disk);
        return err ? err : PX_ERR_IO;
    }
    memset(disk->zeros, 0, FILL_CHUNK_BYTES);
    raise_file_limit();
    disk->queue_end = &disk->queue;
    disk->done_end = &disk->done;
    (void)pthread_mutex_init(&disk->mutex, NULL);
    (void)pthread_cond_init(&disk->has_work, NULL);
    (void)pthread_cond_init(&disk->has_fill, NULL);
    (void)pthread_cond_init(&disk->fill_done, NULL);
    (void)pthread_cond_init(&disk->write_done, NULL);
    (void)uv_async_init(loop, &disk->async, on_async);
    disk->async.data = disk;
    disk->open_handles = 1;
    px_aio_open(&disk->aio, loop, disk, on_kernel_done);
    if (pthread_create(&disk->writer, NULL, run_writer, disk) ||
        pthread_create(&disk->filler, NULL, run_filler, disk))
        abort();
    *opened = &disk->disk;
    return PX_OK;
}

static void on_closed(uv_handle_t *handle)
{
    px_aio *aio = handle->data;
    os_disk *disk = handle->type == UV_ASYNC ? handle->data : aio->owner;
    if (--disk->open_handles == 0) free(disk);
}

void px_os_disk_close(px_disk *base)
{
    os_disk *disk = (os_disk *)base;
    px_assert(!disk->in_kernel); /* its file would be open */
    (void)pthread_mutex_lock(&disk->mutex);
    disk->is_closing = true;
    (void)pthread_cond_broadcast(&disk->has_work);
    (void)pthread_cond_broadcast(&disk->has_fill);
    (void)pthread_mutex_unlock(&disk->mutex);
    (void)pthread_join(disk->writer, NULL);
    (void)pthread_join(disk->filler, NULL);
    (void)close(disk->lock);
    (void)close(disk->folder);
    free(disk->zeros);
    disk->open_handles += px_aio_close(&disk->aio, on_closed);
    uv_close((uv_handle_t *)&disk->async, on_closed);
}
