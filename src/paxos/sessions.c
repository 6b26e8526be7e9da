/* sessions.c - the sessions that the log has open or remembers. */
// SPDX-License-Identifier: Apache-2.0
#include "paxos/sessions.h"

#include "base/assert.h"
#include "base/hash.h"
#include "paxos/little_endian.h"
#include <string.h>

#define NONE UINT32_MAX

/* ---- lists ---- */

static void unlink_row(px_sessions *sessions, px_session_list *list, uint32_t row)
{
    px_session_row *item = &sessions->rows[row];
    if (item->list_previous == NONE)
        list->head = item->list_next;
    else
        sessions->rows[item->list_previous].list_next = item->list_next;
    if (item->list_next == NONE)
        list->tail = item->list_previous;
    else
        sessions->rows[item->list_next].list_previous = item->list_previous;
    item->list_previous = item->list_next = NONE;
    list->count--;
}

/* Puts a row behind another, or first where that is NONE. */
static void link_row_behind(px_sessions *sessions, px_session_list *list, uint32_t row, uint32_t behind)
{
    px_session_row *item = &sessions->rows[row];
    const uint32_t next = behind == NONE ? list->head : sessions->rows[behind].list_next;
    item->list_previous = behind;
    item->list_next = next;
    if (behind == NONE)
        list->head = row;
    else
        sessions->rows[behind].list_next = row;
    if (next == NONE)
        list->tail = row;
    else
        sessions->rows[next].list_previous = row;
    list->count++;
}

/* ---- hash indexes ---- */

static uint32_t holder_bucket(uint64_t holder)
{
    return (uint32_t)(holder * 0x9e3779b97f4a7c15u >> 40) & (PX_SESSION_BUCKETS - 1);
}

static uint32_t name_bucket(uint64_t name_hash)
{
    return (uint32_t)name_hash & (PX_SESSION_BUCKETS - 1);
}

static uint64_t hash_name(px_session_kind kind, px_bytes name)
{
    return px_hash_of(name.data, name.size_bytes).low + (uint64_t)kind;
}

/* Any row of that holder, dropped ones too. */
static uint32_t find_holder(const px_sessions *sessions, uint64_t holder)
{
    uint32_t row = sessions->by_holder[holder_bucket(holder)];
    while (row != NONE && sessions->rows[row].holder != holder) row = sessions->rows[row].holder_next;
    return row;
}

/* The newest row of that name, dropped ones too. */
static uint32_t find_name(const px_sessions *sessions, px_session_kind kind, px_bytes name)
{
    const uint64_t hash = hash_name(kind, name);
    uint32_t row = sessions->by_name[name_bucket(hash)];
    while (row != NONE) {
        const px_session_row *item = &sessions->rows[row];
        if (item->kind == kind && item->name_bytes == name.size_bytes &&
            memcmp(sessions->names[row], name.data, name.size_bytes) == 0)
            break;
        row = item->name_next;
    }
    return row;
}

static void index_holder(px_sessions *sessions, uint32_t row)
{
    uint32_t *bucket = &sessions->by_holder[holder_bucket(sessions->rows[row].holder)];
    sessions->rows[row].holder_next = *bucket;
    *bucket = row;
}

static void unindex_holder(px_sessions *sessions, uint32_t row)
{
    uint32_t *at = &sessions->by_holder[holder_bucket(sessions->rows[row].holder)];
    while (*at != row) at = &sessions->rows[*at].holder_next;
    *at = sessions->rows[row].holder_next;
}

static void index_name(px_sessions *sessions, uint32_t row)
{
    uint32_t *bucket = &sessions->by_name[name_bucket(sessions->rows[row].name_hash)];
    sessions->rows[row].name_next = *bucket;
    *bucket = row;
}

