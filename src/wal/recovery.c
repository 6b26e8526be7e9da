/* recovery.c - reads the whole log at start, and tells a torn tail from damage.
 *
 * Meaning    Records follow one another inside a group; a group begins at a block boundary. Where no valid
 *            record stands, the log ends: it is a torn tail, to be
 *            zeroed, unless something valid states that this place had been synced: then it is damage. Then
 *            all segments stay as they are, and the log goes on in a new one, with a record that claims what
 *            it was. A block that cannot be read is a bad one. A record of another node or cluster is
 *            somebody's: nothing is changed.
 * Holds      Whatever a crash leaves of a start that found damage, the next one finds the same.
 * Source     [R15-R18]. */
// SPDX-License-Identifier: Apache-2.0
#include "wal/wal_priv.h"

#include "base/assert.h"
#include "codec/wire.h"
#include "wal/window.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Zeros are written in pieces of this. */
#define ZEROS_BYTES (64u << 10)

typedef struct {
    px_wal *wal;
    px_window window; /* on the segment of number `loaded` */
    uint64_t loaded;
    px_wal_place end;     /* behind the last record, and behind the padding of its group */
    px_wal_place stated;  /* the highest place that anything valid states as synced */
    px_wal_place odd;     /* the first place at or behind the end where something stands that is not zero */
    px_wal_place foreign; /* the first record that another node or cluster wrote */
    bool has_odd, has_foreign;
    void *context;
    void (*restore)(void *context, const px_record *record);
    px_wal_fault *fault;
    px_entry *entries;
    /* What was given up for damage by the claim that counts, and by those before that it repeats; and what
     * the log was. [R16] */
    px_wal_place lost_from, lost_upto;
    px_salvage lost;
    bool has_lost;
} px_recovery;

static uint64_t next_block(uint64_t offset)
{
    return (offset + PX_DISK_BLOCK_BYTES - 1) / PX_DISK_BLOCK_BYTES * PX_DISK_BLOCK_BYTES;
}

static px_err say(px_recovery *run, px_err err, px_wal_place place, const char *what)
{
    char name[PX_FILE_NAME_BYTES];
    px_segment_name(place.segment, name);
    (void)snprintf(run->fault->where, sizeof run->fault->where, "%s at byte %llu", name,
                   (unsigned long long)place.offset);
    (void)snprintf(run->fault->what, sizeof run->fault->what, "%s", what);
    return err;
}

static void load_segment(px_recovery *run, const px_segment *segment)
{
    px_window_open(&run->window, run->wal->disk, segment->file, segment->size_bytes);
    run->loaded = segment->number;
}

/* Could all be read so far? */
static px_err check_reading(px_recovery *run)
{
    const px_err err = run->window.err;
    const char *what = px_window_has_given_up(&run->window)
                           ? "too many of its blocks cannot be read: replace the disk, and start px with an "
                             "empty data_dir, if a majority of the others is well"
                           : px_err_text(err);
    return err ? say(run, err, (px_wal_place){run->loaded, 0}, what) : PX_OK;
}

/* ---- records ---- */

static bool is_foreign(const px_wal *wal, const px_record_header *header)
{
    static const uint8_t none[sizeof header->cluster_id];
    if (header->node != wal->node) return true;
    if (wal->state.roster_state != PX_ROSTER_COMPLETE) return false;
    return memcmp(header->cluster_id, none, sizeof none) != 0 &&
           memcmp(header->cluster_id, wal->state.cluster_id, sizeof none) != 0;
}

/* A header that is valid, and that of this place of this node's log. */
static bool read_header(px_recovery *run, uint64_t offset, px_record_header *header)
{
    const uint8_t *bytes = px_window_at(&run->window, offset, PX_RECORD_HEADER_BYTES);
    if (!bytes || px_record_decode_header(bytes, header)) return false;
    if (header->place.segment != run->loaded || header->place.offset != offset) return false;
    if (!is_foreign(run->wal, header)) return true;
    if (!run->has_foreign) run->foreign = header->place;
    run->has_foreign = true;
    return false;
}

/* Was it written behind the record that was read last, and does it continue the log? */
static bool continues(const px_recovery *run, const px_record_header *header)
{
    const px_wal *wal = run->wal;
    if (header->before != wal->record_crc) return false;
    if (!px_wal_is_chain_at(wal, header->after, header->after_chain)) return false;
    return header->kind != PX_RECORD_APPEND || header->after == wal->length;
}

