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