/* Takes a row out of the index of names, where it is in it. */
static void unindex_name(px_sessions *sessions, uint32_t row)
{
    uint32_t *at = &sessions->by_name[name_bucket(sessions->rows[row].name_hash)];
    while (*at != NONE && *at != row) at = &sessions->rows[*at].name_next;
    if (*at == row) *at = sessions->rows[row].name_next;
}

/* ---- rows ---- */

static uint32_t take_row(px_sessions *sessions)
{
    if (sessions->free != NONE) {
        const uint32_t row = sessions->free;
        sessions->free = sessions->rows[row].list_next;
        return row;
    }
    px_assert(sessions->rows_used < PX_SESSION_ROWS);
    return sessions->rows_used++;
}

static void free_row(px_sessions *sessions, uint32_t row)
{
    unindex_holder(sessions, row);
    unindex_name(sessions, row);
    sessions->rows[row] = (px_session_row){.list_next = sessions->free};
    sessions->free = row;
}

void px_sessions_init(px_sessions *sessions, uint32_t row_max)
{
    px_assert(row_max >= 1 && row_max <= PX_SESSIONS_MAX);
    sessions->row_max = row_max;
    sessions->rows_used = 0;
    sessions->row_count = 0;
    sessions->free = NONE;
    sessions->fenced = sessions->clients = (px_session_list){NONE, NONE, 0};
    for (uint32_t i = 0; i < PX_SESSION_BUCKETS; i++) sessions->by_holder[i] = sessions->by_name[i] = NONE;
    memset(sessions->openers, 0, sizeof sessions->openers);
    sessions->change_first = sessions->change_end = 0;
    sessions->opening_first = sessions->opening_end = 0;
    px_expired_init(&sessions->expired);
}

/* ---- openers ---- */

/* The place of a storage id; where it has none, a free place or that of the one that opened longest ago. */
static uint32_t place_opener(const px_sessions *sessions, uint64_t storage_id)
{
    uint32_t oldest = 0;
    for (uint32_t i = 0; i < PX_OPENERS_MAX; i++) {
        const px_opener_row *item = &sessions->openers[i];
        if (item->slot && item->highest.storage_id == storage_id) return i;
        if (item->slot < sessions->openers[oldest].slot) oldest = i;
    }
    return oldest;
}

px_opener px_sessions_opener(const px_sessions *sessions, uint64_t storage_id)
{
    const px_opener_row *item = &sessions->openers[place_opener(sessions, storage_id)];
    if (!item->slot || item->highest.storage_id != storage_id) return (px_opener){0, 0, 0};
    return item->highest;
}

/* Has this opener opened at or above that counter? */
static bool is_opened(const px_sessions *sessions, const px_opener *opener)
{
    const px_opener highest = px_sessions_opener(sessions, opener->storage_id);
    return highest.storage_id && !px_opener_less(highest, *opener);
}

/* ---- taking slots ---- */

/* Whom an opening at `slot` drops from a full table; NONE where nobody may be. */
static uint32_t find_victim(const px_sessions *sessions, uint64_t slot)
{
    const uint32_t fenced = sessions->fenced.head;
    if (fenced != NONE && sessions->rows[fenced].fenced_slot + PX_WINDOW_SLOTS <= slot) return fenced;
    return sessions->clients.head;
}

static bool has_place(const px_sessions *sessions, uint64_t slot)
{
    return sessions->row_count < sessions->row_max || find_victim(sessions, slot) != NONE;
}

static px_session_change *push_change(px_sessions *sessions)
{
    px_assert(sessions->change_end - sessions->change_first < PX_SESSION_CHANGES_MAX);
    return &sessions->changes[sessions->change_end++ % PX_SESSION_CHANGES_MAX];
}

static void drop_row(px_sessions *sessions, uint32_t row, uint64_t slot)
{
    px_session_row *item = &sessions->rows[row];
    unlink_row(sessions, item->fenced_slot ? &sessions->fenced : &sessions->clients, row);
    item->dropped_slot = slot;
    sessions->row_count--;
}

