/* faults.c - draws a seed's faults and lets them happen. */
// SPDX-License-Identifier: Apache-2.0
#include "sim/faults_priv.h"

#include "base/assert.h"
#include "sim/checks.h"
#include <stdlib.h>

const char *sim_fault_words(sim_fault kind)
{
#define SIM_FAULT_WORDS(kind, words) words,
    static const char *const words[] = {SIM_FAULT_LIST(SIM_FAULT_WORDS)};
#undef SIM_FAULT_WORDS
    return words[kind];
}

/* How often a fault of each kind comes in seeds that have it, at the most often. */
static const uint64_t gap_us_min[SIM_FAULTS] = {
    [SIM_FAULT_CRASH] = 500 * SIM_MS,        [SIM_FAULT_POWER] = 4 * SIM_SECOND,
    [SIM_FAULT_PAUSE] = 700 * SIM_MS,        [SIM_FAULT_PARTITION] = 1 * SIM_SECOND,
    [SIM_FAULT_ONE_WAY] = 700 * SIM_MS,      [SIM_FAULT_BREAK] = 200 * SIM_MS,
    [SIM_FAULT_SLOW_DISK] = 1 * SIM_SECOND,  [SIM_FAULT_HUNG_DISK] = 2 * SIM_SECOND,
    [SIM_FAULT_SLOW_PATH] = 500 * SIM_MS,    [SIM_FAULT_LOSS] = 500 * SIM_MS,
    [SIM_FAULT_TRANSFER] = 500 * SIM_MS,     [SIM_FAULT_WALL] = 1 * SIM_SECOND,
    [SIM_FAULT_DISK_ERROR] = 3 * SIM_SECOND, [SIM_FAULT_DISK_FULL] = 3 * SIM_SECOND,
    [SIM_FAULT_SLOW_LOOP] = 1 * SIM_SECOND,  [SIM_FAULT_TRAP] = 400 * SIM_MS,
    [SIM_FAULT_FLAP] = 1 * SIM_SECOND,       [SIM_FAULT_REPLAY] = 500 * SIM_MS,
    [SIM_FAULT_STOP] = 1 * SIM_SECOND,       [SIM_FAULT_CLOCK] = 2 * SIM_SECOND,
    [SIM_FAULT_SWAP] = 4 * SIM_SECOND,       [SIM_FAULT_ROT_STATE] = 500 * SIM_MS,
    [SIM_FAULT_ROT] = 1 * SIM_SECOND,        [SIM_FAULT_LOST_WRITE] = 2 * SIM_SECOND,
    [SIM_FAULT_MISDIRECT] = 2 * SIM_SECOND,  [SIM_FAULT_READ_ERROR] = 2 * SIM_SECOND,
    [SIM_FAULT_WIPE] = 5 * SIM_SECOND,       [SIM_FAULT_ROLL_BACK] = 1 * SIM_SECOND,
    [SIM_FAULT_ROT_END] = 2 * SIM_SECOND,
};

/* Of all that is pushed, a second: more of it makes each start read for long, and finds nothing. */
#define WORK_BYTES_PER_SECOND (192u << 10)

/* ---- drawing ---- */

/* Bursts at least so far apart that the bytes of large messages stay within bounds. */
static void spread_bytes(sim_work *work, uint64_t each)
{
    if (work->large_per_million == 0) return;
    uint64_t burst_bytes =
        (1 + work->burst_messages) / 2 * work->message_bytes_max * work->large_per_million / 1000000;
    if (burst_bytes > PX_INTAKE_BYTES) burst_bytes = PX_INTAKE_BYTES; /* it takes no more at once */
    const uint64_t gap_us = each * burst_bytes * SIM_SECOND / WORK_BYTES_PER_SECOND;
    if (work->burst_gap_us < gap_us) work->burst_gap_us = gap_us;
}

