/* local_env.h - what every part of local/ works with. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_LOCAL_LOCAL_ENV_H
#define PX_LOCAL_LOCAL_ENV_H

#include "port/app.h"
#include "port/clock.h"
#include "port/log.h"
#include "port/stream.h"

typedef struct {
    px_app *app;
    px_streams *streams;
    px_clock *clock;
    px_log *log;
    uint32_t message_bytes_max;
    uint32_t member_count;
    const char *const *members; /* ids, by member number */
} px_local_env;

static inline void px_env_start(const px_local_env *env, px_timer *timer, uint64_t delay_us)
{
    px_timers_start(env->clock->timers, timer, env->clock->now_us(env->clock) + delay_us);
}

static inline void px_env_stop(const px_local_env *env, px_timer *timer)
{
    px_timers_stop(env->clock->timers, timer);
}

/* The struct that holds `member`. */
#define PX_OWNER_OF(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#endif