/* Fences a row; returns whom it stood behind among the clients. */
static uint32_t fence_row(px_sessions *sessions, uint32_t row, uint64_t slot)
{
    px_session_row *item = &sessions->rows[row];
    const uint32_t was_behind = item->list_previous;
    if (item->kind == PX_SESSION_CLIENT) unlink_row(sessions, &sessions->clients, row);
    item->fenced_slot = slot;
    link_row_behind(sessions, &sessions->fenced, row, sessions->fenced.tail);
    return was_behind;
}

/* The number that a session opened at `slot` takes next: a client's goes on where it stood, a member's begins
 * anew. [R12] */
static uint64_t next_of_new(const px_sessions *sessions, uint64_t slot, px_session_kind kind, uint32_t former)
{
    if (kind != PX_SESSION_CLIENT || former == NONE) return 1;
    const px_session_row *item = &sessions->rows[former];
    /* Dropped before, it would have expired, and not be opened. Dropped by this very opening, it only makes
     * place for itself. */
    px_assert(item->dropped_slot == 0 || item->dropped_slot == slot);
    return item->next;
}

static void make_row(px_sessions *sessions, uint32_t row, uint64_t slot, const px_opening *opening,
                     uint32_t former)
{
    const uint64_t next = next_of_new(sessions, slot, opening->kind, former);
    sessions->rows[row] = (px_session_row){
        .holder = slot,
        .next = next,
        .next_chosen = next,
        .former = former,
        .name_hash = hash_name(opening->kind, opening->name),
        .opener = opening->opener,
        .origin = opening->origin,
        .list_previous = NONE,
        .list_next = NONE,
        .name_bytes = (uint16_t)opening->name.size_bytes,
        .kind = (uint8_t)opening->kind,
    };
    memcpy(sessions->names[row], opening->name.data, opening->name.size_bytes);
    if (former != NONE) unindex_name(sessions, former);
    index_holder(sessions, row);
    index_name(sessions, row);
    if (opening->kind == PX_SESSION_CLIENT)
        link_row_behind(sessions, &sessions->clients, row, sessions->clients.tail);
    sessions->row_count++;
}

static void apply_opening(px_sessions *sessions, uint64_t slot, const px_opening *opening)
{
    if (!px_sessions_admit_opening(sessions, opening, slot)) return;
    px_assert(sessions->opening_end - sessions->opening_first < PX_WINDOW_SLOTS);
    px_session_opening *undo = &sessions->openings[sessions->opening_end++ % PX_WINDOW_SLOTS];
    *undo = (px_session_opening){.fenced = NONE, .fenced_was_behind = NONE, .dropped = NONE};
    const uint32_t former = find_name(sessions, opening->kind, opening->name);
    undo->opener = place_opener(sessions, opening->opener.storage_id);
    undo->opener_before = sessions->openers[undo->opener];
    sessions->openers[undo->opener] = (px_opener_row){opening->opener, slot};

    if (sessions->row_count == sessions->row_max) {
        undo->dropped = find_victim(sessions, slot);
        /* Whose session goes is told so, for as long as it is remembered: else he would begin it again. */
        undo->is_expiry = !sessions->rows[undo->dropped].fenced_slot && undo->dropped != former;
        if (PX_MUTANT("r12_expired_name_is_forgotten")) undo->is_expiry = false;
        if (undo->is_expiry)
            undo->expired_before =
                px_expired_push(&sessions->expired, sessions->rows[undo->dropped].name_hash, slot);
        drop_row(sessions, undo->dropped, slot);
    }
    if (former != NONE && !sessions->rows[former].dropped_slot) {
        undo->fenced = former;
        undo->fenced_was_behind = fence_row(sessions, former, slot);
    }
    const uint32_t row = take_row(sessions);
    make_row(sessions, row, slot, opening, former);
    *push_change(sessions) = (px_session_change){.slot = slot, .row = row};
}

