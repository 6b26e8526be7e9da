/* check_durability.c - what a writer was told is chosen stays at its index for ever, whoever crashes.
 *
 * Meaning    An acknowledgement fixes what its index holds, as a reader does. That a majority has it on
 *            stable disks at that moment is asked of check_protocol.c.
 * Source     spec.md §3.2. */
// SPDX-License-Identifier: Apache-2.0
#include "sim/checks.h"

static void fix_place(sim_world *world, uint32_t writer, uint64_t number, uint64_t index)
{
    sim_place *place = sim_checks_place(world, index);
    const bool is_known = place->is_seen || place->is_acknowledged;
    sim_check(
        world, !is_known || (place->writer == writer && place->number == number), "ack mismatch",
        "message %llu of writer %u is acknowledged at index %llu, which holds message %llu of writer %u",
        (unsigned long long)number, writer, (unsigned long long)index, (unsigned long long)place->number,
        place->writer);
    place->writer = writer;
    place->number = number;
    place->is_acknowledged = true;
}

void sim_check_acknowledged(sim_world *world, uint32_t place_of_writer, uint64_t upto, uint64_t index,
                            uint32_t consecutive)
{
    sim_checks *checks = world->checks;
    sim_writer *writer = &checks->writers[place_of_writer];
    sim_check(world, upto <= writer->pushed && upto > writer->acknowledged, "acknowledgement",
              "writer %u is told of message %llu after %llu of %llu", place_of_writer,
              (unsigned long long)upto, (unsigned long long)writer->acknowledged,
              (unsigned long long)writer->pushed);
    sim_check(world, consecutive >= 1 && consecutive <= index && upto - writer->acknowledged == consecutive,
              "acknowledgement", "writer %u is told of %u messages up to %llu after %llu", place_of_writer,
              consecutive, (unsigned long long)upto, (unsigned long long)writer->acknowledged);
    for (uint32_t i = 0; i < consecutive; i++) fix_place(world, place_of_writer, upto - i, index - i);
    sim_check(world, index - consecutive >= writer->index_last, "acknowledgement",
              "indexes of writer %u go back to %llu", place_of_writer, (unsigned long long)index);
    writer->acknowledged = upto;
    writer->index_last = index;
    world->counts.acknowledged += consecutive;
    if (index > checks->acknowledged) checks->acknowledged = index;
    if (index > checks->known) checks->known = index;
}
