/* socket_test.c - what clients of the Unix socket ask and are told. [spec.md §5] */
// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "local/socket.h"
#include "os/stream.h"
#include "socket_client.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int setup(void **state)
{
    world *w = world_make();
    w->config.pipe_count = 0;
    w->config.socket = w->socket;
    *state = w;
    return 0;
}

static void a_send_is_answered_with_its_index_once_committed(void **state)
{
    world *w = *state;
    w->app.is_held = true;
    world_open(w);
    const int fd = client(w);
    ask(w, fd,
        "{\"op\":\"send\",\"data\":\"one\"}\n{\"op\":\"send\",\"b64\":\"/wA=\",\"tag\":{\"a\":[1]}}\n");
    assert_silent(w, fd);
    w->app.is_held = false;
    assert_reply(w, fd, "{\"ok\":true,\"index\":1}");
    assert_reply(w, fd, "{\"ok\":true,\"tag\":{\"a\":[1]},\"index\":2}");
    assert_memory_equal(fake_app_message(&w->app, 1).data, "one", 3);
    assert_int_equal(fake_app_message(&w->app, 2).size_bytes, 2);
    assert_memory_equal(fake_app_message(&w->app, 2).data, "\xff\0", 2);
    close(fd);
}

static void pipelined_sends_of_one_client_keep_their_order(void **state)
{
    world *w = *state;
    world_open(w);
    const int fd = client(w);
    char text[128];
    for (unsigned i = 1; i <= 5000; i++) {
        snprintf(text, sizeof text, "{\"op\":\"send\",\"data\":\"%u\",\"tag\":%u}\n", i, i);
        ask(w, fd, text);
    }
    for (unsigned i = 1; i <= 5000; i++) {
        snprintf(text, sizeof text, "{\"ok\":true,\"tag\":%u,\"index\":%u}", i, i);
        assert_reply(w, fd, text);
        snprintf(text, sizeof text, "%u", i);
        assert_memory_equal(fake_app_message(&w->app, i).data, text, strlen(text));
    }
    close(fd);
}

static void a_message_over_the_limit_is_refused_and_one_at_it_is_taken(void **state)
{
    world *w = *state;
    world_open(w);
    const int fd = client(w);
    const size_t size = WORLD_MESSAGE_BYTES_MAX;
    char *data = malloc(8 * size);
    assert_non_null(data);
    memset(data, 'd', 8 * size);
    ask(w, fd, "{\"op\":\"send\",\"data\":\"");
    assert_true(world_write(w, fd, data, size + 1));
    ask(w, fd, "\",\"tag\":1}\n");
    assert_reply_begins(w, fd, "{\"ok\":false,\"tag\":1,\"error\":\"too_large\"");
    ask(w, fd, "{\"op\":\"send\",\"data\":\"");
    assert_true(world_write(w, fd, data, size));
    ask(w, fd, "\",\"tag\":2}\n");
    assert_reply(w, fd, "{\"ok\":true,\"tag\":2,\"index\":1}");
    assert_int_equal(fake_app_message(&w->app, 1).size_bytes, size);
    /* Longer than any request: the next one is intact. */
    assert_true(world_write(w, fd, data, 8 * size));
    ask(w, fd, "\n{\"op\":\"send\",\"data\":\"next\"}\n");
    assert_reply_begins(w, fd, "{\"ok\":false,\"error\":\"too_large\"");
    assert_reply(w, fd, "{\"ok\":true,\"index\":2}");
    close(fd);
    free(data);
}

static void a_send_that_waits_too_long_is_unknown(void **state)
{
    world *w = *state;
    w->app.is_held = true;
    world_open(w);
    const int fd = client(w);
    ask(w, fd,
        "{\"op\":\"send\",\"data\":\"x\",\"timeout_ms\":20,\"tag\":1}\n{\"op\":\"send\","
        "\"data\":\"y\",\"tag\":2}\n");
    assert_reply_begins(w, fd, "{\"ok\":false,\"tag\":1,\"error\":\"unknown\"");
    w->app.is_held = false;
    assert_reply(w, fd, "{\"ok\":true,\"tag\":2,\"index\":2}");
    assert_silent(w, fd); /* no second answer to the first */
    close(fd);
}

