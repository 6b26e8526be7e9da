/* check_protocol.h - watches every message and the stable disks: is each step a step of Paxos?
 *
 * Meaning    The monitor keeps an abstract Paxos beside the nodes: who stated what, which chain of values
 *            each ballot has proposed, how far each voter accepted in each ballot, and so what is chosen.
 *            Messages are decoded again from the bytes that leave. A statement of something durable is
 *            compared with the image that a crash at this moment would leave, opened as px opens it, for a
 *            share of the messages (a rule broken by habit is met soon) and at every start.
 * Holds      [R1] counted in one ballot. [R2] nothing stated that is not stable. [R3] promises only rise,
 *            in messages and over crashes; no ballot is led in two runs. [R4] what is chosen is in every
 *            higher ballot's log. [R5, R6] one value for each (ballot, slot).
 * Source     protocol.md §2. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_TEST_SIM_CHECK_PROTOCOL_H
#define PX_TEST_SIM_CHECK_PROTOCOL_H

#include "base/bytes.h"
#include "base/err.h"
#include "codec/wire.h"
#include "port/buffer.h"
#include "sim/world.h"

typedef struct sim_protocol sim_protocol;

sim_protocol *sim_protocol_make(sim_world *world);
void sim_protocol_free(sim_protocol *protocol);

/* A message leaves. Returns it decoded, until the next one leaves. */
const px_wire *sim_check_sent(sim_world *world, uint32_t from, uint32_t to, px_bytes head, px_buffer *body);
/* The node may know more chosen than before. */
void sim_check_claim(sim_world *world, uint32_t place);
/* It has started: what it said before must be there. */
void sim_check_start(sim_world *world, uint32_t place);
/* It could not start: only where its disk had been damaged. */
void sim_check_refusal(sim_world *world, uint32_t place, px_err err);
/* Its disk was emptied: another voter, or none, from now on. */
void sim_check_emptied(sim_world *world, uint32_t place);
/* Its small state is lost, and with it what it promised; its other files are there. */
void sim_check_state_lost(sim_world *world, uint32_t place);
/* Does another node remember all that this one has stated, and voted as a leader? */
bool sim_check_is_remembered(const sim_world *world, uint32_t place, uint32_t by);
/* Its disk is rolled back, and `by` remembers what it stated: with less it does not vote. [R19] */
void sim_check_rolled_back(sim_world *world, uint32_t place, uint32_t by);
/* Has the node that is up still less than that, on that disk? */
bool sim_check_is_behind(const sim_world *world, uint32_t place);
/* Slots that the abstract Paxos has chosen. */
uint64_t sim_check_chosen(const sim_world *world);

#endif
