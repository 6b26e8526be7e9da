/* quic_test.c - nodes that find, hear and lose each other, over real sockets on loopback. */
// SPDX-License-Identifier: Apache-2.0
#include "quic/quic.h"

#include "certificates.h"
#include "world.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#define SECOND_US 1000000u

static world at;

static bool both_are_up(world *in)
{
    return in->hosts[0].is_up[1] && in->hosts[1].is_up[0] && in->hosts[0].in_count && in->hosts[1].in_count;
}

static void start_pair(void)
{
    host_start(&at.hosts[0]);
    host_start(&at.hosts[1]);
    assert_true(world_run_until(&at, 5 * SECOND_US, both_are_up));
}

static void open_pair(void)
{
    world_open(&at, 2);
    start_pair();
}

static bool first_is_down(world *in)
{
    return in->hosts[0].downs[1] > 0;
}

static bool first_is_up_again(world *in)
{
    return in->hosts[0].ups[1] == 2;
}

static bool first_dialled_often(world *in)
{
    return in->hosts[0].sources >= 4;
}

static bool each_has_its_message(world *in)
{
    for (uint32_t i = 0; i < 2; i++) {
        const incoming *from = host_incoming(&in->hosts[i], 1 - i);
        if (!from || from->size_bytes < 4 + 100000) return false;
    }
    return true;
}

static uint64_t now_us(void)
{
    return at.clock->now_us(at.clock);
}

/* ---- up ---- */

static void quic__two_nodes_exchange_messages(void **state)
{
    (void)state;
    open_pair();
    assert_true(host_send(&at.hosts[0], 1, PX_LANE_LOG, 'a', 100000));
    assert_true(host_send(&at.hosts[1], 0, PX_LANE_LOG, 'b', 100000));
    assert_true(world_run_until(&at, 5 * SECOND_US, each_has_its_message));
    const incoming *from = host_incoming(&at.hosts[0], 1);
    assert_int_equal(from->size_bytes, 4 + 100000);
    assert_memory_equal(from->bytes, "head", 4);
    for (size_t i = 4; i < from->size_bytes; i++) assert_int_equal(from->bytes[i], 'b');
    world_close(&at);
}

static bool all_four_are_up(world *in)
{
    for (uint32_t i = 0; i < 4; i++)
        for (uint32_t j = 0; j < 4; j++)
            if (i != j && !in->hosts[i].is_up[j]) return false;
    return true;
}

static void quic__every_node_dials_every_other(void **state)
{
    (void)state;
    world_open(&at, 4);
    for (uint32_t i = 0; i < 4; i++) host_start(&at.hosts[i]);
    assert_true(world_run_until(&at, 5 * SECOND_US, all_four_are_up));
    for (uint32_t i = 0; i < 4; i++) assert_int_equal(at.hosts[i].in_count, 3);
    world_close(&at);
}

static void quic__a_name_is_resolved(void **state)
{
    (void)state;
    world_open(&at, 2);
    for (uint32_t i = 0; i < 2; i++) at.hosts[i].config.servers[0].host = "localhost";
    start_pair();
    world_close(&at);
}

static void quic__each_address_of_a_name_is_tried_before_the_wait(void **state)
{
    (void)state;
    world_open(&at, 2);
    for (uint32_t i = 0; i < 2; i++) {
        at.hosts[i].has_stale_address = true;
        at.hosts[i].config.retry_delay_us = 3600u * (uint64_t)SECOND_US;
        host_start(&at.hosts[i]);
    }
    assert_true(world_run_until(&at, 2 * SECOND_US, both_are_up));
    world_close(&at);
}

static bool first_reached_third(world *in)
{
    return in->hosts[0].is_up[2];
}

static bool first_complained(world *in)
{
    return host_logged(&in->hosts[0], "dialling px1.test", "the name cannot be resolved");
}

