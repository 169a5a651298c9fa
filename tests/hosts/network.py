"""Hosts in network namespaces, joined by a bridge in one of its own: nothing of the machine's network is touched."""

import ctypes
import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

# For examples and documentation (RFC 5737): no network of the machine has it, and namespaces see no other anyway.
SUBNET = "192.0.2.0/24"
_ADDRESS = "192.0.2.{number}"
_CLONE_NEWNET = 0x40000000
_NAMED = Path("/run/netns")


class NetworkRefused(Exception):
    """The machine does not let us make a network."""


@dataclass(frozen=True)
class Host:
    """One host.

    Attributes:
        name: as the processes on it find it by `gethostname`.
        address: IPv4 address on the network.
        namespace: name of the namespace for `ip netns`.
        switch: name of the namespace in which the bridge is.
    """

    name: str
    address: str
    namespace: str
    switch: str

    def command(self, *argv: str) -> tuple[str, ...]:
        """A command line that runs another one on this host, in the same process."""
        inside = ("unshare", "--uts", "sh", "-c", f'hostname {self.name}; exec "$@"', "sh")
        return ("ip", "netns", "exec", self.namespace, *inside, *argv)

    def pull(self) -> None:
        """Take the plug out of the switch: what is sent is lost, and nobody is told."""
        _ip("-n", self.switch, "link", "set", f"to-{self.name}", "down")

    def plug_in(self) -> None:
        """Put the plug back."""
        _ip("-n", self.switch, "link", "set", f"to-{self.name}", "up")

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Be on this host: the calling thread, and whatever threads and processes it starts meanwhile."""
        with Path("/proc/thread-self/ns/net").open() as home, (_NAMED / self.namespace).open() as there:
            _move_to(there.fileno())
            try:
                yield
            finally:
                _move_to(home.fileno())


@contextmanager
def network(names: Sequence[str]) -> Iterator[list[Host]]:
    """Hosts of these names, each of which reaches all others; removed afterwards.

    Raises:
        NetworkRefused: if the machine does not have what it takes, or this process is not allowed to; says why.
    """
    missing = [program for program in ("ip", "unshare") if shutil.which(program) is None]
    if missing or os.geteuid() != 0:
        raise NetworkRefused(f"{' and '.join(missing)} missing" if missing else "only root can make namespaces")
    prefix = f"tuner-{uuid.uuid4().hex[:6]}"
    switch = f"{prefix}-switch"
    hosts = [
        Host(name, _ADDRESS.format(number=number), f"{prefix}-{name}", switch)
        for number, name in enumerate(names, start=1)
    ]
    try:
        _ip("netns", "add", switch)
        _ip("-n", switch, "link", "add", "bridge", "type", "bridge")
        _ip("-n", switch, "link", "set", "bridge", "up")
        for host in hosts:
            _add(host)
        yield hosts
    finally:
        for name in (switch, *(host.namespace for host in hosts)):
            with suppress(NetworkRefused):  # it was never made
                _ip("netns", "del", name)


def _add(host: Host) -> None:
    _ip("netns", "add", host.namespace)
    ends = ("type", "veth", "peer", "name", "eth0", "netns", host.namespace)
    _ip("-n", host.switch, "link", "add", f"to-{host.name}", *ends)
    _ip("-n", host.switch, "link", "set", f"to-{host.name}", "master", "bridge", "up")
    _ip("-n", host.namespace, "link", "set", "lo", "up")
    _ip("-n", host.namespace, "addr", "add", f"{host.address}/{SUBNET.rpartition('/')[2]}", "dev", "eth0")
    _ip("-n", host.namespace, "link", "set", "eth0", "up")


def _ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NetworkRefused(f"ip {' '.join(arguments)}: {done.stderr.strip()}")


def _move_to(namespace: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)  # os.setns came with Python 3.12
    if libc.setns(namespace, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")