static void draw_work(sim_world *world, sim_work *work)
{
    static const uint64_t rates[] = {4, 10, 30, 90}; /* messages a second, of all intakes */
    const uint64_t rate = rates[draw(world, 0, 3)];
    work->intakes = (uint32_t)draw(world, 1, 3);
    work->burst_messages = draw_one_in(world, 3) ? 1 : draw(world, 2, 30);
    const uint64_t each = work->intakes * world->options.node_count;
    work->burst_gap_us = each * (1 + work->burst_messages) / 2 * SIM_SECOND / rate;
    work->message_bytes_max = draw_one_in(world, 4) ? draw(world, 4096, 60000) : draw(world, 64, 1024);
    switch (draw(world, 0, 9)) { /* most are plain */
    case 0:                      /* large: as large as a message may be */
        work->message_bytes_max = draw(world, SIM_MESSAGE_BYTES_MAX - 2, SIM_MESSAGE_BYTES_MAX);
        work->large_per_million = draw(world, 10000, 200000);
        work->burst_gap_us *= 4;
        break;
    case 1: /* many intakes */
        work->intakes = (uint32_t)draw(world, 10, SIM_INTAKES_MAX);
        work->burst_gap_us *= work->intakes / 2;
        break;
    case 2: /* long bursts, far apart */
        work->burst_messages = draw(world, 500, 3000);
        work->burst_gap_us = each * draw(world, 4 * SIM_SECOND, 12 * SIM_SECOND);
        break;
    case 3: /* next to nothing */
        work->burst_gap_us = each * draw(world, 2 * SIM_SECOND, 10 * SIM_SECOND);
        break;
    default: break;
    }
    spread_bytes(work, work->intakes * world->options.node_count);
    const uint32_t percent = world->options.load_percent;
    if (percent) work->burst_gap_us = work->burst_gap_us * 100 / percent;
    work->barrier_gap_us = draw_one_in(world, 4) ? 0 : draw(world, 150 * SIM_MS, 4 * SIM_SECOND);
    work->reread_gap_us = draw_one_in(world, 3) ? 0 : draw(world, 100 * SIM_MS, SIM_SECOND);
}

/* Few sessions, so that clients fence one another; or so many that the log has to forget some. */
static void draw_sessions(sim_world *world, sim_work *work)
{
    if (sim_below(world, SIM_CHANCE_SESSIONS, 2) == 0) return;
    work->sessions = 1 + (uint32_t)sim_below(world, SIM_CHANCE_SESSIONS, 4);
    work->session_gap_us = sim_between(world, SIM_CHANCE_SESSIONS, 80 * SIM_MS, 3 * SIM_SECOND);
    if (work->burst_messages > 30) work->session_gap_us *= work->burst_messages / 30;
    if (sim_below(world, SIM_CHANCE_SESSIONS, 8) != 0) return;
    /* Fenced ones stay for a window, open pipes for good, an opening takes a slot: with fewer places there
     * might be none. */
    const uint64_t least = PX_WINDOW_SLOTS + 64 + 1 + (uint64_t)work->intakes * world->options.node_count;
    work->sessions_max = (uint32_t)sim_between(world, SIM_CHANCE_SESSIONS, least, least + 256);
    work->sessions = (uint32_t)sim_between(world, SIM_CHANCE_SESSIONS, 2 * least, SIM_SESSIONS_MAX);
    work->large_per_million /= 100; /* each says something as well */
    if (work->burst_messages > 30) work->burst_messages = 30;
    work->session_gap_us = sim_between(world, SIM_CHANCE_SESSIONS, 30 * SIM_MS, 120 * SIM_MS);
}

static void draw_consumers(sim_world *world, sim_work *work)
{
    if (sim_below(world, SIM_CHANCE_SESSIONS, 2) == 0) return;
    work->consumer_gap_us = sim_between(world, SIM_CHANCE_SESSIONS, 20 * SIM_MS, 2 * SIM_SECOND);
}

