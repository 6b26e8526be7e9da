/* election_test.c - R13 and R14: who may lead, who steps down, who campaigns. */
// SPDX-License-Identifier: Apache-2.0
#include "rules/bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static const px_message unserved = {.kind = PX_MESSAGE_HEARD};

/* ---- R13 ---- */

static bool one_way_is_no_link(void)
{
    px_bench *bench = bench_open(0, 3, true);
    for (uint32_t i = 0; i < 6; i++) { /* it hears both, and nobody answers */
        bench_rounds(bench, 1, 0, &unserved);
        const px_message heartbeat = {.kind = PX_MESSAGE_HEARTBEAT, .round = i + 1};
        bench_give(bench, 1, &heartbeat);
        bench_give(bench, 2, &heartbeat);
    }
    const bool holds = bench->view.elections == 0 && !bench->view.heard[1];
    bench_close(bench);
    return holds;
}

static void r13__a_link_that_works_one_way_counts_as_none(void **state)
{
    (void)state;
    bench_prove(one_way_is_no_link, "r13_one_way_counts");
}

static bool old_answers_prove_nothing(void)
{
    px_bench *bench = bench_open(0, 3, true);
    bench_rounds(bench, 6, 0, &unserved);
    px_message heard = unserved;
    heard.round = 2;
    bench_give(bench, 1, &heard);
    const bool holds = !bench->view.heard[1];
    bench_close(bench);
    return holds;
}

static void r13__an_answer_to_an_old_round_proves_nothing(void **state)
{
    (void)state;
    bench_prove(old_answers_prove_nothing, "r13_old_answers_count");
}

static bool an_unheard_leader_steps_down(void)
{
    px_bench *bench = bench_open(0, 3, true);
    (void)bench_lead(bench, 6);
    bench_rounds(bench, 4, 0, &unserved);
    const bool holds = bench->view.role == PX_ROLE_FOLLOWER;
    bench_close(bench);
    return holds;
}

static void r13__a_leader_that_no_majority_answers_steps_down(void **state)
{
    (void)state;
    bench_prove(an_unheard_leader_steps_down, "r13_never_steps_down");
}

static void r13__a_leader_above_which_a_majority_promised_steps_down(void **state)
{
    (void)state;
    px_bench *bench = bench_open(0, 3, true);
    const px_ballot ballot = bench_lead(bench, 6);
    px_message served = {.kind = PX_MESSAGE_HEARD, .served = true};
    served.state.promised = ballot_of(ballot.number + 1, 1); /* they follow another */
    bench_rounds(bench, 2, 6, &served);
    assert_int_equal(bench->view.role, PX_ROLE_FOLLOWER);
    bench_close(bench);
}

static bool a_stuck_leader_steps_down(void)
{
    px_bench *bench = bench_open(0, 3, true);
    const px_ballot ballot = bench_lead(bench, 6);
    px_message served = {.kind = PX_MESSAGE_HEARD, .served = true, .disk = PX_DISK_OVERDUE};
    served.state.promised = ballot;
    bench_rounds(bench, 1, 6, &served);
    px_input input = {.kind = PX_IN_DISK, .disk = PX_DISK_OVERDUE};
    bench_step(bench, &input);
    bench_rounds(bench, 3, 6, &served);
    bool holds = bench->view.role == PX_ROLE_LEADER; /* nobody would do better */
    served.disk = PX_DISK_WELL;
    bench_rounds(bench, 2, 6, &served);
    holds = holds && bench->view.role == PX_ROLE_FOLLOWER;
    bench_close(bench);
    return holds;
}

static void r13__a_leader_with_a_stuck_disk_steps_down_where_another_is_well(void **state)
{
    (void)state;
    bench_prove(a_stuck_leader_steps_down, "r13_leads_with_a_stuck_disk");
}

static bool a_stuck_node_does_not_campaign(void)
{
    px_bench *bench = bench_open(0, 3, true);
    px_input input = {.kind = PX_IN_DISK, .disk = PX_DISK_OVERDUE};
    bench_step(bench, &input);
    bench_rounds(bench, 4, 6, &unserved);
    const bool holds = bench->view.elections == 0;
    bench_close(bench);
    return holds;
}

