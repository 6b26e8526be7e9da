/* pxctl_verify.c - checks every record of a stopped node's data folder. */
// SPDX-License-Identifier: Apache-2.0
#include "main/disk_view.h"
#include "main/pxctl.h"
#include "main/pxctl_terminal.h"
#include "wal/survey.h"
#include "wal/verify.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

typedef struct {
    const char *folder;
    bool wants_json;
    px_progress progress;
    uint64_t read_bytes, log_bytes;
    json_t *torn, *faults;     /* what is told as JSON */
    const px_wal_fault *first; /* what a start stops at */
} verify;

/* ---- progress ---- */

static void count_log(void *context, const char *name, uint64_t size_bytes)
{
    verify *of = context;
    const size_t size = strlen(name);
    if (size > 4 && strcmp(name + size - 4, ".log") == 0) of->log_bytes += size_bytes;
}

/* The log is read twice, as a start reads it and slot by slot; where it ends in its last segment is not known
 * before. */
static void on_read(void *context, size_t size_bytes)
{
    verify *of = context;
    char words[48];
    of->read_bytes += size_bytes;
    (void)snprintf(words, sizeof words, "%llu MB", (unsigned long long)(of->read_bytes >> 20));
    px_progress_draw(&of->progress, of->read_bytes, 2 * of->log_bytes + 1, words);
}

/* ---- what is found ---- */

static json_t *place(const char *where, const char *what)
{
    return json_pack("{s:s,s:s}", "where", where, "what", what);
}

static void on_write(void *context, const char *name, uint64_t offset, size_t size_bytes)
{
    verify *of = context;
    /* A start writes those anew in any case. */
    if (strncmp(name, "state-", 6) == 0 || strcmp(name, "mark") == 0) return;
    px_progress_end(&of->progress);
    if (of->wants_json)
        json_array_append_new(of->torn, json_pack("{s:s,s:I,s:I}", "file", name, "offset", (json_int_t)offset,
                                                  "bytes", (json_int_t)size_bytes));
    else
        printf("%s/%s: torn tail of %zu bytes at byte %llu: never synced, the next start cuts it\n",
               of->folder, name, size_bytes, (unsigned long long)offset);
}

static void print_sound(const verify *of, const px_wal_report *report)
{
    const px_state *state = &report->state;
    printf("%s: node %s, started %llu times, promised ballot %llu\n", of->folder, state->self,
           (unsigned long long)state->start_count, (unsigned long long)state->promised.number);
    printf("%s: %llu slots, %llu messages sound; known chosen up to slot %llu\n", of->folder,
           (unsigned long long)report->slots, (unsigned long long)report->messages,
           (unsigned long long)report->chosen);
    printf("%s: chain hash %016llx%016llx behind slot %llu\n", of->folder,
           (unsigned long long)report->chain.high, (unsigned long long)report->chain.low,
           (unsigned long long)report->slots);
    if (report->state_good == 1)
        printf("%s: one copy of the small state is bad: the next start mends it from the other\n",
               of->folder);
}

static void print_json(const verify *of, const px_wal_report *report, bool is_sound)
{
    char hash[33];
    (void)snprintf(hash, sizeof hash, "%016llx%016llx", (unsigned long long)report->chain.high,
                   (unsigned long long)report->chain.low);
    json_t *result =
        json_pack("{s:b,s:s,s:I,s:I,s:I,s:I,s:s,s:b,s:O,s:O}", "sound", is_sound, "id", report->state.self,
                  "starts", (json_int_t)report->state.start_count, "slots", (json_int_t)report->slots,
                  "messages", (json_int_t)report->messages, "chosen", (json_int_t)report->chosen, "hash",
                  hash, "state_mends", report->state_good == 1, "torn", of->torn, "faults", of->faults);
    json_dumpf(result, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
    putchar('\n');
    json_decref(result);
}

static void tell(verify *of, const px_wal_fault *fault)
{
    px_progress_end(&of->progress);
    json_array_append_new(of->faults, place(fault->where, fault->what));
    (void)px_say_failed("%s: %s: %s", of->folder, fault->where, fault->what);
}

static void tell_other(void *context, const px_wal_fault *fault)
{
    verify *of = context;
    if (strcmp(fault->where, of->first->where) != 0) tell(of, fault);
}

/* The first fault as a start of the node would say it, then what else is damaged. */
static void tell_damage(verify *of, px_disk *disk, px_err err, const px_wal_fault *fault)
{
    of->first = fault;
    tell(of, fault);
    if (err != PX_ERR_DAMAGED && err != PX_ERR_IO) return;
    err = px_wal_survey(disk, of, tell_other);
    if (err) (void)px_say_failed("%s: the rest cannot be looked at: %s", of->folder, px_err_text(err));
}

/* ---- the command ---- */

static px_exit look(verify *of, px_disk *disk)
{
    px_wal_report report;
    px_wal_fault fault;
    (void)disk->list(disk, of, count_log);
    const px_err err = px_wal_verify(disk, &report, &fault);
    px_progress_end(&of->progress);
    if (err && report.slots && !of->wants_json)
        printf("%s: sound up to slot %llu\n", of->folder, (unsigned long long)report.slots);
    if (err) tell_damage(of, disk, err, &fault);
    px_progress_end(&of->progress);
    if (of->wants_json)
        print_json(of, &report, !err);
    else if (!err)
        print_sound(of, &report);
    return err ? PX_EXIT_FAILED : PX_EXIT_DONE;
}

static px_exit run(px_target *target, int count, char **words)
{
    verify of = {.folder = NULL};
    const px_option options[] = {{"--json", &of.wants_json, NULL}, {NULL, NULL, NULL}};
    px_exit status;
    if (!px_options_read(&px_command_verify, options, target, &count, words, &status)) return status;
    if (count != 1) return px_usage_fault(&px_command_verify, "verify takes one folder");
    of.folder = words[0];
    const px_disk_view_events events = {&of, on_write, on_read};
    px_disk *disk = NULL;
    const px_err err = px_disk_view_open(of.folder, &events, &disk);
    if (err == PX_ERR_BUSY) return px_say_failed("%s: a node runs on it: stop it first", of.folder);
    if (err == PX_ERR_NOT_FOUND) return px_say_failed("%s: there is no such folder", of.folder);
    if (err) return px_say_failed("%s: %s", of.folder, px_err_text(err));
    of.torn = json_array();
    of.faults = json_array();
    status = look(&of, disk);
    json_decref(of.torn);
    json_decref(of.faults);
    px_disk_view_close(disk);
    return status;
}

const px_command px_command_verify = {
    .name = "verify",
    .words = "[--json] DATA_DIR",
    .summary = "checks every record of a stopped node's data folder",
    .help = "Reads the folder as a start of its node would, and every message back, and changes nothing.\n"
            "Prints how much is sound and the chain hash at the end: nodes that have the same slots\n"
            "print the same hash. Where something is damaged it names every place that it can tell\n"
            "from sound ones, and the exit status is 1. A torn tail, as a power cut leaves it, is\n"
            "no damage.\n\n"
            "  --json     what was found as a JSON object\n\n"
            "Example: pxctl verify px1.example.data",
    .run = run,
};
