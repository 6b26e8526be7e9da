/* connection_manager.c - the side that dials: one outgoing connection to each other member, for ever. */
// SPDX-License-Identifier: Apache-2.0
#include "quic/connection_manager.h"

#include "base/assert.h"
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

/* The same complaint is repeated after this long. */
#define COMPLAIN_US 60000000u
/* Doublings of the delay; the cap is reached long before. */
#define DOUBLINGS_MAX 16u
/* A connection that lasted this long was wanted. */
#define BRIEF_US 1000000u
/* After so many that were not, the other side's dialling is no reason to dial at once: two nodes that refuse
 * each other would do nothing else any more. */
#define BRIEF_MAX 3u

static void enter_waiting(px_dialler *dialler, uint64_t delay_us);
static void enter_resolving(px_dialler *dialler);

static const char *name_of(const px_dialler *dialler)
{
    return dialler->manager->names->names[dialler->place];
}

static px_timers *timers_of(const px_dialler *dialler)
{
    return dialler->manager->shared->clock->timers;
}

static uint64_t now_of(const px_dialler *dialler)
{
    px_clock *clock = dialler->manager->shared->clock;
    return clock->now_us(clock);
}

/* A member that is not there, as at the start of a cluster, is news; a refusal is to be mended. */
static void complain(px_dialler *dialler, px_log_level level, const char *words)
{
    px_log *log = dialler->manager->shared->log;
    const uint64_t now_us = now_of(dialler);
    const bool is_known =
        strcmp(words, dialler->complaint.text) == 0 && now_us - dialler->complaint_us < COMPLAIN_US;
    if (!is_known) {
        px_words_set(&dialler->complaint, "%s", words);
        dialler->complaint_us = now_us;
    }
    px_log_event(log, is_known ? PX_LOG_DEBUG : level, "quic: dialling %s (%s port %u) failed: %s",
                 name_of(dialler), dialler->query.host, dialler->query.port, words);
}

/* ---- waiting ---- */

/* The first repetition comes after retry_delay, each further one after twice the last, and never after more
 * than the cap; half of it is left to chance, so that nodes that lost each other do not meet in step. */
static uint64_t next_delay_us(px_dialler *dialler)
{
    px_connection_manager *manager = dialler->manager;
    uint32_t doublings = dialler->failures > dialler->brief ? dialler->failures : dialler->brief;
    if (doublings > DOUBLINGS_MAX) doublings = DOUBLINGS_MAX;
    uint64_t delay_us = manager->retry_delay_us << doublings;
    if (delay_us > PX_RETRY_US_MAX) delay_us = PX_RETRY_US_MAX;
    dialler->failures++;
    return delay_us / 2 + px_prng_below(&manager->prng, delay_us / 2 + 1);
}

static void enter_waiting(px_dialler *dialler, uint64_t delay_us)
{
    px_assert(!dialler->connection && !dialler->socket);
    dialler->state = PX_DIALLER_WAITING;
    px_timers_start(timers_of(dialler), &dialler->timer, now_of(dialler) + delay_us);
}

static void on_timer(px_timer *timer)
{
    px_dialler *dialler = (px_dialler *)((char *)timer - offsetof(px_dialler, timer));
    px_assert(dialler->state == PX_DIALLER_WAITING);
    enter_resolving(dialler);
}

/* ---- dialling ---- */

static void close_socket(px_dialler *dialler)
{
    px_dgram_net *dgrams = dialler->manager->shared->dgrams;
    px_connection_free(dialler->connection);
    dialler->connection = NULL;
    if (dialler->socket) dgrams->close(dgrams, dialler->socket);
    dialler->socket = NULL;
    px_send_queue_deinit(&dialler->queue);
}

static bool is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        return (ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr) >> 24) == 127;
    }
    return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
}

/* Where to dial from: the address at which this node listens, with a new port, so that rules of a firewall
 * can name it. False: as the system chooses, because this node listens everywhere or the two could not meet
 * from there. */
static bool choose_source(const px_dialler *dialler, px_dgram_address *source)
{
    *source = dialler->manager->local;
    struct sockaddr *from = (struct sockaddr *)(void *)source->bytes;
    const struct sockaddr *to = (const struct sockaddr *)(const void *)dialler->address.bytes;
    if (from->sa_family != to->sa_family || is_loopback(from) != is_loopback(to)) return false;
    if (from->sa_family == AF_INET) {
        struct sockaddr_in *four = (struct sockaddr_in *)(void *)from;
        four->sin_port = 0;
        return four->sin_addr.s_addr != htonl(INADDR_ANY);
    }
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)(void *)from;
    six->sin6_port = 0;
    return !IN6_IS_ADDR_UNSPECIFIED(&six->sin6_addr);
}