static void r13__a_node_with_a_stuck_disk_does_not_campaign(void **state)
{
    (void)state;
    bench_prove(a_stuck_node_does_not_campaign, "r13_campaigns_with_a_stuck_disk");
}

static bool a_leader_of_stuck_voters_steps_down(void)
{
    px_bench *bench = bench_open(0, 3, true);
    const px_ballot ballot = bench_lead(bench, 6);
    px_message served = {.kind = PX_MESSAGE_HEARD, .served = true};
    served.state.promised = ballot;
    bench_propose(bench);
    bench_rounds(bench, 20, 6, &served);
    bool holds = bench->view.role == PX_ROLE_LEADER; /* they are only slow to answer */
    served.disk = PX_DISK_OVERDUE;
    bench_rounds(bench, 20, 6, &served);
    holds = holds && bench->view.role == PX_ROLE_FOLLOWER;
    bench_close(bench);
    return holds;
}

static void r13__a_leader_that_chooses_nothing_on_stuck_voters_steps_down(void **state)
{
    (void)state;
    bench_prove(a_leader_of_stuck_voters_steps_down, "r13_leads_on_stuck_voters");
}

static bool nobody_campaigns_on_stuck_voters(void)
{
    px_bench *bench = bench_open(0, 3, true);
    px_message stuck = unserved;
    stuck.disk = PX_DISK_OVERDUE;
    bench_rounds(bench, 6, 6, &stuck);
    bool holds = bench->view.elections == 0;
    bench_rounds(bench, 4, 6, &unserved);
    holds = holds && bench->view.elections > 0;
    bench_close(bench);
    return holds;
}

static void r14__nobody_campaigns_on_voters_whose_disks_are_stuck(void **state)
{
    (void)state;
    bench_prove(nobody_campaigns_on_stuck_voters, "r14_stuck_voters_count");
}

static void r13__a_node_with_a_full_disk_campaigns_only_where_nobody_has_space(void **state)
{
    (void)state;
    px_bench *bench = bench_open(0, 3, true);
    px_input input = {.kind = PX_IN_DISK, .disk = PX_DISK_FULL};
    bench_step(bench, &input);
    bench_rounds(bench, 4, 6, &unserved);
    assert_int_equal(bench->view.elections, 0);
    px_message full = unserved;
    full.disk = PX_DISK_FULL;
    bench_rounds(bench, 3, 6, &full);
    assert_int_equal(bench->view.elections, 1);
    bench_close(bench);
}

/* ---- R14 ---- */

static bool a_served_answerer_holds_back(void)
{
    px_bench *bench = bench_open(0, 3, true);
    px_message served = {.kind = PX_MESSAGE_HEARD, .served = true};
    served.state.promised = ballot_of(5, 2);
    bench_rounds(bench, 6, 2, &served); /* it hears member 1 alone, which has a leader */
    const bool holds = bench->view.elections == 0;
    bench_close(bench);
    return holds;
}

static void r14__nobody_campaigns_while_an_answerer_is_served(void **state)
{
    (void)state;
    bench_prove(a_served_answerer_holds_back, "r14_campaign_though_others_are_served");
}

static bool the_number_is_above_all_that_was_seen(void)
{
    px_bench *bench = bench_open(0, 3, true);
    px_message heard = {.kind = PX_MESSAGE_HEARD};
    heard.state.promised = ballot_of(40, 2);
    bench_rounds(bench, 3, 6, &heard);
    bench_sync(bench);
    const bool holds = bench->view.elections == 1 && bench->view.state.promised.number == 41;
    bench_close(bench);
    return holds;
}

static void r14__a_campaign_is_above_every_number_seen(void **state)
{
    (void)state;
    bench_prove(the_number_is_above_all_that_was_seen, "r14_number_from_own_promise");
}

