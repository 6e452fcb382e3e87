"""The ranking: bounds, monotony, and what the literature puts above what.

Positions of published superconductors are trends that the terms were made from; they show that the terms do what they
say, not that the ranking predicts.
"""

import math
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hts.contacts import relabelled, template_contacts
from hts.descriptors import DESCRIPTORS, descriptors_from
from hts.errors import UserError
from hts.prototypes.geometry import PrimitiveTemplate, build_template
from hts.ranking import WEIGHTS, electron_count_term, rank_score

CUBIC = (1, 1, 1, 90, 90, 90)
FLUORITE = build_template(225, CUBIC, [("A", (0, 0, 0)), ("X", (0.5, 0.5, 0.5)), ("H", (0.349, 0.349, 0.349))])
A2XH6 = build_template(225, CUBIC, [("A", (0.25, 0.25, 0.25)), ("X", (0, 0, 0)), ("H", (0.2591, 0, 0))])

# fmt: off
TRANSITION_METALS = [
    "Sc", "Ti", "V", "Cr", "Mn", "Fe", "Co", "Ni", "Cu", "Zn",
    "Y", "Zr", "Nb", "Mo", "Tc", "Ru", "Rh", "Pd", "Ag", "Cd",
    "Hf", "Ta", "W", "Re", "Os", "Ir", "Pt", "Au", "Hg",
]
# fmt: on


def described(template: PrimitiveTemplate, a: str, x: str, volume_ang3: float) -> dict[str, float | None]:
    """Return the descriptors of the member with A and X at a volume per primitive cell."""
    placed = {"A": a, "X": x, "H": "H"}
    contacts = relabelled(template_contacts(template), placed, volume_ang3 ** (1 / 3))
    return descriptors_from(template.counts(placed), contacts, volume_ang3)


def a2xh6(a: str, x: str) -> float:
    """Return the score of a member at the volume of Mg2IrH6 (a = 6.64)."""
    return rank_score(described(A2XH6, a, x, 6.64**3 / 4), best_electron_count=19).score


def percentiles(scores: dict[str, float], names: list[str]) -> list[float]:
    """Return the part of the other members that each named one is above."""
    others = len(scores) - 1
    return [sum(score < scores[name] for score in scores.values()) / others for name in names]


def test_a_metal_with_19_electrons_is_above_the_insulator_with_18() -> None:
    """Mg2IrH6 (10.1103/PhysRevLett.132.166001) and Mg2RhH6 (10.1038/s41524-024-01214-9) above Mg2OsH6 and its like."""
    insulators = [a2xh6("Mg", x) for x in ("Os", "Ru", "Fe")]
    assert a2xh6("Mg", "Ir") > max(insulators)
    assert a2xh6("Mg", "Rh") > max(insulators)
    # 20 electrons still superconduct in Mg2PdH6 and Mg2PtH6 (63.8 and 78.3 K, HTSC-2025, arXiv:2506.03837).
    assert min(a2xh6("Mg", "Pd"), a2xh6("Mg", "Pt")) > max(insulators)


def test_insulating_salts_are_at_the_bottom() -> None:
    """K2SiH6 is charge-balanced and insulates although K is large and Si small; K2CuH6 is a metal of 19 electrons."""
    terms = rank_score(described(A2XH6, "K", "Si", 120.0), best_electron_count=19).terms
    assert terms["open_shell"] == 0
    assert terms["electron_count"] == pytest.approx(0, abs=1e-4)
    assert a2xh6("K", "Cu") > a2xh6("K", "Si")


def test_published_a2xh6_superconductors_are_in_the_upper_half() -> None:
    """HTSC-2025 (arXiv:2506.03837) and Mg2IrH6, among 174 members."""
    metals = ["Li", "Na", "K", "Mg", "Ca", "Al"]
    scores = {a + x: a2xh6(a, x) for a in metals for x in TRANSITION_METALS}
    published = ["MgIr", "MgRh", "MgPd", "MgPt", "NaAg", "NaAu", "NaCu", "MgNi", "AlMn", "AlTc", "AlRe", "KCu", "LiAu"]
    found = percentiles(scores, published)
    assert min(found) > 0.5
    assert median(found) > 0.85


