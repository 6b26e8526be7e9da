# history.py - decides, from outside and exactly, whether what clients saw can be one log in real time.
#
# Meaning    A History holds operations (one message each, with the moments of asking and of the answer), what
#            readers were given, and barriers. check() names every violation. A message is known by its
#            payload, so payloads of operations differ. An operation that was never answered may be in the log
#            or not; one that was refused is not; where it is in the log, its index is that of the readers.
# Holds      O(n log n), no false alarm: moments are taken before asking and after the answer, so that "one
#            returned before the other was invoked" is true whenever it is said.
# Source     spec.md §3; [R7, R10-R12]. Appending with a position needs no search for a linearization: the
#            positions are one, and it is left to show that it agrees with real time.
# SPDX-License-Identifier: Apache-2.0
import bisect
import collections
import math
import threading

NEVER = math.inf
# Errors of which a client may not conclude that the message is not in the log.
UNKNOWN = ("unknown",)
# How many violations of a kind are told in words.
TOLD = 5

Violation = collections.namedtuple("Violation", "kind words")


class Operation:
    """One message: invoked, and returned once it was acknowledged or refused."""

    __slots__ = ("writer", "sequence", "payload", "invoked", "returned", "index", "error")

    def __init__(self, writer, sequence, payload, invoked):
        self.writer, self.sequence, self.payload, self.invoked = writer, sequence, payload, invoked
        self.returned, self.index, self.error = NEVER, None, None

    def acknowledge(self, index, at):
        self.returned, self.index = at, index

    def refuse(self, error, at):
        self.returned, self.error = at, error


Barrier = collections.namedtuple("Barrier", "invoked returned index")


class Reading:
    """What one reader was given, in its order."""

    def __init__(self, name):
        self.name, self.items = name, []   # (index, payload, moment)

    def add(self, index, payload, at=NEVER):
        self.items.append((index, payload, at))