static bool a_leader_rises_above_the_unserved(void)
{
    px_bench *bench = bench_open(0, 3, true);
    const px_ballot ballot = bench_lead(bench, 6);
    px_message heard = {.kind = PX_MESSAGE_HEARD, .served = true};
    heard.state.promised = ballot;
    const px_message stranded = {.kind = PX_MESSAGE_HEARD,
                                 .state = {.promised = ballot_of(ballot.number + 5, 2)}};
    for (uint32_t i = 0; i < 2; i++) {
        bench_rounds(bench, 1, 2, &heard);
        px_message answer = stranded;
        answer.round = i + 2;
        const px_effect *heartbeat = bench_sent_now(bench, PX_MESSAGE_HEARTBEAT, 2);
        if (heartbeat) answer.round = heartbeat->send.message.round;
        bench_give(bench, 2, &answer);
    }
    bench_rounds(bench, 1, 2, &heard);
    bench_sync(bench);
    const bool holds = bench->view.state.promised.number == ballot.number + 6;
    bench_close(bench);
    return holds;
}

static void r14__a_leader_campaigns_anew_above_an_unserved_promise(void **state)
{
    (void)state;
    bench_prove(a_leader_rises_above_the_unserved, "r14_leader_ignores_unserved_above");
}

/* Member 1 follows, and hears member 2, which has promised more and which the leader does not hear. */
static bool a_leader_rises_above_whom_its_follower_hears(void)
{
    px_bench *bench = bench_open(0, 3, true);
    const px_ballot ballot = bench_lead(bench, 6);
    px_message heard = {.kind = PX_MESSAGE_HEARD, .served = true, .follows = ballot};
    heard.state.promised = ballot;
    heard.above = ballot.number + 5;
    heard.follows = ballot_of(ballot.number, 1); /* of another ballot that says nothing */
    bench_rounds(bench, 2, 2, &heard);
    bool holds = bench->view.elections == 1;
    heard.follows = ballot;
    bench_rounds(bench, 2, 2, &heard);
    bench_sync(bench);
    holds = holds && bench->view.elections == 2 && bench->view.state.promised.number == ballot.number + 6;
    bench_close(bench);
    return holds;
}

static void r14__a_leader_campaigns_anew_above_whom_its_follower_hears(void **state)
{
    (void)state;
    assert_true(a_leader_rises_above_whom_its_follower_hears());
}

static uint64_t above_said(px_bench *bench)
{
    const px_message heartbeat = {.kind = PX_MESSAGE_HEARTBEAT, .round = 9};
    bench_give(bench, 1, &heartbeat);
    const px_effect *said = bench_sent_now(bench, PX_MESSAGE_HEARD, 1);
    assert_non_null(said);
    return said->send.message.above;
}

/* Gives it two answers to its latest round: of member 1, which leads, and of member 2. */
static void answer_both(px_bench *bench, px_ballot leads, const px_message *other)
{
    px_message leader = {.kind = PX_MESSAGE_HEARD, .served = true, .leads = leads, .follows = leads};
    px_message answer = *other;
    leader.state.promised = leads;
    bench_rounds(bench, 1, 0, &leader);
    const px_effect *heartbeat = bench_sent_now(bench, PX_MESSAGE_HEARTBEAT, 1);
    assert_non_null(heartbeat);
    leader.round = answer.round = heartbeat->send.message.round;
    bench_give(bench, 1, &leader);
    bench_give(bench, 2, &answer);
}

static bool a_follower_passes_a_higher_promise_on(void)
{
    px_bench *bench = bench_open(0, 3, true);
    px_message other = {.kind = PX_MESSAGE_HEARD, .state.promised = ballot_of(9, 2)};
    answer_both(bench, ballot_of(5, 1), &other);
    bool holds = above_said(bench) == 9;
    other.served = true; /* by another leader */
    answer_both(bench, ballot_of(5, 1), &other);
    holds = holds && above_said(bench) == 0;
    other.served = false;
    answer_both(bench, ballot_of(10, 1), &other); /* the leader is above it by now */
    holds = holds && above_said(bench) == 0;
    bench_close(bench);
    return holds;
}

