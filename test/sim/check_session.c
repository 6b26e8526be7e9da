/* check_session.c - each session's messages once and in order, whoever brought them in, and fences that hold.
 *
 * Meaning    Knows nothing of openings and holders: it looks at what clients asked, were told and pushed, and
 *            at the one order. A session's messages are 1, 2, 3… in it. Behind the first message of one who
 *            took the session nothing comes of those who had taken it before; behind the word that it is over
 *            nothing comes that was not acknowledged.
 * Source     spec.md §5; [R11, R12]. */
// SPDX-License-Identifier: Apache-2.0
#include "sim/checks.h"

#include "base/assert.h"

static sim_session_history *session_of(sim_world *world, const sim_writer *writer)
{
    px_assert(writer->session >= 1 && writer->session <= SIM_SESSIONS_MAX);
    return &world->checks->sessions[writer->session - 1];
}

uint32_t sim_check_session_writer(sim_world *world, uint32_t place, uint64_t run, uint32_t session,
                                  bool joins)
{
    const uint32_t number = sim_check_writer(world, place, run);
    sim_writer *writer = &world->checks->writers[number];
    writer->session = session + 1;
    writer->joins = joins;
    writer->end = UINT64_MAX;
    writer->opening = ++session_of(world, writer)->openings;
    writer->seen_when_asked = session_of(world, writer)->seen;
    return number;
}

void sim_check_session_opened(sim_world *world, uint32_t number, uint64_t next)
{
    sim_writer *writer = &world->checks->writers[number];
    sim_check(world, next > writer->seen_when_asked, "next",
              "writer %u is told that %llu is next, and %llu was seen when it asked", number,
              (unsigned long long)next, (unsigned long long)writer->seen_when_asked);
    writer->pushed = writer->acknowledged = next - 1;
}

void sim_check_session_duplicate(sim_world *world, uint32_t number, uint64_t upto, uint64_t index,
                                 uint32_t consecutive)
{
    sim_writer *writer = &world->checks->writers[number];
    for (uint32_t i = 0; i < consecutive; i++) {
        const sim_place *place = sim_checks_place(world, index - i);
        if (!place->is_seen && !place->is_acknowledged) continue;
        const sim_writer *other = &world->checks->writers[place->writer];
        sim_check(world, other->session == writer->session && place->number == upto - i, "duplicate",
                  "message %llu of writer %u's session is not at index %llu", (unsigned long long)(upto - i),
                  number, (unsigned long long)(index - i));
    }
    if (upto > writer->acknowledged) writer->acknowledged = upto;
    if (writer->joins && upto > writer->pushed) writer->pushed = upto;
}

void sim_check_session_ended(sim_world *world, uint32_t number, px_intake_end end)
{
    sim_writer *writer = &world->checks->writers[number];
    sim_check(world, writer->seen <= writer->acknowledged, "fenced",
              "message %llu of writer %u is in the order and was not acknowledged before it ended",
              (unsigned long long)writer->seen, number);
    sim_check(world, end == PX_INTAKE_FENCED || world->checks->has_expiry, "expired",
              "writer %u is told that its session expired", number);
    /* Its own opening may have expired before this node, which lags, heard of it. */
    sim_check(world, end != PX_INTAKE_FENCED || session_of(world, writer)->openings > 1, "fenced",
              "writer %u is fenced, and nobody else opened its session", number);
    writer->end = writer->acknowledged;
}

void sim_check_session_seen(sim_world *world, uint32_t number, uint64_t sequence)
{
    sim_writer *writer = &world->checks->writers[number];
    sim_session_history *session = session_of(world, writer);
    sim_check(world, sequence > session->seen, "duplicate", "message %llu of session %u is there again",
              (unsigned long long)sequence, writer->session);
    sim_check(world, sequence == session->seen + 1, "session order",
              "message %llu of session %u comes behind %llu", (unsigned long long)sequence, writer->session,
              (unsigned long long)session->seen);
    sim_check(world, sequence <= writer->end, "fenced",
              "message %llu of writer %u comes, which was told that it is over at %llu",
              (unsigned long long)sequence, number, (unsigned long long)writer->end);
    session->seen = sequence;
    if (writer->joins) return;
    sim_check(world, !writer->is_over, "fenced", "message %llu of writer %u comes behind the fence",
              (unsigned long long)sequence, number);
    if (session->taker && session->taker != number + 1)
        world->checks->writers[session->taker - 1].is_over = true;
    session->taker = number + 1;
}
