/* walk.c - the delivered messages, one after the other from an index on. */
// SPDX-License-Identifier: Apache-2.0
#include "local/walk.h"

#include "base/assert.h"

void px_walk_rest(px_walk *walk)
{
    if (walk->has_batch) px_buffer_release(walk->delivered.owner);
    walk->has_batch = false;
}

void px_walk_seek(px_walk *walk, uint64_t next)
{
    px_assert(next > 0);
    px_walk_rest(walk);
    walk->next = next;
}

/* Moves past the message at `place`, inside the batch. */
static void pass(px_walk *walk)
{
    const px_batch *batch = &walk->delivered.batch;
    walk->offset += px_batch_length(batch, walk->place);
    walk->place++;
    if (--walk->run_left > 0 || walk->place == batch->message_count) return;
    walk->run++;
    walk->run_left = px_batch_run(batch, walk->run).count;
}

/* Fetches the batch that holds the next message, and goes to it. */
static px_err fetch(px_walk *walk, const px_local_env *env)
{
    const px_err err = env->app->calls->read(env->app, walk->next, &walk->delivered);
    if (err) return err;
    const px_delivered *delivered = &walk->delivered;
    px_assert(delivered->index_first <= walk->next &&
              walk->next - delivered->index_first < delivered->batch.message_count);
    walk->has_batch = true;
    walk->place = 0;
    walk->run = 0;
    walk->run_left = px_batch_run(&delivered->batch, 0).count;
    walk->offset = 0;
    while (delivered->index_first + walk->place < walk->next) pass(walk);
    return PX_OK;
}

px_err px_walk_look(px_walk *walk, const px_local_env *env, px_letter *letter)
{
    if (!walk->has_batch) {
        const px_err err = fetch(walk, env);
        if (err) return err;
    }
    const px_batch *batch = &walk->delivered.batch;
    const uint32_t origin = px_batch_run(batch, walk->run).origin;
    *letter = (px_letter){
        .index = walk->next,
        .stamp_ms = walk->delivered.stamp_ms,
        .from = origin < env->member_count ? env->members[origin] : "",
        .payload = {batch->payloads.data + walk->offset, px_batch_length(batch, walk->place)},
    };
    return PX_OK;
}

void px_walk_step(px_walk *walk)
{
    px_assert(walk->has_batch);
    pass(walk);
    walk->next++;
    if (walk->place == walk->delivered.batch.message_count) px_walk_rest(walk);
}