static void r17__a_send_is_told_that_the_disk_is_full_and_goes_on_when_it_has_space(void **state)
{
    world *w = *state;
    world_open(w);
    const int fd = client(w);
    w->app.is_disk_full = true;
    ask(w, fd, "{\"op\":\"send\",\"data\":\"x\",\"tag\":1}\n{\"op\":\"barrier\",\"tag\":2}\n");
    assert_reply_begins(w, fd, "{\"ok\":false,\"tag\":1,\"error\":\"disk_full\"");
    assert_reply(w, fd, "{\"ok\":true,\"tag\":2,\"index\":0}");
    w->app.is_disk_full = false;
    ask(w, fd, "{\"op\":\"send\",\"data\":\"x\",\"tag\":3}\n");
    assert_reply(w, fd, "{\"ok\":true,\"tag\":3,\"index\":1}");
    close(fd);
}

static void a_barrier_covers_what_was_acknowledged_before(void **state)
{
    world *w = *state;
    world_open(w);
    const int fd = client(w);
    ask(w, fd, "{\"op\":\"barrier\"}\n");
    assert_reply(w, fd, "{\"ok\":true,\"index\":0}");
    ask(w, fd, "{\"op\":\"send\",\"data\":\"x\"}\n");
    assert_reply(w, fd, "{\"ok\":true,\"index\":1}");
    ask(w, fd, "{\"op\":\"barrier\",\"tag\":\"b\"}\n");
    assert_reply(w, fd, "{\"ok\":true,\"tag\":\"b\",\"index\":1}");
    w->app.is_held = true;
    ask(w, fd, "{\"op\":\"barrier\",\"timeout_ms\":10}\n{\"op\":\"barrier\",\"tag\":2}\n");
    assert_reply_begins(w, fd, "{\"ok\":false,\"error\":\"no_quorum\"");
    w->app.is_held = false;
    ask(w, fd, "{\"op\":\"send\",\"data\":\"y\",\"tag\":3}\n");
    assert_reply_begins(w, fd, "{\"ok\":true,\"tag\":");
    assert_reply_begins(w, fd, "{\"ok\":true,\"tag\":");
    close(fd);
}

static void without_tags_replies_come_in_the_order_of_the_requests(void **state)
{
    world *w = *state;
    w->app.is_held = true;
    world_open(w);
    const int fd = client(w);
    ask(w, fd,
        "{\"op\":\"send\",\"data\":\"a\"}\n{\"op\":\"send\",\"data\":\"b\"}\nnonsense\n{\"op\":\"status\"}\n"
        "{\"op\":\"barrier\"}\n{\"op\":\"send\",\"data\":\"c\"}\n{\"op\":\"follow\",\"from\":1,\"until\":2}\n"
        "{\"op\":\"barrier\"}\n");
    assert_silent(w, fd);
    w->app.is_held = false;
    assert_reply(w, fd, "{\"ok\":true,\"index\":1}");
    assert_reply(w, fd, "{\"ok\":true,\"index\":2}");
    assert_reply_begins(w, fd, "{\"ok\":false,\"error\":\"bad_request\"");
    assert_reply_begins(w, fd, "{\"ok\":true,\"id\":");
    assert_reply(w, fd, "{\"ok\":true,\"index\":2}");
    assert_reply(w, fd, "{\"ok\":true,\"index\":3}");
    assert_reply_begins(w, fd, "{\"index\":1,");
    assert_reply_begins(w, fd, "{\"index\":2,");
    assert_reply(w, fd, "{\"ok\":true,\"index\":3}");
    close(fd);
}

static void a_tag_lets_a_reply_come_before_those_that_wait(void **state)
{
    world *w = *state;
    w->app.is_held = true;
    world_open(w);
    const int fd = client(w);
    ask(w, fd, "{\"op\":\"send\",\"data\":\"a\"}\n{\"op\":\"status\",\"tag\":1}\n");
    assert_reply_begins(w, fd, "{\"ok\":true,\"tag\":1,");
    w->app.is_held = false;
    assert_reply(w, fd, "{\"ok\":true,\"index\":1}");
    close(fd);
}

