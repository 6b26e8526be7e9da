/* expired_test.c - the chains find what a search through all names finds, pushed and taken back at random. */
// SPDX-License-Identifier: Apache-2.0
#include "paxos/expired.h"

#include "base/prng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#define NAMES 3000u
#define PUSHES (2u * PX_SESSIONS_EXPIRED_MAX + 1000u)
#define STEPS 400000u

typedef struct {
    uint64_t name;
    px_expired_name before;
} push;

/* The newest of `count` pushes that are remembered: is `name` among them, at or below slot `upto`? */
static bool is_there(const push *pushes, uint64_t count, uint64_t name, uint64_t upto)
{
    const uint64_t first = count > PX_SESSIONS_EXPIRED_MAX ? count - PX_SESSIONS_EXPIRED_MAX : 0;
    for (uint64_t n = first; n < count && n < upto; n++) /* push n is of slot n + 1 */
        if (pushes[n].name == name) return true;
    return false;
}

static void chains__find_what_is_remembered_after_pushes_and_pops(void **state)
{
    (void)state;
    px_expired *expired = malloc(sizeof *expired);
    push *pushes = calloc(PUSHES, sizeof *pushes);
    assert_non_null(expired);
    assert_non_null(pushes);
    px_expired_init(expired);
    px_prng prng;
    px_prng_init(&prng, 5);
    uint64_t count = 0, found = 0, popped = 0;
    for (unsigned step = 0; step < STEPS; step++) {
        const bool is_pop = count > 0 && (count == PUSHES || px_prng_below(&prng, 3) == 0);
        if (is_pop) {
            px_expired_pop(expired, pushes[--count].before);
            popped++;
        } else {
            const uint64_t name = px_prng_below(&prng, NAMES) * PX_EXPIRED_CHAINS / 8; /* they share chains */
            pushes[count] = (push){name, px_expired_push(expired, name, count + 1)};
            count++;
        }
        if (step % 100 != 0) continue;
        const uint64_t name = px_prng_below(&prng, NAMES) * PX_EXPIRED_CHAINS / 8;
        const uint64_t upto = count - px_prng_below(&prng, count + 1);
        const bool has = px_expired_has(expired, name, upto);
        assert_int_equal(has, is_there(pushes, count, name, upto));
        found += has;
    }
    assert_true(count > PX_SESSIONS_EXPIRED_MAX); /* places were used again, and taken back */
    assert_true(found > 100 && popped > PX_SESSIONS_EXPIRED_MAX);
    free(pushes);
    free(expired);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chains__find_what_is_remembered_after_pushes_and_pops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
