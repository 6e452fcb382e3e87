"""The cell of the next relaxation: Newton's step with the error of the basis in it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hts.cell_prediction import LARGEST_STEP, volume_ratio_to_target


@given(
    modulus_gpa=st.floats(60, 600),
    basis_gpa=st.floats(-10, 10),
    start=st.floats(0.94, 1.06).filter(lambda ratio: abs(ratio - 1) > 0.005),
    target_gpa=st.floats(0, 300),
)
def test_a_linear_crystal_is_hit_at_once(modulus_gpa: float, basis_gpa: float, start: float, target_gpa: float) -> None:
    """P = P0 - B ln V in a fixed basis; a new basis adds its error for every unit of ln V from where that began."""
    v0_ang3, end = 40.0 * start, 40.0
    strains = [math.log(start) * (1 - part) for part in (0, 0.5, 0.8, 1.0)]
    volumes_ang3 = [end * math.exp(strain) for strain in strains]
    pressures_gpa = [target_gpa - modulus_gpa * strain for strain in strains]
    residual_gpa = basis_gpa * math.log(end / v0_ang3)

    ratio = volume_ratio_to_target(volumes_ang3, pressures_gpa, residual_gpa)

    def converged_gpa(volume_ang3: float) -> float:
        """Return the pressure of a new scf at a volume."""
        return target_gpa - modulus_gpa * math.log(volume_ang3 / end) + basis_gpa * math.log(volume_ang3 / v0_ang3)

    assert converged_gpa(end) - target_gpa == pytest.approx(residual_gpa, abs=1e-9)
    assert converged_gpa(end * ratio) == pytest.approx(target_gpa, abs=1e-6)


def test_no_step_where_it_would_be_a_guess() -> None:
    # One volume tells no bulk modulus.
    assert volume_ratio_to_target([40.0, 40.0], [10.0, 10.0], 2.0) == 1
    # A crystal that softens as it shrinks, and a step far beyond the points.
    assert volume_ratio_to_target([40.4, 40.0], [10.0, 9.0], 2.0) == 1
    # An error of the basis nearly as steep as P(ln V) leads far away.
    assert abs(-3.0 / (100.5 - 3.0 / math.log(41.5 / 40.0))) > LARGEST_STEP
    assert volume_ratio_to_target([41.5, 40.4, 40.0], [7.0, 10.0, 11.0], -3.0) == 1


def test_at_the_target_nothing_moves() -> None:
    assert volume_ratio_to_target([40.4, 40.0], [9.0, 10.0], 0.0) == 1
