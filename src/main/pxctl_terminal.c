/* pxctl_terminal.c - what pxctl shows only to people: colour and progress. */
// SPDX-License-Identifier: Apache-2.0
#include "main/pxctl_terminal.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DRAW_US 200000u
#define BAR_COLUMNS 30

static bool has_colour(void)
{
    const char *no_colour = getenv("NO_COLOR"), *terminal = getenv("TERM");
    if (no_colour && *no_colour) return false;
    return isatty(STDOUT_FILENO) == 1 && !(terminal && strcmp(terminal, "dumb") == 0);
}

const char *px_colour_on(px_colour colour)
{
    if (!has_colour()) return "";
    switch (colour) {
    case PX_COLOUR_GOOD: return "\033[32m";
    case PX_COLOUR_BAD: return "\033[31m";
    case PX_COLOUR_STRONG: return "\033[1m";
    }
    return "";
}

const char *px_colour_off(void)
{
    return has_colour() ? "\033[0m" : "";
}

uint64_t px_clock_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

bool px_progress_shows(px_progress *progress)
{
    if (!progress->is_begun) progress->draws = isatty(STDERR_FILENO) == 1;
    progress->is_begun = true;
    return progress->draws;
}

void px_progress_draw(px_progress *progress, uint64_t done, uint64_t whole, const char *words)
{
    if (!px_progress_shows(progress)) return;
    const uint64_t at_us = px_clock_us();
    if (progress->drawn_us && at_us - progress->drawn_us < DRAW_US) return;
    progress->drawn_us = at_us;
    const uint64_t share = done >= whole ? 100 : (uint64_t)((double)done * 100.0 / (double)whole);
    char bar[BAR_COLUMNS + 1];
    for (size_t i = 0; i < BAR_COLUMNS; i++) bar[i] = i * 100 < share * BAR_COLUMNS ? '#' : '.';
    bar[BAR_COLUMNS] = '\0';
    fprintf(stderr, "\r[%s] %3llu%%  %s ", bar, (unsigned long long)share, words);
}

void px_progress_end(px_progress *progress)
{
    if (progress->drawn_us) fputs("\r\033[K", stderr);
    progress->drawn_us = 0;
}
