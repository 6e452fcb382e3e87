"""Element groups: what chemistry says they hold, and what is told of a wrong name."""

import pytest
from pymatgen.core import Element

from hts.element_groups import element_groups, is_element, members
from hts.errors import UserError
from hts.radii import covalent_radius_ang, ionic_radius_ang
from hts.volumes import starting_volume_ang3


def test_the_groups_of_the_periodic_table() -> None:
    groups = element_groups()
    assert groups["alkali_metal"] == ("Li", "Na", "K", "Rb", "Cs")
    assert groups["alkaline_earth"] == ("Be", "Mg", "Ca", "Sr", "Ba")
    assert groups["halogen"] == ("F", "Cl", "Br", "I")
    assert groups["group_9"] == ("Co", "Rh", "Ir")
    # d block without lutetium and lanthanum, promethium left out of the lanthanides.
    assert len(groups["transition_metal"]) == 29
    assert len(groups["lanthanide"]) == 14
    assert set(groups["rare_earth"]) == {"Sc", "Y", *groups["lanthanide"]}
    for name in ("transition_metal", "lanthanide", "actinide"):
        attribute = {
            "transition_metal": "is_transition_metal",
            "lanthanide": "is_lanthanoid",
            "actinide": "is_actinoid",
        }
        assert all(getattr(Element(symbol), attribute[name]) for symbol in groups[name])


@pytest.mark.parametrize("name", sorted(set(element_groups()) - {"radioactive"}))
def test_everything_in_a_group_can_be_built(name: str) -> None:
    assert element_groups()[name]
    for symbol in element_groups()[name]:
        assert starting_volume_ang3({symbol: 1}, 100) > 0
        assert ionic_radius_ang(symbol) > 0
        assert covalent_radius_ang(symbol) > 0
        assert symbol != "H"


def test_members() -> None:
    assert members("No") == ("No",)
    assert members("group_1") == element_groups()["group_1"]
    assert not is_element("D")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("alkali_earth", "did you mean the group 'alkaline_earth'"),
        ("Mgg", "did you mean 'Mg'"),
        ("iron", "did you mean 'Fe'"),
        ("T", "isotopes are not told apart"),
        ("qqqqq", "give a symbol of the periodic table, such as Al, or a group: alkali_metal"),
    ],
)
def test_a_wrong_name_is_told_in_one_line(name: str, hint: str) -> None:
    with pytest.raises(UserError) as caught:
        members(name)
    assert str(caught.value).startswith(f"{name!r} is not an element; ")
    assert hint in str(caught.value)
    assert "\n" not in str(caught.value)
