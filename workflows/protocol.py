"""Protocols: default numbers of every stage, the differences of fast and stringent, and the user's overrides."""

import difflib
from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Any

import yaml

from hts.competitor_files import structures_complaint

STAGES = ("dft", "relax", "hull", "phonons", "decompression", "coupling", "tc")
# Settings that are words: what they may be.
_CHOICES = {
    ("hull", "competitors"): ("elements", "known", "library"),
    ("hull", "zero_point"): ("none", "gamma", "mesh"),
    ("phonons", "method"): ("dfpt", "finite_displacement"),
    ("coupling", "pressures"): ("lowest", "above", "ladder"),
}


def stage_settings(
    stage: str, protocol: str | None = None, overrides: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the settings of one stage.

    Parameters
    ----------
    stage : str
        One of ``STAGES``.
    protocol : str, optional
        ``fast``, ``balanced`` or ``stringent``; the file's default otherwise.
    overrides : mapping, optional
        Replace single settings.

    Returns
    -------
    dict
        Every key of the stage's ``default_inputs``.

    Raises
    ------
    ValueError
        For an unknown stage, protocol, key or choice, naming the nearest known one, or for text where a number belongs.
    """
    if stage not in STAGES:
        raise ValueError(f"there is no stage {stage!r}{_nearest(stage, STAGES)}; the stages are {', '.join(STAGES)}")
    document = yaml.safe_load((files("workflows.protocols") / f"{stage}.yaml").read_text(encoding="utf-8"))
    name = protocol or document["default_protocol"]
    if name not in document["protocols"]:
        near = _nearest(name, document["protocols"])
        raise ValueError(f"unknown protocol {name!r}{near}; there are {', '.join(document['protocols'])}")
    settings = dict(document["default_inputs"])
    difference = {key: value for key, value in document["protocols"][name].items() if key != "description"}
    for key, value in [*difference.items(), *(overrides or {}).items()]:
        if key not in settings:
            near = _nearest(key, settings)
            raise ValueError(f"overrides: {stage} has no setting {key!r}{near}; it has {', '.join(sorted(settings))}")
        if isinstance(value, str) and not isinstance(document["default_inputs"][key], str):
            raise ValueError(
                f"overrides: {stage}.{key} is the text {value!r}, wanted something like "
                f"{document['default_inputs'][key]!r}; YAML reads 1e-14 as text and 1.0e-14 as a number"
            )
        if isinstance(document["default_inputs"][key], float | int) and not isinstance(value, float | int):
            raise ValueError(f"overrides: {stage}.{key} is {value!r}, a number was wanted")
        if isinstance(document["default_inputs"][key], list) and not _is_number_list(value, zero=key == "mu_star"):
            raise ValueError(
                f"overrides: {stage}.{key} is {value!r}, a list of positive numbers was wanted, such as "
                f"{document['default_inputs'][key]!r}"
            )
        choices = _CHOICES.get((stage, key))
        if choices and value not in choices:
            raise ValueError(f"overrides: {stage}.{key} is {value!r}; choose from {', '.join(choices)}")
        complaint = structures_complaint(value) if (stage, key) == ("hull", "structures") else None
        if complaint:
            raise ValueError(f"overrides: {stage}.{key}: {complaint}")
        settings[key] = value
    return settings


def _is_number_list(value: object, *, zero: bool) -> bool:
    """Tell a list of positive numbers that holds at least one; of zeros too where they are allowed."""
    return (
        isinstance(value, list | tuple)
        and bool(value)
        and all(
            isinstance(one, int | float) and not isinstance(one, bool) and (one > 0 or (zero and one == 0))
            for one in value
        )
    )


def _nearest(name: str, known: Iterable[str]) -> str:
    """Return a question that names the nearest known word, or nothing."""
    near = difflib.get_close_matches(str(name), list(known), n=1)
    return f", did you mean {near[0]}?" if near else ""


def resolve_settings(
    protocol: str | None = None,
    overrides: Mapping[str, Mapping[str, Any]] | None = None,
    cutoffs_ry: tuple[float, float] | None = None,
) -> dict[str, dict[str, Any]]:
    """Return the settings of all stages: one node, shared by every process of a screening.

    Parameters
    ----------
    protocol : str, optional
    overrides : mapping of stage to mapping, optional
    cutoffs_ry : tuple of two float, optional
        Wavefunction and density cutoff in Ry, used where the protocol leaves them to the pseudopotential family.

    Returns
    -------
    dict
        Stage -> settings.

    Raises
    ------
    ValueError
        For an unknown stage, protocol or key, or when no cutoff is known.
    """
    unknown = sorted(set(overrides or {}) - set(STAGES))
    if unknown:
        near = _nearest(unknown[0], STAGES)
        raise ValueError(f"overrides: there is no stage {unknown[0]!r}{near}; the stages are {', '.join(STAGES)}")
    settings = {stage: stage_settings(stage, protocol, (overrides or {}).get(stage)) for stage in STAGES}
    dft = settings["dft"]
    if dft["ecutwfc_ry"] is None:
        if cutoffs_ry is None:
            raise ValueError(
                "dft.ecutwfc_ry is not set and the pseudopotential family recommends none; set it in overrides"
            )
        dft["ecutwfc_ry"] = float(cutoffs_ry[0])
        dft["ecutrho_ry"] = float(dft["ecutrho_ry"] or cutoffs_ry[1])
    if dft["ecutrho_ry"] is None:
        dft["ecutrho_ry"] = 4.0 * dft["ecutwfc_ry"]  # exact for norm-conserving pseudopotentials
    return settings
