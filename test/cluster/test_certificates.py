# test_certificates.py - who may speak to whom, and the words for those who may not.
#
#     px1 ----- px2        form nothing without px3 at the first start, and say why
#       \       /
#        x     x           px3: certificate of another root, or another name than expected
#          px3
# SPDX-License-Identifier: Apache-2.0
import os
import shutil
import subprocess

from px_cluster import DEADLINE_S, PX, PXCTL, make_certificates, wait_until


def wait_words(node, *words):
    """Waits for one line of the log that holds all words."""
    wait_until(f"{words} in the log of {node.name}",
               lambda: any(all(word in line.lower() for word in words) for line in node.log().splitlines()))


def test_a_certificate_of_another_root_is_refused_with_words_on_both_sides(make_cluster, tmp_path):
    three = make_cluster(3)
    stranger = three.nodes[2]
    make_certificates(tmp_path, stranger.name)
    stranger.configure(three.others(stranger), str(tmp_path))
    for node in three.nodes:
        node.start()
    for node in three.others(stranger):
        wait_words(node, stranger.name, "certificate")
        wait_words(stranger, node.name, "certificate")
    assert all(node.status()["leader"] is None for node in three.nodes)


def test_a_name_that_is_not_expected_is_refused_with_words_on_both_sides(make_cluster, certificates):
    three = make_cluster(3)
    stranger = three.nodes[2]
    stranger.name = "px7.example"   # the same root, but the others expect px3.example
    stranger.configure(three.others(stranger), certificates)
    for node in three.nodes:
        node.start()
    for node in three.others(stranger):
        wait_words(node, "px3.example", "certificate")
        wait_words(stranger, node.name)
    assert all(node.status()["leader"] is None for node in three.nodes)


def test_a_refused_node_joins_once_it_has_the_right_certificate(make_cluster, certificates, tmp_path):
    three = make_cluster(3)
    stranger = three.nodes[2]
    make_certificates(tmp_path, stranger.name)
    stranger.configure(three.others(stranger), str(tmp_path))
    for node in three.nodes:
        node.start()
    wait_words(three.nodes[0], stranger.name, "certificate")
    stranger.stop()
    stranger.configure(three.others(stranger), certificates)
    stranger.start()
    three.wait_leader()


def run_px(*words):
    return subprocess.run([PX, *words], capture_output=True, timeout=DEADLINE_S)


def test_check_finds_nothing_in_good_files_and_one_fault_in_others(make_cluster, certificates, tmp_path):
    single = make_cluster(1)
    node = single.nodes[0]
    assert run_px("--check", node.config).returncode == 0
    assert not os.path.exists(node.data)
    for name in os.listdir(certificates):
        shutil.copy(os.path.join(certificates, name), tmp_path)
    tls = node.settings["me"]["tls_config_info"]
    make_certificates(tmp_path / "other", "px1.example")
    faults = {
        "me.tls_config_info.key_path": str(tmp_path / "px2.example.key"),
        "me.tls_config_info.cert_path": str(tmp_path / "missing.crt"),
        "me.tls_config_info.ca_cert_path": str(tmp_path / "other" / "ca.crt"),
    }
    for path, value in faults.items():
        key = path.rsplit(".", 1)[1]
        good, tls[key] = tls[key], value
        node.write_config()
        for words in (["--check", node.config], [node.config]):
            run = run_px(*words)
            lines = run.stderr.decode().splitlines()
            assert run.returncode == 2 and len(lines) == 1, run.stderr
            assert node.config in lines[0] and "me.tls_config_info." in lines[0]
        tls[key] = good
    assert not os.path.exists(node.data)


def test_certs_keeps_the_root_and_guards_the_keys(tmp_path):
    folder = tmp_path / "made"
    make_certificates(folder, "px1.example")
    root = (folder / "ca.crt").read_bytes(), (folder / "ca.key").read_bytes()
    make_certificates(folder, "px2.example", "px3.example")
    assert root == ((folder / "ca.crt").read_bytes(), (folder / "ca.key").read_bytes())
    names = ["ca", "px1.example", "px2.example", "px3.example"]
    assert sorted(os.listdir(folder)) == sorted(name + end for name in names for end in (".crt", ".key"))
    assert all(os.stat(folder / f"{name}.key").st_mode & 0o777 == 0o600 for name in names)
    refused = subprocess.run([PXCTL, "certs", folder, "no name"], capture_output=True, timeout=DEADLINE_S)
    assert refused.returncode == 1 and refused.stderr.count(b"\n") == 1