/* Reads the payload behind a header: entries, or a claim. False where it is not whole. */
static bool read_payload(px_recovery *run, const px_record_header *header, px_claim *claim)
{
    const uint64_t offset = header->place.offset + PX_RECORD_HEADER_BYTES;
    if (header->count > PX_WINDOW_SLOTS) return false;
    const uint8_t *payload = px_window_at(&run->window, offset, header->payload_bytes);
    if (!payload || !px_record_is_payload(header, payload)) return false;
    if (header->kind == PX_RECORD_CLAIM) return !px_record_decode_claim(header, payload, claim);
    return !px_record_decode_entries(header, payload, run->entries);
}

/* Damage begins at the end. What was lost before and is claimed still is lost, too. */
static void begin_lost(px_recovery *run)
{
    px_wal *wal = run->wal;
    if (run->has_lost && px_wal_is_claimed(wal)) return;
    if (run->has_lost) px_salvage_deinit(&run->lost);
    px_salvage_init(&run->lost, wal);
    run->has_lost = true;
    run->lost_from = run->end;
}

/* A claim stands at the beginning of its segment: what is between the log before it and this place was given
 * up for damage. */
static void give_up_between(px_recovery *run, px_wal_place claim)
{
    px_wal *wal = run->wal;
    run->lost_upto = claim;
    for (uint32_t i = 0; i < wal->segment_count; i++) {
        px_segment *segment = &wal->segments[i];
        if (segment->number < run->end.segment || segment->number >= claim.segment) continue;
        segment->live_bytes = segment->number == run->end.segment ? run->end.offset : 0;
    }
}

/* Takes the record at an offset, if that is the next one. */
static bool take_record(px_recovery *run, uint64_t offset)
{
    px_wal *wal = run->wal;
    px_record_header header;
    px_claim claim = {0};
    if (!read_header(run, offset, &header) || !continues(run, &header)) return false;
    if (!read_payload(run, &header, &claim)) return false;
    if (header.kind == PX_RECORD_CLAIM) {
        begin_lost(run);
        give_up_between(run, header.place);
    }
    const px_record record = {
        .kind = header.kind,
        .promised = header.promised,
        .accepted = header.accepted,
        .cuts = header.cuts,
        .chosen = header.chosen,
        .log = {header.after, header.after_chain, header.count, run->entries},
        .claim = claim,
    };
    run->restore(run->context, &record);
    const px_wal_note note = px_wal_take_record(wal, &header, &record.log);
    if (header.kind == PX_RECORD_CLAIM) wal->claim = claim;
    px_segments_note(wal, header.place, &note);
    wal->record_crc = header.crc;
    if (px_wal_place_less(run->stated, header.synced)) run->stated = header.synced;
    run->end =
        (px_wal_place){run->loaded, (offset + PX_RECORD_HEADER_BYTES + header.payload_bytes + 7) / 8 * 8};
    return true;
}

/* Takes the records of the loaded segment, up to the first place where the next one does not stand. */
static void walk_segment(px_recovery *run)
{
    uint64_t offset = 0;
    if (!take_record(run, 0)) return;
    for (;;) {
        offset = run->end.offset;
        if (!take_record(run, offset) && !take_record(run, next_block(offset))) break;
    }
    /* Behind the last record there are zeros to the end of its group; anything else is no padding. */
    const uint64_t size_bytes = run->window.size_bytes;
    const uint64_t boundary = next_block(offset) < size_bytes ? next_block(offset) : size_bytes;
    if (px_window_first(&run->window, offset, boundary) == boundary) run->end.offset = boundary;
}

/* ---- what stands behind the end ---- */

/* Valid records behind it state what had been synced: that may make the end damage. */
static void scan_rest(px_recovery *run)
{
    uint64_t offset = run->end.segment == run->loaded ? run->end.offset : 0;
    offset = px_window_first(&run->window, offset, run->window.size_bytes);
    if (offset >= run->window.size_bytes) return;
    if (!run->has_odd) {
        run->has_odd = true;
        run->odd = (px_wal_place){run->loaded, offset};
    }
    for (offset = next_block(offset); offset < run->window.size_bytes; offset += PX_DISK_BLOCK_BYTES) {
        px_record_header header;
        if (!read_header(run, offset, &header)) continue;
        if (px_wal_place_less(run->stated, header.synced)) run->stated = header.synced;
    }
}

