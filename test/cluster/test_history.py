# test_history.py - the checker of histories finds each kind of violation, and finds none where there is none.
# SPDX-License-Identifier: Apache-2.0
import itertools
import random

import pytest

from history import History

RANDOM_HISTORIES = 300
MESSAGES = 40


def good():
    """Three messages of two writers, one reader, one barrier; every test below breaks one thing in it."""
    history = History()
    for sequence, (writer, payload) in enumerate([("a", b"one"), ("b", b"two"), ("a", b"three")], 1):
        history.invoke(writer, sequence, payload, sequence * 10).acknowledge(sequence, sequence * 10 + 5)
    reading = history.reader("r")
    for index, payload in enumerate([b"one", b"two", b"three"], 1):
        reading.add(index, payload, 100 + index)
    history.barrier(40, 41, 3)
    return history


def kinds(history):
    return {violation.kind for violation in history.check()}


def test_a_good_history_has_no_violation():
    assert kinds(good()) == set()
    assert kinds(History()) == set()


def test_readers_that_differ_at_an_index():
    history = good()
    history.reader("s").items = [(1, b"one", 200), (2, b"other", 201), (3, b"three", 202)]
    assert kinds(history) == {"fork"}


def test_a_message_that_is_lost_at_the_end():
    history = good()
    history.readings[0].items.pop()
    assert kinds(history) == {"lost"}


def test_a_message_whose_place_another_took():
    history = good()
    history.invoke("c", 1, b"late", 60)
    history.readings[0].items[2] = (3, b"late", 103)
    assert kinds(history) == {"lost", "same-index"}


def test_an_acknowledgement_that_names_another_index():
    history = good()
    first, second = history.operations[:2]
    first.index, second.index = 2, 1
    first.invoked, first.returned = second.invoked, second.returned
    assert kinds(history) == {"ack-mismatch"}


def test_two_acknowledgements_of_one_index():
    history = good()
    history.operations[0].index = 2
    assert "same-index" in kinds(history)


def test_a_message_that_is_there_twice():
    history = good()
    history.readings[0].items.append((4, b"two", 104))
    assert kinds(history) == {"duplicate"}


def test_a_message_of_nobody():
    history = good()
    history.readings[0].items.append((4, b"stranger", 104))
    assert kinds(history) == {"phantom"}
    history.is_whole = False
    assert kinds(history) == set()


def test_a_hole_in_the_indexes():
    history = good()
    history.invoke("c", 1, b"five", 60)
    history.reader("s").add(5, b"five", 105)
    assert kinds(history) == {"gap"}


def test_a_log_that_begins_behind_one():
    history = History()
    history.invoke("a", 1, b"one", 1).acknowledge(2, 2)
    history.reader("r").add(2, b"one", 3)
    assert kinds(history) == {"gap"}


def test_a_reader_that_skips_and_one_that_goes_back():
    history = good()
    history.reader("s").items = [(1, b"one", 200), (3, b"three", 201)]
    assert kinds(history) == {"gap"}
    history.readings[1].items = [(2, b"two", 200), (1, b"one", 201)]
    assert kinds(history) == {"gap"}


def test_messages_of_a_writer_in_the_wrong_order():
    history = good()
    history.operations[0].sequence = 7
    assert kinds(history) == {"writer-order"}
    history.operations[0].writer = None
    assert kinds(history) == set()


def test_a_message_before_one_that_had_returned_when_it_was_asked():
    history = good()
    history.operations[2].invoked, history.operations[2].returned = 6, 8
    history.operations[0].invoked, history.operations[0].returned = 9, 15
    assert kinds(history) == {"real-time"}


def test_an_unanswered_message_before_one_that_had_returned_when_it_was_asked():
    history = good()
    history.barriers.clear()
    history.operations[0].invoked, history.operations[0].returned = 70, float("inf")
    history.operations[0].index = None
    assert kinds(history) == {"real-time"}


def test_unanswered_messages_may_be_there_or_not():
    history = good()
    history.invoke("c", 1, b"there", 50)
    history.invoke("c", 2, b"never", 50)
    history.invoke("c", 3, b"unknown", 50).refuse("unknown", 51)
    history.readings[0].items += [(4, b"there", 104), (5, b"unknown", 105)]
    assert kinds(history) == set()


def test_a_refused_message_that_is_there():
    history = good()
    history.invoke("c", 1, b"four", 50).refuse("disk_full", 51)
    assert kinds(history) == set()
    history.readings[0].items.append((4, b"four", 104))
    assert kinds(history) == {"refused"}


def test_a_message_that_is_read_before_it_was_asked():
    history = good()
    history.readings[0].items[1] = (2, b"two", 19)
    history.readings[0].items[0] = (1, b"one", 18)
    assert kinds(history) == {"time-travel"}


