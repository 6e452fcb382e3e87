"""An optional order of candidates: which ones to compute first.

It is a heuristic that orders computing time. It is no result: it predicts neither Tc nor stability, a low score
excludes nothing, and nothing that is reported may rest on it. Its terms and their ranges follow from published
hydrides, which were themselves found where people looked: that these come out high is no validation.

Every term is 0 (against) to 1 (for), and the score is their weighted mean.

`hydrogen`: the hydrogen fraction. Light atoms with states at the Fermi energy; in the known hydrides Tc grows with it
(M. Belli et al., Nat. Commun. 12, 5381 (2021), https://doi.org/10.1038/s41467-021-25687-0).

`metallisation`: xi, cut to 0 to 1. H2 molecules keep their electrons in a deep bonding level (V. Labet et al., J. Chem.
Phys. 136, 074501 (2012), https://doi.org/10.1063/1.3679662).

`electron_count`: 1 at the best count of the prototype, 0 one electron below it, where the shell is full and the crystal
an insulator: 19 and 18 in A2XH6 (K. Dolui et al., Phys. Rev. Lett. 132, 166001 (2024),
https://doi.org/10.1103/PhysRevLett.132.166001). Only with a best count.

`open_shell`: 0 when the formal charges balance (KMgH3, K2SiH6: salts that insulate), towards 1 with the charge that is
left over.

`donation`: electrons per hydrogen atom that the electropositive elements give, up to the 1/3 of CaH6: with fewer of
them H2 units stay together (H. Wang et al., Proc. Natl. Acad. Sci. 109, 6463 (2012),
https://doi.org/10.1073/pnas.1118168109). An X more electronegative than hydrogen (C, N, S) gives none.

`large_cation`, `soft_cation`, `small_backbone`: a large A of low electronegativity against X compresses the backbone of
hydrogen and a small X, as La around BeH8 units (Z. Zhang et al., Phys. Rev. Lett. 128, 047001 (2022),
https://doi.org/10.1103/PhysRevLett.128.047001).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from hts.errors import UserError

# What a filled or open shell does to Tc outweighs sizes (Mg2IrH6 against Mg2OsH6), so the electron count weighs as much
# as the three terms of size together; the others are about equal. Only ratios matter. Not fitted to any Tc.
WEIGHTS: dict[str, float] = {
    "hydrogen": 1.0,
    "metallisation": 1.0,
    "electron_count": 3.0,
    "open_shell": 1.0,
    "donation": 1.0,
    "large_cation": 1.0,
    "soft_cation": 1.0,
    "small_backbone": 1.0,
}

# Electrons: the width of the electron-count term, wide enough for the published 20-electron Mg2PdH6 and Mg2PtH6.
ELECTRON_COUNT_WIDTH = 2.0
# Elementary charges per formula unit at which the open-shell term is 1/2: a whole charge left over is a metal.
OPEN_SHELL_CHARGE = 0.5
# Angstrom. Shannon radii of the smallest and largest cations (Be2+ 0.45, Cs+ 1.67) and of backbone formers, from
# B3+ 0.27 to where a cation is as large as Y3+ (0.90).
CATION_RADIUS_RANGE_ANG = (0.45, 1.67)
BACKBONE_RADIUS_RANGE_ANG = (0.27, 0.90)
# Pauling. What Be is above La in LaBeH8, the synthesised member of its family, counts in full: A is ionised then.
FULL_ELECTRONEGATIVITY_DIFFERENCE = 0.47
# CaH6, the first sodalite clathrate.
FULL_DONATION_PER_HYDROGEN = 1 / 3


@dataclass(frozen=True)
class Ranking:
    """Where a candidate stands in the order of computing.

    Attributes
    ----------
    score : float
        0 to 1, weighted mean of the terms; 0 when there are none.
    terms : dict[str, float]
        Each 0 to 1, by the names of `WEIGHTS`; a term whose descriptor does not exist is left out.
    """

    score: float
    terms: dict[str, float]


def rank_score(
    descriptors: Mapping[str, float | None],
    best_electron_count: float | None = None,
    weights: Mapping[str, float] | None = None,
) -> Ranking:
    """Score a candidate by its descriptors: a heuristic that orders computing time, no result.

    Parameters
    ----------
    descriptors : Mapping[str, float | None]
        From `hts.descriptors`; missing keys count as None.
    best_electron_count : float, optional
        Valence electrons per formula unit at which the prototype is the best metal, one above its full shell.
    weights : Mapping[str, float], optional
        Replaces the weights of the named terms; 0 takes a term out of the score.

    Returns
    -------
    Ranking

    Raises
    ------
    UserError
        When a weight has an unknown name, is negative or not finite.
    """
    used = WEIGHTS if weights is None else {**WEIGHTS, **_checked(weights)}
    terms = {name: value for name, value in _terms(descriptors, best_electron_count).items() if value is not None}
    total = sum(used[name] for name in terms)
    score = sum(used[name] * value for name, value in terms.items()) / total if total else 0.0
    return Ranking(score=min(score, 1.0), terms=terms)  # rounding can end just above 1


def electron_count_term(electrons: float, best: float) -> float:
    """Return 1 at the best electron count, exactly 0 one below it (the full shell), and less on both sides.

    Parameters
    ----------
    electrons, best : float
        Valence electrons per formula unit.

    Returns
    -------
    float
        0 to 1, smooth: (d + 1)^2 / ((d + 1)^2 + d^2) exp(-(d / width)^2) with d = electrons - best. It has its maximum
        at d = 0 and a double zero at d = -1. A2XH6 with 20 electrons has 0.62, with 17 0.07.
    """
    distance = electrons - best
    above_shell = (distance + 1) ** 2
    return above_shell / (above_shell + distance**2) * math.exp(-((distance / ELECTRON_COUNT_WIDTH) ** 2))


def _terms(descriptors: Mapping[str, float | None], best_electron_count: float | None) -> dict[str, float | None]:
    electrons = descriptors.get("valence_electrons_per_formula_unit")
    charge = descriptors.get("formal_charge_per_formula_unit")
    cation = descriptors.get("cation_radius_ang")
    difference = descriptors.get("ionic_radius_difference_ang")
    backbone = None if cation is None or difference is None else cation - difference
    smallness = _part(backbone, *BACKBONE_RADIUS_RANGE_ANG)
    return {
        "hydrogen": _part(descriptors.get("hydrogen_fraction"), 0, 1),
        "metallisation": _part(descriptors.get("hh_bond_order_xi"), 0, 1),
        "electron_count": None
        if electrons is None or best_electron_count is None
        else electron_count_term(electrons, best_electron_count),
        "open_shell": None if charge is None else charge**2 / (charge**2 + OPEN_SHELL_CHARGE**2),
        "donation": _part(descriptors.get("donated_electrons_per_hydrogen"), 0, FULL_DONATION_PER_HYDROGEN),
        "large_cation": _part(cation, *CATION_RADIUS_RANGE_ANG),
        "soft_cation": _part(
            descriptors.get("metal_electronegativity_difference"), 0, FULL_ELECTRONEGATIVITY_DIFFERENCE
        ),
        "small_backbone": None if smallness is None else 1 - smallness,
    }


def _part(value: float | None, low: float, high: float) -> float | None:
    """Return where the value lies between low (0) and high (1); cut outside, None for None."""
    return None if value is None else min(max((value - low) / (high - low), 0.0), 1.0)


def _checked(weights: Mapping[str, float]) -> Mapping[str, float]:
    for name, weight in weights.items():
        if name not in WEIGHTS:
            raise UserError(f"ranking weight {name!r} is unknown; choose from {', '.join(WEIGHTS)}")
        if not (math.isfinite(weight) and weight >= 0):
            raise UserError(f"ranking weight {name} is {weight}; give a finite number, 0 or above")
    return weights