/* Where nobody reads, nodes may hear later what is chosen. */
static void draw_readers(sim_world *world, sim_work *work)
{
    static const uint64_t away_per_million[] = {0, 0, 500000, 950000};
    work->away_per_million = away_per_million[sim_below(world, SIM_CHANCE_SESSIONS, 4)];
}

static void draw_fragile(sim_world *world, sim_faults *faults)
{
    const uint32_t minority = (world->options.node_count - 1) / 2;
    for (uint32_t i = 0; i < minority; i++) faults->fragile |= 1u << draw_node(world);
}

/* Disks that are damaged again before they are mended, and by then look different. */
static void draw_worn(sim_world *world, sim_faults *faults)
{
    static const sim_fault kinds[] = {SIM_FAULT_ROT, SIM_FAULT_LOST_WRITE, SIM_FAULT_MISDIRECT,
                                      SIM_FAULT_READ_ERROR, SIM_FAULT_CRASH};
    for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++)
        faults->gap_us[kinds[i]] = draw(world, 300 * SIM_MS, 3 * SIM_SECOND);
}

void sim_faults_init(sim_world *world)
{
    sim_faults *faults = sim_zeroed(sizeof *faults);
    world->faults = faults;
    faults->is_over = true;
    draw_work(world, &faults->work);
    draw_sessions(world, &faults->work);
    draw_consumers(world, &faults->work);
    draw_readers(world, &faults->work);
    faults->is_datagram = draw_one_in(world, 3);
    faults->base_delay_us =
        draw_one_in(world, 5) ? draw(world, 2 * SIM_MS, 10 * SIM_MS) : draw(world, 20, 500);
    faults->base_jitter_us = faults->base_delay_us / 2;
    faults->base_sync_us =
        draw_one_in(world, 5) ? draw(world, 2 * SIM_MS, 10 * SIM_MS) : draw(world, 50, 1000);
    const bool is_calm = draw_one_in(world, 4);
    for (unsigned kind = 0; kind < SIM_FAULTS; kind++) {
        const bool has = draw_one_in(world, 3);
        const uint64_t gap_us = gap_us_min[kind] * draw(world, 1, 6);
        if (has && !is_calm) faults->gap_us[kind] = gap_us;
    }
    if (!faults->is_datagram) faults->gap_us[SIM_FAULT_LOSS] = 0;
    if (draw_one_in(world, 8)) draw_worn(world, faults);
    draw_fragile(world, faults);
}

void sim_faults_deinit(sim_world *world)
{
    free(world->faults->schedule);
    free(world->faults);
    world->faults = NULL;
}

/* ---- mending ---- */

void sim_faults_calm(sim_world *world)
{
    for (uint32_t from = 0; from < world->options.node_count; from++) {
        sim_node *node = world->nodes[from];
        sim_disk_mend(&node->disk);
        sim_loop_mend(node);
        for (uint32_t to = 0; to < world->options.node_count; to++)
            sim_path_mend(world, sim_net_path(world->net, from, to));
    }
}

void sim_faults_hush(sim_world *world, uint64_t for_us)
{
    const sim_graph whole = sim_graph_whole(world->options.node_count);
    world->faults->hushed_us = world->now_us + for_us;
    sim_faults_calm(world);
    sim_net_break_slow(world->net);
    sim_faults_cut(world, &whole);
    for (uint32_t from = 0; from < world->options.node_count; from++) {
        sim_trap_set(world, from, (sim_trap){0});
        for (uint32_t to = 0; to < world->options.node_count; to++)
            sim_net_make_late(world->net, from, to, 0);
    }
}

/* Who has rot on its disk would end itself when it meets that: it meets it now. [R16] */
static void heal_node(sim_world *world, uint32_t place)
{
    sim_node_resume(world, place);
    sim_trap_set(world, place, (sim_trap){0});
    if (world->nodes[place]->disk.is_rotten) sim_node_crash(world, place, true);
    sim_node_start(world, place);
}

