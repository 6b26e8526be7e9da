/* fake_app.h - a node of one, without disk, peers or protocol.
 *
 * Meaning    What is pushed becomes chosen and delivered at the end of the turn, a batch at a time, unless
 *            the test holds it. Sessions of clients are opened, fenced and expired in a turn, too; what is
 *            done in them elsewhere the test says. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_TEST_UNIT_LOCAL_FAKE_APP_H
#define PX_TEST_UNIT_LOCAL_FAKE_APP_H

#include "port/app.h"
#include "port/clock.h"

#define FAKE_BATCHES_MAX 65536u
#define FAKE_INTAKES_MAX 8u
#define FAKE_SESSIONS_MAX 600u

typedef struct {
    px_buffer buffer;
    uint64_t index_first;
    uint32_t count;
} fake_batch;

struct px_intake {
    char name[128];
    px_intake_events *events;
    size_t bytes_max; /* of a client's session: PX_CLIENT_INTAKE_BYTES */
    uint8_t *bytes;   /* payloads pushed and not chosen */
    size_t size_bytes, capacity;
    uint32_t *lengths;
    uint32_t count, lengths_capacity;
    uint64_t pushed, chosen;

    /* ---- of a client's session ---- */
    bool is_session, is_opened, is_ending;
    px_intake_end end;
};

/* As the log has it. */
typedef struct {
    char name[128];
    uint64_t next;
    bool is_expired;
    px_intake intake; /* the one that is open here, if its events are */
} fake_session;

typedef struct {
    px_app app;
    px_clock *clock;
    px_timer again; /* wakes the loop for another turn */
    uint32_t message_bytes_max;
    uint32_t self;
    bool is_held;      /* nothing is chosen */
    bool is_disk_full; /* nothing is taken in */
    bool is_not_ready; /* status says that it waits for something */
    bool is_diverged;
    bool is_peer_up;          /* the other member */
    bool is_led_by_other;     /* after a transfer */
    bool is_transfer_refused; /* nobody takes over */
    uint32_t transfers;
    uint64_t stamp_ms;
    uint64_t first; /* the log's start, 1 */
    uint64_t delivered;
    fake_batch *batches[FAKE_BATCHES_MAX];
    uint32_t batch_count;
    px_watcher *watchers;
    px_barrier *barriers;
    px_intake intakes[FAKE_INTAKES_MAX];
    uint32_t intake_count;
    fake_session sessions[FAKE_SESSIONS_MAX];
    uint32_t session_count;
    uint32_t session_opens;  /* calls of session_open */
    bool is_session_refused; /* too many are open */
    uint64_t reads;          /* calls of read */
} fake_app;

void fake_app_init(fake_app *app, px_clock *clock, uint32_t message_bytes_max);
void fake_app_deinit(fake_app *app);
/* Chooses and delivers what was pushed; calls watchers, barriers. */
void fake_app_turn(fake_app *app);
/* Does somebody wait for the next message? */
bool fake_app_is_awaited(fake_app *app);
/* Puts messages of another member into the log, and delivers them at the next turn. */
void fake_app_say(fake_app *app, uint32_t origin, const void *bytes, size_t size_bytes);
/* Somebody brings in the next `count` messages of a session at another node. Whoever has it open here hears
 * of it where `is_told`; what was pushed here under those numbers is not taken again. */
void fake_app_bring(fake_app *app, const char *name, uint32_t count, bool is_told);
/* The session is opened anew elsewhere, or forgotten: whoever has it open here is told at the next turn. */
void fake_app_end(fake_app *app, const char *name, px_intake_end end);
/* The payload of a delivered message; empty where there is none. */
px_bytes fake_app_message(fake_app *app, uint64_t index);

#endif
