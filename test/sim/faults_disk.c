/* faults_disk.c - what befalls disks.
 *
 * Meaning    Slow, hung, failing and full disks befall any node, and two nodes may get each other's folders
 *            for a while. What destroys data on the device (rot, blocks that cannot be read, a write that was
 *            lost or went elsewhere, a disk that comes back empty or as it was before) befalls the *fragile*
 *            nodes alone: a minority that the seed draws. So the others hold every chosen slot, and px owes
 *            that nothing is lost. Of the two copies of the small state one alone rots, on any node.
 * Source     reliability.md §3; [R15-R19]. */
// SPDX-License-Identifier: Apache-2.0
#include "sim/faults_priv.h"

#include "node/node_priv.h"
#include "sim/check_protocol.h"
#include "sim/checks.h"

void sim_disk_mend(sim_disk *disk)
{
    sim_disk_calm(disk, disk->world->faults->base_sync_us);
}

static void on_disk_over(sim_world *world, void *context, uint64_t number)
{
    sim_disk *disk = context;
    (void)number;
    if (world->faults->is_frozen && !(world->faults->core >> disk->place & 1)) return;
    sim_disk_mend(disk);
}

static bool slow_disk(sim_world *world, sim_disk *disk, sim_fault kind)
{
    const uint64_t over_us = draw(world, 1, 2 * SIM_SECOND);
    if (kind == SIM_FAULT_SLOW_DISK) {
        disk->sync_us = draw(world, SIM_MS, 100 * SIM_MS);
        disk->sync_jitter_us = disk->sync_us;
    } else if (kind == SIM_FAULT_HUNG_DISK) {
        disk->hung_until_us = world->now_us + over_us;
    } else {
        sim_disk_fill(disk);
    }
    sim_trace(world, "faults  the disk of %u is %s", disk->place + 1,
              kind == SIM_FAULT_DISK_FULL ? "full" : "slow");
    sim_world_after(world, over_us, on_disk_over, disk, 0);
    return true;
}

/* ---- swapped folders ---- */

static void swap_back(sim_world *world, uint32_t one)
{
    const uint32_t other = world->nodes[one]->disk.swapped_with - 1;
    sim_disk_swap_back(&world->nodes[one]->disk, &world->nodes[other]->disk);
    world->nodes[one]->is_refused = world->nodes[other]->is_refused = false;
    sim_trace(world, "faults  %u and %u have their own folders again", one + 1, other + 1);
    sim_node_start(world, one);
    sim_node_start(world, other);
}

void sim_faults_swap_back(sim_world *world)
{
    for (uint32_t place = 0; place < world->options.node_count; place++)
        if (world->nodes[place]->disk.swapped_with) swap_back(world, place);
}

static void on_swap_over(sim_world *world, void *context, uint64_t place)
{
    (void)context;
    if (world->nodes[place]->disk.swapped_with) swap_back(world, (uint32_t)place);
}

static bool swap_folders(sim_world *world, uint32_t one, uint32_t other)
{
    sim_node *a = world->nodes[one], *b = world->nodes[other];
    if (one == other || !a->node || !b->node || a->is_paused || b->is_paused) return false;
    sim_trace(world, "faults  %u and %u get each other's folder", one + 1, other + 1);
    sim_node_crash(world, one, true);
    sim_node_crash(world, other, true);
    sim_disk_swap(&a->disk, &b->disk);
    sim_node_start(world, one);
    sim_node_start(world, other);
    sim_check(world, !a->node && !b->node, "foreign folder", "%s or %s starts in the other's folder", a->name,
              b->name);
    sim_world_after(world, draw(world, 1, SIM_SECOND), on_swap_over, NULL, one);
    return true;
}

/* ---- destruction ---- */

static bool is_fragile(const sim_world *world, uint32_t place)
{
    return world->faults->fragile >> place & 1;
}

/* Of the two copies of the small state the one that is written first, and while neither is being written: so
 * the other is whole at any power cut until the next write has mended this one. Both bad: an emptied disk. */
static bool rot_small_state(sim_world *world, sim_disk *disk)
{
    if (!sim_node_is_up(world, disk->place) || fake_disk_pending(disk->fake) > 0) return false;
    return sim_disk_rot(disk, "state-a", draw(world, 0, UINT32_MAX), (uint8_t)draw(world, 1, 255));
}

/* The whole disk; or of all that is on it the small state alone, which is as much [R16]. */
static bool wipe(sim_world *world, sim_disk *disk)
{
    if (sim_node_is_up(world, disk->place)) sim_node_crash(world, disk->place, false);
    const bool keeps_log = draw_one_in(world, 3) &&
                           sim_disk_rot(disk, "state-a", draw(world, 0, UINT32_MAX), 1) &&
                           sim_disk_rot(disk, "state-b", draw(world, 0, UINT32_MAX), 1);
    if (keeps_log) {
        sim_check_state_lost(world, disk->place);
    } else {
        sim_trace(world, "faults  the disk of %u is empty", disk->place + 1);
        sim_disk_empty(disk);
        sim_check_emptied(world, disk->place);
    }
    sim_fault_start_after(world, disk->place, draw(world, 1, 500 * SIM_MS));
    return true;
}

