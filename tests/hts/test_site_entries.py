"""What stands in the list of a site."""

import pytest

from hts.element_groups import element_groups
from hts.errors import UserError
from hts.site_entries import entry_members, expand


def test_symbols_groups_and_mixtures() -> None:
    assert entry_members("Al") == ("Al",)
    assert entry_members("alkali_metal") == ("Li", "Na", "K", "Rb", "Cs")
    assert entry_members("La0.5Ce0.5") == ("Ce0.5La0.5",)


def test_a_list_keeps_its_order_and_takes_out_what_has_a_minus() -> None:
    assert expand(["Sr", "alkaline_earth", "Sr"]) == ("Sr", "Be", "Mg", "Ca", "Ba")
    assert expand(["-Tc", "group_7", "H"]) == ("Mn", "Re", "H")
    assert expand(["transition_metal", "-group_12", "-radioactive"]) == tuple(
        symbol for symbol in element_groups()["transition_metal"] if symbol not in ("Zn", "Cd", "Hg", "Tc")
    )
    assert expand(["La", "La0.5Ce0.5", "-Ce0.5La0.5"]) == ("La",)
    assert expand(["Al", "-Al"]) == ()


@pytest.mark.parametrize("entry", ["Mgg", "-Mgg", "La0.5Ce0.4"])
def test_what_is_none_of_them_is_refused(entry: str) -> None:
    with pytest.raises(UserError, match=r"Mgg|sum to 0\.9"):
        expand([entry])