static void quic__a_name_that_cannot_be_resolved_is_tried_again(void **state)
{
    (void)state;
    world_open(&at, 3);
    at.hosts[0].config.servers[0].host = "no..such..name";
    for (uint32_t i = 0; i < 3; i++) host_start(&at.hosts[i]);
    assert_true(world_run_until(&at, 5 * SECOND_US, first_complained));
    const uint32_t lines = at.hosts[0].line_count;
    assert_true(lines > 0);
    /* The others are dialled all the same. */
    at.hosts[0].line_count = 0;
    assert_true(world_run_until(&at, 5 * SECOND_US, first_complained));
    assert_true(world_run_until(&at, 5 * SECOND_US, first_reached_third));
    world_close(&at);
}

static void quic__addresses_of_ipv6_work_where_the_machine_has_them(void **state)
{
    (void)state;
    world_open(&at, 2);
    for (uint32_t i = 0; i < 2; i++) {
        at.hosts[i].config.bind_host = "::1";
        at.hosts[i].config.servers[0].host = "::1";
    }
    const px_err err = host_try(&at.hosts[0]);
    if (err) {
        assert_int_equal(err, PX_ERR_NOT_FOUND);
        assert_true(host_logged(&at.hosts[0], "cannot listen at ::1", "no such address"));
    } else {
        host_start(&at.hosts[1]);
        assert_true(world_run_until(&at, 5 * SECOND_US, both_are_up));
    }
    world_close(&at);
}

static void quic__listening_everywhere_of_ipv6_takes_ipv4_too(void **state)
{
    (void)state;
    world_open(&at, 2);
    for (uint32_t i = 0; i < 2; i++) at.hosts[i].config.bind_host = "::";
    const px_err err = host_try(&at.hosts[0]);
    if (err) {
        assert_int_equal(err, PX_ERR_NOT_FOUND);
    } else {
        host_start(&at.hosts[1]);
        assert_true(world_run_until(&at, 5 * SECOND_US, both_are_up));
    }
    world_close(&at);
}

static void quic__listening_everywhere_answers_from_where_it_was_asked(void **state)
{
    (void)state;
    world_open(&at, 2);
    for (uint32_t i = 0; i < 2; i++) {
        at.hosts[i].config.bind_host = "0.0.0.0";
        at.hosts[i].config.servers[0].host = "127.0.0.3";
    }
    start_pair();
    world_close(&at);
}

static void quic__an_address_in_use_is_refused_in_words(void **state)
{
    (void)state;
    open_pair();
    host second = at.hosts[1];
    second.net = NULL;
    px_net *net = NULL;
    second.config.bind_port = at.hosts[0].config.bind_port;
    at.hosts[1].line_count = 0;
    assert_int_equal(px_quic_open(&second.config, &at.hosts[1].layer, at.clock, &at.hosts[1].log, &net),
                     PX_ERR_BUSY);
    assert_null(net);
    assert_true(host_logged(&at.hosts[1], "cannot listen at 127.0.0.1 port", "in use"));
    world_close(&at);
}

/* ---- down ---- */

static void quic__a_clean_stop_is_told(void **state)
{
    (void)state;
    open_pair();
    host_stop(&at.hosts[1]);
    assert_true(world_run_until(&at, SECOND_US, first_is_down));
    assert_non_null(strstr(at.hosts[0].reason, "this node is stopping"));
    assert_true(at.hosts[0].in_list[0].is_closed);
    assert_non_null(strstr(at.hosts[0].closed_reason, "this node is stopping"));
    world_close(&at);
}

static void quic__a_killed_node_is_noticed_by_the_refusal_of_its_port(void **state)
{
    (void)state;
    open_pair();
    host_kill(&at.hosts[1]);
    const uint64_t begun_us = now_us();
    assert_true(world_run_until(&at, SECOND_US, first_is_down));
    assert_non_null(strstr(at.hosts[0].reason, "refused"));
    (void)fprintf(stderr, "  refusal noticed after %llu ms\n",
                  (unsigned long long)(now_us() - begun_us) / 1000);
    world_close(&at);
}

