/* assert.h - what must hold in every build.
 *
 * Meaning    px_assert stays on in production: a node that broke its own rule stops rather than goes on.
 *            PX_MARK names a rare state that tests must reach; PX_MUTANT(name) is a rule broken on purpose.
 *            Both cost nothing outside test builds. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_BASE_ASSERT_H
#define PX_BASE_ASSERT_H

#include <stdbool.h>
#include <stdint.h>

/* Says what failed and ends the process; main/ and test/support/ each define one. */
_Noreturn void px_assert_fail(const char *condition, const char *file, int line);

#define px_assert(condition) ((condition) ? (void)0 : px_assert_fail(#condition, __FILE__, __LINE__))

/* Believed impossible, still handled by the caller; tests fail when it is seen. */
#ifdef PX_TEST
typedef struct {
    const char *name;
    uint64_t count;
} px_mark;
bool px_mutant(const char *name);
/* Tests find every mark that is linked, passed or not, in a section of its own. */
#define PX_MARK(words)                                                                 \
    do {                                                                               \
        static px_mark mark_ = {words, 0};                                             \
        static px_mark *const at_ __attribute__((section("px_marks"), used)) = &mark_; \
        mark_.count++;                                                                 \
    } while (0)
#define PX_MUTANT(name) px_mutant(name)
#else
#define PX_MARK(name) ((void)0)
#define PX_MUTANT(name) (false)
#endif

#endif
