/* request_test.c - what is no request is said in words, with its tag, and keeps the connection. spec.md §5 */
// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "socket_client.h"
#include <stdio.h>
#include <unistd.h>

static int setup(void **state)
{
    world *w = world_make();
    w->config.socket = w->socket;
    world_open(w);
    *state = w;
    return 0;
}

static void bad_requests_are_told_and_keep_the_connection(void **state)
{
    world *w = *state;
    static const char *const bad[] = {"nonsense\n",
                                      "{\"op\":\"send\"}\n",
                                      "{\"op\":\"fly\"}\n",
                                      "[]\n",
                                      "{\"data\":\"x\"}\n",
                                      "{\"op\":\"send\",\"data\":\"x\",\"b64\":\"eA==\"}\n",
                                      "{\"op\":\"send\",\"b64\":\"x\"}\n",
                                      "{\"op\":\"send\",\"data\":7}\n",
                                      "{\"op\":\"send\",\"data\":\"x\"\n",
                                      "{\"op\":\"send\",\"data\":\"\xff\"}\n",
                                      "{\"op\":\"send\",\"data\":\"x\",\"data\":\"y\"}\n",
                                      "{\"op\":\"follow\"}\n",
                                      "{\"op\":\"follow\",\"from\":\"here\"}\n",
                                      "{\"op\":\"follow\",\"from\":-1}\n",
                                      "{\"op\":\"send\",\"data\":\"x\",\"timeout_ms\":\"1\"}\n",
                                      "{}\n"};
    const int fd = client(w);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ask(w, fd, bad[i]);
        assert_reply_begins(w, fd, "{\"ok\":false,\"error\":\"bad_request\",\"message\":\"");
    }
    ask(w, fd, "{\"tag\":\"t\",\"op\":\"fly\"}\n");
    assert_reply_begins(w, fd, "{\"ok\":false,\"tag\":\"t\",\"error\":\"bad_request\",\"message\":\"");
    ask(w, fd, "\r\n  \n{\"op\":\"send\",\"data\":\"good\",\"unknown\":[{}]}\r\n");
    assert_reply(w, fd, "{\"ok\":true,\"index\":1}");
    assert_int_equal(w->app.delivered, 1);
    close(fd);
}

static void a_tag_comes_back_wherever_it_stands(void **state)
{
    world *w = *state;
    const int fd = client(w);
    static const char *const wrong[] = {
        "\"op\":\"fly\"",
        "\"op\":4",
        "\"op\":{\"tag\":1}",
        "\"op\":\"send\",\"data\":7",
        "\"op\":\"send\",\"b64\":\"/w\"",
        "\"op\":\"send\",\"data\":\"x\",\"timeout_ms\":1.5",
        "\"op\":\"follow\",\"from\":[]",
        "\"op\":\"follow\",\"from\":18446744073709551616",
        "\"op\":\"ack\",\"consumer\":\"\"",
        "\"op\":\"publish\",\"format\":null",
        "\"op\":\"send\"",
        "\"op\":\"publish\",\"session\":\"\"",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char request[160];
        (void)snprintf(request, sizeof request, "{%s,\"tag\":\"behind\"}\n", wrong[i]);
        ask(w, fd, request);
        assert_reply_begins(w, fd, "{\"ok\":false,\"tag\":\"behind\",\"error\":\"bad_request\",");
    }
    close(fd);
}

static void the_words_name_the_field(void **state)
{
    world *w = *state;
    const int fd = client(w);
    ask(w, fd, "{\"op\":\"send\",\"data\":\"x\",\"timeout_ms\":-1}\n");
    assert_reply(w, fd,
                 "{\"ok\":false,\"error\":\"bad_request\",\"message\":"
                 "\"timeout_ms is a whole number of milliseconds below 2^32\"}");
    close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(bad_requests_are_told_and_keep_the_connection),
        TEST(a_tag_comes_back_wherever_it_stands),
        TEST(the_words_name_the_field),
    };
    return cmocka_run_group_tests_name("request", tests, NULL, NULL);
}