static px_err open_socket(px_dialler *dialler)
{
    px_connection_manager *manager = dialler->manager;
    px_dgram_net *dgrams = manager->shared->dgrams;
    px_dgram_address source;
    if (choose_source(dialler, &source) &&
        !dgrams->open(dgrams, &source, &dialler->address, manager->receive_bytes, &dialler->events,
                      &dialler->socket)) {
        return PX_OK;
    }
    return dgrams->open(dgrams, NULL, &dialler->address, manager->receive_bytes, &dialler->events,
                        &dialler->socket);
}

static const px_connection_owner connection_owner;

/* Waits for the next attempt. A name with several addresses has not failed before each of them was tried. */
static void wait_after_failure(px_dialler *dialler)
{
    const bool has_untried = ++dialler->tried < dialler->query.count;
    if (!has_untried) dialler->tried = 0;
    enter_waiting(dialler, has_untried ? 0 : next_delay_us(dialler));
}

static void fail_attempt(px_dialler *dialler, px_log_level level, const char *words)
{
    complain(dialler, level, words);
    close_socket(dialler);
    wait_after_failure(dialler);
}

static void enter_dialling(px_dialler *dialler)
{
    px_connection_manager *manager = dialler->manager;
    dialler->state = PX_DIALLER_DIALLING;
    dialler->address = dialler->query.addresses[dialler->attempts++ % dialler->query.count];
    const px_err err = open_socket(dialler);
    if (err) {
        fail_attempt(dialler, PX_LOG_WARN, err == PX_ERR_NOT_FOUND ? "no route to it" : px_err_text(err));
        return;
    }
    if (px_connection_dial(manager->shared, dialler->socket, &dialler->address, manager->tls, manager->names,
                           dialler->place, &dialler->queue, &dialler->connection)) {
        fail_attempt(dialler, PX_LOG_WARN, "out of memory");
        return;
    }
    dialler->connection->owner = &connection_owner;
    dialler->connection->owner_context = dialler;
}

static void take_answer(px_dialler *dialler)
{
    if (dialler->query.count) {
        enter_dialling(dialler);
        return;
    }
    px_words words;
    px_words_set(&words, "the name cannot be resolved: %s", dialler->query.fault);
    fail_attempt(dialler, PX_LOG_WARN, words.text);
}

static void on_resolved(px_dgram_query *query)
{
    take_answer((px_dialler *)((char *)query - offsetof(px_dialler, query)));
}

static void enter_resolving(px_dialler *dialler)
{
    px_dgram_net *dgrams = dialler->manager->shared->dgrams;
    px_timers_stop(timers_of(dialler), &dialler->timer);
    dialler->state = PX_DIALLER_RESOLVING;
    dialler->dials_at_once = false;
    if (dgrams->resolve(dgrams, &dialler->query) == PX_OK) take_answer(dialler);
}

/* ---- what the connection tells ---- */

static void on_ready(px_connection *connection)
{
    px_dialler *dialler = connection->owner_context;
    px_assert(dialler->state == PX_DIALLER_DIALLING);
    dialler->state = PX_DIALLER_UP;
    dialler->up_us = now_of(dialler);
    dialler->failures = dialler->tried = 0;
    dialler->ups++;
    dialler->complaint.text[0] = '\0';
    char address[PX_DGRAM_TEXT_BYTES];
    dialler->manager->shared->dgrams->print(&dialler->address, address);
    px_log_event(dialler->manager->shared->log, PX_LOG_DEBUG, "quic: connected to %s at %s", name_of(dialler),
                 address);
    dialler->manager->owner.on_up(dialler->manager->owner.context, dialler->place);
}

static void on_bytes(px_connection *connection, uint8_t *bytes, size_t size_bytes)
{
    /* The other side has no stream towards this one: connection_open.c permits it none. */
    (void)bytes;
    (void)size_bytes;
    px_connection_end(connection, 0, "bytes on a stream that was not permitted");
}

static void on_ended(px_connection *connection)
{
    px_dialler *dialler = connection->owner_context;
    const px_words reason = connection->reason;
    const bool was_up = dialler->state == PX_DIALLER_UP;
    if (!was_up && !dialler->dials_at_once) {
        fail_attempt(dialler, connection->was_refused ? PX_LOG_WARN : PX_LOG_INFO, reason.text);
        return;
    }
    bool dials_at_once = dialler->dials_at_once;
    if (was_up && now_of(dialler) - dialler->up_us < BRIEF_US) {
        dialler->brief++;
    } else if (was_up) {
        /* One attempt follows at once: the other side may have restarted, or only the way was broken for a
         * while. */
        dialler->brief = 0;
        dials_at_once = true;
    }
    close_socket(dialler);
    enter_waiting(dialler, dials_at_once ? 0 : next_delay_us(dialler));
    if (!was_up) return;
    px_words_set(&dialler->complaint, "the connection ended: %s", reason.text);
    px_log_event(dialler->manager->shared->log, PX_LOG_INFO, "quic: the connection to %s ended: %s",
                 name_of(dialler), reason.text);
    dialler->manager->owner.on_down(dialler->manager->owner.context, dialler->place, reason.text);
}

