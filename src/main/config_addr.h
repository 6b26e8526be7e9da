/* config_addr.h - addresses and names as people write them.
 *
 * Meaning    Pure text work: nothing is resolved here. Faults are static words with the mend behind a
 *            semicolon. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_MAIN_CONFIG_ADDR_H
#define PX_MAIN_CONFIG_ADDR_H

#include "main/config.h"

/* Reads `ip:port` or `[ip6]:port`, for something to bind. Returns NULL, or what is wrong; writes *addr only
 * on NULL. */
const char *px_addr_parse_bind(const char *text, px_config_addr *addr);

/* Reads `ip:port`, `[ip6]:port`, `host:port` or, with port_default, `host`. As above. */
const char *px_addr_parse_dial(const char *text, uint16_t port_default, px_config_addr *addr);

/* Reads a domain name into `name`, in lower case: names of nodes are compared as DNS does. As above. */
const char *px_name_parse(const char *text, char name[PX_NAME_BYTES_MAX]);

#endif
