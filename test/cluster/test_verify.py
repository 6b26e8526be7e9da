# test_verify.py - pxctl verify: what it says of sound, torn and damaged folders, and that it changes nothing.
# SPDX-License-Identifier: Apache-2.0
import os
import random
import re
import shutil
import subprocess

import pytest

from px_cluster import DEADLINE_S, PXCTL, Writer
from test_data_folder import contents

MESSAGES = 400


def verify(folder):
    return subprocess.run([PXCTL, "verify", folder], capture_output=True, timeout=DEADLINE_S, text=True)


@pytest.fixture
def stopped(cluster):
    """Three stopped nodes with the same messages, and the hash that they had."""
    Writer(cluster.nodes[0].fifo_in, [b"line %d" % number * 20 for number in range(MESSAGES)]).finish()
    cluster.nodes[0].wait_committed(MESSAGES)
    cluster.wait_same()
    cluster.digest = cluster.nodes[0].status()["digest"]
    for node in cluster.nodes:
        assert node.stop() == 0
    return cluster


def test_sound_folders_tell_what_is_in_them_and_are_not_changed(stopped):
    hashes = set()
    for node in stopped.nodes:
        before = contents(node.data)
        told = verify(node.data)
        assert told.returncode == 0 and not told.stderr, told
        assert f"{MESSAGES} messages sound" in told.stdout and node.name in told.stdout
        hashes.add(re.search(r"chain hash ([0-9a-f]{32}) behind slot \d+", told.stdout).group(1))
        assert contents(node.data) == before
    assert len(hashes) == 1 and stopped.digest["index"] == MESSAGES
    assert hashes == {stopped.digest["hash"]}


def flip(path, place):
    with open(path, "r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ 0x10]))


def written_bytes(path):
    with open(path, "rb") as file:
        return len(file.read().rstrip(b"\0"))


def test_any_flipped_bit_of_a_record_is_found_and_placed(stopped, tmp_path):
    source = stopped.nodes[0].data
    (name,) = [name for name in os.listdir(source) if re.fullmatch(r"[0-9a-f]{16}\.log", name)]
    size = written_bytes(os.path.join(source, name))
    with open(os.path.join(source, name), "rb") as file:
        data = file.read(size)
    chance = random.Random(7)
    for turn in range(12):
        place = chance.choice([at for at in (chance.randrange(size * 3 // 4) for _ in range(50)) if data[at]])
        copy = tmp_path / f"copy{turn}"
        shutil.copytree(source, copy, ignore=lambda folder, items: {"in", "out", "px.sock"})
        flip(copy / name, place)
        before = contents(copy)
        told = verify(str(copy))
        assert told.returncode == 1 and told.stderr.count("\n") == 1, (place, told)
        assert name in told.stderr and "damaged" in told.stderr, told.stderr
        assert contents(copy) == before
        shutil.rmtree(copy)


def records_of(path):
    """Offsets and sizes of the records in a segment, as log-format.md has them."""
    with open(path, "rb") as file:
        data = file.read()
    offset, found = 0, []
    while (offset := data.find(b"PXR1", offset)) >= 0:
        payload = int.from_bytes(data[offset + 160:offset + 168], "little")
        if offset % 8 == 0 and int.from_bytes(data[offset + 40:offset + 48], "little") == offset:
            found.append((offset, 192 + payload))
        offset += 8
    return found


def test_every_damaged_place_is_named(make_cluster):
    node = make_cluster(1).start()
    Writer(node.fifo_in, [b"line %d" % number * 20 for number in range(MESSAGES)], 1000).finish()
    node.wait_committed(MESSAGES)
    assert node.stop() == 0
    (name,) = [name for name in os.listdir(node.data) if re.fullmatch(r"[0-9a-f]{16}\.log", name)]
    path = os.path.join(node.data, name)
    records = [(offset, size) for offset, size in records_of(path) if size > 192]
    assert len(records) > 20
    payload, header, gone, first_of_two, last = (records[place] for place in (3, 7, 11, 15, -2))
    flip(path, payload[0] + 200)
    flip(path, header[0] + 60)
    with open(path, "r+b") as file:
        file.seek(gone[0])
        file.write(bytes(gone[1]))
    flip(path, first_of_two[0] + 60)
    flip(path, records[16][0] + 60)
    flip(path, last[0] + 250)
    before = contents(node.data)
    told = verify(node.data)
    places = [int(place) for place in re.findall(r"at byte (\d+)", told.stderr)]
    assert told.returncode == 1 and all(name in line for line in told.stderr.splitlines()), told.stderr
    assert len(places) == 5, told.stderr
    assert [places[0], places[1], places[3], places[4]] == [payload[0], header[0], first_of_two[0], last[0]]
    # Of a record that is all zero, the place behind the one before it is named.
    assert records[10][0] < places[2] <= gone[0]
    assert contents(node.data) == before


def test_a_segment_that_is_missing_and_damage_behind_it_are_both_named(make_cluster):
    node = make_cluster(1).start()
    with node.connect() as client:
        for number in range(72):
            client.put(op="send", data="x" * 1000000, tag=str(number))
        assert all(client.get()["ok"] for _ in range(72))
    assert node.stop() == 0
    names = sorted(name for name in os.listdir(node.data) if re.fullmatch(r"[0-9a-f]{16}\.log", name))
    assert len(names) >= 2
    damaged = os.path.join(node.data, names[1])
    offset, _ = records_of(damaged)[2]
    flip(damaged, offset + 500)
    os.remove(os.path.join(node.data, names[0]))
    told = verify(node.data)
    assert told.returncode == 1 and f"at byte {offset}" in told.stderr, told.stderr
    assert names[0] in told.stderr and names[1] in told.stderr


def test_what_is_no_stopped_nodes_folder_is_refused(stopped, tmp_path):
    node = stopped.nodes[0]
    node.start()
    node.connect().close()
    running = verify(node.data)
    assert running.returncode == 1 and "stop it" in running.stderr
    for folder in (str(tmp_path), str(tmp_path / "missing"), node.config):
        told = verify(folder)
        assert told.returncode == 1 and told.stderr.count("\n") == 1 and not told.stdout, told
    assert "no such folder" in told.stderr and os.listdir(tmp_path) == []
    usage = subprocess.run([PXCTL, "verify"], capture_output=True, timeout=DEADLINE_S)
    assert usage.returncode == 2


def test_both_copies_of_the_state_gone_bad_is_damage_and_one_is_not(stopped):
    node = stopped.nodes[0]
    flip(os.path.join(node.data, "state-a"), 20)
    told = verify(node.data)
    assert told.returncode == 0 and "one copy" in told.stdout
    flip(os.path.join(node.data, "state-b"), 20)
    told = verify(node.data)
    assert told.returncode == 1 and "state" in told.stderr
