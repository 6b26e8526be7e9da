/* pxctl_test.c - the parts of pxctl that need no node: options, numbers, payloads, the histogram of bench. */
// SPDX-License-Identifier: Apache-2.0
#include "main/pxctl.h"
#include "main/pxctl_histogram.h"
#include "main/pxctl_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const px_command command = {.name = "try", .words = "", .summary = "", .help = ""};

/* ---- options ---- */

typedef struct {
    bool flag;
    const char *text;
    px_target target;
    int count;
    px_exit status;
} read_back;

/* Reads up to six words; a NULL ends them. */
static bool read_words(read_back *to, char *words[6])
{
    const px_option options[] = {{"--json", &to->flag, NULL},
                                 {"--size", NULL, &to->text},
                                 {NULL, NULL, NULL}};
    to->count = 0;
    while (to->count < 6 && words[to->count]) to->count++;
    return px_options_read(&command, options, &to->target, &to->count, words, &to->status);
}

static void pxctl__options_and_plain_words_may_mix(void **state)
{
    (void)state;
    char *words[6] = {"one", "--json", "--size", "7", "two"};
    read_back got = {.flag = false};
    assert_true(read_words(&got, words));
    assert_true(got.flag);
    assert_string_equal(got.text, "7");
    assert_int_equal(got.count, 2);
    assert_string_equal(words[0], "one");
    assert_string_equal(words[1], "two");
}

static void pxctl__a_value_may_follow_an_equals_sign(void **state)
{
    (void)state;
    char *words[6] = {"--size=7=8", "-s", "a.sock"};
    read_back got = {.flag = false};
    assert_true(read_words(&got, words));
    assert_string_equal(got.text, "7=8");
    assert_string_equal(got.target.socket, "a.sock");
}

static void pxctl__behind_two_dashes_all_words_are_plain(void **state)
{
    (void)state;
    char *words[6] = {"--", "--json", "-"};
    read_back got = {.flag = false};
    assert_true(read_words(&got, words));
    assert_false(got.flag);
    assert_int_equal(got.count, 2);
    assert_string_equal(words[0], "--json");
}

static void pxctl__bad_options_are_a_matter_of_usage(void **state)
{
    (void)state;
    char *unknown[6] = {"--sizes"}, *valueless[6] = {"--size"}, *valued[6] = {"--json=1"};
    char **all[] = {unknown, valueless, valued};
    for (size_t i = 0; i < 3; i++) {
        read_back got = {.flag = false};
        assert_false(read_words(&got, all[i]));
        assert_int_equal(got.status, PX_EXIT_USAGE);
    }
}

static void pxctl__numbers_are_digits_in_their_range(void **state)
{
    (void)state;
    const px_span span = {1, UINT64_MAX};
    uint64_t number = 7;
    const char *bad[] = {"", "-1", "+1", "1x", " 1", "0x10", "0", "18446744073709551616"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_false(px_number_read(bad[i], span, &number));
    assert_int_equal(number, 7);
    assert_true(px_number_read("18446744073709551615", span, &number));
    assert_true(number == UINT64_MAX);
}

/* ---- payloads ---- */

static void pxctl__payloads_of_any_bytes_come_back(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size_bytes;
        const char *key;
    } payloads[] = {
        {"", 0, "data"},         {"a \"quoted\" \\ line", 17, "data"}, {"zero\0inside", 11, "data"},
        {"\xc3\xa9", 2, "data"}, {"\xff\xfe\x00", 3, "b64"},           {"\xc3", 1, "b64"},
    };
    for (size_t i = 0; i < sizeof payloads / sizeof *payloads; i++) {
        json_t *object = json_object();
        px_payload_set(object, payloads[i].bytes, payloads[i].size_bytes);
        assert_int_equal(json_object_size(object), 1);
        assert_non_null(json_object_get(object, payloads[i].key));
        size_t size_bytes = 99;
        uint8_t *back = px_payload_get(object, &size_bytes);
        assert_non_null(back);
        assert_int_equal(size_bytes, payloads[i].size_bytes);
        assert_memory_equal(back, payloads[i].bytes, size_bytes);
        free(back);
        json_decref(object);
    }
}

static void pxctl__a_message_without_payload_or_with_a_bad_one_is_none(void **state)
{
    (void)state;
    size_t size_bytes;
    const char *texts[] = {"{}", "{\"data\":7}", "{\"b64\":\"abc\"}", "{\"b64\":\"ab!=\"}", "{\"b64\":null}"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        json_t *object = json_loads(texts[i], 0, NULL);
        assert_non_null(object);
        assert_null(px_payload_get(object, &size_bytes));
        json_decref(object);
    }
}

/* ---- histogram ---- */

static px_histogram histogram;

static int clear_histogram(void **state)
{
    (void)state;
    memset(&histogram, 0, sizeof histogram);
    return 0;
}

static void histogram__shares_of_a_hundred_are_found(void **state)
{
    (void)state;
    for (uint64_t i = 1; i <= 100; i++) px_histogram_add(&histogram, i);
    assert_int_equal(px_histogram_at(&histogram, 5000), 50);
    assert_int_equal(px_histogram_at(&histogram, 9900), 99);
    assert_int_equal(px_histogram_at(&histogram, 9990), 100);
    assert_int_equal(px_histogram_at(&histogram, 1), 1);
    assert_int_equal(histogram.most_us, 100);
}

static void histogram__an_empty_one_says_nought(void **state)
{
    (void)state;
    assert_int_equal(px_histogram_at(&histogram, 5000), 0);
}

static void histogram__long_durations_are_within_a_64th(void **state)
{
    (void)state;
    const uint64_t durations[] = {127, 128, 129, 1000, 123456, 7777777, 1ull << 40, UINT64_MAX - 1};
    for (size_t i = 0; i < sizeof durations / sizeof *durations; i++) {
        clear_histogram(NULL);
        px_histogram_add(&histogram, durations[i]);
        px_histogram_add(&histogram, UINT64_MAX);
        const uint64_t found = px_histogram_at(&histogram, 5000);
        assert_true(found >= durations[i]);
        assert_true(found - durations[i] <= durations[i] / 64);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pxctl__options_and_plain_words_may_mix),
        cmocka_unit_test(pxctl__a_value_may_follow_an_equals_sign),
        cmocka_unit_test(pxctl__behind_two_dashes_all_words_are_plain),
        cmocka_unit_test(pxctl__bad_options_are_a_matter_of_usage),
        cmocka_unit_test(pxctl__numbers_are_digits_in_their_range),
        cmocka_unit_test(pxctl__payloads_of_any_bytes_come_back),
        cmocka_unit_test(pxctl__a_message_without_payload_or_with_a_bad_one_is_none),
        cmocka_unit_test_setup(histogram__shares_of_a_hundred_are_found, clear_histogram),
        cmocka_unit_test_setup(histogram__an_empty_one_says_nought, clear_histogram),
        cmocka_unit_test_setup(histogram__long_durations_are_within_a_64th, clear_histogram),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