static void r14__a_follower_tells_the_leader_of_a_higher_promise_that_nobody_serves(void **state)
{
    (void)state;
    bench_prove(a_follower_passes_a_higher_promise_on, "r14_promise_is_not_passed_on");
}

static void r14__a_minority_does_not_campaign(void **state)
{
    (void)state;
    px_bench *bench = bench_open(0, 5, true);
    bench_rounds(bench, 6, 2, &unserved);
    assert_int_equal(bench->view.elections, 0);
    bench_rounds(bench, 2, 6, &unserved);
    assert_int_equal(bench->view.elections, 1);
    bench_close(bench);
}

/* It campaigned while it lost the others; when a link comes back, they may be served long since. */
static bool a_candidate_that_nobody_hears_gives_up(void)
{
    px_bench *bench = bench_open(0, 3, true);
    bench_rounds(bench, 3, 6, &unserved);
    bench_sync(bench);
    assert_int_equal(bench->view.elections, 1);
    bench_rounds(bench, 4, 0, &unserved);
    px_input input = {.kind = PX_IN_LINK, .link = {1, false, 0}};
    bench_step(bench, &input);
    input = (px_input){.kind = PX_IN_LINK, .link = {1, true, BENCH_ID(1)}};
    bench_step(bench, &input);
    const bool holds = bench_sent(bench, PX_MESSAGE_PREPARE, 1) == NULL;
    bench_rounds(bench, 3, 6, &unserved);
    assert_true(bench->view.elections > 1); /* it campaigns anew where nobody is served */
    bench_close(bench);
    return holds;
}

static void r14__a_candidate_that_nobody_hears_gives_up(void **state)
{
    (void)state;
    bench_prove(a_candidate_that_nobody_hears_gives_up, "r14_candidate_never_gives_up");
}

static void r14__a_leader_hands_over_to_a_caught_up_voter_and_stops(void **state)
{
    (void)state;
    px_bench *bench = bench_open(0, 3, true);
    const px_ballot ballot = bench_lead(bench, 6);
    bench_propose(bench);
    bench_sync(bench);
    px_input input = {.kind = PX_IN_TRANSFER, .transfer = PX_MEMBERS_MAX};
    bench_step(bench, &input);
    assert_null(bench_sent(bench, PX_MESSAGE_TAKE_OVER, 1));
    assert_int_equal(px_core_room(bench->core).bytes, 0); /* it proposes nothing more */
    px_message accepted = {.kind = PX_MESSAGE_ACCEPTED, .ballot = ballot};
    accepted.state = (px_node_state){.promised = ballot, .accepted = ballot, .durable = 1, .taken = 1};
    bench_give(bench, 2, &accepted);
    assert_non_null(bench_sent_now(bench, PX_MESSAGE_TAKE_OVER, 2));
    assert_int_equal(bench->view.role, PX_ROLE_FOLLOWER);
    bench_rounds(bench, 1, 6, &unserved); /* and leaves the other time */
    assert_int_equal(bench->view.elections, 1);
    bench_close(bench);
}

static void r14__whoever_is_told_to_take_over_campaigns_at_once(void **state)
{
    (void)state;
    px_bench *bench = bench_open(0, 3, true);
    const px_message prepare = {.kind = PX_MESSAGE_PREPARE,
                                .ballot = ballot_of(5, 1),
                                .state = {.promised = ballot_of(5, 1)}};
    bench_give(bench, 1, &prepare);
    bench_sync(bench);
    px_message served = {.kind = PX_MESSAGE_HEARD, .served = true};
    served.state.promised = ballot_of(5, 1);
    bench_rounds(bench, 1, 6, &served);
    const px_message stale = {.kind = PX_MESSAGE_TAKE_OVER, .ballot = ballot_of(4, 1)};
    bench_give(bench, 1, &stale);
    assert_int_equal(bench->view.role, PX_ROLE_FOLLOWER);
    const px_message take_over = {.kind = PX_MESSAGE_TAKE_OVER, .ballot = ballot_of(5, 1)};
    bench_give(bench, 1, &take_over);
    assert_int_equal(bench->view.role, PX_ROLE_CANDIDATE);
    bench_close(bench);
}

