/* assert.h - what tests ask about marks, and how they break a rule on purpose.
 *
 * Meaning    See base/assert.h for PX_MARK and PX_MUTANT. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_TEST_SUPPORT_ASSERT_H
#define PX_TEST_SUPPORT_ASSERT_H

#include <stdbool.h>
#include <stdint.h>

/* How often PX_MARK(name) was passed since the start or the last px_marks_clear. */
uint64_t px_mark_count(const char *name);
/* Every mark that is linked, those never passed too; a name may come several times. */
void px_marks_each(void *context, void (*each)(void *context, const char *name, uint64_t count));
void px_marks_clear(void);

/* Breaks the rule behind PX_MUTANT(name) from now on; NULL breaks none. Borrows `name`. Without it the
 * environment's PX_MUTANT decides. */
void px_mutant_set(const char *name);

#endif
