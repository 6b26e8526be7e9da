/* sim_session.h - clients that publish under sessions, and fence one another.
 *
 * Meaning    A client takes or joins one of a few sessions at its node, pushes for a while, and leaves, or
 *            is fenced, or dies with its node; then it comes again to any session. What it is told goes to
 *            check_session.c.
 * Source     port/app.h. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_TEST_SIM_SIM_SESSION_H
#define PX_TEST_SIM_SIM_SESSION_H

#include "port/app.h"

struct sim_app;

#define SIM_CLIENTS_MAX 3u

typedef struct {
    px_intake_events events; /* first */
    struct sim_app *app;
    px_intake *intake; /* NULL: it is in no session */
    bool is_open;
    uint32_t writer; /* its number in the history, anew for each time it comes */
} sim_client;

/* Its node is up; is about to be gone. */
void sim_session_attach(sim_client *client);
void sim_session_detach(sim_client *client);
/* It takes or joins a session, and pushes so many messages, where there is room; its node is up. */
void sim_session_come(sim_client *client, uint32_t session, bool joins);
void sim_session_push(sim_client *client, uint64_t count);
/* Everything that it pushed and can be told is told. */
bool sim_session_is_idle(const sim_client *client);

#endif
