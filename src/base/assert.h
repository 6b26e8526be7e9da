/* assert.h - what must hold in every build.
 *
 * Meaning    px_assert stays on in production: a node that broke its own rule stops rather than goes on.
 *            PX_MARK names a rare state that tests must reach; PX_MUTANT(name) is a rule broken on purpose.
 *            Both cost nothing outside test builds. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_BASE_ASSERT_H
#define PX_BASE_ASSERT_H

#include <stdbool.h>

/* Says what failed and ends the process; main/ and test/support/ each define one. */
_Noreturn void px_assert_fail(const char *condition, const char *file, int line);

#define px_assert(condition) ((condition) ? (void)0 : px_assert_fail(#condition, __FILE__, __LINE__))

/* Believed impossible, still handled by the caller; tests fail when it is seen. */
#ifdef PX_TEST
void px_mark(const char *name);
bool px_mutant(const char *name);
#define PX_MARK(name) px_mark(name)
#define PX_MUTANT(name) px_mutant(name)
#else
#define PX_MARK(name) ((void)0)
#define PX_MUTANT(name) (false)
#endif

#endif
