/* certs.h - a private root and certificates of nodes, for `pxctl certs`. [spec.md §6] */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_QUIC_CERTS_H
#define PX_QUIC_CERTS_H

#include "base/err.h"
#include <stddef.h>

/* Makes the folder where it is missing, a root in ca.crt and ca.key unless both are there, and for each name
 * NAME.crt and NAME.key, new ones in place of older. Keys are readable by their owner alone.
 * fault    what is wrong and how to mend it, in words; room for 320 bytes is enough.
 * Errors   PX_ERR_MALFORMED   a name that can be no DNS name, or a root that cannot be used.
 *          PX_ERR_DENIED, PX_ERR_NO_SPACE, PX_ERR_IO. */
PX_MUST_USE px_err px_certs_make(const char *dir, const char *const *names, size_t count, char *fault,
                                 size_t fault_bytes);

#endif
