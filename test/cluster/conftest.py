# conftest.py - what the cluster tests share: certificates of the session, clusters, and logs of what failed.
# SPDX-License-Identifier: Apache-2.0
import shutil
import tempfile

import pytest

import px_cluster

LOG_BYTES_SHOWN = 6000


@pytest.fixture(scope="session")
def certificates():
    """A folder with one root and a certificate for each of seven nodes."""
    folder = tempfile.mkdtemp(prefix="px-certs-", dir="/tmp")
    px_cluster.make_certificates(folder, *(f"px{place}.example" for place in range(1, 8)))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def make_cluster(request, certificates):
    """Makes clusters that end with the test; their processes are not started yet."""
    made = []
    request.node.clusters = made

    def make(size=3, **more):
        made.append(px_cluster.Cluster(size, certificates, **more))
        return made[-1]

    yield make
    for cluster in made:
        cluster.end()
        cluster.remove()


@pytest.fixture
def cluster(make_cluster):
    """Three nodes that have a leader."""
    three = make_cluster(3)
    three.start()
    return three


@pytest.fixture
def measured(request):
    """Rows of the table of test_partitions.py."""
    if not hasattr(request.config, "px_measured"):
        request.config.px_measured = []
    return request.config.px_measured


def pytest_terminal_summary(terminalreporter, config):
    """Seconds until a message asked after the failure is acknowledged at the first and at the last node, and
    until the leader is the last one; changes of a leader that was stable; the same after healing. Of a
    flapping link: the longest time without an acknowledgement at the other nodes and at its end."""
    rows = getattr(config, "px_measured", [])
    if not rows:
        return
    terminalreporter.section("links: seconds until writes flow again")
    terminalreporter.line("| scenario | nodes | first | last | settled | changes | healed | changes |")
    terminalreporter.line("|---|---|---|---|---|---|---|---|")
    for name, size, (first, last, settled, changes), healed in rows:
        terminalreporter.line(f"| {name} | {size} | {first:.2f} | {last:.2f} | {settled:.2f} | {changes} "
                              f"| {healed[1]:.2f} | {healed[3]} |")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if not report.failed:
        return
    for cluster in getattr(item, "clusters", []):
        for node in cluster.nodes:
            state = "runs" if node.is_running() else f"ended: {node.process and node.process.poll()}"
            report.sections.append((f"log of {node.name} ({state})", node.log()[-LOG_BYTES_SHOWN:]))