/* A segment without a record may stand before one with records: it was too small for a large one. */
static px_err read_all(px_recovery *run)
{
    px_wal *wal = run->wal;
    for (uint32_t i = 0; i < wal->segment_count; i++) {
        load_segment(run, &wal->segments[i]);
        walk_segment(run);
        if (run->end.segment == run->loaded) run->has_odd = false;
        scan_rest(run);
        const px_err err = check_reading(run);
        if (err) return err;
    }
    return PX_OK;
}

/* Zeros what stands in the loaded segment from an offset on. */
static px_err zero_rest(px_recovery *run, const px_segment *segment, uint64_t offset)
{
    static const uint8_t zeros[ZEROS_BYTES];
    px_disk *disk = run->wal->disk;
    const uint64_t last = px_window_last_end(&run->window, offset);
    px_err err = run->window.err;
    while (!err && offset < last) {
        /* Only whole blocks are written over one that cannot be read. */
        const uint64_t most = ZEROS_BYTES - offset % PX_DISK_BLOCK_BYTES;
        const size_t size_bytes = (size_t)(last - offset < most ? last - offset : most);
        err = disk->write_now(disk, segment->file, offset, zeros, size_bytes);
        offset += size_bytes;
    }
    return err ? err : disk->write_now(disk, segment->file, 0, zeros, 0);
}

/* Zeros everything behind the end, so that what is appended later is never followed by older records. What
 * was read may be in the system's memory only, after a kill: it is synced before anybody hears of it. */
static px_err cut_tail(px_recovery *run)
{
    px_wal *wal = run->wal;
    for (uint32_t i = wal->segment_count; i-- > 0;) {
        const px_segment *segment = &wal->segments[i];
        if (segment->number < run->end.segment) break;
        if (!segment->file) continue;
        const uint64_t offset = segment->number == run->end.segment ? run->end.offset : 0;
        load_segment(run, segment);
        const px_err err = zero_rest(run, segment, offset);
        if (err) return say(run, err, (px_wal_place){segment->number, offset}, px_err_text(err));
    }
    return PX_OK;
}

/* ---- damage [R16] ---- */

/* Takes every record that can be read from one place up to another. What was not synced and is not whole is
 * torn. */
static px_err salvage_between(px_recovery *run, px_salvage *salvage, px_wal_place from, px_wal_place upto)
{
    px_wal *wal = run->wal;
    const uint32_t unreadable = run->window.unreadable;
    run->window.unreadable = 0; /* they are gone through once more */
    for (uint32_t i = 0; i < wal->segment_count; i++) {
        const px_segment *segment = &wal->segments[i];
        if (segment->number < from.segment || segment->number > upto.segment) continue;
        load_segment(run, segment);
        uint64_t size_bytes = run->window.size_bytes;
        if (segment->number == upto.segment && upto.offset < size_bytes) size_bytes = upto.offset;
        uint64_t offset = segment->number == from.segment ? (from.offset + 7) / 8 * 8 : 0;
        for (;;) {
            if (offset < size_bytes) offset = px_window_first(&run->window, offset, size_bytes) / 8 * 8;
            if (offset + PX_RECORD_HEADER_BYTES > size_bytes) break;
            px_record_header header;
            px_claim claim;
            const bool is_header = read_header(run, offset, &header);
            const bool is_whole = is_header && read_payload(run, &header, &claim);
            const bool is_synced = is_header && px_wal_place_less(header.place, run->stated);
            if (is_whole || is_synced)
                px_salvage_take(salvage, &header, is_whole ? run->entries : NULL,
                                is_whole && header.kind == PX_RECORD_CLAIM ? &claim : NULL);
            offset += is_whole ? (PX_RECORD_HEADER_BYTES + header.payload_bytes + 7) / 8 * 8 : 8;
        }
        const px_err err = check_reading(run);
        if (err) return err;
    }
    if (unreadable > run->window.unreadable) run->window.unreadable = unreadable;
    return PX_OK;
}

/* The runs behind the log that has become what it is now. */
static void keep_runs(px_wal *wal, px_salvage *salvage)
{
    free(wal->salvage.runs);
    wal->salvage = salvage->runs;
    salvage->runs = (px_salvage_runs){0};
}

