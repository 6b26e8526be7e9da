/* assert.c - what a failed px_assert, a PX_MARK and a PX_MUTANT do in tests.
 *
 * Meaning    A failed assertion says where and aborts, so that a debugger or a sanitizer shows the stack.
 *            Marks are counted by name, and px_mark_count tells a test whether a rare state was reached. The
 *            environment's PX_MUTANT names the one rule to break.
 * Not here   The product's own px_assert_fail: main/. */
// SPDX-License-Identifier: Apache-2.0
#include "assert.h"

#include "base/assert.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The linker's names for the section of marks; where no mark is linked there is none. */
extern px_mark *const __start_px_marks[] __attribute__((weak));
extern px_mark *const __stop_px_marks[] __attribute__((weak));

static const char *mutant;
static bool is_mutant_known;

_Noreturn void px_assert_fail(const char *condition, const char *file, int line)
{
    (void)fflush(stdout);
    (void)fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, condition);
    (void)fflush(stderr);
    abort();
}

uint64_t px_mark_count(const char *name)
{
    uint64_t count = 0;
    for (px_mark *const *mark = __start_px_marks; mark < __stop_px_marks; mark++)
        if (strcmp((*mark)->name, name) == 0) count += (*mark)->count;
    return count;
}

void px_marks_each(void *context, void (*each)(void *context, const char *name, uint64_t count))
{
    for (px_mark *const *mark = __start_px_marks; mark < __stop_px_marks; mark++)
        each(context, (*mark)->name, (*mark)->count);
}

void px_marks_clear(void)
{
    for (px_mark *const *mark = __start_px_marks; mark < __stop_px_marks; mark++) (*mark)->count = 0;
}

void px_mutant_set(const char *name)
{
    mutant = name;
    is_mutant_known = true;
}

bool px_mutant(const char *name)
{
    if (!is_mutant_known) px_mutant_set(getenv("PX_MUTANT"));
    return mutant && strcmp(mutant, name) == 0;
}