/* One of five answers, with a higher promise: a campaign would find no majority. */
static void r14__a_leader_that_hears_a_minority_steps_down_rather_than_campaign(void **state)
{
    (void)state;
    px_bench *bench = bench_open(0, 5, true);
    const px_ballot ballot = bench_lead(bench, 30);
    px_message stranded = {.kind = PX_MESSAGE_HEARD};
    stranded.state.promised = ballot_of(ballot.number + 5, 1);
    const uint64_t elections = bench->view.elections;
    bench_rounds(bench, 1, 0, &stranded); /* of the others the last round's answers count still */
    bench_rounds(bench, 1, 2, &stranded);
    assert_int_equal(bench->view.role, PX_ROLE_LEADER);
    bench_rounds(bench, 1, 0, &stranded);
    assert_int_equal(bench->view.elections, elections);
    assert_int_equal(bench->view.role, PX_ROLE_FOLLOWER);
    bench_close(bench);
}

static void set_disk(px_bench *bench, px_disk_health disk)
{
    px_input input = {.kind = PX_IN_DISK, .disk = disk};
    bench_step(bench, &input);
}

/* All disks are full: somebody has to lead. With space at member 2, it is the one. */
static void r17__a_leader_with_a_full_disk_hands_over_to_who_has_space(void **state)
{
    (void)state;
    px_bench *bench = bench_open(0, 3, true);
    const px_ballot ballot = bench_lead(bench, 6);
    px_message heard = {.kind = PX_MESSAGE_HEARD, .served = true, .disk = PX_DISK_FULL};
    heard.state = (px_node_state){.promised = ballot, .accepted = ballot};
    bench_rounds(bench, 1, 6, &heard);
    set_disk(bench, PX_DISK_FULL);
    for (uint32_t i = 0; i < 4; i++) {
        bench_rounds(bench, 1, 6, &heard);
        assert_null(bench_sent(bench, PX_MESSAGE_TAKE_OVER, 1));
    }
    assert_int_equal(bench->view.role, PX_ROLE_LEADER);
    assert_int_equal(px_core_room(bench->core).bytes, 0);
    bench_rounds(bench, 1, 2, &heard);
    heard.disk = PX_DISK_WELL;
    bool is_handed_over = false;
    for (uint32_t i = 0; i < 4 && !is_handed_over; i++) {
        bench_rounds(bench, 1, 4, &heard);
        is_handed_over = bench_sent(bench, PX_MESSAGE_TAKE_OVER, 2) != NULL;
        assert_null(bench_sent(bench, PX_MESSAGE_TAKE_OVER, 1));
    }
    assert_true(is_handed_over);
    assert_int_equal(bench->view.role, PX_ROLE_FOLLOWER);
    bench_close(bench);
}

/* Asked for by name, a member whose disk is full, too, does not get the lead. */
static void r14__a_full_leader_does_not_hand_over_to_a_full_member(void **state)
{
    (void)state;
    px_bench *bench = bench_open(0, 3, true);
    const px_ballot ballot = bench_lead(bench, 6);
    px_message heard = {.kind = PX_MESSAGE_HEARD, .served = true, .disk = PX_DISK_FULL};
    heard.state = (px_node_state){.promised = ballot, .accepted = ballot};
    bench_rounds(bench, 1, 6, &heard);
    set_disk(bench, PX_DISK_FULL);
    px_input input = {.kind = PX_IN_TRANSFER, .transfer = 1};
    bench_step(bench, &input);
    assert_null(bench_sent(bench, PX_MESSAGE_TAKE_OVER, 1));
    set_disk(bench, PX_DISK_WELL);
    bench_step(bench, &input);
    assert_non_null(bench_sent(bench, PX_MESSAGE_TAKE_OVER, 1));
    bench_close(bench);
}

