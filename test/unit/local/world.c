/* world.c - local/ over real FIFOs and sockets of a scratch folder, above a fake node and a disk in memory.
 * */
// SPDX-License-Identifier: Apache-2.0
#include "world.h"

#include "base/assert.h"
#include "os/stream.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define OWNER_OF(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* ---- log ---- */

void px_log_event(px_log *log, px_log_level level, const char *format, ...)
{
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (level <= log->level) log->write(log, level, line);
}

static void log_write(px_log *log, px_log_level level, const char *line)
{
    world *w = OWNER_OF(log, world, log);
    (void)level;
    w->log_count++;
    snprintf(w->log_last, sizeof w->log_last, "%s", line);
    if (getenv("PX_TEST_LOG")) fprintf(stderr, "log: %s\n", line);
}

/* ---- disk: files in memory ---- */

static world_disk *disk_of(px_disk *disk)
{
    return (world_disk *)disk;
}

static world_file *find_file(world_disk *disk, const char *name)
{
    for (unsigned i = 0; i < WORLD_FILES; i++)
        if (strcmp(disk->files[i].name, name) == 0) return &disk->files[i];
    return NULL;
}

world_file *world_file_of(world *w, const char *name)
{
    world_file *file = find_file(&w->disk, name);
    px_assert(file != NULL);
    return file;
}

static px_err disk_open(px_disk *disk, const char *name, px_disk_file **file)
{
    world_file *found = find_file(disk_of(disk), name);
    if (!found) return PX_ERR_NOT_FOUND;
    *file = (px_disk_file *)(void *)found;
    return PX_OK;
}

static px_err disk_create(px_disk *disk, const char *name, uint64_t size_bytes, px_disk_file **file)
{
    world_file *made = find_file(disk_of(disk), "");
    px_assert(made != NULL);
    snprintf(made->name, sizeof made->name, "%s", name);
    made->bytes = calloc(1, size_bytes);
    made->size_bytes = size_bytes;
    return disk_open(disk, name, file);
}

/* As kill -9 would: what is under way is lost. */
static void disk_close(px_disk *disk, px_disk_file *file)
{
    px_disk_write **at = &disk_of(disk)->writes;
    while (*at) {
        if ((*at)->file == file)
            *at = (*at)->next;
        else
            at = &(*at)->next;
    }
    disk_of(disk)->writes_end = at;
}

static px_err disk_read(px_disk *disk, px_disk_file *of, uint64_t offset, uint8_t *space, size_t size_bytes,
                        bool fresh, size_t *read_bytes)
{
    const world_file *file = (world_file *)(void *)of;
    (void)disk;
    (void)fresh;
    px_assert(offset + size_bytes <= file->size_bytes);
    memcpy(space, file->bytes + offset, size_bytes);
    *read_bytes = size_bytes;
    return PX_OK;
}

static px_err disk_write_hint(px_disk *disk, px_disk_file *of, uint64_t offset, const uint8_t *data,
                              size_t size_bytes)
{
    const world_file *file = (world_file *)(void *)of;
    (void)disk;
    px_assert(offset + size_bytes <= file->size_bytes);
    memcpy(file->bytes + offset, data, size_bytes);
    return PX_OK;
}

static void disk_write(px_disk *base, px_disk_write *write)
{
    world_disk *disk = disk_of(base);
    px_assert(write->offset % PX_DISK_BLOCK_BYTES == 0 && write->size_bytes % PX_DISK_BLOCK_BYTES == 0);
    px_assert((uintptr_t)write->data % PX_DISK_BLOCK_BYTES == 0);
    write->next = NULL;
    *disk->writes_end = write;
    disk->writes_end = &write->next;
}

/* Carries out the durable writes that are under way now. */
static void disk_turn(world_disk *disk)
{
    px_disk_write *write = disk->is_held ? NULL : disk->writes;
    if (!write) return;
    disk->writes = NULL;
    disk->writes_end = &disk->writes;
    while (write) {
        px_disk_write *next = write->next;
        if (!disk->write_err)
            (void)disk_write_hint(&disk->disk, write->file, write->offset, write->data, write->size_bytes);
        disk->written++;
        write->on_done(write, disk->write_err);
        write = next;
    }
}

/* ---- turns ---- */

static void on_turn(void *context)
{
    world *w = context;
    disk_turn(&w->disk);
    fake_app_turn(&w->app);
    if (!w->is_reached || !w->is_reached(w->reached_context)) return;
    w->was_reached = true;
    px_loop_stop(w->loop);
}

