from __future__ import annotations

import pytest

from peers import CASES, Measured, standing
from timing import Timing


def timing(wall_s: float) -> Timing:
    return Timing(wall_s, wall_s, 1.0)


def test_compares_with_the_peer_that_adds_least_to_the_scripts() -> None:
    medians = {"shell": timing(2.0), "mlci": timing(2.3), "DVC": timing(2.6), "Kedro": timing(3.0)}
    measured = Measured(CASES[0], medians, {})
    assert measured.over_scripts("DVC") == pytest.approx(0.6)
    assert standing(measured) == ("cold", "0.30", "0.60", "DVC", "50%")


def test_gives_no_share_of_a_peer_that_was_faster_than_the_scripts() -> None:
    medians = {"shell": timing(2.0), "mlci": timing(2.3), "DVC": timing(1.9)}
    assert standing(Measured(CASES[0], medians, {}))[-1] == "-"
