/* world.h - local/ over real FIFOs and sockets of a scratch folder, above a fake node and a disk in memory.
 * */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_TEST_UNIT_LOCAL_WORLD_H
#define PX_TEST_UNIT_LOCAL_WORLD_H

#include "fake_app.h"
#include "local/local.h"
#include "os/loop.h"
#include <sys/types.h>

#define WORLD_MESSAGE_BYTES_MAX (256u << 10)
#define WORLD_PATH_BYTES 128u
/* Longer than anything takes that works. */
#define WORLD_DEADLINE_MS 20000u

/* One of its files; bytes NULL: not made yet. */
typedef struct {
    char name[32];
    uint8_t *bytes;
    size_t size_bytes;
} world_file;

#define WORLD_FILES 2u
typedef struct {
    px_disk disk;
    world_file files[WORLD_FILES];
    px_disk_write *writes, **writes_end; /* durable ones under way; the turn carries them out */
    px_err write_err;                    /* of those carried out from now on */
    bool is_held;                        /* no durable write is carried out */
    uint64_t written;                    /* durable writes carried out */
} world_disk;

typedef struct {
    px_loop *loop;
    px_clock *clock;
    px_streams *streams;
    px_log log;
    uint32_t log_count;
    char log_last[512];
    world_disk disk;
    fake_app app;
    px_local *local;
    px_local_pipe pipe;
    px_local_config config;
    char folder[WORLD_PATH_BYTES], in[WORLD_PATH_BYTES], out[WORLD_PATH_BYTES], socket[WORLD_PATH_BYTES];
    bool is_stopped;
    bool (*is_reached)(void *context);
    void *reached_context;
    bool was_reached;
    px_timer deadline;
} world;

/* A scratch folder, the node, and one pipe of this format in it; opened by world_open. */
void world_init(world *w, px_local_format format);
void world_deinit(world *w);
/* One of its own, of lines; for a setup. */
world *world_make(void);
/* The teardown of a test whose state is a world of world_make. */
int world_teardown(void **state);

void world_open(world *w);
/* As kill -9 would: nothing is waited for. */
void world_kill(world *w);
/* A clean stop, to its end. */
void world_stop(world *w);

/* A file of the disk. */
world_file *world_file_of(world *w, const char *name);

/* Runs turns until the condition holds, which is asked behind each; false where the deadline comes first. */
bool world_run_until(world *w, bool (*is_reached)(void *context), void *context);
/* Runs turns for so long. */
void world_run_ms(world *w, uint32_t ms);
/* Runs until the log holds so many messages. */
bool world_run_until_delivered(world *w, uint64_t index);
/* Runs until a reader may go on: the descriptor is readable. */
bool world_run_until_readable(world *w, int fd);

/* Opens the `out` FIFO for reading; the descriptor does not block. */
int world_reader(const world *w);

/* What was dropped on the way in, as counted. */
px_local_counters world_count(world *w, const char *direction);

/* Reads exactly so many bytes, while the world turns. False where they do not come. */
bool world_read(world *w, int fd, void *space, size_t size_bytes);
/* Writes all of it, while the world turns. */
bool world_write(world *w, int fd, const void *bytes, size_t size_bytes);
/* Reads up to and with the next newline; without the newline into text. */
bool world_read_line(world *w, int fd, char *text, size_t text_bytes);

/* A shell that runs the script with $IN, $OUT, $SOCKET and $FOLDER. */
pid_t world_shell(world *w, const char *script);
/* Waits for its end, while the world turns; its exit status, -1 where it does not end. */
int world_wait(world *w, pid_t pid);

/* Processor time of this process, in microseconds. */
uint64_t world_processor_us(void);

#endif
