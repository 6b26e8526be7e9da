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

#define MARKS_MAX 256u

static struct {
    const char *name;
    uint64_t count;
} marks[MARKS_MAX];
static uint32_t mark_count;
static const char *mutant;
static bool is_mutant_known;

_Noreturn void px_assert_fail(const char *condition, const char *file, int line)
{
    (void)fflush(stdout);
    (void)fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, condition);
    (void)fflush(stderr);
    abort();
}

void px_mark(const char *name)
{
    for (uint32_t i = 0; i < mark_count; i++) {
        if (marks[i].name == name || strcmp(marks[i].name, name) == 0) {
            marks[i].count++;
            return;
        }
    }
    px_assert(mark_count < MARKS_MAX);
    marks[mark_count].name = name;
    marks[mark_count].count = 1;
    mark_count++;
}

uint64_t px_mark_count(const char *name)
{
    for (uint32_t i = 0; i < mark_count; i++) {
        if (strcmp(marks[i].name, name) == 0) return marks[i].count;
    }
    return 0;
}

void px_marks_each(void *context, void (*each)(void *context, const char *name, uint64_t count))
{
    for (uint32_t i = 0; i < mark_count; i++) each(context, marks[i].name, marks[i].count);
}

void px_marks_clear(void)
{
    mark_count = 0;
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