static void apply_run(px_sessions *sessions, uint64_t slot, const px_run *run)
{
    uint32_t skip;
    if (px_sessions_admit(sessions, run, 0, &skip) != PX_ADMIT_NEXT) return;
    const uint32_t row = find_holder(sessions, run->holder);
    px_session_row *item = &sessions->rows[row];
    px_session_change *change = push_change(sessions);
    *change = (px_session_change){slot, row, run->count, item->list_previous};
    item->next += run->count;
    if (item->kind == PX_SESSION_CLIENT) {
        unlink_row(sessions, &sessions->clients, row);
        link_row_behind(sessions, &sessions->clients, row, sessions->clients.tail);
    }
}

/* The runs of a body that px_batch_open has passed: its lengths are not walked again. */
static px_batch checked_batch(const px_entry *entry)
{
    px_assert(entry->body.size_bytes >= PX_BATCH_HEADER_BYTES);
    return (px_batch){
        .run_count = px_u32_load(entry->body.data),
        .message_count = entry->message_count,
        .runs = entry->body.data + PX_BATCH_HEADER_BYTES,
    };
}

uint32_t px_sessions_count_changes(const px_entry *entry)
{
    if (entry->kind == PX_ENTRY_BATCH) return checked_batch(entry).run_count;
    return entry->kind == PX_ENTRY_OPEN ? 1 : 0;
}

void px_sessions_apply(px_sessions *sessions, const px_entry *entry)
{
    if (entry->kind == PX_ENTRY_OPEN) {
        px_opening opening;
        const px_err err = px_opening_open(entry->body, &opening);
        px_assert(err == PX_OK);
        apply_opening(sessions, entry->slot, &opening);
    }
    if (entry->kind != PX_ENTRY_BATCH) return;
    const px_batch batch = checked_batch(entry);
    for (uint32_t i = 0; i < batch.run_count; i++) {
        const px_run run = px_batch_run(&batch, i);
        apply_run(sessions, entry->slot, &run);
    }
}

/* ---- taking back ---- */

static void undo_run(px_sessions *sessions, const px_session_change *change)
{
    px_session_row *item = &sessions->rows[change->row];
    item->next -= change->count;
    if (item->kind != PX_SESSION_CLIENT || PX_MUTANT("r11_cut_leaves_the_order_of_use")) return;
    unlink_row(sessions, &sessions->clients, change->row);
    link_row_behind(sessions, &sessions->clients, change->row, change->was_behind);
}

static void undo_opening(px_sessions *sessions, const px_session_change *change)
{
    const px_session_opening *undo = &sessions->openings[--sessions->opening_end % PX_WINDOW_SLOTS];
    px_session_row *item = &sessions->rows[change->row];
    if (item->kind == PX_SESSION_CLIENT) unlink_row(sessions, &sessions->clients, change->row);
    const uint32_t former = item->former;
    free_row(sessions, change->row);
    sessions->row_count--;
    if (former != NONE) index_name(sessions, former);
    if (undo->fenced != NONE) {
        px_session_row *fenced = &sessions->rows[undo->fenced];
        unlink_row(sessions, &sessions->fenced, undo->fenced);
        fenced->fenced_slot = 0;
        if (fenced->kind == PX_SESSION_CLIENT)
            link_row_behind(sessions, &sessions->clients, undo->fenced, undo->fenced_was_behind);
    }
    if (undo->is_expiry) px_expired_pop(&sessions->expired, undo->expired_before);
    if (undo->dropped != NONE) {
        px_session_row *dropped = &sessions->rows[undo->dropped];
        dropped->dropped_slot = 0;
        link_row_behind(sessions, dropped->fenced_slot ? &sessions->fenced : &sessions->clients,
                        undo->dropped, NONE);
        sessions->row_count++;
    }
    sessions->openers[undo->opener] = undo->opener_before;
}