def test_a_barrier_below_what_was_acknowledged_read_or_covered_before():
    history = good()
    history.barrier(50, 51, 2)
    assert kinds(history) == {"stale-barrier"}
    history = good()
    history.barriers[0] = history.barriers[0]._replace(invoked=34, returned=34.5, index=2)
    assert kinds(history) == set(), "the third message had not yet returned"
    history.readings[0].items = [(1, b"one", 31), (2, b"two", 32), (3, b"three", 33)]
    assert kinds(history) == {"stale-barrier"}
    history = good()
    history.barrier(32, 33, 3)
    history.barrier(34, 34.5, 2)
    assert kinds(history) == {"stale-barrier"}


def test_a_barrier_that_covers_what_was_asked_only_later():
    history = good()
    history.barrier(26, 29, 3)
    assert "early-barrier" in kinds(history)


# ---- chance ----


def random_history(chance):
    """A log that takes each message at a moment between asking and answer, seen by three readers."""
    history = History()
    moments = sorted(chance.uniform(0, 100) for _ in range(MESSAGES))
    last = {}
    for index, moment in enumerate(moments, 1):
        writer = chance.randrange(5)
        payload = b"%d" % index
        last[writer] = last.get(writer, 0) + 1
        operation = history.invoke(writer, last[writer], payload, moment - chance.uniform(0, 10))
        if chance.random() < 0.8:
            operation.acknowledge(index, moment + chance.uniform(0, 10))
        elif chance.random() < 0.5:
            operation.refuse("unknown", moment + chance.uniform(0, 10))
    for name in "rst":
        reading, since = history.reader(name), 0
        for index, moment in enumerate(moments, 1):
            since = max(since, moment + chance.uniform(0, 5))
            reading.add(index, b"%d" % index, since)
    for _ in range(10):
        moment = chance.uniform(0, 100)
        index = sum(1 for other in moments if other <= moment)
        history.barrier(moment - chance.uniform(0, 5), moment + chance.uniform(0, 5), index)
    chance.shuffle(history.operations)
    return history


def lose(history, chance):
    """An acknowledged message is in no reader's log, what follows moves up."""
    victim = chance.choice([operation for operation in history.operations if operation.index])
    for reading in history.readings:
        kept = [item for item in reading.items if item[1] != victim.payload]
        reading.items = [(index, item[1], item[2]) for index, item in enumerate(kept, 1)]
    return {"lost", "ack-mismatch"}


def fork(history, chance):
    reading = chance.choice(history.readings)
    place = chance.randrange(MESSAGES - 1)
    (one, first, at), (two, second, later) = reading.items[place:place + 2]
    reading.items[place:place + 2] = [(one, second, at), (two, first, later)]
    return {"fork"}


def repeat(history, chance):
    payload = chance.choice(history.operations).payload
    for reading in history.readings:
        reading.items.append((MESSAGES + 1, payload, 200))
    return {"duplicate"}


def skip(history, chance):
    del chance.choice(history.readings).items[chance.randrange(1, MESSAGES - 1)]
    return {"gap"}


def be_stale(history, chance):
    history.barrier(300, 301, chance.randrange(MESSAGES))
    return {"stale-barrier"}


def travel(history, chance):
    operation = chance.choice(history.operations)
    operation.invoked = 500
    return {"time-travel"}


def test_random_histories_are_good():
    for seed in range(RANDOM_HISTORIES):
        assert random_history(random.Random(seed)).check() == [], f"seed {seed}"


@pytest.mark.parametrize("injure", [lose, fork, repeat, skip, be_stale, travel])
def test_each_injury_of_a_random_history_is_found(injure):
    for seed in range(RANDOM_HISTORIES):
        chance = random.Random(seed)
        history = random_history(chance)
        wanted = injure(history, chance)
        assert wanted & kinds(history), f"seed {seed}"


def test_real_time_is_judged_as_by_comparing_every_pair():
    """Seven messages at random places and moments: the sweep finds a fault where any pair is at fault."""
    faulty = 0
    for seed in range(RANDOM_HISTORIES):
        chance = random.Random(seed)
        history = History()
        indexes = list(range(1, 8))
        chance.shuffle(indexes)
        for number, index in enumerate(indexes):
            begun = number * 10 + chance.uniform(0, 40)
            operation = history.invoke(None, number, b"%d" % index, begun)
            operation.acknowledge(index, begun + chance.uniform(0, 60))
        for index in range(1, 8):
            history.readings or history.reader("r")
            history.readings[0].add(index, b"%d" % index)
        pairs = itertools.permutations(history.operations, 2)
        wanted = any(one.returned < two.invoked and one.index > two.index for one, two in pairs)
        faulty += wanted
        assert kinds(history) == ({"real-time"} if wanted else set())
    assert 0 < faulty < RANDOM_HISTORIES
