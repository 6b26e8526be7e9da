/* pxctl_terminal.h - what pxctl shows only to people: colour and progress.
 *
 * Meaning    Nothing of this is written into a file or a pipe; a set NO_COLOR turns colour off.
 * Source     spec.md §6; no-color.org. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_MAIN_PXCTL_TERMINAL_H
#define PX_MAIN_PXCTL_TERMINAL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

typedef enum { PX_COLOUR_GOOD, PX_COLOUR_BAD, PX_COLOUR_STRONG } px_colour;

/* The bytes that begin and end a colour on stdout; empty where it shows none. */
const char *px_colour_on(px_colour colour);
const char *px_colour_off(void);

/* A bar on stderr, drawn anew at most five times a second, where that is a terminal. Zeroed: not begun. */
typedef struct {
    bool is_begun, draws;
    uint64_t drawn_us;
} px_progress;

uint64_t px_clock_us(void); /* monotonic */
bool px_progress_shows(px_progress *progress);
/* done of whole, at least 1; and words behind the bar. */
void px_progress_draw(px_progress *progress, uint64_t done, uint64_t whole, const char *words);
/* Takes the bar away. */
void px_progress_end(px_progress *progress);

#endif
