/* kept.h - what a clean stop could not commit, on disk until the log has it.
 *
 * Meaning    px_kept_write puts what the pipes' intakes hold into the file `kept`: under the holder and
 *            number that it has, or unnumbered where its session was never opened. px_kept_read, at the
 *            next start, makes an intake of each such list; it is sent before anything newer of its pipe,
 *            and what was unnumbered is written down again under its new holder before any of it is sent.
 *            What is seen chosen leaves the file. So nothing is lost or doubled, whatever a leader had of
 *            it already.
 * Source     spec.md §1; [R12].
 *
 * The file, little-endian:
 *    header   u32 magic, u32 version, u64 storage id, u64 bytes behind the header, u32 lists, u32 zero,
 *             u64 hash of all of it with zero here
 *    list     u64 holder (0: unnumbered), u64 number of the first message, u32 messages, u32 name bytes,
 *             u64 payload bytes, the session's name, messages x u32 length, the payloads
 * A header that is all zero says that nothing is kept. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_NODE_KEPT_H
#define PX_NODE_KEPT_H

#include "node/node_priv.h"

#define PX_KEPT_FILE_NAME "kept"

/* Reads the file into intakes. What is wrong is said in *fault. A damaged file is moved out of the way and
 * said in the log: its messages are lost, as after a kill.
 * Errors  PX_ERR_OVERSIZE  a message is longer than the limit now allows.   Others as those of the disk. */
PX_MUST_USE px_err px_kept_read(px_node *node, px_wal_fault *fault);

/* Writes and syncs what is to be kept now: of all pipes, or of the intakes that px_kept_read made. */
PX_MUST_USE px_err px_kept_write(px_node *node, bool all);

/* Brings the file up to what became of its lists; until then nothing of them may be sent. */
void px_kept_turn(px_node *node);

/* This folder is an older state of itself: what it has kept a later run may have sent. It is not sent, and
 * the file is set aside. [R19] */
void px_kept_set_aside(px_node *node);

/* Messages that px_kept_write would keep of all pipes now. */
uint64_t px_kept_count(const px_node *node);

/* Must this intake, which has no holder yet, wait for one that was kept of the same session, or for the
 * file? */
bool px_kept_is_before(const px_node *node, const px_intake *intake);

#endif