static void quic__a_restarted_node_is_noticed_by_its_stateless_reset(void **state)
{
    (void)state;
    open_pair();
    host_kill(&at.hosts[1]);
    /* It dials nobody, so that the reset alone tells. */
    at.hosts[1].config.server_count = 1;
    at.hosts[1].config.servers[0].port = 9;
    host_start(&at.hosts[1]);
    const uint64_t begun_us = now_us();
    assert_true(world_run_until(&at, SECOND_US, first_is_down));
    assert_non_null(strstr(at.hosts[0].reason, "stateless reset"));
    (void)fprintf(stderr, "  reset noticed after %llu ms\n",
                  (unsigned long long)(now_us() - begun_us) / 1000);
    assert_true(world_run_until(&at, SECOND_US, first_is_up_again));
    world_close(&at);
}

static void quic__a_silent_node_is_given_up_after_the_idle_timeout(void **state)
{
    (void)state;
    open_pair();
    at.hosts[1].is_cut = true;
    const uint64_t begun_us = now_us();
    assert_true(world_run_until(&at, 2 * SECOND_US, first_is_down));
    const uint64_t passed_us = now_us() - begun_us;
    assert_non_null(strstr(at.hosts[0].reason, "nothing was heard"));
    assert_true(passed_us > 150000 && passed_us < 800000);
    (void)fprintf(stderr, "  silence noticed after %llu ms\n", (unsigned long long)passed_us / 1000);
    at.hosts[1].is_cut = false;
    assert_true(world_run_until(&at, 5 * SECOND_US, both_are_up));
    world_close(&at);
}

static void quic__silence_without_messages_is_no_end(void **state)
{
    (void)state;
    open_pair();
    /* Far beyond the idle timeout: keep-alives hold it. */
    assert_false(world_run_until(&at, SECOND_US, first_is_down));
    assert_int_equal(at.hosts[0].in_list[0].is_closed, false);
    world_close(&at);
}

/* Sends what waits for its moment, without letting anybody read. */
static void send_all(host *from, uint32_t to)
{
    const uint64_t end_us = now_us() + SECOND_US;
    px_quic_flush(from->net);
    while (from->net->queued_bytes(from->net, to) > 0) {
        assert_true(now_us() < end_us);
        px_timers_fire(at.clock->timers, now_us());
        px_quic_flush(from->net);
    }
}

static void quic__who_stood_still_reads_before_it_gives_up(void **state)
{
    (void)state;
    open_pair();
    /* Its clock has gone on without it, further than the idle timeout, and what the other sent meanwhile lies
     * in its sockets. */
    assert_true(host_send(&at.hosts[1], 0, PX_LANE_CONTROL, 'x', 10));
    assert_true(host_send(&at.hosts[0], 1, PX_LANE_CONTROL, 'x', 10));
    send_all(&at.hosts[0], 1);
    send_all(&at.hosts[1], 0);
    at.hosts[1].net->send(at.hosts[1].net, 0, PX_LANE_CONTROL, (px_bytes){(const uint8_t *)"y", 1}, NULL);
    send_all(&at.hosts[1], 0);
    at.hosts[0].ahead_us = 300000;
    px_timers_fire(at.clock->timers, now_us() + 300000);
    assert_false(at.hosts[0].in_list[0].is_closed);
    assert_int_equal(at.hosts[0].in_list[0].size_bytes, 4 + 10 + 1);
    world_close(&at);
}

/* ---- again ---- */