class History:
    """is_whole: the readings hold the whole log and the operations are all that were asked, as after a test's
    end. Otherwise what was acknowledged last need not have been read, and strangers may have written."""

    def __init__(self, is_whole=True):
        self.is_whole = is_whole
        self.operations, self.readings, self.barriers = [], [], []
        self.lock = threading.Lock()

    # ---- what happened ----

    def invoke(self, writer, sequence, payload, at):
        operation = Operation(writer, sequence, payload, at)
        with self.lock:
            self.operations.append(operation)
        return operation

    def reader(self, name):
        reading = Reading(name)
        with self.lock:
            self.readings.append(reading)
        return reading

    def barrier(self, invoked, returned, index):
        with self.lock:
            self.barriers.append(Barrier(invoked, returned, index))

    # ---- is it good? ----

    def check(self):
        """Every violation; an empty list for a good history."""
        found = []
        log = self.check_readings(found)
        places = self.place(log, found)
        self.check_refused(log, found)
        self.check_order_of_writers(places, found)
        self.check_real_time(places, found)
        self.check_moments_of_reading(found)
        self.check_barriers(found)
        return found

    def assert_good(self):
        found = self.check()
        count = collections.Counter(violation.kind for violation in found)
        told = []
        for kind in count:
            told += [f"{kind}: {words}" for other, words in found if other == kind][:TOLD]
        assert not found, f"not the history of one log: {dict(count)}\n" + "\n".join(told)

    def check_readings(self, found):
        """Readers agree at each index, none skips or goes back, none holds a payload twice, and together they
        hold indexes 1, 2, 3...; returns index -> payload."""
        log, first_reader = {}, {}
        for reading in self.readings:
            before = None
            for index, payload, _ in reading.items:
                if before is not None and index != before + 1:
                    found.append(Violation("gap", f"{reading.name} was given {index} behind {before}"))
                before = index
                if log.setdefault(index, payload) != payload:
                    words = f"{index} is {log[index]!r} for {first_reader[index]}, " \
                            f"{payload!r} for {reading.name}"
                    found.append(Violation("fork", words))
                first_reader.setdefault(index, reading.name)
        if self.is_whole:
            absent = [index for index in range(1, max(log, default=0) + 1) if index not in log]
            found += [Violation("gap", f"nobody was given {index}") for index in absent]
        seen = {}
        known = {operation.payload for operation in self.operations}
        for index in sorted(log):
            payload = log[index]
            if payload in known and payload in seen:
                found.append(Violation("duplicate", f"{payload!r} is at {seen[payload]} and at {index}"))
            seen.setdefault(payload, index)
        return log

    def place(self, log, found):
        """Returns the operations that are in the log, as (index, operation) in the log's order."""
        where, places, taken = {payload: index for index, payload in reversed(sorted(log.items()))}, [], {}
        known = set()
        for operation in self.operations:
            assert operation.payload not in known, f"{operation.payload!r} was sent twice by the test itself"
            known.add(operation.payload)
            index = operation.index
            if index is None:
                index = where.get(operation.payload)
            elif index in log and log[index] != operation.payload:
                kind = "ack-mismatch" if operation.payload in where else "lost"
                words = f"{operation.payload!r} was acknowledged at {index}: there is {log[index]!r}"
                found.append(Violation(kind, words))
            elif index not in log and self.is_whole:
                found.append(Violation("lost", f"{operation.payload!r} was acknowledged at {index}"))
            if index is None:
                continue
            if taken.setdefault(index, operation) is not operation:
                words = f"{operation.payload!r} and {taken[index].payload!r} are both at {index}"
                found.append(Violation("same-index", words))
            places.append((index, operation))
        if self.is_whole:
            found += [Violation("phantom", f"{payload!r} at {index} was sent by nobody")
                      for index, payload in log.items() if payload not in known]
        return sorted(places, key=lambda place: place[0])

    def check_refused(self, log, found):
        there = {payload: index for index, payload in log.items()}
        for operation in self.operations:
            if operation.error and operation.error not in UNKNOWN and operation.payload in there:
                words = f"{operation.payload!r} was refused and is at {there[operation.payload]}"
                found.append(Violation("refused", words))

    def check_order_of_writers(self, places, found):
        last = {}
        for index, operation in places:
            if operation.writer is None:
                continue
            before = last.get(operation.writer)
            if before and before.sequence >= operation.sequence:
                words = f"{operation.payload!r} at {index} stands behind {before.payload!r} of its writer"
                found.append(Violation("writer-order", words))
            last[operation.writer] = operation

    def check_real_time(self, places, found):
        """Nothing stands behind what was asked only after it had returned: from the log's end, the earliest
        return of all that stands behind must not lie before the asking."""
        earliest = None
        for index, operation in reversed(places):
            if earliest and earliest.returned < operation.invoked:
                words = f"{operation.payload!r} at {index} was asked after {earliest.payload!r}, which " \
                        f"stands behind it, had returned"
                found.append(Violation("real-time", words))
            if earliest is None or operation.returned < earliest.returned:
                earliest = operation

    def check_moments_of_reading(self, found):
        asked = {operation.payload: operation.invoked for operation in self.operations}
        for reading in self.readings:
            for index, payload, moment in reading.items:
                if asked.get(payload, -NEVER) > moment:
                    words = f"{reading.name} was given {payload!r} at {index} before it was asked"
                    found.append(Violation("time-travel", words))

    def check_barriers(self, found):
        """A barrier is at or behind all that had been acknowledged, given to readers or covered by another
        barrier when it was asked; and before what was asked when it had returned."""
        known = [(operation.returned, operation.index) for operation in self.operations
                 if operation.index is not None]
        known += [(moment, index) for reading in self.readings for index, _, moment in reading.items]
        known += [(barrier.returned, barrier.index) for barrier in self.barriers]
        known.sort()
        moments = [moment for moment, _ in known]
        highest = list(running(max, [index for _, index in known]))
        later = sorted((operation.invoked, operation.index) for operation in self.operations
                       if operation.index is not None)
        asked = [moment for moment, _ in later]
        lowest = list(running(min, [index for _, index in reversed(later)]))[::-1]
        for barrier in self.barriers:
            before = bisect.bisect_left(moments, barrier.invoked)
            if before and highest[before - 1] > barrier.index:
                words = f"a barrier gave {barrier.index}, {highest[before - 1]} was known before it was asked"
                found.append(Violation("stale-barrier", words))
            behind = bisect.bisect_right(asked, barrier.returned)
            if behind < len(lowest) and lowest[behind] <= barrier.index:
                words = f"a barrier gave {barrier.index}, {lowest[behind]} was asked after it returned"
                found.append(Violation("early-barrier", words))


def running(choose, values):
    """The highest or lowest up to each value."""
    best = None
    for value in values:
        best = value if best is None else choose(best, value)
        yield best