/* What was read may be in the system's memory only, after a kill. [R17] */
static px_err sync_all(px_recovery *run)
{
    static const uint8_t nothing[1];
    px_wal *wal = run->wal;
    for (uint32_t i = 0; i < wal->segment_count; i++) {
        const px_segment *segment = &wal->segments[i];
        if (segment->number < run->end.segment || !segment->file) continue;
        const px_err err = wal->disk->write_now(wal->disk, segment->file, 0, nothing, 0);
        if (err) return say(run, err, (px_wal_place){segment->number, 0}, px_err_text(err));
    }
    return PX_OK;
}

/* An empty segment behind everything that anything states. One that a start before this one made, and then
 * did not write to, is used. */
static px_err make_room(px_recovery *run, px_segment **segment)
{
    px_wal *wal = run->wal;
    px_segment *last = &wal->segments[wal->segment_count - 1];
    load_segment(run, last);
    const uint64_t size_bytes = run->window.size_bytes;
    const bool is_empty = last->file && size_bytes &&
                          px_window_first(&run->window, 0, size_bytes) == size_bytes && !run->window.err &&
                          last->number > run->stated.segment && last->number > run->end.segment;
    if (!is_empty) {
        while (wal->segments[wal->segment_count - 1].number < run->stated.segment)
            (void)px_segments_add(wal, wal->segments[wal->segment_count - 1].number + 1, 0, NULL);
        const px_err err = px_segments_create(wal, wal->config.segment_bytes);
        if (err) return say(run, err, run->stated, px_err_text(err));
    }
    *segment = &wal->segments[wal->segment_count - 1];
    return PX_OK;
}

/* Writes the claim behind everything, and goes on there. One write, whole or not at all. */
static px_err write_claim(px_recovery *run, const px_record_header *made, const px_claim *claim)
{
    px_wal *wal = run->wal;
    uint8_t block[PX_DISK_BLOCK_BYTES] = {0};
    px_segment *segment = NULL;
    px_err err = sync_all(run);
    if (!err) err = make_room(run, &segment);
    if (err) return err;
    const px_wal_place place = {segment->number, 0};
    px_record_header header = *made;
    header.place = place;
    px_record_encode_claim(&header, claim, block);
    const px_record_seal seal = {place, place, wal->record_crc};
    header.crc = px_record_put_seal(block, seal);
    err = wal->disk->write_now(wal->disk, segment->file, 0, block, sizeof block);
    if (err) return say(run, err, place, px_err_text(err));
    give_up_between(run, place);
    const px_record record = {
        .kind = PX_RECORD_CLAIM,
        .promised = header.promised,
        .accepted = header.accepted,
        .cuts = header.cuts,
        .chosen = header.chosen,
        .log = {header.after, header.after_chain, 0, run->entries},
        .claim = *claim,
    };
    run->restore(run->context, &record);
    const px_wal_note note = px_wal_take_record(wal, &header, &record.log);
    wal->claim = *claim;
    px_segments_note(wal, place, &note);
    wal->record_crc = header.crc;
    run->end = (px_wal_place){place.segment, sizeof block};
    return PX_OK;
}

static px_wal_place padded(px_wal_place place)
{
    return (px_wal_place){place.segment, next_block(place.offset)};
}

/* What was the log, and what of it is left behind its end? */
static px_err survey_lost(px_recovery *run, const px_wal_stated *marked)
{
    px_salvage *lost = &run->lost;
    begin_lost(run);
    px_err err = salvage_between(run, lost, run->lost_from, run->end);
    px_salvage_go_on(lost, run->wal);
    lost->is.synced = run->end;
    if (!err) err = salvage_between(run, lost, run->end, (px_wal_place){UINT64_MAX, 0});
    px_salvage_take_mark(lost, marked);
    return err;
}

