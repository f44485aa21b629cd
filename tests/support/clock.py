"""The time zone of a run of the tests: one in which no run passes midnight."""

from __future__ import annotations

import os
import sys
import time

_HOUR = 2  # of the day, when the run begins


def choose_time_zone() -> None:
    """Choose a time zone in which it is early morning, for this process, those that it starts, and their servers.

    Tests compare dates that Python takes from its clock, some of them when a module is imported, with those that the
    server takes. initdb gives a new server the time zone of its environment. The processes of pytest-xdist keep the
    zone of the process that started them.
    """
    assert "tests.support.world" not in sys.modules, "it has taken its dates already"
    if "PYTEST_XDIST_WORKER" not in os.environ:
        ahead = (_HOUR - time.gmtime().tm_hour + 11) % 24 - 11  # hours, from -11 to 12
        os.environ["TZ"] = f"Etc/GMT{-ahead:+d}"  # POSIX counts them the other way round
    time.tzset()
