/* pxctl_verify.c - looks at every record of a data folder, without a node.
 *
 * Source     spec.md §6. */
// SPDX-License-Identifier: Apache-2.0
#include "main/disk_view.h"
#include "main/pxctl.h"
#include "wal/survey.h"
#include "wal/verify.h"

#include <stdio.h>
#include <string.h>

static void on_write(void *context, const char *name, uint64_t offset, size_t size_bytes)
{
    const char *folder = context;
    /* A start writes those anew in any case. */
    if (strncmp(name, "state-", 6) == 0 || strcmp(name, "mark") == 0) return;
    printf("%s/%s: torn tail of %zu bytes at byte %llu: never synced, the next start cuts it\n", folder, name,
           size_bytes, (unsigned long long)offset);
}

static void print_text(const char *folder, const px_wal_report *report)
{
    const px_state *state = &report->state;
    printf("%s: node %s, started %llu times, promised ballot %llu\n", folder, state->self,
           (unsigned long long)state->start_count, (unsigned long long)state->promised.number);
    printf("%s: %llu slots, %llu messages sound; known chosen up to slot %llu\n", folder,
           (unsigned long long)report->slots, (unsigned long long)report->messages,
           (unsigned long long)report->chosen);
    printf("%s: chain hash %016llx%016llx behind slot %llu\n", folder, (unsigned long long)report->chain.high,
           (unsigned long long)report->chain.low, (unsigned long long)report->slots);
    if (report->state_good == 1)
        printf("%s: one copy of the small state is bad: the next start mends it from the other\n", folder);
}

typedef struct {
    const char *folder;
    const px_wal_fault *first; /* what a start stops at */
} damage;

static void print_place(void *context, const px_wal_fault *fault)
{
    const damage *of = context;
    if (strcmp(fault->where, of->first->where) != 0)
        (void)px_say_failed("%s: %s: %s", of->folder, fault->where, fault->what);
}

/* The first fault as a start of the node would say it, then what else is damaged. */
static px_exit say_damage(const char *folder, px_disk *disk, px_err err, const px_wal_fault *fault)
{
    damage of = {folder, fault};
    const px_exit status = px_say_failed("%s: %s: %s", folder, fault->where, fault->what);
    if (err != PX_ERR_DAMAGED && err != PX_ERR_IO) return status;
    err = px_wal_survey(disk, &of, print_place);
    return err ? px_say_failed("%s: the rest cannot be looked at: %s", folder, px_err_text(err)) : status;
}

static px_exit run(px_target *target, int count, char **words)
{
    const px_option options[] = {{NULL, NULL, NULL}};
    px_exit status;
    if (!px_options_read(&px_command_verify, options, target, &count, words, &status)) return status;
    if (count != 1) return px_usage_fault(&px_command_verify, "verify takes one folder");
    const char *folder = words[0];
    const px_disk_view_events events = {words[0], on_write};
    px_disk *disk = NULL;
    px_err err = px_disk_view_open(folder, &events, &disk);
    if (err == PX_ERR_BUSY) return px_say_failed("%s: a node runs on it: stop it first", folder);
    if (err) return px_say_failed("%s: %s", folder, px_err_text(err));
    px_wal_report report;
    px_wal_fault fault;
    err = px_wal_verify(disk, &report, &fault);
    if (err) {
        if (report.slots) printf("%s: sound up to slot %llu\n", folder, (unsigned long long)report.slots);
        status = say_damage(folder, disk, err, &fault);
    } else {
        print_text(folder, &report);
        status = PX_EXIT_DONE;
    }
    px_disk_view_close(disk);
    return status;
}

const px_command px_command_verify = {
    .name = "verify",
    .words = "DATA_DIR",
    .summary = "checks every record of a stopped node's data folder",
    .help = "Reads the folder as a start of its node would, and every message back, and changes nothing.\n"
            "Prints how much is sound and the chain hash at the end: nodes that have the same slots\n"
            "print the same hash. Where something is damaged it names every place that it can tell\n"
            "from sound ones, and the exit status is 1. A torn tail, as a power cut leaves it, is\n"
            "no damage.\n\n"
            "Example: pxctl verify px1.example.data",
    .run = run,
};
