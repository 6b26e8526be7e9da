/* check_validity.c - only what was pushed, once, and each writer's messages as it pushed them.
 *
 * Meaning    The text of a message follows from its writer and its number, so that it can be told apart from
 *            every other and its bytes compared without keeping them. It begins with `w<writer>.<number>:`;
 *            what follows is any bytes, newlines and bad UTF-8 too.
 * Source     spec.md §3.3, §3.4; [R11]. */
// SPDX-License-Identifier: Apache-2.0
#include "sim/checks.h"

#include "base/assert.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_BYTES_MIN 32u

uint32_t sim_check_writer(sim_world *world, uint32_t place, uint64_t run)
{
    sim_checks *checks = world->checks;
    checks->writers =
        sim_grow(checks->writers, &checks->writer_capacity, checks->writer_count, sizeof *checks->writers);
    checks->writers[checks->writer_count] = (sim_writer){.place = place, .run = run};
    return (uint32_t)checks->writer_count++;
}

/* Mostly short, as lines are; now and then as large as it may be. */
static size_t size_of_text(px_prng *prng, size_t size_bytes_max, uint64_t large_per_million)
{
    const uint64_t kind = px_prng_below(prng, 1000);
    if (large_per_million && px_prng_below(prng, 1000000) < large_per_million)
        return size_bytes_max - (size_t)px_prng_below(prng, 3);
    size_t size_bytes = (size_t)px_prng_below(prng, 64);
    if (kind < 30) size_bytes = (size_t)px_prng_below(prng, 4096);
    if (kind < 2) size_bytes = (size_t)px_prng_below(prng, size_bytes_max);
    return size_bytes < size_bytes_max ? size_bytes : size_bytes_max;
}

static size_t make_text(const sim_world *world, uint32_t writer, uint64_t number, uint8_t *space,
                        size_t size_bytes_max)
{
    px_prng prng;
    px_prng_init(&prng, world->options.seed ^ ((uint64_t)writer << 40) ^ number);
    px_assert(size_bytes_max >= TEXT_BYTES_MIN);
    const int head = snprintf((char *)space, TEXT_BYTES_MIN, "w%u.%llu:", writer, (unsigned long long)number);
    px_assert(head > 0 && (size_t)head < TEXT_BYTES_MIN);
    const size_t rest = size_of_text(&prng, size_bytes_max - (size_t)head, world->checks->large_per_million);
    const bool is_text = px_prng_below(&prng, 4) != 0;
    uint64_t signs = 0; /* eight of a draw: most of what a run writes is text */
    for (size_t i = 0; i < rest; i++, signs >>= 8) {
        if (i % 8 == 0) signs = px_prng_next(&prng);
        const uint64_t sign = signs & 0xff;
        space[(size_t)head + i] = (uint8_t)(is_text ? ' ' + sign * 95 / 256 : sign);
    }
    return (size_t)head + rest;
}

size_t sim_check_push(sim_world *world, uint32_t place_of_writer, uint8_t *space, size_t size_bytes_max)
{
    sim_checks *checks = world->checks;
    sim_writer *writer = &checks->writers[place_of_writer];
    if (!writer->floors) writer->before = writer->pushed;
    const size_t at = (size_t)(writer->pushed++ - writer->before);
    writer->floors = sim_grow(writer->floors, &writer->floors_capacity, at, sizeof *writer->floors);
    writer->floors[at] = checks->acknowledged;
    world->counts.pushed++;
    return make_text(world, place_of_writer, writer->pushed, space, size_bytes_max);
}

void sim_check_kept(sim_world *world, uint32_t place)
{
    sim_checks *checks = world->checks;
    for (size_t i = 0; i < checks->writer_count; i++) {
        sim_writer *writer = &checks->writers[i];
        if (writer->place != place || writer->is_closed || writer->session) continue; /* a pipe's alone */
        writer->is_kept = true;
        if (writer->acknowledged < writer->pushed) PX_MARK("sim: messages kept by a clean stop");
    }
}

void sim_check_kept_lost(sim_world *world, uint32_t place)
{
    for (size_t i = 0; i < world->checks->writer_count; i++)
        if (world->checks->writers[i].place == place) world->checks->writers[i].is_kept = false;
}

bool sim_check_is_kept_seen(const sim_world *world)
{
    for (size_t i = 0; i < world->checks->writer_count; i++) {
        const sim_writer *writer = &world->checks->writers[i];
        if (writer->is_kept && writer->seen < writer->pushed) return false;
    }
    return true;
}

/* Reads `w<writer>.<number>:`. False where it does not begin so. */
static bool read_head(px_bytes message, uint64_t numbers[2])
{
    size_t at = 0;
    if (message.size_bytes == 0 || message.data[at++] != 'w') return false;
    for (unsigned i = 0; i < 2; i++) {
        numbers[i] = 0;
        const size_t start = at;
        while (at < message.size_bytes && message.data[at] >= '0' && message.data[at] <= '9' &&
               at - start < 18)
            numbers[i] = 10 * numbers[i] + (uint64_t)(message.data[at++] - '0');
        if (at == start || at >= message.size_bytes || message.data[at++] != ".:"[i]) return false;
    }
    return true;
}

void sim_check_first_seen(sim_world *world, uint64_t index, px_bytes message)
{
    sim_checks *checks = world->checks;
    uint64_t head[2];
    sim_check(world, read_head(message, head) && head[0] < checks->writer_count, "validity",
              "index %llu holds what nobody wrote", (unsigned long long)index);
    sim_writer *writer = &checks->writers[head[0]];
    sim_check(world, writer->floors && head[1] > writer->before && head[1] <= writer->pushed, "validity",
              "index %llu holds message %llu of writer %llu, who pushed only %llu", (unsigned long long)index,
              (unsigned long long)head[1], (unsigned long long)head[0], (unsigned long long)writer->pushed);
    if (writer->session) sim_check_session_seen(world, (uint32_t)head[0], head[1]);
    sim_check(world, head[1] > writer->seen, "duplicate",
              "index %llu holds message %llu of writer %llu again", (unsigned long long)index,
              (unsigned long long)head[1], (unsigned long long)head[0]);
    sim_check(world, writer->session || head[1] == writer->seen + 1, "writer order",
              "index %llu holds message %llu of writer %llu before its message %llu",
              (unsigned long long)index, (unsigned long long)head[1], (unsigned long long)head[0],
              (unsigned long long)writer->seen + 1);
    const uint64_t floor = writer->floors[head[1] - writer->before - 1];
    sim_check(world, index > floor, "real time",
              "index %llu holds what was pushed after index %llu was acknowledged", (unsigned long long)index,
              (unsigned long long)floor);
    static uint8_t space[1u << 20];
    const size_t size_bytes =
        make_text(world, (uint32_t)head[0], head[1], space, world->checks->message_bytes_max);
    sim_check(world, size_bytes == message.size_bytes && memcmp(space, message.data, size_bytes) == 0,
              "validity", "index %llu holds other bytes than were pushed", (unsigned long long)index);
    writer->seen = head[1];
    sim_place *place = sim_checks_place(world, index);
    sim_check(world, !place->is_acknowledged || (place->writer == head[0] && place->number == head[1]),
              "durability",
              "index %llu was acknowledged for message %llu of writer %u, and holds %llu of %llu",
              (unsigned long long)index, (unsigned long long)place->number, place->writer,
              (unsigned long long)head[1], (unsigned long long)head[0]);
    place->writer = (uint32_t)head[0];
    place->number = head[1];
}
