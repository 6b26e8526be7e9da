/* pxctl_histogram.c - many durations in little memory.
 *
 * Meaning    A duration below 2 * STEPS has a bucket of its own; each doubling above is cut into STEPS
 *            buckets. */
// SPDX-License-Identifier: Apache-2.0
#include "main/pxctl_histogram.h"

static uint32_t bucket_of(uint64_t duration_us)
{
    uint32_t doublings = 0;
    uint64_t value = duration_us;
    while (value >= 2 * PX_HISTOGRAM_STEPS) {
        value >>= 1;
        doublings++;
    }
    return doublings * PX_HISTOGRAM_STEPS + (uint32_t)value;
}

/* The largest duration of a bucket. */
static uint64_t bucket_most(uint32_t bucket)
{
    if (bucket < 2 * PX_HISTOGRAM_STEPS) return bucket;
    const uint32_t doublings = bucket / PX_HISTOGRAM_STEPS - 1;
    const uint64_t value = bucket - doublings * PX_HISTOGRAM_STEPS;
    return ((value + 1) << doublings) - 1;
}

void px_histogram_add(px_histogram *histogram, uint64_t duration_us)
{
    histogram->counts[bucket_of(duration_us)]++;
    histogram->total++;
    if (duration_us > histogram->most_us) histogram->most_us = duration_us;
}

uint64_t px_histogram_at(const px_histogram *histogram, uint32_t share_of_10000)
{
    const uint64_t whole = histogram->total / 10000 * share_of_10000;
    const uint64_t rest = histogram->total % 10000 * share_of_10000;
    const uint64_t wanted = whole + (rest + 9999) / 10000;
    uint64_t seen = 0;
    for (uint32_t bucket = 0; bucket < PX_HISTOGRAM_BUCKETS && wanted > 0; bucket++) {
        seen += histogram->counts[bucket];
        if (seen < wanted) continue;
        const uint64_t most = bucket_most(bucket);
        return most < histogram->most_us ? most : histogram->most_us;
    }
    return 0;
}