static void on_deadline(px_timer *timer)
{
    px_loop_stop(OWNER_OF(timer, world, deadline)->loop);
}

static bool run(world *w, bool (*is_reached)(void *context), void *context, uint32_t ms)
{
    w->is_reached = is_reached;
    w->reached_context = context;
    w->was_reached = false;
    px_timers_start(w->clock->timers, &w->deadline, w->clock->now_us(w->clock) + ms * (uint64_t)1000);
    px_loop_run(w->loop);
    px_timers_stop(w->clock->timers, &w->deadline);
    w->is_reached = NULL;
    return w->was_reached;
}

bool world_run_until(world *w, bool (*is_reached)(void *context), void *context)
{
    return run(w, is_reached, context, WORLD_DEADLINE_MS);
}

void world_run_ms(world *w, uint32_t ms)
{
    (void)run(w, NULL, NULL, ms);
}

typedef struct {
    world *w;
    uint64_t index;
} wanted_index;

static bool is_delivered(void *context)
{
    const wanted_index *wanted = context;
    return wanted->w->app.delivered >= wanted->index;
}

bool world_run_until_delivered(world *w, uint64_t index)
{
    wanted_index wanted = {w, index};
    return world_run_until(w, is_delivered, &wanted);
}

/* The loop does not know the test's descriptors; a thread would be another world. So a tick asks. */
typedef struct {
    px_timer tick;
    world *w;
    int fd;
    short wanted;
} asked_fd;

static bool is_ready(void *context)
{
    const asked_fd *asked = context;
    struct pollfd state = {.fd = asked->fd, .events = asked->wanted};
    return poll(&state, 1, 0) > 0;
}

static void on_tick(px_timer *timer)
{
    asked_fd *asked = OWNER_OF(timer, asked_fd, tick);
    px_timers_start(asked->w->clock->timers, timer, asked->w->clock->now_us(asked->w->clock) + 200);
}

static bool run_until_ready(world *w, int fd, short wanted)
{
    asked_fd asked = {.tick.on_fire = on_tick, .w = w, .fd = fd, .wanted = wanted};
    on_tick(&asked.tick);
    const bool was_reached = world_run_until(w, is_ready, &asked);
    px_timers_stop(w->clock->timers, &asked.tick);
    return was_reached;
}

bool world_run_until_readable(world *w, int fd)
{
    return run_until_ready(w, fd, POLLIN);
}

/* ---- applications ---- */

bool world_read(world *w, int fd, void *space, size_t size_bytes)
{
    for (size_t done = 0; done < size_bytes;) {
        const ssize_t got = read(fd, (char *)space + done, size_bytes - done);
        if (got > 0)
            done += (size_t)got;
        else if (got == 0 || errno != EAGAIN || !run_until_ready(w, fd, POLLIN))
            return false;
    }
    return true;
}

bool world_write(world *w, int fd, const void *bytes, size_t size_bytes)
{
    for (size_t done = 0; done < size_bytes;) {
        const ssize_t put = write(fd, (const char *)bytes + done, size_bytes - done);
        if (put > 0)
            done += (size_t)put;
        else if (errno != EAGAIN || !run_until_ready(w, fd, POLLOUT))
            return false;
    }
    return true;
}

bool world_read_line(world *w, int fd, char *text, size_t text_bytes)
{
    for (size_t used = 0; used < text_bytes; used++) {
        if (!world_read(w, fd, text + used, 1)) return false;
        if (text[used] != '\n') continue;
        text[used] = 0;
        return true;
    }
    return false;
}

pid_t world_shell(world *w, const char *script)
{
    const pid_t pid = fork();
    px_assert(pid >= 0);
    if (pid > 0) return pid;
    setenv("IN", w->in, 1);
    setenv("OUT", w->out, 1);
    setenv("SOCKET", w->socket, 1);
    setenv("FOLDER", w->folder, 1);
    execl("/bin/bash", "bash", "-c", script, (char *)NULL);
    _exit(127);
}

typedef struct {
    px_timer tick;
    world *w;
    pid_t pid;
    int status;
    bool is_over;
} asked_child;

static bool is_child_over(void *context)
{
    asked_child *child = context;
    if (!child->is_over) child->is_over = waitpid(child->pid, &child->status, WNOHANG) == child->pid;
    return child->is_over;
}

static void on_child_tick(px_timer *timer)
{
    asked_child *child = OWNER_OF(timer, asked_child, tick);
    px_timers_start(child->w->clock->timers, timer, child->w->clock->now_us(child->w->clock) + 1000);
}