def test_published_axh8_superconductors_are_in_the_upper_half() -> None:
    """LaBeH8 and its relatives (10.1103/PhysRevLett.128.047001, 10.1103/PhysRevB.104.L020511) among 84 members."""
    cations = ["Li", "Na", "K", "Mg", "Ca", "Sr", "Ba", "Sc", "Y", "La", "Zr", "Hf"]
    backbones = ["Be", "B", "C", "Al", "Si", "P", "Ge"]
    scores = {a + x: rank_score(described(FLUORITE, a, x, 38.0)).score for a in cations for x in backbones}
    found = percentiles(scores, ["LaBe", "LaB", "CaBe", "CaB", "SrB", "BaSi", "SrSi"])
    assert found[0] > 0.5
    assert median(found) > 0.6


def test_electron_count_term() -> None:
    """1 at 19, exactly 0 at 18, its maximum at the best count, both sides fall."""
    assert electron_count_term(19, 19) == 1
    assert electron_count_term(18, 19) == 0
    assert electron_count_term(20, 19) == pytest.approx(0.8 * math.exp(-0.25))
    assert electron_count_term(19.01, 19) < 1 > electron_count_term(18.99, 19)
    above = [electron_count_term(count, 19) for count in range(19, 26)]
    assert above == sorted(above, reverse=True)
    assert 0 < electron_count_term(17, 19) < electron_count_term(20, 19)


@pytest.mark.parametrize(
    ("name", "worse", "better", "term"),
    [
        ("hydrogen_fraction", 0.3, 0.8, "hydrogen"),
        ("hh_bond_order_xi", -0.5, 0.7, "metallisation"),
        ("formal_charge_per_formula_unit", 0.0, -4.0, "open_shell"),
        ("donated_electrons_per_hydrogen", 0.1, 0.3, "donation"),
        ("metal_electronegativity_difference", 0.1, 0.4, "soft_cation"),
    ],
)
def test_each_term_raises_the_score(name: str, worse: float, better: float, term: str) -> None:
    low, high = rank_score({name: worse}), rank_score({name: better})
    assert list(low.terms) == list(high.terms) == [term]
    assert low.score == low.terms[term] < high.terms[term] == high.score


def test_sizes() -> None:
    """Ba (1.35) around B (0.27) is better than Mg (0.72) around Al (0.535) in both terms of size."""
    good = rank_score({"cation_radius_ang": 1.35, "ionic_radius_difference_ang": 1.08}).terms
    poor = rank_score({"cation_radius_ang": 0.72, "ionic_radius_difference_ang": 0.185}).terms
    assert set(good) == set(poor) == {"large_cation", "small_backbone"}
    assert all(good[term] > poor[term] for term in good)
    assert good["small_backbone"] == pytest.approx(1)


def test_missing_descriptors_leave_their_terms_out() -> None:
    assert rank_score({}).score == 0
    assert rank_score({"hydrogen_fraction": None}).terms == {}
    electrons = {"valence_electrons_per_formula_unit": 19.0, "hydrogen_fraction": 0.5}
    assert rank_score(electrons).terms == {"hydrogen": 0.5}
    assert rank_score(electrons, best_electron_count=19).score == pytest.approx(
        (3 * 1 + 0.5) / (WEIGHTS["electron_count"] + WEIGHTS["hydrogen"])
    )


@given(
    st.fixed_dictionaries({name: st.none() | st.floats(-1e3, 1e3) for name in DESCRIPTORS}),
    st.none() | st.floats(0, 100),
)
def test_everything_stays_between_0_and_1(values: dict[str, float | None], best: float | None) -> None:
    ranking = rank_score(values, best)
    assert set(ranking.terms) <= set(WEIGHTS)
    assert all(0 <= term <= 1 for term in ranking.terms.values())
    assert 0 <= ranking.score <= 1


def test_weights_are_replaced() -> None:
    values = {"hydrogen_fraction": 0.2, "hh_bond_order_xi": 0.8}
    assert rank_score(values).score == pytest.approx(0.5)
    assert rank_score(values, weights={"hydrogen": 3}).score == pytest.approx(0.35)
    assert rank_score(values, weights={"hydrogen": 0}).score == pytest.approx(0.8)
    assert rank_score(values, weights={"hydrogen": 0, "metallisation": 0}).score == 0


@pytest.mark.parametrize(
    ("weights", "complaint"),
    [
        ({"hydrogn": 1.0}, "'hydrogn' is unknown; choose from hydrogen, metallisation"),
        ({"hydrogen": -1.0}, "hydrogen is -1.0; give a finite number"),
        ({"hydrogen": math.inf}, "hydrogen is inf; give a finite number"),
        ({"hydrogen": math.nan}, "hydrogen is nan; give a finite number"),
    ],
)
def test_bad_weights(weights: dict[str, float], complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        rank_score({}, weights=weights)
