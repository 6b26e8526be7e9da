/* err_test.c - every error has words of its own. */
// SPDX-License-Identifier: Apache-2.0
#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static void err__every_code_has_words_of_its_own(void **state)
{
    (void)state;
    assert_int_equal(PX_OK, 0);
    for (unsigned i = 0; i < PX_ERR_COUNT; i++) {
        const char *const words = px_err_text((px_err)i);
        assert_true(words != NULL && words[0] != '\0');
        for (unsigned j = 0; j < i; j++) assert_string_not_equal(words, px_err_text((px_err)j));
    }
}

static void err__a_number_that_is_no_code_still_has_words(void **state)
{
    (void)state;
    assert_string_equal(px_err_text(PX_ERR_COUNT), "not an error code");
    assert_string_equal(px_err_text((px_err)(PX_ERR_COUNT + 1)), "not an error code");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(err__every_code_has_words_of_its_own),
        cmocka_unit_test(err__a_number_that_is_no_code_still_has_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
