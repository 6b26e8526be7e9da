/* pxctl_histogram.h - many durations in little memory.
 *
 * Meaning    Counts of durations in buckets: exact below 128 us, above within 1 in 64 of the value. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_MAIN_PXCTL_HISTOGRAM_H
#define PX_MAIN_PXCTL_HISTOGRAM_H

#include <stdint.h>

#define PX_HISTOGRAM_STEPS 64u
#define PX_HISTOGRAM_BUCKETS (58u * PX_HISTOGRAM_STEPS + 2u * PX_HISTOGRAM_STEPS)

typedef struct {
    uint64_t counts[PX_HISTOGRAM_BUCKETS];
    uint64_t total;
    uint64_t most_us;
} px_histogram;

void px_histogram_add(px_histogram *histogram, uint64_t duration_us);

/* The duration that `share_of_10000` of all do not exceed: 9990 is p99.9. 0 where there are none. */
uint64_t px_histogram_at(const px_histogram *histogram, uint32_t share_of_10000);

#endif