void sim_faults_heal(sim_world *world)
{
    const sim_graph whole = sim_graph_whole(world->options.node_count);
    sim_trace(world, "faults  all is healed");
    world->faults->is_over = true;
    world->faults->is_frozen = false;
    sim_faults_calm(world);
    sim_net_break_slow(world->net);
    sim_faults_cut(world, &whole);
    sim_faults_swap_back(world);
    for (uint32_t place = 0; place < world->options.node_count; place++) heal_node(world, place);
}

/* A majority at least, of nodes whose disks are whole. */
static uint32_t draw_core(sim_world *world)
{
    const uint32_t count = world->options.node_count;
    uint32_t core = ((1u << count) - 1) & ~world->faults->fragile, left = count;
    for (uint32_t place = 0; place < count; place++) left -= world->faults->fragile >> place & 1;
    for (unsigned attempt = 0; attempt < count; attempt++) {
        const uint32_t place = draw_node(world);
        if (!(core >> place & 1) || left - 1 <= count / 2) continue;
        core &= ~(1u << place);
        left--;
    }
    return core;
}

/* What is the worst for a node that is not healed: down, stopped, its disk hung, links that fail one way or
 * the other. (A full disk is none of it: it shows when a segment ends, and then a leader makes way.) */
static void spoil_for_good(sim_world *world, uint32_t place, sim_graph *graph)
{
    sim_node *node = world->nodes[place];
    switch (draw(world, 0, 4)) {
    case 0:
        if (node->node) sim_node_crash(world, place, draw_one_in(world, 2));
        break;
    case 1: sim_node_pause(world, place); break;
    case 2: node->disk.hung_until_us = UINT64_MAX; break;
    default: sim_node_start(world, place); break;
    }
    const uint64_t share = draw(world, 0, 1000000);
    for (uint32_t other = 0; other < world->options.node_count; other++) {
        if (other == place) continue;
        if (sim_happens(world, SIM_CHANCE_FAULTS, share)) sim_graph_part(graph, place, other);
        if (sim_happens(world, SIM_CHANCE_FAULTS, share)) sim_graph_part(graph, other, place);
    }
}

uint32_t sim_faults_freeze(sim_world *world)
{
    sim_faults *faults = world->faults;
    const uint32_t count = world->options.node_count;
    sim_graph graph = sim_graph_whole(count);
    faults->is_over = faults->is_frozen = true;
    sim_faults_calm(world);
    sim_net_break_slow(world->net);
    sim_faults_swap_back(world);
    faults->core = draw_core(world);
    for (uint32_t place = 0; place < count; place++) {
        sim_trap_set(world, place, (sim_trap){0});
        if (!(faults->core >> place & 1)) spoil_for_good(world, place, &graph);
    }
    uint32_t hub = draw_node(world); /* in a third of the seeds the others reach only that one */
    while (!(faults->core >> hub & 1)) hub = (hub + 1) % count;
    const bool is_star = draw_one_in(world, 3);
    for (uint32_t a = 0; a < count; a++) {
        for (uint32_t b = 0; b < a; b++) {
            const bool is_within = (faults->core >> a & 1) && (faults->core >> b & 1);
            if (is_within && is_star && a != hub && b != hub) sim_graph_part_both(&graph, a, b);
        }
    }
    sim_faults_cut(world, &graph);
    for (uint32_t place = 0; place < count; place++)
        if (faults->core >> place & 1) heal_node(world, place);
    sim_trace(world, "faults  only %x are healed, hub %u, star %d", faults->core, hub + 1, is_star);
    return faults->core;
}

/* ---- happening ---- */

