/* pxctl.h - what the commands of pxctl share.
 *
 * Meaning    A command is a row with its words for people and a function; pxctl.c finds the row. Every
 *            command ends with one of the three exit statuses, after having said on stderr what went
 *            wrong.
 * Source     spec.md §1, §6. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PX_MAIN_PXCTL_H
#define PX_MAIN_PXCTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum { PX_EXIT_DONE = 0, PX_EXIT_FAILED = 1, PX_EXIT_USAGE = 2 } px_exit;

/* Which node to ask, as the user named it. */
typedef struct {
    const char *socket; /* -s */
    const char *config; /* -c */
} px_target;

typedef struct {
    const char *name;
    const char *words;   /* behind the name, in the usage line */
    const char *summary; /* one line of the overview */
    const char *help;    /* the rest of --help, with an example */
    px_exit (*run)(px_target *target, int count, char **words);
} px_command;

extern const px_command px_command_status;
extern const px_command px_command_send;
extern const px_command px_command_tail;
extern const px_command px_command_barrier;
extern const px_command px_command_bench;
extern const px_command px_command_members;
extern const px_command px_command_transfer;
extern const px_command px_command_digest;
extern const px_command px_command_why;
extern const px_command px_command_certs;
extern const px_command px_command_verify;

/* One option of a command; exactly one of the two outputs is set. The list ends with an empty one. */
typedef struct {
    const char *name;  /* with its dashes */
    bool *flag;        /* set to true */
    const char **text; /* takes a value, as `--name VALUE` or `--name=VALUE` */
} px_option;

/* Reads the words of a command: options (-s, -c and --help among them), and plain words, which it moves to
 * the front. True: go on, with *count plain words. False: end with *status, everything is said. */
bool px_options_read(const px_command *command, const px_option *options, px_target *target, int *count,
                     char **words, px_exit *status);

/* Says that the words make no sense, and how to learn which do. Returns PX_EXIT_USAGE. */
__attribute__((format(printf, 2, 3))) px_exit px_usage_fault(const px_command *command, const char *format,
                                                             ...);

/* Says what failed. Returns PX_EXIT_FAILED. */
__attribute__((format(printf, 1, 2))) px_exit px_say_failed(const char *format, ...);

/* Reads a whole number; *number only on true. */
typedef struct {
    uint64_t least, most;
} px_span;
bool px_number_read(const char *text, px_span span, uint64_t *number);

#endif