/* ---- what was stated is forgotten ---- */

/* Of the others one that remembers all that the node stated, and is there to say so. Without it px has no
 * means to find out (ADR 0010), and owes nothing. */
static uint32_t find_witness(const sim_world *world, uint32_t place)
{
    for (uint32_t other = 0; other < world->options.node_count; other++) {
        const sim_node *node = world->nodes[other];
        const bool is_there = node->node && !node->is_dying && !node->is_paused && !node->disk.is_rotten;
        if (other != place && is_there && sim_check_is_remembered(world, place, other)) return other;
    }
    return PX_MEMBERS_MAX;
}

/* By now it has been told, or has got back what it lacked; or its node ended by itself, and nobody need be
 * there to tell it when it comes back: then the disk is emptied. */
static void on_forgotten(sim_world *world, void *context, uint64_t run)
{
    sim_node *node = context;
    if (node->disk.swapped_with || (node->node && !sim_check_is_behind(world, node->place))) return;
    sim_check(world, !node->node || node->run != run, "voter", "nobody finds that the disk of %s is older",
              node->name);
    (void)wipe(world, &node->disk);
}

/* Is there a copy of this disk? Else one is made. */
static bool has_copy(sim_disk *disk, uint64_t storage_id)
{
    if (disk->copy && disk->copy_id == storage_id) return true;
    sim_disk_keep_copy(disk, storage_id);
    return false;
}

/* What the node has since a copy was made is lost: the copy comes back. Or the end of its log rots, which may
 * look like what a power cut has torn [R15]. Where that is less than it stated, it must be found before it
 * votes. */
static bool forget(sim_world *world, sim_disk *disk, sim_fault kind)
{
    sim_node *node = world->nodes[disk->place];
    if (!node->node || node->is_dying || node->is_paused || disk->is_rotten) return false;
    if (kind == SIM_FAULT_ROLL_BACK && !has_copy(disk, node->node->state.storage_id)) return false;
    const uint64_t finding_us = 2 * px_node_election_us(node->node);
    const uint32_t witness = find_witness(world, disk->place);
    if (witness == PX_MEMBERS_MAX || world->now_us + finding_us >= world->faults->end_us) return false;
    sim_trace(world, "faults  the disk of %u forgets", disk->place + 1);
    sim_node_crash(world, disk->place, draw_one_in(world, 2));
    sim_faults_hush(world, finding_us);
    if (kind == SIM_FAULT_ROT_END)
        sim_disk_spoil_end(disk, draw(world, 0, UINT64_MAX - 1));
    else
        sim_disk_use_copy(disk);
    sim_check_rolled_back(world, disk->place, witness);
    sim_consumers_rewind(&node->app.consumers);
    sim_node_start(world, disk->place);
    sim_world_after(world, finding_us - 1, on_forgotten, node, node->run);
    return true;
}

static bool destroy(sim_world *world, sim_disk *disk, sim_fault kind)
{
    if (kind == SIM_FAULT_WIPE) return wipe(world, disk);
    if (kind == SIM_FAULT_ROLL_BACK || kind == SIM_FAULT_ROT_END) return forget(world, disk, kind);
    const sim_spoil spoil = kind == SIM_FAULT_ROT          ? SIM_SPOIL_FLIP
                            : kind == SIM_FAULT_LOST_WRITE ? SIM_SPOIL_ZERO
                            : kind == SIM_FAULT_MISDIRECT  ? SIM_SPOIL_COPY
                                                           : SIM_SPOIL_UNREADABLE;
    return sim_disk_spoil(disk, spoil, draw(world, 0, UINT64_MAX - 1));
}

bool sim_fault_on_disk(sim_world *world, sim_fault kind)
{
    sim_disk *disk = &world->nodes[draw_node(world)]->disk;
    if (disk->swapped_with) return false;
    if (kind == SIM_FAULT_DISK_ERROR) {
        sim_disk_fail_next(disk);
        return true;
    }
    if (kind == SIM_FAULT_SWAP) return swap_folders(world, disk->place, draw_node(world));
    if (kind == SIM_FAULT_ROT_STATE) return rot_small_state(world, disk);
    const bool is_slowed =
        kind == SIM_FAULT_SLOW_DISK || kind == SIM_FAULT_HUNG_DISK || kind == SIM_FAULT_DISK_FULL;
    if (is_slowed) return slow_disk(world, disk, kind);
    return is_fragile(world, disk->place) && destroy(world, disk, kind);
}