/* False where there was nothing to break. */
static bool happen(sim_world *world, sim_fault kind)
{
    switch (kind) {
    case SIM_FAULT_PARTITION:
    case SIM_FAULT_ONE_WAY:
    case SIM_FAULT_BREAK:
    case SIM_FAULT_SLOW_PATH:
    case SIM_FAULT_LOSS:
    case SIM_FAULT_FLAP:
    case SIM_FAULT_REPLAY: return sim_fault_on_net(world, kind);
    case SIM_FAULT_CRASH:
    case SIM_FAULT_POWER:
    case SIM_FAULT_PAUSE:
    case SIM_FAULT_TRANSFER:
    case SIM_FAULT_WALL:
    case SIM_FAULT_SLOW_LOOP:
    case SIM_FAULT_TRAP:
    case SIM_FAULT_STOP:
    case SIM_FAULT_CLOCK: return sim_fault_on_node(world, kind);
    case SIM_FAULT_SLOW_DISK:
    case SIM_FAULT_HUNG_DISK:
    case SIM_FAULT_DISK_ERROR:
    case SIM_FAULT_DISK_FULL:
    case SIM_FAULT_SWAP:
    case SIM_FAULT_ROT_STATE:
    case SIM_FAULT_ROT:
    case SIM_FAULT_LOST_WRITE:
    case SIM_FAULT_MISDIRECT:
    case SIM_FAULT_READ_ERROR:
    case SIM_FAULT_ROLL_BACK:
    case SIM_FAULT_ROT_END:
    case SIM_FAULT_WIPE: return sim_fault_on_disk(world, kind);
    case SIM_FAULTS: break;
    }
    px_assert(false);
    return false;
}

/* ---- the schedule ---- */

void sim_faults_count(sim_world *world, sim_fault kind)
{
    world->counts.faults[kind]++;
    world->counts.faults_all++;
}

/* Each fault draws from a stream of its own: leaving one out changes no other. */
static void on_fault(sim_world *world, void *context, uint64_t number)
{
    const sim_fault_event *event = &world->faults->schedule[number];
    (void)context;
    if (world->faults->is_over || world->now_us < world->faults->hushed_us) return;
    px_prng_init(&world->chance[SIM_CHANCE_FAULTS], event->seed);
    if (happen(world, event->kind)) sim_faults_count(world, event->kind);
}

static void add_event(sim_faults *faults, sim_fault_event event)
{
    faults->schedule = sim_grow(faults->schedule, &faults->schedule_capacity, faults->schedule_count,
                                sizeof *faults->schedule);
    size_t at = faults->schedule_count++;
    for (; at > 0 && faults->schedule[at - 1].time_us > event.time_us; at--)
        faults->schedule[at] = faults->schedule[at - 1];
    faults->schedule[at] = event;
}

static bool is_kept(const sim_options *options, size_t number)
{
    for (uint32_t i = 0; i < options->kept_count; i++)
        if (options->kept[i] == number) return true;
    return !options->kept;
}

static void tell_schedule(const sim_world *world)
{
    sim_told *told = world->options.told;
    if (!told) return;
    for (told->count = 0; told->count < world->faults->schedule_count; told->count++) {
        if (told->count == SIM_TOLD_MAX) break;
        told->events[told->count] = world->faults->schedule[told->count];
    }
}

void sim_faults_begin(sim_world *world)
{
    sim_faults *faults = world->faults;
    faults->end_us = world->now_us + world->options.safety_us;
    faults->is_over = false;
    for (unsigned kind = 0; kind < SIM_FAULTS; kind++) {
        uint64_t time_us = world->now_us;
        while (faults->gap_us[kind]) {
            time_us += draw(world, 1, 2 * faults->gap_us[kind]);
            if (time_us >= faults->end_us) break;
            add_event(faults, (sim_fault_event){time_us, (sim_fault)kind, draw(world, 0, UINT64_MAX - 1)});
        }
    }
    tell_schedule(world);
    for (size_t number = 0; number < faults->schedule_count; number++)
        if (is_kept(&world->options, number))
            sim_world_after(world, faults->schedule[number].time_us - world->now_us, on_fault, NULL, number);
}
