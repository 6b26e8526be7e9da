/* stream_test.c - FIFOs and sockets as os/ gives them: departures are told, and nothing is told for ever. */
// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "world.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Counts what it is told. */
typedef struct {
    px_stream_events events;
    unsigned readable, writable, gone, come;
    px_streams *streams;
    px_stream *closes; /* closes this one when it is told anything */
} listener;

static void on_ready(px_stream_events *events, uint32_t ready)
{
    listener *told = (listener *)events;
    if (ready & PX_STREAM_READ) told->readable++;
    if (ready & PX_STREAM_WRITE) told->writable++;
    if (ready & PX_STREAM_GONE) told->gone++;
    if (ready & PX_STREAM_COME) told->come++;
    if (!told->closes) return;
    told->streams->close(told->streams, told->closes);
    told->closes = NULL;
}

static int setup(void **state)
{
    world *w = world_make();
    *state = w;
    return w->streams->make_fifo(w->streams, w->out, 0600) == PX_OK ? 0 : -1;
}

static px_stream *open_writer(world *w, listener *told)
{
    px_stream *stream = NULL;
    told->events.on_ready = on_ready;
    assert_int_equal(w->streams->open_writer(w->streams, w->out, &told->events, &stream), PX_OK);
    world_run_ms(w, 1);
    told->gone = told->come = 0;
    return stream;
}

static px_stream *open_reader(world *w, listener *told)
{
    px_stream *stream = NULL;
    told->events.on_ready = on_ready;
    assert_int_equal(w->streams->open_reader(w->streams, w->out, &told->events, &stream), PX_OK);
    return stream;
}

static void every_readers_departure_is_told_once(void **state)
{
    world *w = *state;
    listener told = {0};
    px_stream *stream = open_writer(w, &told);
    assert_false(w->streams->has_reader(w->streams, stream));
    for (unsigned round = 1; round <= 5; round++) {
        const int fd = open(w->out, O_RDONLY | O_NONBLOCK);
        assert_true(w->streams->has_reader(w->streams, stream));
        if (round % 2) world_run_ms(w, 1); /* noticed or not */
        close(fd);
        world_run_ms(w, 2);
        assert_int_equal(told.gone, round);
    }
    const uint64_t turns = px_loop_turns(w->loop);
    world_run_ms(w, 100);
    assert_int_equal(told.gone, 5);
    assert_true(px_loop_turns(w->loop) - turns < 5);
    w->streams->close(w->streams, stream);
}

static void a_reader_that_comes_is_told_where_the_system_can(void **state)
{
    world *w = *state;
    listener told = {0};
    px_stream *stream = open_writer(w, &told);
    const int fd = open(w->out, O_RDONLY | O_NONBLOCK);
    world_run_ms(w, 2);
    assert_int_equal(told.come, w->streams->hears_readers(w->streams, stream) ? 1 : 0);
    close(fd);
    w->streams->close(w->streams, stream);
}

static void what_is_unread_is_known_after_the_reader_has_gone_and_can_be_thrown_away(void **state)
{
    world *w = *state;
    listener told = {0};
    px_stream *stream = open_writer(w, &told);
    size_t put = 0;
    char byte;
    assert_int_equal(w->streams->write(w->streams, stream, (const uint8_t *)"x", 1, &put), PX_ERR_CLOSED);
    int fd = open(w->out, O_RDONLY | O_NONBLOCK);
    assert_int_equal(w->streams->write(w->streams, stream, (const uint8_t *)"hello", 5, &put), PX_OK);
    assert_int_equal(read(fd, &byte, 1), 1);
    close(fd);
    assert_int_equal(w->streams->unread_bytes(w->streams, stream), 4);
    assert_int_equal(w->streams->renew_writer(w->streams, stream), PX_OK);
    assert_int_equal(w->streams->unread_bytes(w->streams, stream), 0);
    fd = open(w->out, O_RDONLY | O_NONBLOCK);
    assert_int_equal(read(fd, &byte, 1), -1);
    assert_int_equal(errno, EAGAIN); /* there is a writer */
    world_run_ms(w, 1);
    told.gone = 0;
    close(fd);
    world_run_ms(w, 2);
    assert_int_equal(told.gone, 1); /* of the new write end too */
    w->streams->close(w->streams, stream);
}

