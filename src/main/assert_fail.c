/* assert_fail.c - what a program does when it broke its own rule: says where, and ends.
 *
 * Source     base/assert.h. */
// SPDX-License-Identifier: Apache-2.0
#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void px_assert_fail(const char *condition, const char *file, int line)
{
    (void)fprintf(stderr, "px broke a rule of its own at %s:%d: %s; it stops rather than goes on\n", file,
                  line, condition);
    abort();
}