static void a_client_that_leaves_takes_its_waiting_requests_with_it(void **state)
{
    world *w = *state;
    w->app.is_held = true;
    world_open(w);
    const int fd = client(w), other = client(w);
    ask(w, fd,
        "{\"op\":\"barrier\"}\n{\"op\":\"send\",\"data\":\"x\",\"timeout_ms\":30}\n"
        "{\"op\":\"barrier\",\"timeout_ms\":30}\n");
    world_run_ms(w, 5);
    close(fd);
    ask(w, other, "{\"op\":\"send\",\"data\":\"y\"}\n");
    world_run_ms(w, 60);
    w->app.is_held = false;
    assert_reply(w, other, "{\"ok\":true,\"index\":2}");
    assert_null(w->app.barriers);
    close(other);
}

static void what_a_client_sent_before_it_left_is_taken(void **state)
{
    world *w = *state;
    world_open(w);
    const int fd = client(w);
    for (int i = 0; i < 100; i++) ask(w, fd, "{\"op\":\"send\",\"data\":\"fire and forget\"}\n");
    close(fd);
    assert_true(world_run_until_delivered(w, 100));
}

static void a_client_that_shuts_its_side_still_gets_its_replies(void **state)
{
    world *w = *state;
    w->app.is_held = true;
    world_open(w);
    const int fd = client(w);
    ask(w, fd,
        "{\"op\":\"send\",\"data\":\"a\"}\n{\"op\":\"send\",\"data\":\"b\"}"); /* the last without newline */
    shutdown(fd, SHUT_WR);
    world_run_ms(w, 10);
    w->app.is_held = false;
    assert_reply(w, fd, "{\"ok\":true,\"index\":1}");
    assert_reply(w, fd, "{\"ok\":true,\"index\":2}");
    assert_closed(w, fd);
}

static void status_has_the_fields_of_the_contract(void **state)
{
    world *w = *state;
    world_open(w);
    const int fd = client(w);
    ask(w, fd, "{\"op\":\"status\",\"tag\":5}\n");
    assert_reply_begins(
        w, fd,
        "{\"ok\":true,\"tag\":5,\"id\":\"a.example\",\"role\":\"leader\",\"leader\":\"a.example\","
        "\"ballot\":{\"n\":7,\"id\":\"a.example\"},"
        "\"committed\":0,\"first\":1,\"members\":[{\"id\":\"a.example\",\"addr\":\"127.0.0.1:7001\","
        "\"connected\":true,\"rtt_ms\":null,"
        "\"lag\":0,\"voter\":true,\"heard\":false,\"disk\":\"well\"},{\"id\":\"b.example\","
        "\"addr\":\"127.0.0.1:7002\","
        "\"connected\":false,\"rtt_ms\":null,\"lag\":0,\"voter\":true,\"heard\":false,\"disk\":\"well\"}],"
        "\"digest\":{\"index\":0,\"hash\":\"00000000000000010000000000000002\"},\"delivered\":0,"
        "\"waiting_for\":\"\"");
    w->app.is_not_ready = true;
    ask(w, fd, "{\"op\":\"status\"}\n");
    assert_reply_begins(w, fd, "{\"ok\":true,\"id\":\"a.example\",\"role\":\"leader\",\"leader\":null,");
    close(fd);
}

static void follow_gives_every_message_from_a_number_on_and_waits_for_more(void **state)
{
    world *w = *state;
    world_open(w);
    fake_app_say(&w->app, 0, "one", 3);
    fake_app_say(&w->app, 1, "t\"w\no", 5);
    fake_app_say(&w->app, 0, "\xff\xfe", 2);
    const int fd = client(w);
    ask(w, fd, "{\"op\":\"follow\",\"from\":2}\n");
    assert_reply(w, fd,
                 "{\"index\":2,\"from\":\"b.example\",\"time\":1767225600123,\"data\":\"t\\\"w\\no\"}");
    assert_reply(w, fd, "{\"index\":3,\"from\":\"a.example\",\"time\":1767225600123,\"b64\":\"//4=\"}");
    assert_silent(w, fd);
    fake_app_say(&w->app, 0, "", 0);
    assert_reply(w, fd, "{\"index\":4,\"from\":\"a.example\",\"time\":1767225600123,\"data\":\"\"}");
    ask(w, fd, "{\"op\":\"barrier\",\"tag\":9}\n");
    assert_reply_begins(w, fd, "{\"ok\":false,\"tag\":9,\"error\":\"bad_request\"");
    close(fd);
}

