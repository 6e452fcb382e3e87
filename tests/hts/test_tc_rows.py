"""The spread of a Tc table."""

from typing import Any

import pytest

from hts.tc_rows import tc_spread


def rows(*temperatures: tuple[float, float, float | None]) -> list[dict[str, Any]]:
    """McMillan, Allen-Dynes and Eliashberg Tc in K, one row for each mu*."""
    return [dict(zip(("mcmillan_k", "allen_dynes_k", "eliashberg_k"), row, strict=True)) for row in temperatures]


@pytest.mark.parametrize(
    ("table", "formulas_k", "mu_star_k"),
    [
        (rows((80.0, 95.0, 110.0)), [80.0, 110.0], [95.0, 95.0]),
        # Each range varies one thing: the second mu* is not in the first range, nor Eliashberg theory in the second.
        (rows((80.0, 95.0, 110.0), (60.0, 70.0, 90.0)), [80.0, 110.0], [70.0, 95.0]),
        (rows((60.0, 70.0, 90.0), (80.0, 95.0, 110.0)), [60.0, 90.0], [70.0, 95.0]),
        # Eliashberg Tc below the formulas, as with a rescaled mu*.
        (rows((10.0, 11.0, 9.0)), [9.0, 11.0], [11.0, 11.0]),
        # Below the floor: some number, but nobody knows which.
        (rows((0.0, 0.0, None), (0.0, 0.0, 0.0)), None, [0.0, 0.0]),
        (rows((1.0, 1.0, 1.0), (0.0, 0.0, None)), [1.0, 1.0], [0.0, 1.0]),
    ],
)
def test_each_range_varies_one_thing(
    table: list[dict[str, Any]], formulas_k: list[float] | None, mu_star_k: list[float]
) -> None:
    assert tc_spread(table) == {"formulas_k": formulas_k, "mu_star_k": mu_star_k}
