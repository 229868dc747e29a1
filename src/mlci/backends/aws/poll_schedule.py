"""Decides when to look for events: often where the end of a step is near, seldom where it is far, and less often in all
than by the plain rhythm, which knows no history.

The plain rhythm looks often after an event, and less often while nothing happens. Its looks are counted as it goes; one
that is left out while no step is near its usual end may be made up for where one is. A run may make one or two calls
more than by the plain rhythm, since an event that is seen earlier starts it again; few runs do.
"""

from __future__ import annotations

from collections.abc import Iterable

from mlci.backends.progress import ExpectedEnd
from mlci_dataclasses import dataclass

FIRST_S, GROWTH, LONGEST_S = 1.0, 1.5, 15.0
#: The pause where an end is near: with the time of a call, less than five seconds.
NEAR_S = 4.5
#: The longest pause where no end is near.
SELDOM_S = 30.0
#: The part of a step's usual seconds by which it may end sooner or later and still be near its end; the least of it.
_SPREAD, _LEAST_SPREAD_S = 0.1, 10.0
#: The plain rhythm is quick enough for steps that take less.
_SHORTEST_S = 30.0
#: The looks that are kept back for what follows the end of a step: the next step's start, the gate, the end of the run.
_RESERVE = 1


def pause_s(empty_polls: int, longest_s: float = LONGEST_S) -> float:
    """Return the pause of the plain rhythm after so many polls without an event.

    >>> [pause_s(polls) for polls in (0, 1, 2, 7, 100)]
    [1.0, 1.5, 2.25, 15.0, 15.0]
    """
    return float(min(FIRST_S * GROWTH ** min(empty_polls, 20), longest_s))


@dataclass
class PollSchedule:
    """The polls of one execution, on a clock in seconds. It begins with one that is due.

    `next_look_s` and `empty_looks` are the plain rhythm's. `spare` is the number of its looks without a poll. Where
    its `longest_s` is short already, it is kept to.
    """

    next_look_s: float
    longest_s: float = LONGEST_S
    spare: int = 0
    empty_looks: int = 0
    empty_polls: int = 0
    polled_s: float = 0.0
    _looks_since_poll: int = 0
    _has_news: bool = False

    def look(self, now_s: float) -> bool:
        """Return True if the plain rhythm looks now, whether or not a poll is made."""
        if now_s < self.next_look_s:
            return False
        self.spare += 1
        self._looks_since_poll += 1
        self._plan_look(now_s, self._has_news)
        return True

    def is_due(self, now_s: float, ends: Iterable[ExpectedEnd] | None) -> bool:
        """Return True if it is time to poll. Call `look` before."""
        return self.spare > 0 and self.due_s(now_s, ends) <= now_s

    def next_s(self, now_s: float, ends: Iterable[ExpectedEnd] | None) -> float:
        """Return the time of the next poll or look."""
        return min(self.next_look_s, self.due_s(now_s, ends)) if self.spare > 0 else self.next_look_s

    def due_s(self, now_s: float, ends: Iterable[ExpectedEnd] | None) -> float:
        """Return the time of the next poll, if nothing happens. Call `look` before.

        `ends` are those of the running steps; None if one of them is not known.
        """
        at_look_s = now_s if self._looks_since_poll else self.next_look_s
        ahead = [end for end in ends or () if end.left_s + _spread_s(end) > 0]
        if not ahead or self.longest_s < NEAR_S or any(end.usual_s < _SHORTEST_S for end in ahead):
            quick_s = pause_s(self.empty_polls, self.longest_s)
            return min(at_look_s, self.polled_s + quick_s) if self.spare and quick_s < NEAR_S else at_look_s
        near_in_s = min(end.left_s - _spread_s(end) for end in ahead)
        near_s = max(now_s + near_in_s, self.polled_s + NEAR_S)
        if near_in_s <= 0:
            return near_s if self.spare > _RESERVE else at_look_s
        seldom_s = self._seldom_s(at_look_s)
        return min(seldom_s, near_s) if self.spare > _RESERVE else seldom_s

    def poll(self, now_s: float, has_events: bool) -> None:
        """Count a poll."""
        self.spare -= 1
        if self._looks_since_poll:  # the plain rhythm would have seen the same
            self._plan_look(now_s, has_events)
        else:
            self._has_news = self._has_news or has_events
        self.polled_s, self._looks_since_poll = now_s, 0
        self.empty_polls = 0 if has_events else self.empty_polls + 1

    def put_off(self, until_s: float) -> None:
        """Wait for a time, because the last poll failed: the plain rhythm would wait as well."""
        self.next_look_s = until_s

    def _plan_look(self, now_s: float, has_events: bool) -> None:
        self.empty_looks = 0 if has_events else self.empty_looks + 1
        self.next_look_s, self._has_news = now_s + pause_s(self.empty_looks, self.longest_s), False

    def _seldom_s(self, at_look_s: float) -> float:
        """Return the time of the last look within SELDOM_S of the last poll; after an event, that of the second one."""
        if self.empty_polls == 0 and self._looks_since_poll == 0:
            return self.next_look_s + pause_s(1)
        if self.empty_polls == 0 or self.next_look_s - self.polled_s > SELDOM_S:
            return at_look_s
        return self.next_look_s


def _spread_s(end: ExpectedEnd) -> float:
    return max(_SPREAD * end.usual_s, _LEAST_SPREAD_S)
