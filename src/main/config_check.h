/* config_check.h - can what the configuration names be used?
 *
 * Meaning    Looks at files and certificates, without making, binding or changing anything. What it finds
 *            wrong it says as px_config_load does.
 * Source     spec.md §2. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_MAIN_CONFIG_CHECK_H
#define PX_MAIN_CONFIG_CHECK_H

#include "main/config.h"

/* Checks all that a start of the node would need. `path` is the configuration file, for the words.
 * Errors   PX_ERR_MALFORMED, with the fault in one line. */
PX_MUST_USE px_err px_config_check(const char *path, const px_config *config, char *fault,
                                   size_t fault_bytes);

/* The same for the certificates alone: what a reload looks at before it takes new ones up. */
PX_MUST_USE px_err px_config_check_certificates(const char *path, const px_config *config, char *fault,
                                                size_t fault_bytes);

#endif
