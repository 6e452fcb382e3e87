"""What can be wrong with the families of a campaign, told in one line that begins with the key."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from hts.campaign_file import did_you_mean
from hts.element_groups import members
from hts.errors import UserError
from hts.filters import known_descriptor
from hts.mixtures import is_mixture
from hts.prototypes import Prototype, load_prototype
from hts.radii import ionic_radius_ang
from hts.site_entries import entry_members
from hts.volumes import atomic_volume_ang3

if TYPE_CHECKING:
    from hts.campaign import Campaign, Family


def families_complaint(campaign: "Campaign") -> str | None:
    """Return what is wrong with the families, exclusions and filters of a campaign.

    Parameters
    ----------
    campaign : Campaign

    Returns
    -------
    str | None
        `dotted.key: what was found; what is allowed`, the first mistake only; None when there is none.
    """
    for index, rule in enumerate(campaign.exclude):
        for name in rule:
            complaint = _told(f"exclude.{index}", members, name)
            if complaint:
                return complaint
    for name in campaign.filters:
        complaint = _told("filters", known_descriptor, name)
        if complaint:
            return complaint
    seen: dict[object, int] = {}
    for index, family in enumerate(campaign.families):
        key = f"families.{index}"
        complaint = _family_complaint(campaign, index)
        if complaint:
            return complaint
        chosen = tuple(sorted((label, frozenset(family.choices(label))) for label in family.sites))
        first = seen.setdefault((family.prototype, family.variant, chosen), index)
        if first != index:
            return f"{key}: the same family as families.{first}; remove one of the two"
    return None


def _family_complaint(campaign: "Campaign", index: int) -> str | None:
    family, key = campaign.families[index], f"families.{index}"
    try:
        prototype = load_prototype(family.prototype, campaign.prototype_folder)
    except UserError as error:
        return f"{key}.prototype: {error}"
    for name in family.filters:
        complaint = _told(f"{key}.filters", known_descriptor, name)
        if complaint:
            return complaint
    return (
        _sites_complaint(family, prototype, key)
        or _variant_complaint(family, prototype, key)
        or _fallback_complaint(campaign, index)
    )


def _sites_complaint(family: "Family", prototype: Prototype, key: str) -> str | None:
    wanted = prototype.choose_sites
    unknown = [label for label in family.sites if label not in wanted]
    if unknown:
        implied = " (hydrogen is implied on its own sites)" if prototype.fixed_elements else ""
        return f"{key}.sites.{unknown[0]}: unknown site; {did_you_mean(unknown[0], wanted)}{implied}"
    for label in wanted:
        complaint = _site_complaint(family, label, f"{key}.sites.{label}")
        if complaint:
            return complaint
    chosen = {label: family.choices(label) for label in wanted}
    if "H" not in {*prototype.fixed_elements.values(), *(s for symbols in chosen.values() for s in symbols)}:
        return f"{key}.sites: hydrogen is on no site; add H to one of {', '.join(wanted)}"
    mixed = [label for label, symbols in chosen.items() if any(map(is_mixture, symbols))]
    if len(mixed) > 1:
        return f"{key}.sites.{mixed[1]}: a mixture beside that of {mixed[0]}; one site of a family may hold mixtures"
    return None


def _site_complaint(family: "Family", label: str, key: str) -> str | None:
    entries = family.sites.get(label)
    if not entries:
        return f"{key}: no elements; list at least one, such as {label}: [Al]"
    for entry in entries:
        complaint = _told(key, entry_members, entry.removeprefix("-"))
        if complaint:
            return complaint
    if not family.choices(label):
        return f"{key}: no elements are left of {', '.join(entries)}; take less out"
    for symbol in family.choices(label):
        if not is_mixture(symbol):
            complaint = _told(key, atomic_volume_ang3, symbol) or _told(key, ionic_radius_ang, symbol)
            if complaint:
                return complaint
    return None


def _variant_complaint(family: "Family", prototype: Prototype, key: str) -> str | None:
    known = [variant for variant in prototype.variants if variant]
    if family.variant is None or family.variant in known:
        return None
    allowed = did_you_mean(family.variant, known) if known else f"{prototype.name} has no variants: leave it out"
    return f"{key}.variant: {family.variant!r} is unknown; {allowed}"


def _fallback_complaint(campaign: "Campaign", index: int) -> str | None:
    family = campaign.families[index]
    if family.fallback_for is None:
        return None
    key = f"families.{index}.fallback_for"
    earlier = {other.prototype: other for other in campaign.families[:index]}
    if family.fallback_for not in earlier:
        return f"{key}: {family.fallback_for!r} is no earlier family; {did_you_mean(family.fallback_for, earlier)}"
    if set(earlier[family.fallback_for].sites) != set(family.sites):
        return f"{key}: {family.fallback_for} has other sites than {family.prototype}; a fallback wants the same"
    return None


def _told(key: str, look_up: Callable[[str], object], name: str) -> str | None:
    """Return the complaint of a look-up with the key before it; None when it finds the name."""
    try:
        look_up(name)
    except UserError as error:
        return f"{key}: {error}"
    return None
