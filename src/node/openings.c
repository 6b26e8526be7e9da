/* openings.c - sessions of this node that are to be opened in the log, and what openings end.
 *
 * Meaning    Each opening has a number, a run's and its own; those under way stand in its order, and are
 *            sent in it. The log takes none of this disk at or below its highest: one that was overtaken
 *            draws a new number and goes on behind. A chosen opening of a client's session fences every
 *            other intake of it. [R11]
 * Holds      In `opening` numbers rise, and at most PX_OPENINGS_MAX stand there; in `unopened` there are
 *            none. Chosen openings come here in the order of slots.
 * Source     [R11, R12]. */
// SPDX-License-Identifier: Apache-2.0
#include "base/assert.h"
#include "node/kept.h"
#include "node/node_priv.h"
#include <string.h>

/* ---- the two lists ---- */

static void append(px_intake **list, px_intake *intake)
{
    while (*list) list = &(*list)->opening_next;
    intake->opening_next = NULL;
    *list = intake;
}

static bool take_out(px_intake **list, px_intake *intake)
{
    while (*list && *list != intake) list = &(*list)->opening_next;
    if (!*list) return false;
    *list = intake->opening_next;
    intake->opening_next = NULL;
    return true;
}

void px_openings_add(px_node *node, px_intake *intake)
{
    append(&node->unopened, intake);
}

void px_openings_remove(px_node *node, px_intake *intake)
{
    if (intake->opener.counter == 0) {
        (void)take_out(&node->unopened, intake);
        return;
    }
    const bool was_there = take_out(&node->opening, intake);
    px_assert(was_there);
    node->opening_count--;
    intake->opener = (px_opener){0, 0, 0};
}

void px_openings_rewind(px_node *node)
{
    for (px_intake *intake = node->opening; intake; intake = intake->opening_next)
        intake->opening_sent_us = 0;
}

/* ---- sending ---- */

static bool is_expired(const px_node *node, const px_intake *intake)
{
    const px_bytes name = {(const uint8_t *)intake->name, intake->name_bytes};
    return intake->kind == PX_SESSION_CLIENT && px_core_session_is_expired(node->core, name);
}

/* What the log has of this disk may be of runs that the disk, rolled back, does not know of: what is drawn
 * comes behind that as well, and by chance nowhere where another of that run may still come. [R11, R19] */
static void draw_above_log(px_node *node)
{
    const px_opener highest = px_core_opener(node->core, node->state.storage_id);
    if (highest.run <= node->opener_run || PX_MUTANT("r11_opens_below_a_former_run")) return;
    px_kept_set_aside(node);
    node->opener_run = highest.run + px_node_chance(node);
}

/* Those that may be opened now draw their counters. No leader takes an expired one, so nothing that is chosen
 * would ever tell. */
static void draw(px_node *node)
{
    draw_above_log(node);
    for (px_intake *intake = node->unopened, *next; intake; intake = next) {
        next = intake->opening_next;
        if (node->opening_count >= PX_OPENINGS_MAX) return;
        if (is_expired(node, intake) && !PX_MUTANT("r12_expired_opening_waits")) {
            PX_MARK("expired_session_is_opened");
            px_intake_end_with(node, intake, PX_INTAKE_EXPIRED);
            next = node->unopened; /* whoever was told may have left others */
            continue;
        }
        if (intake->kind == PX_SESSION_MEMBER && px_kept_is_before(node, intake)) continue;
        (void)take_out(&node->unopened, intake);
        append(&node->opening, intake);
        node->opening_count++;
        intake->opener = (px_opener){.run = node->opener_run, .counter = ++node->opener_counter};
        intake->opening_sent_us = 0;
    }
}

/* The disk may count as a new one since the numbers were drawn. [R19] */
static size_t encode(const px_node *node, const px_intake *intake, uint8_t *space)
{
    const px_opening opening = {
        .opener = {node->state.storage_id, intake->opener.run, intake->opener.counter},
        .origin = node->self,
        .kind = intake->kind,
        .name = {(const uint8_t *)intake->name, intake->name_bytes},
    };
    return px_opening_put(&opening, space);
}

size_t px_openings_next(px_node *node, uint8_t *space)
{
    const uint64_t now_us = px_node_now_us(node);
    if (node->unopened) draw(node);
    for (px_intake *intake = node->opening; intake; intake = intake->opening_next) {
        if (intake->opening_sent_us && now_us - intake->opening_sent_us < px_node_election_us(node)) continue;
        intake->opening_sent_us = now_us ? now_us : 1;
        return encode(node, intake, space);
    }
    return 0;
}

/* ---- what is chosen ---- */

/* The session is open; where the log took the opening for nothing, or has forgotten it again, it has
 * expired. */
static void settle(px_node *node, px_intake *intake, uint64_t slot)
{
    px_session session;
    px_openings_remove(node, intake);
    if (px_core_session_by_holder(node->core, slot, &session))
        px_intake_set_holder(node, intake, slot, intake->kind == PX_SESSION_CLIENT ? session.next : 1);
    else
        px_intake_end_with(node, intake, PX_INTAKE_EXPIRED);
}

/* One of this disk's: those that were drawn before it can never come behind it. */
static void settle_own(px_node *node, uint64_t slot, px_opener opener)
{
    while (node->opening && !px_opener_less(opener, node->opening->opener)) {
        px_intake *intake = node->opening;
        if (!px_opener_less(intake->opener, opener)) {
            settle(node, intake, slot);
        } else if (PX_MUTANT("r11_overtaken_keeps_its_number")) {
            px_openings_remove(node, intake);
        } else {
            px_openings_remove(node, intake);
            px_openings_add(node, intake);
        }
    }
}

static void fence(px_node *node, uint64_t slot, px_bytes name)
{
    for (px_intake *intake = node->intakes; intake; intake = intake->next) {
        if (intake->kind != PX_SESSION_CLIENT || intake->is_ended || intake->holder == 0 ||
            intake->holder >= slot || intake->name_bytes != name.size_bytes ||
            memcmp(intake->name, name.data, name.size_bytes) != 0)
            continue;
        px_intake_end_with(node, intake, PX_INTAKE_FENCED);
    }
}

void px_openings_on_chosen(px_node *node, uint64_t slot, const px_opening *opening)
{
    if (opening->opener.storage_id == node->state.storage_id) settle_own(node, slot, opening->opener);
    if (opening->kind == PX_SESSION_CLIENT && node->session_count && !PX_MUTANT("r12_fence_is_not_told"))
        fence(node, slot, opening->name);
}

void px_openings_find_expired(px_node *node)
{
    px_session session;
    if (node->session_count == 0) return;
    for (px_intake *intake = node->intakes; intake; intake = intake->next) {
        if (intake->kind != PX_SESSION_CLIENT || intake->is_ended) continue;
        const bool is_over = intake->holder ? !px_core_session_by_holder(node->core, intake->holder, &session)
                                            : is_expired(node, intake);
        if (is_over) px_intake_end_with(node, intake, PX_INTAKE_EXPIRED);
    }
}
