/* err.c - the words of each error. */
// SPDX-License-Identifier: Apache-2.0
#include "base/err.h"

const char *px_err_text(px_err err)
{
    switch (err) {
#define PX_ERR_CASE(code, words) \
    case PX_ERR_##code: return words;
        PX_ERR_LIST(PX_ERR_CASE)
#undef PX_ERR_CASE
    case PX_ERR_COUNT: break;
    }
    return "not an error code";
}