int world_wait(world *w, pid_t pid)
{
    asked_child child = {.tick.on_fire = on_child_tick, .w = w, .pid = pid};
    on_child_tick(&child.tick);
    const bool was_reached = world_run_until(w, is_child_over, &child);
    px_timers_stop(w->clock->timers, &child.tick);
    return was_reached && WIFEXITED(child.status) ? WEXITSTATUS(child.status) : -1;
}

uint64_t world_processor_us(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    const uint64_t seconds = (uint64_t)usage.ru_utime.tv_sec + (uint64_t)usage.ru_stime.tv_sec;
    return seconds * 1000000u + (uint64_t)usage.ru_utime.tv_usec + (uint64_t)usage.ru_stime.tv_usec;
}

/* ---- its life ---- */

void world_init(world *w, px_local_format format)
{
    static const char *const members[] = {"a.example", "b.example"};
    memset(w, 0, sizeof *w);
    snprintf(w->folder, sizeof w->folder, "/tmp/px-local-XXXXXX");
    px_assert(mkdtemp(w->folder) != NULL);
    snprintf(w->in, sizeof w->in, "%.100s/in", w->folder);
    snprintf(w->out, sizeof w->out, "%.100s/out", w->folder);
    snprintf(w->socket, sizeof w->socket, "%.100s/px.sock", w->folder);
    px_assert(px_loop_open(&w->loop) == PX_OK);
    px_assert(px_os_streams_open(px_loop_uv(w->loop), &w->streams) == PX_OK);
    w->clock = px_loop_clock(w->loop);
    w->log = (px_log){.level = PX_LOG_DEBUG, .write = log_write};
    w->deadline.on_fire = on_deadline;
    w->disk.disk = (px_disk){.open = disk_open,
                             .create = disk_create,
                             .close = disk_close,
                             .read = disk_read,
                             .write = disk_write,
                             .write_hint = disk_write_hint,
                             .write_now = disk_write_hint};
    w->disk.writes_end = &w->disk.writes;
    fake_app_init(&w->app, w->clock, WORLD_MESSAGE_BYTES_MAX);
    w->pipe = (px_local_pipe){.name = "1", .in = w->in, .out = w->out, .format = format, .mode = 0660};
    w->config = (px_local_config){.pipe_count = 1,
                                  .pipes = &w->pipe,
                                  .message_bytes_max = WORLD_MESSAGE_BYTES_MAX,
                                  .member_count = 2,
                                  .members = members};
    px_loop_on_turn(w->loop, w, on_turn);
}

void world_open(world *w)
{
    px_local_fault fault = {0};
    const px_err err = px_local_open(&w->config, &w->app.app, w->streams, &w->disk.disk, w->clock, &w->log,
                                     &w->local, &fault);
    if (err) fprintf(stderr, "%s: %s\n", fault.where, fault.what);
    px_assert(err == PX_OK);
}

void world_kill(world *w)
{
    px_local_close(w->local);
    w->local = NULL;
}

static void on_stopped(void *context)
{
    ((world *)context)->is_stopped = true;
}

static bool is_stopped(void *context)
{
    return ((world *)context)->is_stopped;
}

void world_stop(world *w)
{
    w->is_stopped = false;
    px_local_stop(w->local, w, on_stopped);
    px_assert(world_run_until(w, is_stopped, w));
    world_kill(w);
}

static void count_one(void *context, const px_local_counters *counters)
{
    px_local_counters *sought = context;
    if (strcmp(counters->direction, sought->direction) == 0) *sought = *counters;
}

px_local_counters world_count(world *w, const char *direction)
{
    px_local_counters counters = {.direction = direction};
    px_local_count(w->local, &counters, count_one);
    return counters;
}

void world_deinit(world *w)
{
    if (w->local) world_kill(w);
    fake_app_deinit(&w->app);
    px_os_streams_close(w->streams);
    px_loop_close(w->loop);
    for (unsigned i = 0; i < WORLD_FILES; i++) free(w->disk.files[i].bytes);
    unlink(w->in);
    unlink(w->out);
    unlink(w->socket);
    px_assert(rmdir(w->folder) == 0);
}

world *world_make(void)
{
    world *w = calloc(1, sizeof *w);
    px_assert(w);
    world_init(w, PX_LOCAL_LINE);
    return w;
}

int world_teardown(void **state)
{
    world_deinit(*state);
    free(*state);
    return 0;
}

int world_reader(const world *w)
{
    const int fd = open(w->out, O_RDONLY | O_NONBLOCK);
    px_assert(fd >= 0);
    return fd;
}