/* The log ended before something that was synced. */
static px_err give_up_damage(px_recovery *run, px_wal_place stated, const px_wal_stated *marked)
{
    px_wal *wal = run->wal;
    px_err err = survey_lost(run, marked);
    const px_wal_stated *was = &run->lost.is;
    const uint64_t live = run->lost.live;
    px_claim claim = {
        .length = was->length,
        .chosen = was->chosen,
        .chain = was->chain,
        /* Only the small state knows of what was behind: it says how far, not what. */
        .is_unsure =
            was->is_unsure || run->lost.hides_claim || px_wal_place_less(padded(was->synced), stated),
    };
    if (was->claimed > was->length) {
        claim.length = was->claimed;
        claim.chain = was->claimed == wal->claim.length ? wal->claim.chain : (px_hash){0, 0};
    }
    if (!err && px_ballot_less(was->accepted, wal->accepted)) err = PX_ERR_DAMAGED;
    const px_record_header header = {
        .node = wal->node,
        .promised = was->accepted,
        .accepted = was->accepted,
        /* A claim is no cut: what others remember of this log is no less for it. [R19] */
        .cuts = was->cuts + PX_MUTANT("r19_claims_count_as_cuts"),
        .claims = was->claims + !PX_MUTANT("r16_claims_are_not_counted"),
        .chosen = was->chosen < live ? was->chosen : live,
        .after = live,
        .after_chain = px_wal_chain_at(wal, live),
    };
    if (!err) err = write_claim(run, &header, &claim);
    if (!err) keep_runs(wal, &run->lost);
    return err;
}

/* A claim of a start before this one is not fulfilled yet: what was left to fulfil it with is found again. */
static px_err find_salvage(px_recovery *run)
{
    px_wal *wal = run->wal;
    if (!run->has_lost || !px_wal_is_claimed(wal)) return PX_OK;
    const px_err err = salvage_between(run, &run->lost, run->lost_from, run->lost_upto);
    /* It claims what the mark said then, too. */
    const px_wal_stated claimed = {
        .synced = run->lost_upto,
        .accepted = wal->accepted,
        .cuts = wal->cuts,
        .claims = wal->claims - 1, /* before this one */
        .length = wal->claim.length,
        .chain = wal->claim.chain,
    };
    px_salvage_take_mark(&run->lost, &claimed);
    if (!err) keep_runs(wal, &run->lost);
    return err;
}

/* Was something synced that is not there? The last records of a group may have become zeros, as what stands
 * behind them. */
static bool is_damaged(const px_recovery *run, const px_wal_stated *marked)
{
    const px_wal *wal = run->wal;
    if (px_wal_place_less(run->end, run->stated)) return true;
    if (px_wal_place_less(marked->synced, run->end) || marked->synced.segment == 0) return false;
    return marked->length != wal->length || !px_hash_equal(marked->chain, wal->chain) ||
           !px_ballot_equal(marked->accepted, wal->accepted) || marked->cuts != wal->cuts ||
           marked->claims != wal->claims;
}

static px_err judge(px_recovery *run, px_wal_place stated, const px_wal_stated *marked)
{
    if (run->has_foreign)
        return say(run, PX_ERR_FOREIGN, run->foreign,
                   "a record of another node or another cluster; the log is left as it is: put the files of "
                   "this node back");
    if (!is_damaged(run, marked)) {
        const px_err err = cut_tail(run);
        return err ? err : find_salvage(run);
    }
    const bool is_odd = run->has_odd && px_wal_place_less(run->odd, run->stated);
    const px_wal_place place = is_odd ? run->odd : run->end;
    const char *what = run->window.unreadable
                           ? "a record that was on disk cannot be read; what it held is fetched "
                             "from the other nodes, and the file is kept as it is"
                           : "a record that was on disk is damaged; what it held is fetched "
                             "from the other nodes, and the file is kept as it is";
    const px_err err = give_up_damage(run, stated, marked);
    if (err == PX_ERR_DAMAGED || !err) (void)say(run, err, place, what);
    return err;
}

px_err px_recovery_run(px_wal *wal, px_wal_place stated, const px_wal_stated *marked, void *context,
                       void (*restore)(void *context, const px_record *record), px_wal_fault *fault)
{
    px_recovery run = {.wal = wal, .stated = stated, .context = context, .restore = restore, .fault = fault};
    if (px_wal_place_less(stated, marked->synced)) run.stated = marked->synced;
    run.entries = calloc(PX_WINDOW_SLOTS, sizeof *run.entries);
    px_assert(run.entries != NULL);
    run.end = (px_wal_place){wal->segments[0].number, 0};
    px_err err = read_all(&run);
    if (!err) err = judge(&run, stated, marked);
    if (!err) {
        wal->next = wal->synced = (px_wal_place){run.end.segment, next_block(run.end.offset)};
        wal->durable_length = wal->length;
    }
    if (run.has_lost) px_salvage_deinit(&run.lost);
    free(run.entries);
    px_window_deinit(&run.window);
    return err;
}
