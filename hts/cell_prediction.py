"""The cell in whose basis the next pass of a variable-cell relaxation is done."""

from collections.abc import Sequence

import numpy as np

# Points this near the end of a relaxation (relative volume) lie on one line in P(ln V).
NEAR = 0.03
# A step beyond this would be an extrapolation.
LARGEST_STEP = 0.05


def volume_ratio_to_target(volumes_ang3: Sequence[float], pressures_gpa: Sequence[float], residual_gpa: float) -> float:
    """Return the volume at the target pressure over the volume where a relaxation ended.

    A variable-cell relaxation keeps the plane waves of its first cell, so that the pressure of a new scf in its last
    cell is off by an error that grows with ln(V/V0). Newton's step with that error included leads to the target; the
    next pass starts there and has nearly nothing left to change, hence no such error.

    Parameters
    ----------
    volumes_ang3, pressures_gpa : sequence of float
        Of the steps of the relaxation, in the basis of the first.
    residual_gpa : float
        Pressure of a new scf in the last cell minus the target.

    Returns
    -------
    float
        1 where the steps don't tell the bulk modulus, or the step would be an extrapolation.
    """
    strains = np.log(np.asarray(volumes_ang3) / volumes_ang3[-1])
    near = np.abs(strains) < NEAR
    if np.ptp(strains[near]) < 1e-5:
        return 1.0
    modulus_gpa = -np.polyfit(strains[near], np.asarray(pressures_gpa)[near], 1)[0]
    # Of the basis: what it adds to the pressure for a unit of ln V.
    basis_gpa = residual_gpa / -strains[0] if abs(strains[0]) > 1e-4 else 0.0
    step = residual_gpa / (modulus_gpa - basis_gpa)
    return float(np.exp(step)) if modulus_gpa > max(basis_gpa, 0.0) and abs(step) < LARGEST_STEP else 1.0