static void follow_from_end_gives_only_what_comes(void **state)
{
    world *w = *state;
    world_open(w);
    fake_app_say(&w->app, 0, "old", 3);
    assert_true(world_run_until_delivered(w, 1));
    const int fd = client(w);
    ask(w, fd, "{\"op\":\"follow\",\"from\":\"end\"}\n");
    assert_silent(w, fd);
    fake_app_say(&w->app, 0, "new", 3);
    assert_reply(w, fd, "{\"index\":2,\"from\":\"a.example\",\"time\":1767225600123,\"data\":\"new\"}");
    close(fd);
}

static void after_until_the_connection_takes_requests_again(void **state)
{
    world *w = *state;
    world_open(w);
    for (int i = 0; i < 3; i++) fake_app_say(&w->app, 0, "m", 1);
    const int fd = client(w);
    ask(w, fd,
        "{\"op\":\"follow\",\"from\":\"start\",\"until\":4}\n{\"op\":\"barrier\",\"tag\":1}\n"
        "{\"op\":\"follow\",\"from\":2,\"until\":1}\n"
        "{\"op\":\"status\",\"tag\":2}\n");
    for (int i = 1; i <= 3; i++) {
        char text[128];
        snprintf(text, sizeof text,
                 "{\"index\":%d,\"from\":\"a.example\",\"time\":1767225600123,\"data\":\"m\"}", i);
        assert_reply(w, fd, text);
    }
    assert_silent(w, fd);
    fake_app_say(&w->app, 0, "m", 1);
    assert_reply(w, fd, "{\"index\":4,\"from\":\"a.example\",\"time\":1767225600123,\"data\":\"m\"}");
    char first[64], second[8192];
    assert_true(world_read_line(w, fd, second, sizeof second));
    snprintf(first, sizeof first, "%.40s", second);
    /* A barrier is answered when it is, a status at once. */
    const bool is_barrier_first = strncmp(first, "{\"ok\":true,\"tag\":1,", 19) == 0;
    assert_true(is_barrier_first || strncmp(first, "{\"ok\":true,\"tag\":2,", 19) == 0);
    assert_reply_begins(w, fd, is_barrier_first ? "{\"ok\":true,\"tag\":2," : "{\"ok\":true,\"tag\":1,");
    close(fd);
}

static void follow_from_before_the_logs_start_is_trimmed(void **state)
{
    world *w = *state;
    w->app.first = 10;
    world_open(w);
    fake_app_say(&w->app, 0, "tenth", 5);
    const int fd = client(w);
    ask(w, fd,
        "{\"op\":\"follow\",\"from\":9,\"tag\":1}\n{\"op\":\"follow\",\"from\":0,\"tag\":2}\n"
        "{\"op\":\"follow\",\"from\":\"start\"}\n");
    assert_reply_begins(w, fd, "{\"ok\":false,\"tag\":1,\"error\":\"trimmed\"");
    assert_reply_begins(w, fd, "{\"ok\":false,\"tag\":2,\"error\":\"trimmed\"");
    assert_reply_begins(w, fd, "{\"index\":10,");
    close(fd);
}

static void long_messages_are_followed_in_pieces_and_whole(void **state)
{
    world *w = *state;
    world_open(w);
    const size_t size = WORLD_MESSAGE_BYTES_MAX - 1;
    char *text = malloc(2 * size), *line = malloc(8 * size);
    assert_true(text && line);
    for (size_t i = 0; i < size; i++) text[i] = "\xe2\x82\xac"[i % 3]; /* the euro sign, cut anywhere */
    fake_app_say(&w->app, 0, text, size / 3 * 3);
    memset(text, '\xff', size);
    fake_app_say(&w->app, 0, text, size);
    const int fd = client(w);
    ask(w, fd, "{\"op\":\"follow\",\"from\":1}\n");
    static const char head[] = "{\"index\":1,\"from\":\"a.example\",\"time\":1767225600123,\"data\":\"";
    assert_true(world_read_line(w, fd, line, 8 * size));
    assert_int_equal(strlen(line), strlen(head) + size / 3 * 3 + 2);
    assert_memory_equal(line, head, strlen(head));
    for (size_t i = 0; i < size / 3 * 3; i++) assert_int_equal(line[strlen(head) + i], "\xe2\x82\xac"[i % 3]);
    assert_true(world_read_line(w, fd, line, 8 * size));
    const char *b64 = strstr(line, "\"b64\":\"");
    assert_non_null(b64);
    assert_int_equal(strlen(b64), 7 + (size + 2) / 3 * 4 + 2);
    for (size_t i = 0; i < size / 3 * 4; i++) assert_int_equal(b64[7 + i], '/');
    close(fd);
    free(text);
    free(line);
}