static const px_connection_owner connection_owner = {on_ready, on_bytes, on_ended};

/* ---- what its socket tells ---- */

static void on_run(px_dgram_events *events, const px_dgram_run *run)
{
    px_dialler *dialler = (px_dialler *)events;
    if (dialler->connection) px_connection_read(dialler->connection, run);
}

static void on_round(px_dgram_events *events, bool more)
{
    const px_dialler *dialler = (px_dialler *)events;
    dialler->manager->owner.on_round(dialler->manager->owner.context, more);
}

static void on_writable(px_dgram_events *events)
{
    px_dialler *dialler = (px_dialler *)events;
    if (dialler->connection) px_connection_on_writable(dialler->connection);
}

static void on_refused(px_dgram_events *events)
{
    px_dialler *dialler = (px_dialler *)events;
    if (dialler->connection)
        px_connection_lose(dialler->connection, "nobody listens there (connection refused)");
}

/* ---- life, and what node/ asks ---- */

void px_manager_init(px_connection_manager *manager, px_connections *shared, const px_manager_owner *owner,
                     px_tls *tls, const px_tls_names *names, const px_manager_target *targets)
{
    *manager = (px_connection_manager){.shared = shared, .owner = *owner, .names = names};
    manager->tls = px_tls_retain(tls);
    uint64_t seed;
    px_random_fill(&seed, sizeof seed);
    px_prng_init(&manager->prng, seed);
    for (uint32_t place = 0; place < names->count; place++) {
        px_dialler *dialler = &manager->diallers[place];
        dialler->events = (px_dgram_events){on_run, on_round, on_writable, on_refused};
        dialler->manager = manager;
        dialler->place = place;
        dialler->query.host = targets[place].host;
        dialler->query.port = targets[place].port;
        dialler->query.on_resolved = on_resolved;
        dialler->timer.on_fire = on_timer;
        px_send_queue_init(&dialler->queue);
    }
}

void px_manager_start(px_connection_manager *manager)
{
    for (uint32_t place = 0; place < manager->names->count; place++)
        enter_waiting(&manager->diallers[place], 0);
}

void px_manager_close(px_connection_manager *manager, const char *words)
{
    px_dgram_net *dgrams = manager->shared->dgrams;
    for (uint32_t place = 0; place < manager->names->count; place++) {
        px_dialler *dialler = &manager->diallers[place];
        dgrams->forget(dgrams, &dialler->query);
        px_timers_stop(timers_of(dialler), &dialler->timer);
        if (dialler->connection) {
            px_connection_end(dialler->connection, 0, words);
            if (dialler->connection->state == PX_CONNECTION_TO_CLOSE)
                px_connection_write_close(dialler->connection);
        }
        close_socket(dialler);
        dialler->state = PX_DIALLER_IDLE;
    }
    px_tls_release(manager->tls);
    manager->tls = NULL;
}

void px_manager_set_tls(px_connection_manager *manager, px_tls *tls)
{
    px_tls_release(manager->tls);
    manager->tls = px_tls_retain(tls);
}

void px_manager_on_alive(px_connection_manager *manager, uint32_t place)
{
    px_dialler *dialler = &manager->diallers[place];
    dialler->failures = 0;
    if (dialler->state == PX_DIALLER_WAITING && dialler->brief <= BRIEF_MAX) enter_resolving(dialler);
}

bool px_manager_send(px_connection_manager *manager, uint32_t place, px_lane lane, px_bytes head,
                     px_buffer *body)
{
    px_dialler *dialler = &manager->diallers[place];
    if (dialler->state != PX_DIALLER_UP || dialler->connection->state != PX_CONNECTION_OPEN) return false;
    if (!px_send_queue_push(&dialler->queue, lane, head, body)) return false;
    px_connection_touch(dialler->connection);
    return true;
}

size_t px_manager_queued_bytes(const px_connection_manager *manager, uint32_t place)
{
    return px_send_queue_unsent_bytes(&manager->diallers[place].queue);
}

const char *px_manager_fault(const px_connection_manager *manager, uint32_t place)
{
    return manager->diallers[place].complaint.text;
}

void px_manager_redial(px_connection_manager *manager, uint32_t place, bool at_once, const char *words)
{
    px_dialler *dialler = &manager->diallers[place];
    if (at_once) dialler->failures = 0;
    if (dialler->connection) {
        dialler->dials_at_once = at_once;
        px_connection_end(dialler->connection, 0, words);
    } else if (at_once && dialler->state == PX_DIALLER_WAITING) {
        enter_resolving(dialler);
    }
}
