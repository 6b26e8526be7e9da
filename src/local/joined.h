/* joined.h - sends under a session, whoever has it open.
 *
 * Source     spec.md §5. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_LOCAL_JOINED_H
#define PX_LOCAL_JOINED_H

#include "local/socket_priv.h"

/* Carries out a send that names a session. False where it must wait. */
bool px_joined_send(px_client *client, const px_request *request);

void px_joined_deinit(px_socket *server);

#endif