static void a_follower_that_does_not_read_costs_little_and_misses_nothing(void **state)
{
    world *w = *state;
    world_open(w);
    char message[1000], line[2048], expected[32];
    memset(message, 'm', sizeof message);
    const int fd = client(w);
    ask(w, fd, "{\"op\":\"follow\",\"from\":1}\n");
    for (int i = 0; i < 3000; i++) fake_app_say(&w->app, 0, message, sizeof message);
    world_run_ms(w, 50);
    const uint64_t turns = px_loop_turns(w->loop);
    world_run_ms(w, 300);
    assert_true(px_loop_turns(w->loop) - turns < 10);
    for (int i = 1; i <= 3000; i++) {
        assert_true(world_read_line(w, fd, line, sizeof line));
        snprintf(expected, sizeof expected, "{\"index\":%d,", i);
        assert_memory_equal(line, expected, strlen(expected));
    }
    close(fd);
}

static void a_client_that_takes_no_replies_is_no_longer_read(void **state)
{
    world *w = *state;
    world_open(w);
    const int fd = client(w);
    static const char request[] = "{\"op\":\"status\"}\n";
    const size_t size = strlen(request);
    uint64_t written = 0;
    for (int idle = 0; idle < 3;) {
        const ssize_t put = write(fd, request + written % size, size - written % size);
        if (put > 0) {
            written += (size_t)put;
            idle = 0;
        } else {
            world_run_ms(w, 5);
            idle++;
        }
    }
    assert_true(written < 4u << 20);
    /* All is answered when it takes them. */
    for (uint64_t i = 0; i < written / size; i++) assert_reply_begins(w, fd, "{\"ok\":true,\"id\":");
    close(fd);
}