void px_sessions_cut(px_sessions *sessions, uint64_t after)
{
    if (PX_MUTANT("r11_cut_leaves_the_table")) return;
    while (sessions->change_end > sessions->change_first) {
        const px_session_change *change =
            &sessions->changes[(sessions->change_end - 1) % PX_SESSION_CHANGES_MAX];
        if (change->slot <= after) return;
        if (change->count)
            undo_run(sessions, change);
        else
            undo_opening(sessions, change);
        sessions->change_end--;
    }
}

void px_sessions_choose(px_sessions *sessions, uint64_t upto)
{
    while (sessions->change_first < sessions->change_end) {
        const px_session_change *change = &sessions->changes[sessions->change_first % PX_SESSION_CHANGES_MAX];
        if (change->slot > upto) return;
        if (change->count) {
            sessions->rows[change->row].next_chosen += change->count;
        } else {
            const px_session_opening *undo = &sessions->openings[sessions->opening_first++ % PX_WINDOW_SLOTS];
            if (undo->dropped != NONE) free_row(sessions, undo->dropped);
        }
        sessions->change_first++;
    }
}

/* ---- asking ---- */

px_admission px_sessions_admit(const px_sessions *sessions, const px_run *run, uint32_t ahead, uint32_t *skip)
{
    *skip = 0;
    const uint32_t row = find_holder(sessions, run->holder);
    if (row == NONE || sessions->rows[row].dropped_slot) return PX_ADMIT_UNKNOWN;
    const px_session_row *item = &sessions->rows[row];
    const uint64_t next = item->next + ahead;
    if (run->sequence + run->count <= next) return PX_ADMIT_DUPLICATE;
    if (item->fenced_slot) return PX_ADMIT_FENCED;
    if (run->sequence > next) return PX_ADMIT_GAP;
    if (run->sequence == next) return PX_ADMIT_NEXT;
    *skip = (uint32_t)(next - run->sequence);
    return PX_ADMIT_OVERLAP;
}

bool px_sessions_admit_opening(const px_sessions *sessions, const px_opening *opening, uint64_t slot)
{
    const bool is_new =
        !is_opened(sessions, &opening->opener) || PX_MUTANT("r11_resent_opening_fences_twice");
    const bool is_expired = opening->kind == PX_SESSION_CLIENT &&
                            px_expired_has(&sessions->expired, hash_name(opening->kind, opening->name), slot);
    return is_new && !is_expired && has_place(sessions, slot);
}

static void fill_session(const px_session_row *item, uint64_t chosen, px_session *session)
{
    *session = (px_session){
        .holder = item->holder,
        .next = PX_MUTANT("r12_answer_from_unchosen") ? item->next : item->next_chosen,
        .opener = item->opener,
        .origin = item->origin,
        .fenced = item->fenced_slot && item->fenced_slot <= chosen,
    };
}

bool px_sessions_by_name(const px_sessions *sessions, uint64_t chosen, px_session_kind kind, px_bytes name,
                         px_session *session)
{
    uint32_t row = find_name(sessions, kind, name);
    while (row != NONE && sessions->rows[row].holder > chosen) /* opened by a slot that is not chosen yet */
        row = sessions->rows[row].former;
    if (row == NONE) return false;
    fill_session(&sessions->rows[row], chosen, session);
    return !session->fenced;
}

bool px_sessions_by_holder(const px_sessions *sessions, uint64_t chosen, uint64_t holder, px_session *session)
{
    const uint32_t row = find_holder(sessions, holder);
    if (row == NONE || holder > chosen) return false;
    fill_session(&sessions->rows[row], chosen, session);
    return true;
}

bool px_sessions_is_expired(const px_sessions *sessions, uint64_t chosen, px_bytes name)
{
    return px_expired_has(&sessions->expired, hash_name(PX_SESSION_CLIENT, name), chosen);
}

/* ---- check and digest ---- */

