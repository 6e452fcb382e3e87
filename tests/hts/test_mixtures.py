"""Mixtures: what is read, what is refused in one line, and the canonical label."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hts.errors import UserError
from hts.mixtures import MAX_DENOMINATOR, is_mixture, mixture_label, parse_mixture


@pytest.mark.parametrize(
    ("text", "fractions"),
    [
        ("La0.5Ce0.5", {"La": "1/2", "Ce": "1/2"}),
        ("La.5Ce.5", {"La": "1/2", "Ce": "1/2"}),
        ("La0.75Ce0.25", {"La": "3/4", "Ce": "1/4"}),
        ("La0.667Ce0.333", {"La": "2/3", "Ce": "1/3"}),
        ("La0.67Ce0.33", {"La": "2/3", "Ce": "1/3"}),
        ("Y0.333333333La0.333Ce0.33", {"La": "1/3", "Ce": "1/3", "Y": "1/3"}),
    ],
)
def test_mixtures_are_read(text: str, fractions: dict[str, str]) -> None:
    assert is_mixture(text)
    assert parse_mixture(text) == {symbol: Fraction(fraction) for symbol, fraction in fractions.items()}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("La3Ce1", "sum to 4, 1 wanted; did you mean Ce0.25La0.75"),
        ("La0.6Ce0.5", "sum to 1.1, 1 wanted"),
        ("LaCe0.5", "not elements with fractions"),
        ("La0.5 Ce0.5", "not elements with fractions"),
        ("La0.5-Ce0.5", "not elements with fractions"),
        ("La1e999Ce0.5", "not elements with fractions"),
        ("La" + "9" * 5000 + "Ce0.5", "not elements with fractions"),
        ("Qq0.5La0.5", "'Qq' is not an element"),
        ("D0.5La0.5", "'D' is not an element"),
        ("La0.5La0.5", "La stands 2 times"),
        ("La1.0", "1 element found, two or more wanted"),
        ("La1Ce0", "Ce has 0, more than 0 wanted"),
        ("La0.7Ce0.3", "a denominator up to 8 .* the nearest is 0.286 .2/7."),
    ],
)
def test_what_is_no_mixture_is_refused_in_one_line(text: str, message: str) -> None:
    assert is_mixture(text)
    with pytest.raises(UserError, match=message) as caught:
        parse_mixture(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize("text", ["La", "H", "Xx", "", "alkaline_earth", "group_2", "-La", "-La0.5Ce0.5", "0.5"])
def test_elements_groups_and_exclusions_are_no_mixtures(text: str) -> None:
    assert not is_mixture(text)


@given(data=st.data())
def test_a_label_reads_back_to_the_same_mixture(data: st.DataObject) -> None:
    denominator = data.draw(st.integers(2, MAX_DENOMINATOR))
    symbols = data.draw(st.lists(st.sampled_from(["La", "Ce", "Y", "Ca", "U"]), min_size=2, max_size=2, unique=True))
    part = Fraction(data.draw(st.integers(1, denominator - 1)), denominator)
    mixture = dict(zip(symbols, (part, 1 - part), strict=True))
    label = mixture_label(mixture)
    assert parse_mixture(label) == mixture
    assert label == mixture_label(dict(reversed(mixture.items())))
    assert label.replace(".", "").isalnum()
