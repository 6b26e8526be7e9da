/* signals.c - signals as events of the loop. */
// SPDX-License-Identifier: Apache-2.0
#include "os/signals.h"

#include <signal.h>
#include <stdlib.h>
#include <uv.h>

static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
#define NUMBERS (sizeof numbers / sizeof numbers[0])

struct px_signals {
    uv_signal_t handles[NUMBERS];
    size_t open_count;
    void *context;
    void (*on_signal)(void *context, int number);
};

static void on_signal(uv_signal_t *handle, int number)
{
    px_signals *signals = handle->data;
    signals->on_signal(signals->context, number);
}

static void on_closed(uv_handle_t *handle)
{
    px_signals *signals = handle->data;
    if (--signals->open_count == 0) free(signals);
}

px_err px_signals_open(px_loop *loop, void *context, void (*on_number)(void *context, int number),
                       px_signals **out)
{
    px_signals *signals = calloc(1, sizeof *signals);
    if (!signals) return PX_ERR_NO_SPACE;
    signals->context = context;
    signals->on_signal = on_number;
    (void)signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < NUMBERS; i++) {
        uv_signal_t *handle = &signals->handles[i];
        if (uv_signal_init(px_loop_uv(loop), handle)) goto fail;
        handle->data = signals;
        signals->open_count++;
        if (uv_signal_start(handle, on_signal, numbers[i])) goto fail;
        /* Waiting for signals alone keeps no loop running. */
        uv_unref((uv_handle_t *)handle);
    }
    *out = signals;
    return PX_OK;
fail:
    if (signals->open_count)
        px_signals_close(signals);
    else
        free(signals);
    return PX_ERR_IO;
}

void px_signals_close(px_signals *signals)
{
    if (!signals) return;
    for (size_t i = 0, count = signals->open_count; i < count; i++)
        uv_close((uv_handle_t *)&signals->handles[i], on_closed);
}
