"""The hosts of a job: the names of its instances, and the loopback addresses by which those reach each other here.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html
("Distributed Training Configuration") and build-your-own-processing-container.html (byoc-config).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from mlci_dataclasses import dataclass

#: The file that names of hosts are looked up in.
HOSTS_FILE = Path("/etc/hosts")
#: The instances that a job may have here: the last part of an address tells them apart.
MAX_INSTANCES = 100


@dataclass(frozen=True)
class Host:
    """One instance of a job, and the names of all: sorted as texts, as SageMaker has them. The first is the master."""

    name: str
    names: tuple[str, ...]

    @property
    def number(self) -> int:
        """The place of the host among all, from 0 on."""
        return self.names.index(self.name)

    @property
    def is_alone(self) -> bool:
        return len(self.names) == 1

    @property
    def network(self) -> str:
        """The interface by which the hosts reach each other: here, that of loopback addresses."""
        return "eth0" if self.is_alone else "lo"


#: The host of a job with one instance.
SINGLE_HOST = Host("algo-1", ("algo-1",))


def hosts_of(count: int) -> tuple[Host, ...]:
    """Return the hosts of a job with that number of instances.

    >>> [host.name for host in hosts_of(2)], hosts_of(11)[1].name
    (['algo-1', 'algo-2'], 'algo-10')
    """
    names = tuple(sorted(f"algo-{number}" for number in range(1, count + 1)))
    return tuple(Host(name, names) for name in names)


def hosts_file(present: str, names: Sequence[str], job: str) -> str:
    """Return the content of `/etc/hosts` for the hosts of a job: each has a loopback address of its own.

    The addresses come from the job's name, so that jobs that run at once may listen on the same ports.

    >>> print(hosts_file("127.0.0.1 localhost", ["algo-1", "algo-2"], "job"))
    127.0.0.1 localhost
    127.94.140.1 algo-1
    127.94.140.2 algo-2
    <BLANKLINE>
    """
    digest = hashlib.sha256(job.encode()).digest()
    block = f"127.{digest[0] or 1}.{digest[1]}"
    lines = [f"{block}.{number} {name}" for number, name in enumerate(names, 1)]
    return "\n".join([*present.splitlines(), *lines, ""])