static uint32_t check_list(const px_sessions *sessions, const px_session_list *list, bool is_fenced)
{
    uint32_t count = 0;
    uint64_t slot_before = 0;
    uint32_t previous = NONE;
    for (uint32_t row = list->head; row != NONE; row = sessions->rows[row].list_next) {
        const px_session_row *item = &sessions->rows[row];
        px_assert(item->list_previous == previous);
        px_assert(item->holder != 0 && item->dropped_slot == 0);
        px_assert((item->fenced_slot != 0) == is_fenced);
        px_assert(item->fenced_slot >= slot_before);
        slot_before = item->fenced_slot;
        previous = row;
        count++;
    }
    px_assert(list->tail == previous && list->count == count);
    return count;
}

void px_sessions_check(const px_sessions *sessions, uint64_t chosen, uint64_t taken)
{
    uint64_t unchosen = 0;
    uint32_t in_lists =
        check_list(sessions, &sessions->fenced, true) + check_list(sessions, &sessions->clients, false);
    uint32_t counted = 0, open_members = 0;
    for (uint32_t row = 0; row < sessions->rows_used; row++) {
        const px_session_row *item = &sessions->rows[row];
        if (!item->holder) continue;
        px_assert(find_holder(sessions, item->holder) == row);
        px_assert(item->next_chosen <= item->next && item->next_chosen >= 1);
        px_assert(item->holder <= taken && item->fenced_slot <= taken && item->dropped_slot <= taken);
        px_assert(item->dropped_slot == 0 || item->dropped_slot > chosen);
        if (item->holder > chosen && item->former != NONE)
            px_assert(sessions->rows[item->former].holder != 0 &&
                      sessions->rows[item->former].holder < item->holder);
        unchosen += item->next - item->next_chosen;
        if (item->dropped_slot) continue;
        counted++;
        if (!item->fenced_slot && item->kind == PX_SESSION_MEMBER) open_members++;
    }
    px_assert(counted == sessions->row_count && counted <= sessions->row_max);
    px_assert(counted == in_lists + open_members);
    uint64_t slot_before = chosen + 1;
    uint64_t openings = 0;
    for (uint64_t c = sessions->change_first; c < sessions->change_end; c++) {
        const px_session_change *change = &sessions->changes[c % PX_SESSION_CHANGES_MAX];
        px_assert(change->slot >= slot_before && change->slot <= taken);
        slot_before = change->slot;
        px_assert(unchosen >= change->count);
        unchosen -= change->count;
        if (!change->count) openings++;
    }
    px_assert(unchosen == 0 && openings == sessions->opening_end - sessions->opening_first);
}

static uint64_t mix(uint64_t digest, uint64_t word)
{
    digest = (digest ^ word) * 0x9e3779b97f4a7c15u;
    return digest ^ digest >> 29;
}

uint64_t px_sessions_digest(const px_sessions *sessions)
{
    uint64_t sum = 0; /* rows in any order */
    for (uint32_t row = 0; row < sessions->rows_used; row++) {
        const px_session_row *item = &sessions->rows[row];
        if (!item->holder) continue;
        uint64_t digest = mix(mix(mix(1, item->holder), item->next), item->next_chosen);
        digest = mix(mix(mix(digest, item->fenced_slot), item->dropped_slot), item->name_hash);
        digest = mix(mix(mix(digest, item->opener.storage_id), item->opener.run), item->opener.counter);
        sum += digest;
    }
    uint64_t digest = mix(sum, sessions->row_count);
    for (uint32_t row = sessions->fenced.head; row != NONE; row = sessions->rows[row].list_next)
        digest = mix(digest, sessions->rows[row].holder);
    for (uint32_t row = sessions->clients.head; row != NONE; row = sessions->rows[row].list_next)
        digest = mix(digest, sessions->rows[row].holder);
    for (uint32_t i = 0; i < PX_OPENERS_MAX; i++) {
        const px_opener_row *item = &sessions->openers[i];
        if (item->slot) sum += mix(mix(mix(2, item->slot), item->highest.storage_id), item->highest.counter);
    }
    return mix(mix(digest, sum), px_expired_digest(&sessions->expired));
}