static void quic__a_node_that_dials_is_dialled_at_once(void **state)
{
    (void)state;
    world_open(&at, 2);
    at.hosts[0].config.retry_delay_us = 3600u * (uint64_t)SECOND_US;
    host_start(&at.hosts[0]);
    /* The first attempt fails, and the next is far: at least half of the longest wait. */
    world_run_until(&at, SECOND_US / 5, both_are_up);
    assert_true(host_logged(&at.hosts[0], "dialling px1.test", "refused"));
    host_start(&at.hosts[1]);
    const uint64_t begun_us = now_us();
    assert_true(world_run_until(&at, 2 * SECOND_US, both_are_up));
    (void)fprintf(stderr, "  dialled back after %llu ms\n", (unsigned long long)(now_us() - begun_us) / 1000);
    world_close(&at);
}

static void quic__every_attempt_has_a_new_source_port(void **state)
{
    (void)state;
    world_open(&at, 2);
    at.hosts[0].config.retry_delay_us = 1000;
    host_start(&at.hosts[0]);
    assert_true(world_run_until(&at, 5 * SECOND_US, first_dialled_often));
    for (uint32_t i = 0; i < 4; i++)
        for (uint32_t j = 0; j < i; j++)
            assert_int_not_equal(at.hosts[0].source_ports[i], at.hosts[0].source_ports[j]);
    world_close(&at);
}

static uint32_t dials;
static bool second_passed(world *in)
{
    (void)in;
    return false;
}

static void quic__attempts_become_rarer(void **state)
{
    (void)state;
    world_open(&at, 2);
    at.hosts[0].config.retry_delay_us = 10000;
    host_start(&at.hosts[0]);
    assert_false(world_run_until(&at, SECOND_US / 2, second_passed));
    dials = at.hosts[0].sources;
    /* 10 ms, doubled each time, less half by chance: between 5 and 8 of them fit. */
    assert_in_range(dials, 4, 9);
    world_close(&at);
}

static void quic__nodes_that_refuse_each_other_do_not_dial_for_ever(void **state)
{
    (void)state;
    open_pair();
    /* Both end whatever the other dials, for half a second. */
    const uint64_t end_us = now_us() + SECOND_US / 2;
    const uint32_t before = at.hosts[0].sources + at.hosts[1].sources;
    while (now_us() < end_us) {
        for (uint32_t i = 0; i < 2; i++) {
            host *each = &at.hosts[i];
            for (uint32_t j = 0; j < each->in_count; j++) {
                if (each->in_list[j].is_closed) continue;
                each->net->close_incoming(each->net, each->in_list[j].id, "you are not wanted");
                each->in_list[j].is_closed = true;
            }
        }
        (void)world_run_until(&at, 1000, second_passed);
    }
    assert_in_range(at.hosts[0].sources + at.hosts[1].sources - before, 2, 24);
    assert_non_null(strstr(at.hosts[0].reason, "you are not wanted"));
    world_close(&at);
}

static void quic__redial_ends_the_connection_with_words_and_dials_again(void **state)
{
    (void)state;
    open_pair();
    px_net *net = at.hosts[0].net;
    net->redial(net, 1, true, "numbers have run out");
    assert_false(host_send(&at.hosts[0], 1, PX_LANE_LOG, 'x', 10));
    assert_true(world_run_until(&at, SECOND_US, first_is_up_again));
    assert_int_equal(at.hosts[0].downs[1], 1);
    assert_non_null(strstr(at.hosts[0].reason, "numbers have run out"));
    assert_non_null(strstr(at.hosts[1].closed_reason, "numbers have run out"));
    assert_true(at.hosts[1].in_list[0].is_closed);
    px_quic_counters counters;
    px_quic_count(net, &counters);
    assert_int_equal(counters.reconnects[1], 1);
    assert_int_equal(counters.port, at.hosts[0].config.bind_port);
    world_close(&at);
}

static void quic__reasons_of_others_are_escaped(void **state)
{
    (void)state;
    open_pair();
    at.hosts[1].net->close_incoming(at.hosts[1].net, at.hosts[1].in_list[0].id, "bad\n\x1b[31mred\\");
    assert_true(world_run_until(&at, SECOND_US, first_is_down));
    assert_non_null(strstr(at.hosts[0].reason, "bad\\x0a\\x1b[31mred\\x5c"));
    world_close(&at);
}

