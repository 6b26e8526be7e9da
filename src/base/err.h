/* err.h - what can go wrong in the world, as one list.
 *
 * Meaning    A px_err says what happened; where it happened is added by whoever logs it. Bugs are px_assert,
 *            not px_err. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_BASE_ERR_H
#define PX_BASE_ERR_H

/* code, words */
#define PX_ERR_LIST(X)                                                                    \
    X(OK, "done")                                                                         \
    X(MORE, "not all of it is here yet")                                                  \
    X(MALFORMED, "not valid")                                                             \
    X(OVERSIZE, "larger than its limit")                                                  \
    X(NO_SPACE, "no space left where it would go")                                        \
    X(NOT_FOUND, "no such thing")                                                         \
    X(EXISTS, "it is there already")                                                      \
    X(BUSY, "in use by another process")                                                  \
    X(DENIED, "permission denied")                                                        \
    X(IO, "the device reported an error")                                                 \
    X(DAMAGED, "a record that was on disk is damaged")                                    \
    X(FOREIGN, "it belongs to another node or cluster")                                   \
    X(WRONG_KIND, "something of another kind is there")                                   \
    X(NO_FILES, "the limit of open files is reached; raise it (ulimit -n, LimitNOFILE=)") \
    X(END, "nothing behind it yet")                                                       \
    X(CLOSED, "closed")

typedef enum {
#define PX_ERR_ENUM(code, words) PX_ERR_##code,
    PX_ERR_LIST(PX_ERR_ENUM)
#undef PX_ERR_ENUM
        PX_ERR_COUNT
} px_err;
#define PX_OK PX_ERR_OK

#define PX_MUST_USE __attribute__((warn_unused_result))

/* The words of an error: static text, never NULL. */
const char *px_err_text(px_err err);

#endif