static void a_fifo_is_never_without_the_reader_that_is_renewed(void **state)
{
    world *w = *state;
    listener told = {0};
    px_stream *stream = open_reader(w, &told);
    w->streams->want(w->streams, stream, PX_STREAM_READ);
    int fd = open(w->out, O_WRONLY | O_NONBLOCK);
    close(fd);
    world_run_ms(w, 2);
    assert_true(told.readable > 0);
    uint8_t byte;
    size_t got = 0;
    assert_int_equal(w->streams->read(w->streams, stream, &byte, 1, &got), PX_ERR_END);
    /* What comes between the end and the new descriptor is not lost. */
    fd = open(w->out, O_WRONLY | O_NONBLOCK);
    assert_int_equal(write(fd, "y", 1), 1);
    close(fd);
    assert_int_equal(w->streams->renew_reader(w->streams, stream), PX_OK);
    assert_int_equal(w->streams->read(w->streams, stream, &byte, 1, &got), PX_OK);
    assert_int_equal(byte, 'y');
    assert_int_equal(w->streams->renew_reader(w->streams, stream), PX_OK);
    world_run_ms(w, 2);
    const unsigned readable = told.readable;
    world_run_ms(w, 50);
    assert_int_equal(told.readable, readable); /* the end is not told again */
    w->streams->close(w->streams, stream);
}

static void a_stream_may_be_closed_while_events_are_told(void **state)
{
    world *w = *state;
    listener first = {0}, second = {0};
    px_stream *a = open_reader(w, &first);
    px_stream *b = open_reader(w, &second);
    w->streams->want(w->streams, a, PX_STREAM_READ);
    w->streams->want(w->streams, b, PX_STREAM_READ);
    first.streams = second.streams = w->streams;
    first.closes = b;
    second.closes = a;
    const int fd = open(w->out, O_WRONLY | O_NONBLOCK);
    assert_int_equal(write(fd, "z", 1), 1);
    world_run_ms(w, 5);
    /* Whoever was told first closed the other, who was told nothing. */
    assert_true((first.readable > 0) != (second.readable > 0));
    w->streams->close(w->streams, first.readable ? a : b);
    close(fd);
}

static void a_client_that_hung_up_wakes_nobody_for_ever(void **state)
{
    world *w = *state;
    listener server = {.events.on_ready = on_ready}, told = {.events.on_ready = on_ready};
    px_stream *listening = NULL, *client = NULL;
    assert_int_equal(w->streams->listen(w->streams, w->socket, 0600, &server.events, &listening), PX_OK);
    w->streams->want(w->streams, listening, PX_STREAM_READ);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, w->socket);
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    world_run_ms(w, 2);
    assert_true(server.readable > 0);
    assert_int_equal(w->streams->accept(w->streams, listening, &told.events, &client), PX_OK);
    close(fd);
    world_run_ms(w, 2);
    assert_int_equal(told.gone, 1);
    const uint64_t turns = px_loop_turns(w->loop);
    world_run_ms(w, 100);
    assert_int_equal(told.gone, 1);
    assert_true(px_loop_turns(w->loop) - turns < 5);
    w->streams->close(w->streams, client);
    w->streams->close(w->streams, listening);
    assert_int_equal(access(w->socket, F_OK), -1);
}

static void a_socket_file_that_is_not_its_own_any_more_is_left(void **state)
{
    world *w = *state;
    listener told = {.events.on_ready = on_ready};
    px_stream *first = NULL, *second = NULL;
    assert_int_equal(w->streams->listen(w->streams, w->socket, 0600, &told.events, &first), PX_OK);
    unlink(w->socket);
    assert_int_equal(w->streams->listen(w->streams, w->socket, 0600, &told.events, &second), PX_OK);
    w->streams->close(w->streams, first);
    assert_int_equal(access(w->socket, F_OK), 0);
    w->streams->close(w->streams, second);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_readers_departure_is_told_once),
        TEST(a_reader_that_comes_is_told_where_the_system_can),
        TEST(what_is_unread_is_known_after_the_reader_has_gone_and_can_be_thrown_away),
        TEST(a_fifo_is_never_without_the_reader_that_is_renewed),
        TEST(a_stream_may_be_closed_while_events_are_told),
        TEST(a_client_that_hung_up_wakes_nobody_for_ever),
        TEST(a_socket_file_that_is_not_its_own_any_more_is_left),
    };
    return cmocka_run_group_tests_name("stream", tests, NULL, NULL);
}