static void without_room_requests_wait_and_keep_their_order(void **state)
{
    world *w = *state;
    w->app.is_held = true;
    world_open(w);
    const unsigned clients = 5, each = 20;
    int fds[5];
    char *request = malloc(WORLD_MESSAGE_BYTES_MAX);
    assert_non_null(request);
    for (unsigned c = 0; c < clients; c++) fds[c] = client(w);
    const size_t data = 100000;
    for (unsigned i = 0; i < each; i++) {
        for (unsigned c = 0; c < clients; c++) {
            const int head = sprintf(request, "{\"op\":\"send\",\"data\":\"%u %02u ", c, i);
            memset(request + head, 'x', data);
            strcpy(request + head + data, "\"}\n");
            /* The node is stuck; what a client cannot write now waits in the client. */
            fcntl(fds[c], F_SETFL, 0);
            int size = 4 << 20;
            setsockopt(fds[c], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
            fcntl(fds[c], F_SETFL, O_NONBLOCK);
            ssize_t put = write(fds[c], request, strlen(request));
            if (put < (ssize_t)strlen(request)) {
                w->app.is_held = false;
                if (put < 0) put = 0;
                assert_true(world_write(w, fds[c], request + put, strlen(request) - (size_t)put));
                w->app.is_held = true;
            }
        }
    }
    world_run_ms(w, 50);
    assert_true(w->app.intakes[0].size_bytes <= PX_CLIENT_INTAKE_BYTES);
    w->app.is_held = false;
    assert_true(world_run_until_delivered(w, clients * each));
    unsigned next[5] = {0};
    for (unsigned i = 1; i <= clients * each; i++) {
        unsigned c = 9, number = 99;
        char text[8] = {0};
        memcpy(text, fake_app_message(&w->app, i).data, 5);
        assert_int_equal(sscanf(text, "%u %u", &c, &number), 2);
        assert_true(c < clients);
        assert_int_equal(number, next[c]++);
    }
    for (unsigned c = 0; c < clients; c++) {
        for (unsigned i = 0; i < each; i++) assert_reply_begins(w, fds[c], "{\"ok\":true,\"index\":");
        close(fds[c]);
    }
    free(request);
}

static void a_thousand_clients_are_served_and_one_more_is_told(void **state)
{
    world *w = *state;
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    assert_true(files.rlim_cur > 2100);
    world_open(w);
    int *fds = calloc(PX_CLIENTS_MAX + 1, sizeof *fds);
    assert_non_null(fds);
    for (unsigned i = 0; i < PX_CLIENTS_MAX; i++) {
        fds[i] = client(w);
        if (i % 100 == 0) world_run_ms(w, 1);
    }
    for (unsigned i = 0; i < PX_CLIENTS_MAX; i++) ask(w, fds[i], "{\"op\":\"send\",\"data\":\"x\"}\n");
    for (unsigned i = 0; i < PX_CLIENTS_MAX; i++) assert_reply_begins(w, fds[i], "{\"ok\":true,\"index\":");
    const int extra = client(w);
    assert_reply_begins(w, extra, "{\"ok\":false,\"error\":\"too_many\"");
    assert_closed(w, extra);
    close(fds[0]);
    world_run_ms(w, 5);
    fds[0] = client(w);
    ask(w, fds[0], "{\"op\":\"send\",\"data\":\"x\"}\n");
    assert_reply_begins(w, fds[0], "{\"ok\":true,\"index\":1001");
    for (unsigned i = 0; i < PX_CLIENTS_MAX; i++) close(fds[i]);
    free(fds);
}

static void a_clean_stop_answers_what_is_owed(void **state)
{
    world *w = *state;
    world_open(w);
    const int fd = client(w), idle = client(w), follower = client(w);
    ask(w, follower, "{\"op\":\"follow\",\"from\":1}\n");
    ask(w, idle, "{\"op\":\"status\"}\n");
    assert_reply_begins(w, idle, "{\"ok\":true");
    w->app.is_held = true;
    ask(w, fd, "{\"op\":\"send\",\"data\":\"x\",\"tag\":1}\n{\"op\":\"barrier\",\"tag\":2}\n");
    world_run_ms(w, 5);
    world_stop(w);
    assert_reply_begins(w, fd, "{\"ok\":false,\"tag\":2,\"error\":\"shutting_down\"");
    assert_reply_begins(w, fd, "{\"ok\":false,\"tag\":1,\"error\":\"unknown\"");
    assert_closed(w, fd);
    assert_closed(w, idle);
    assert_closed(w, follower);
    struct stat found;
    assert_int_equal(stat(w->socket, &found), -1);
}

static void while_px_stops_new_work_is_refused(void **state)
{
    world *w = *state;
    world_open(w);
    const int fd = client(w);
    ask(w, fd, "{\"op\":\"status\"}\n");
    assert_reply_begins(w, fd, "{\"ok\":true");
    w->app.is_held = true;
    ask(w, fd, "{\"op\":\"send\",\"data\":\"x\",\"tag\":1}\n");
    world_run_ms(w, 5);
    ask(w, fd, "{\"op\":\"send\",\"data\":\"y\",\"tag\":2}\n");
    world_stop(w);
    assert_reply_begins(w, fd, "{\"ok\":false,\"tag\":2,\"error\":\"shutting_down\"");
    assert_reply_begins(w, fd, "{\"ok\":false,\"tag\":1,\"error\":\"unknown\"");
    assert_closed(w, fd);
    assert_int_equal(w->app.intakes[0].pushed, 1);
}

static void a_stale_socket_file_is_replaced_and_a_live_one_is_not(void **state)
{
    world *w = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%.100s", w->socket);
    const int other = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(other, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(other, 1), 0);
    px_local_fault fault = {0};
    assert_int_equal(px_local_open(&w->config, &w->app.app, w->streams, &w->disk.disk, w->clock, &w->log,
                                   &w->local, &fault),
                     PX_ERR_BUSY);
    assert_string_equal(fault.where, w->socket);
    close(other); /* as a killed process leaves it */
    const mode_t old = umask(0);
    world_open(w);
    umask(old);
    struct stat found;
    assert_int_equal(stat(w->socket, &found), 0);
    assert_int_equal(found.st_mode & 07777, 0660);
    const int fd = client(w);
    ask(w, fd, "{\"op\":\"send\",\"data\":\"x\"}\n");
    assert_reply(w, fd, "{\"ok\":true,\"index\":1}");
    close(fd);
}

static void a_file_in_the_sockets_place_is_refused(void **state)
{
    world *w = *state;
    const int fd = open(w->socket, O_CREAT | O_WRONLY, 0600);
    close(fd);
    px_local_fault fault = {0};
    assert_int_equal(px_local_open(&w->config, &w->app.app, w->streams, &w->disk.disk, w->clock, &w->log,
                                   &w->local, &fault),
                     PX_ERR_WRONG_KIND);
    char long_path[200];
    memset(long_path, 'p', sizeof long_path);
    long_path[199] = 0;
    w->config.socket = long_path;
    assert_int_equal(px_local_open(&w->config, &w->app.app, w->streams, &w->disk.disk, w->clock, &w->log,
                                   &w->local, &fault),
                     PX_ERR_OVERSIZE);
}

static bool is_socket_there(void *context)
{
    const world *w = context;
    struct stat found;
    return stat(w->socket, &found) == 0 && S_ISSOCK(found.st_mode);
}

static bool has_complained(void *context)
{
    const world *w = context;
    return strstr(w->log_last, "cannot open") != NULL;
}

static void a_socket_file_that_was_removed_is_made_anew(void **state)
{
    world *w = *state;
    world_open(w);
    const int early = client(w);
    ask(w, early, "{\"op\":\"send\",\"data\":\"x\"}\n");
    assert_reply(w, early, "{\"ok\":true,\"index\":1}");
    assert_int_equal(unlink(w->socket), 0);
    assert_int_equal(mkdir(w->socket, 0700), 0); /* in its way */
    assert_true(world_run_until(w, has_complained, w));
    assert_int_equal(rmdir(w->socket), 0);
    assert_true(world_run_until(w, is_socket_there, w));
    assert_non_null(strstr(w->log_last, "opened anew"));
    const int late = client(w);
    ask(w, late, "{\"op\":\"send\",\"data\":\"y\"}\n");
    assert_reply(w, late, "{\"ok\":true,\"index\":2}");
    ask(w, early, "{\"op\":\"send\",\"data\":\"z\"}\n");
    assert_reply(w, early, "{\"ok\":true,\"index\":3}");
    close(early);
    close(late);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_send_is_answered_with_its_index_once_committed),
        TEST(pipelined_sends_of_one_client_keep_their_order),
        TEST(a_message_over_the_limit_is_refused_and_one_at_it_is_taken),
        TEST(a_send_that_waits_too_long_is_unknown),
        TEST(r17__a_send_is_told_that_the_disk_is_full_and_goes_on_when_it_has_space),
        TEST(a_barrier_covers_what_was_acknowledged_before),
        TEST(without_tags_replies_come_in_the_order_of_the_requests),
        TEST(a_tag_lets_a_reply_come_before_those_that_wait),
        TEST(a_client_that_leaves_takes_its_waiting_requests_with_it),
        TEST(what_a_client_sent_before_it_left_is_taken),
        TEST(a_client_that_shuts_its_side_still_gets_its_replies),
        TEST(status_has_the_fields_of_the_contract),
        TEST(follow_gives_every_message_from_a_number_on_and_waits_for_more),
        TEST(follow_from_end_gives_only_what_comes),
        TEST(after_until_the_connection_takes_requests_again),
        TEST(follow_from_before_the_logs_start_is_trimmed),
        TEST(long_messages_are_followed_in_pieces_and_whole),
        TEST(a_follower_that_does_not_read_costs_little_and_misses_nothing),
        TEST(a_client_that_takes_no_replies_is_no_longer_read),
        TEST(without_room_requests_wait_and_keep_their_order),
        TEST(a_thousand_clients_are_served_and_one_more_is_told),
        TEST(a_clean_stop_answers_what_is_owed),
        TEST(while_px_stops_new_work_is_refused),
        TEST(a_stale_socket_file_is_replaced_and_a_live_one_is_not),
        TEST(a_file_in_the_sockets_place_is_refused),
        TEST(a_socket_file_that_was_removed_is_made_anew),
    };
    return cmocka_run_group_tests_name("socket", tests, NULL, NULL);
}
