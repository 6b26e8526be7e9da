/* transfer.c - hands leadership over for a client of the socket.
 *
 * Meaning    Only the leader can; others name it. What came of it stands in the status: there is no event for
 *            it, so a request that waits looks again and again until another node leads.
 * Source     [R14]. */
// SPDX-License-Identifier: Apache-2.0
#include "local/socket_priv.h"

#include "base/assert.h"
#include <stdio.h>
#include <string.h>

#define LOOK_US 10000u
/* An attempt lasts an election timeout; then the old leader goes on. */
#define DEADLINE_US 10000000u
#define WORDS_BYTES 400u

static bool can_lead(const px_status *status, uint32_t member)
{
    const px_member_status *of = &status->members[member];
    return member != status->self && of->connected && of->heard && of->voter;
}

static uint32_t find_member(const px_status *status, px_bytes id)
{
    uint32_t member = 0;
    for (; member < status->member_count; member++) {
        const char *name = status->members[member].id;
        if (strlen(name) == id.size_bytes && memcmp(name, id.data, id.size_bytes) == 0) break;
    }
    return member;
}

/* Says why nobody can be asked to take over. False where somebody can: *member, PX_MEMBERS_MAX for any. */
static bool refuse(px_client *client, const px_request *request, const px_status *status, uint32_t *member)
{
    char words[WORDS_BYTES];
    bool is_possible = false;
    *member = PX_MEMBERS_MAX;
    if (request->has_id) {
        *member = find_member(status, request->id);
        if (*member == status->member_count) {
            px_reply_error(client, request->tag, "not_member", "no member has that id; status lists them");
            return true;
        }
    }
    if (!status->has_leader) {
        px_reply_error(client, request->tag, "no_quorum",
                       "nobody leads now, so there is nothing to hand over");
        return true;
    }
    for (uint32_t i = 0; i < status->member_count; i++)
        is_possible |= can_lead(status, i) && (*member == i || *member == PX_MEMBERS_MAX);
    if (status->role != PX_ROLE_LEADER)
        (void)snprintf(words, sizeof words, "%s leads: ask it", status->members[status->leader].id);
    else if (!is_possible && *member < PX_MEMBERS_MAX)
        (void)snprintf(words, sizeof words, "%s cannot lead now: it must be connected and have a vote",
                       status->members[*member].id);
    else
        (void)snprintf(words, sizeof words,
                       "no other member can lead now: none that has a vote is connected");
    if (status->role == PX_ROLE_LEADER && is_possible) return false;
    px_reply_error(client, request->tag, "bad_request", words);
    return true;
}

void px_transfer_run(px_client *client, const px_request *request)
{
    px_app *app = client->server->env->app;
    px_clock *clock = client->server->env->clock;
    px_status status;
    uint32_t member;
    app->calls->status(app, &status);
    const bool leads = status.role == PX_ROLE_LEADER;
    if (leads && request->has_id && find_member(&status, request->id) == status.self) {
        px_reply_leader(client, request->tag, status.members[status.self].id);
        return;
    }
    if (refuse(client, request, &status, &member)) return;
    px_pending *pending = px_pending_make(client, request);
    pending->deadline_us = request->has_timeout ? request->deadline_us : clock->now_us(clock) + DEADLINE_US;
    app->calls->transfer(app, member);
    px_env_start(client->server->env, &pending->timer, LOOK_US);
}

void px_transfer_look(px_pending *pending)
{
    px_client *client = pending->client;
    const px_local_env *env = client->server->env;
    const px_bytes tag = {pending->tag, pending->tag_bytes};
    px_status status;
    env->app->calls->status(env->app, &status);
    if (status.has_leader && status.leader != status.self) {
        px_reply_leader(client, tag, status.members[status.leader].id);
    } else if (env->clock->now_us(env->clock) < pending->deadline_us) {
        px_env_start(env, &pending->timer, LOOK_US);
        return;
    } else {
        px_reply_error(client, tag, "unknown", "nobody has taken over in time; status tells who leads");
    }
    px_pending_end(pending);
    px_client_flush(client);
}
