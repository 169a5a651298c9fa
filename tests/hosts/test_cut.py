"""A host that is cut off for longer than a lease loses its fit, nothing else; `make test-hosts` prints the figures."""

import subprocess
from collections.abc import Iterator

import pytest

from tests.hosts.cut import SPARED, run_cut
from tests.hosts.network import Host, NetworkRefused, network


@pytest.fixture
def hosts() -> Iterator[list[Host]]:
    try:
        with network(("one", "two")) as hosts:
            yield hosts
    except NetworkRefused as error:
        pytest.skip(f"no hosts can be made here: {error}")


def test_the_line_between_two_hosts_can_be_pulled(hosts: list[Host]) -> None:
    one, two = hosts
    listen = "import socket; s = socket.create_server(('0.0.0.0', 7000)); print('up', flush=True)\nwhile 1: s.accept()"
    ask = f"import socket; socket.create_connection(('{one.address}', 7000), timeout=2)"

    def answers() -> bool:
        return subprocess.run(two.command("python3", "-c", ask), capture_output=True, check=False).returncode == 0

    with subprocess.Popen(one.command("python3", "-c", listen), stdout=subprocess.PIPE) as server:
        try:
            assert server.stdout is not None
            assert server.stdout.readline() == b"up\n"
            assert answers()
            two.pull()
            assert not answers()
            two.plug_in()
            assert any(answers() for _ in range(10))  # the switch takes a moment on a busy machine
        finally:
            server.kill()


def test_a_host_has_a_name_and_a_loopback_of_its_own(hosts: list[Host]) -> None:
    named = subprocess.run(hosts[0].command("hostname"), capture_output=True, text=True, check=True)
    assert named.stdout == "one\n"
    with hosts[0].entered():
        inside = subprocess.run(["ip", "-br", "addr"], capture_output=True, text=True, check=True).stdout
    outside = subprocess.run(["ip", "-br", "addr"], capture_output=True, text=True, check=True).stdout
    assert hosts[0].address in inside
    assert hosts[0].address not in outside


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_host_is_cut_off_for_a_minute_and_nothing_is_done_twice() -> None:
    try:
        report = run_cut(seconds=60.0)
    except NetworkRefused as error:
        pytest.skip(f"no hosts can be made here: {error}")
    assert (report["violations"], report["late"]) == ({}, []), report
    assert report["held_by_the_host_at_the_cut"] >= 1, report
    assert report["began_on_the_host_while_it_was_cut_off"] == 0, report
    for moved in report["moved"]:
        assert moved["before_the_line_was_back"], report
        assert moved["on"] == [SPARED], report
    assert report["heard_that_its_lease_is_gone"], report
    assert report["fits_that_it_took_after_that"] >= 1, report
    assert report["same_process_as_before"], report