/* ---- certificates ---- */

static void quic__new_certificates_are_taken_up_without_a_loss(void **state)
{
    (void)state;
    world_open(&at, 2);
    const test_certificate first = {.names = {"px0.test"}, .ends_s = 1000};
    const test_certificate second = {.names = {"px0.test"}, .ends_s = 2000};
    test_make_certificate("root", "renewed", &first);
    at.hosts[0].config.files.cert_path = test_path("renewed", ".crt");
    at.hosts[0].config.files.key_path = test_path("renewed", ".key");
    start_pair();
    px_quic_counters before, after;
    assert_true(host_logged(&at.hosts[0], "renewed.crt", "expires within 1 day:"));
    px_quic_count(at.hosts[0].net, &before);
    test_make_certificate("root", "renewed", &second);
    assert_int_equal(px_quic_reload(at.hosts[0].net, &at.hosts[0].config.files), PX_OK);
    px_quic_count(at.hosts[0].net, &after);
    assert_in_range(after.certificate_expires_s - before.certificate_expires_s, 999, 1003);
    assert_int_equal(at.hosts[0].downs[1], 0);
    at.hosts[0].net->redial(at.hosts[0].net, 1, true, "to show the new certificate");
    assert_true(world_run_until(&at, SECOND_US, first_is_up_again));
    /* What cannot be read changes nothing. */
    assert_int_equal(remove(at.hosts[0].config.files.key_path), 0);
    assert_int_not_equal(px_quic_reload(at.hosts[0].net, &at.hosts[0].config.files), PX_OK);
    assert_true(host_logged(&at.hosts[0], "renewed.key", "cannot") ||
                host_logged(&at.hosts[0], "renewed.key", "no certificate"));
    at.hosts[0].ups[1] = 1;
    at.hosts[0].net->redial(at.hosts[0].net, 1, true, "to show the old certificate");
    assert_true(world_run_until(&at, SECOND_US, first_is_up_again));
    world_close(&at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quic__two_nodes_exchange_messages),
        cmocka_unit_test(quic__every_node_dials_every_other),
        cmocka_unit_test(quic__a_name_is_resolved),
        cmocka_unit_test(quic__each_address_of_a_name_is_tried_before_the_wait),
        cmocka_unit_test(quic__a_name_that_cannot_be_resolved_is_tried_again),
        cmocka_unit_test(quic__addresses_of_ipv6_work_where_the_machine_has_them),
        cmocka_unit_test(quic__listening_everywhere_of_ipv6_takes_ipv4_too),
        cmocka_unit_test(quic__listening_everywhere_answers_from_where_it_was_asked),
        cmocka_unit_test(quic__an_address_in_use_is_refused_in_words),
        cmocka_unit_test(quic__a_clean_stop_is_told),
        cmocka_unit_test(quic__a_killed_node_is_noticed_by_the_refusal_of_its_port),
        cmocka_unit_test(quic__a_restarted_node_is_noticed_by_its_stateless_reset),
        cmocka_unit_test(quic__a_silent_node_is_given_up_after_the_idle_timeout),
        cmocka_unit_test(quic__silence_without_messages_is_no_end),
        cmocka_unit_test(quic__who_stood_still_reads_before_it_gives_up),
        cmocka_unit_test(quic__a_node_that_dials_is_dialled_at_once),
        cmocka_unit_test(quic__every_attempt_has_a_new_source_port),
        cmocka_unit_test(quic__attempts_become_rarer),
        cmocka_unit_test(quic__nodes_that_refuse_each_other_do_not_dial_for_ever),
        cmocka_unit_test(quic__redial_ends_the_connection_with_words_and_dials_again),
        cmocka_unit_test(quic__reasons_of_others_are_escaped),
        cmocka_unit_test(quic__new_certificates_are_taken_up_without_a_loss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