/* What only who may campaign is to be told, a node that may not does not heed. */
static void r14__who_may_not_campaign_does_not_take_over(void **state)
{
    (void)state;
    const px_message prepare = {.kind = PX_MESSAGE_PREPARE,
                                .ballot = ballot_of(5, 1),
                                .state = {.promised = ballot_of(5, 1)}};
    const px_message take_over = {.kind = PX_MESSAGE_TAKE_OVER, .ballot = ballot_of(5, 1)};
    for (uint32_t kind = 0; kind < 3; kind++) {
        px_bench *bench = bench_open(0, 3, true);
        bench_give(bench, 1, &prepare);
        bench_sync(bench);
        px_message served = {.kind = PX_MESSAGE_HEARD, .served = true};
        served.state.promised = ballot_of(5, 1);
        bench_rounds(bench, 1, kind == 0 ? 0 : 6, &served); /* no majority is heard */
        if (kind == 1) bench_roster(bench, 900);            /* its disk was emptied */
        if (kind == 2) set_disk(bench, PX_DISK_OVERDUE);
        bench_give(bench, 1, &take_over);
        assert_int_equal(bench->view.elections, 0);
        bench_close(bench);
    }
}

/* A single node that was told its roster again, as after every start, leads on. */
static void r14__a_single_node_leads_at_once_and_stays(void **state)
{
    (void)state;
    px_bench *bench = bench_open(0, 1, true);
    bench_sync(bench);
    assert_int_equal(bench->view.role, PX_ROLE_LEADER);
    bench_roster(bench, BENCH_ID(0));
    assert_int_equal(bench->view.role, PX_ROLE_LEADER);
    assert_int_equal(bench->view.elections, 1);
    bench_close(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(r13__a_link_that_works_one_way_counts_as_none),
        cmocka_unit_test(r13__an_answer_to_an_old_round_proves_nothing),
        cmocka_unit_test(r13__a_leader_that_no_majority_answers_steps_down),
        cmocka_unit_test(r13__a_leader_above_which_a_majority_promised_steps_down),
        cmocka_unit_test(r13__a_leader_with_a_stuck_disk_steps_down_where_another_is_well),
        cmocka_unit_test(r13__a_node_with_a_stuck_disk_does_not_campaign),
        cmocka_unit_test(r13__a_leader_that_chooses_nothing_on_stuck_voters_steps_down),
        cmocka_unit_test(r14__nobody_campaigns_on_voters_whose_disks_are_stuck),
        cmocka_unit_test(r13__a_node_with_a_full_disk_campaigns_only_where_nobody_has_space),
        cmocka_unit_test(r14__nobody_campaigns_while_an_answerer_is_served),
        cmocka_unit_test(r14__a_campaign_is_above_every_number_seen),
        cmocka_unit_test(r14__a_leader_campaigns_anew_above_an_unserved_promise),
        cmocka_unit_test(r14__a_leader_campaigns_anew_above_whom_its_follower_hears),
        cmocka_unit_test(r14__a_follower_tells_the_leader_of_a_higher_promise_that_nobody_serves),
        cmocka_unit_test(r14__a_minority_does_not_campaign),
        cmocka_unit_test(r14__a_candidate_that_nobody_hears_gives_up),
        cmocka_unit_test(r14__a_leader_hands_over_to_a_caught_up_voter_and_stops),
        cmocka_unit_test(r14__whoever_is_told_to_take_over_campaigns_at_once),
        cmocka_unit_test(r14__a_leader_that_hears_a_minority_steps_down_rather_than_campaign),
        cmocka_unit_test(r17__a_leader_with_a_full_disk_hands_over_to_who_has_space),
        cmocka_unit_test(r14__a_full_leader_does_not_hand_over_to_a_full_member),
        cmocka_unit_test(r14__who_may_not_campaign_does_not_take_over),
        cmocka_unit_test(r14__a_single_node_leads_at_once_and_stays),
    };
    return cmocka_run_group_tests_name("R13 and R14", tests, NULL, NULL);
}
