/* publish.h - a connection that hands over raw messages.
 *
 * Source     spec.md §5. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_LOCAL_PUBLISH_H
#define PX_LOCAL_PUBLISH_H

#include "local/format.h"
#include "local/socket_priv.h"

/* Begins to publish. False where it must wait for the replies to requests before it. */
bool px_publish_run(px_client *client, const px_request *request);

/* Hands over the messages that were read. False where what is here must wait; it pumps the client then. */
bool px_publish_take(px_client *client);

/* Writes what there is to say, if all before it was taken; closes the client behind the last of it. */
void px_publish_put(px_client *client);

/* Is something of it not told yet? */
bool px_publish_is_owed(const px_client *client);

/* px stops: takes no more, and ends when all that was taken is acknowledged; or now. */
void px_publish_stop(px_client *client);
/* Words are static. */
void px_publish_give_up(px_client *client, const char *code, const char *words);

void px_publish_free(px_client *client);

/* Frees what those without a session share. */
void px_publish_line_free(px_socket *server);

#endif
