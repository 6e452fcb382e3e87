"""What a UPF pseudopotential file says of itself: pure text, versions 1 and 2."""

import re
from dataclasses import dataclass

from hts.errors import UserError

# The kinds as UPF writes them -> the kind as everything here names it. SL is semilocal and norm-conserving.
KINDS = {"NC": "NC", "SL": "NC", "US": "US", "USPP": "US", "PAW": "PAW", "1/R": "1/r"}
KIND_NAMES = {"US": "ultrasoft", "PAW": "PAW", "1/r": "the bare Coulomb potential"}

# A tag's attributes; a `>` inside quotes does not end the tag.
_V2_HEADER = re.compile(r"<PP_HEADER\b((?:[^>\"']|\"[^\"]*\"|'[^']*')*)>")
_V2_CHI = re.compile(r"<PP_CHI\.\d+\b((?:[^>\"']|\"[^\"]*\"|'[^']*')*)>")
_ATTRIBUTE = re.compile(r"([A-Za-z_]\w*)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_V1_HEADER = re.compile(r"<PP_HEADER>(.*?)</PP_HEADER>", re.DOTALL)
_V1_PROJECTORS = re.compile(r"^\s*\d+\s+(\d+)\s+Number of Wavefunctions, Number of Projectors", re.MULTILINE)
_V1_ORBITAL = re.compile(r"^\s*(\d[A-Za-z])\s+(\d+)\s+(-?[\d.]+(?:[EeDd][+-]?\d+)?)\s*$", re.MULTILINE)


@dataclass(frozen=True)
class PseudoWavefunction:
    """An atomic orbital of the file: label such as `3S`, l, and its occupation (negative: not bound)."""

    label: str
    l: int  # noqa: E741  (the name of the quantum number)
    occupation: float


@dataclass(frozen=True)
class UpfHeader:
    """The header of a UPF file.

    Attributes
    ----------
    element : str
        Symbol.
    kind : str
        `NC`, `US`, `PAW` or `1/r`.
    z_valence : float
        Valence electrons.
    functional : str
        As written, single spaces: `SLA PZ NOGX NOGC` or `PBE`.
    cutoff_wfc_ry, cutoff_rho_ry : float | None
        Suggested cutoffs in Ry; None when the file gives none (or 0).
    pseudo_wavefunctions : tuple[PseudoWavefunction, ...]
        In the order of the file; empty when it has none.
    n_projectors : int | None
        Non-local projectors; 0 for a local potential such as `H.pz-vbc.UPF`, None where the file doesn't say.
    """

    element: str
    kind: str
    z_valence: float
    functional: str
    cutoff_wfc_ry: float | None
    cutoff_rho_ry: float | None
    pseudo_wavefunctions: tuple[PseudoWavefunction, ...]
    n_projectors: int | None = None


def read_upf_header(text: str, name: str = "the file") -> UpfHeader:
    """Read the header of a UPF file.

    Parameters
    ----------
    text : str
        Content of the file; what stands after the header matters only for the orbitals of version 2.
    name : str
        Named in errors.

    Returns
    -------
    UpfHeader

    Raises
    ------
    UserError
        One line, when there is no header, or one without element, kind or valence.
    """
    version_1 = _V1_HEADER.search(text)
    try:
        header = _read_v1(version_1.group(1)) if version_1 else _read_v2(text)
    except (KeyError, ValueError, IndexError) as error:
        reason = f"no {error.args[0]}" if isinstance(error, KeyError) else str(error)
        raise UserError(
            f"{name}: not a readable UPF pseudopotential ({' '.join(reason.split()):.120}); give a complete UPF file "
            "of version 1 or 2"
        ) from None
    if not 0 < header.z_valence < 200:
        raise UserError(f"{name}: {header.z_valence:g} valence electrons found, a positive number wanted")
    return header


def require_norm_conserving(header: UpfHeader, name: str) -> None:
    """Refuse a pseudopotential that EPW cannot use.

    Parameters
    ----------
    header : UpfHeader
        From `read_upf_header`.
    name : str
        File or label, named in the error.

    Raises
    ------
    UserError
        When it is ultrasoft, PAW or bare Coulomb.
    """
    if header.kind != "NC":
        raise UserError(
            f"{name} ({header.element}) is {KIND_NAMES[header.kind]}; EPW wants norm-conserving pseudopotentials; "
            "give a norm-conserving family"
        )


def with_null_projector(text: str) -> str:
    """Give a purely local pseudopotential (UPF version 2) one projector with coefficient zero.

    It is the same potential. pw.x 6.7 dies of a segmentation fault in the first step of a variable-cell relaxation
    where no species has a projector, as in H2 with `H.pz-vbc.UPF`; with a projector of no weight it goes through.

    Parameters
    ----------
    text : str
        The file's content.

    Returns
    -------
    str
        The same file with D_11 = 0 and the first atomic wavefunction as projector.

    Raises
    ------
    UserError
        Where the file has projectors, or no wavefunction.
    """
    wavefunction = re.search(r"<PP_CHI\.1\b[^>]*>(.*?)</PP_CHI\.1>", text, re.DOTALL)
    mesh = re.search(r'mesh_size="\s*(\d+)\s*"', text)
    if wavefunction is None or mesh is None or read_upf_header(text).n_projectors != 0:
        raise UserError(
            "a null projector is for a UPF file of version 2 without projectors and with PP_PSWFC; this one is not"
        )
    projector = (
        f'<PP_NONLOCAL>\n<PP_BETA.1 index="1" label="1S" angular_momentum="0" cutoff_radius_index="{mesh.group(1)}" '
        f'cutoff_radius="0.0" ultrasoft_cutoff_radius="0.0">{wavefunction.group(1)}</PP_BETA.1>\n'
        "<PP_DIJ>\n0.0\n</PP_DIJ>\n</PP_NONLOCAL>"
    )
    text = re.sub(r'number_of_proj="\s*0\s*"', 'number_of_proj="1"', text, count=1)
    text = re.sub(r'l_max="\s*-1\s*"', 'l_max="0"', text, count=1)
    return re.sub(r"<PP_NONLOCAL>.*?</PP_NONLOCAL>", lambda _: projector, text, count=1, flags=re.DOTALL)


def _read_v2(text: str) -> UpfHeader:
    match = _V2_HEADER.search(text)
    if match is None:
        raise ValueError("no PP_HEADER")
    values = _attributes(match.group(1))
    orbitals = [_attributes(chi.group(1)) for chi in _V2_CHI.finditer(text)]
    return UpfHeader(
        element=_symbol(values["element"]),
        kind=_kind(values["pseudo_type"]),
        z_valence=_number(values["z_valence"]),
        functional=" ".join(values["functional"].split()),
        cutoff_wfc_ry=_cutoff(values.get("wfc_cutoff")),
        # ONCVPSP writes the extent of its radial mesh here, and no wfc_cutoff: without one it is no hint.
        cutoff_rho_ry=_cutoff(values.get("rho_cutoff")) if _cutoff(values.get("wfc_cutoff")) else None,
        pseudo_wavefunctions=tuple(
            PseudoWavefunction(chi["label"].strip(), int(chi["l"]), _number(chi["occupation"])) for chi in orbitals
        ),
        n_projectors=int(values["number_of_proj"]) if "number_of_proj" in values else None,
    )


def _read_v1(block: str) -> UpfHeader:
    lines = [line for line in block.splitlines() if line.strip()]
    # Fixed order: version, element, kind, core correction, functional, Z valence, energy, cutoffs, …
    if len(lines) < 8:
        raise ValueError(f"PP_HEADER ends after {len(lines)} lines")
    cutoffs = lines[7].split()
    return UpfHeader(
        element=_symbol(lines[1].split()[0]),
        kind=_kind(lines[2].split()[0]),
        z_valence=_number(lines[5].split()[0]),
        functional=" ".join(lines[4].removesuffix("Exchange-Correlation functional").split()[:4]),
        cutoff_wfc_ry=_cutoff(cutoffs[0]),
        cutoff_rho_ry=_cutoff(cutoffs[1]),
        pseudo_wavefunctions=tuple(
            PseudoWavefunction(label, int(l_number), _number(occupation))
            for label, l_number, occupation in _V1_ORBITAL.findall(block)
        ),
        n_projectors=int(projectors.group(1)) if (projectors := _V1_PROJECTORS.search(block)) else None,
    )


def _attributes(tag: str) -> dict[str, str]:
    return {key: double or single for key, double, single in _ATTRIBUTE.findall(tag)}


def _symbol(text: str) -> str:
    symbol = text.strip().capitalize()
    if not re.fullmatch(r"[A-Z][a-z]?", symbol):
        raise ValueError(f"element {text!r}")
    return symbol


def _kind(text: str) -> str:
    kind = KINDS.get(text.strip().upper())
    if kind is None:
        raise ValueError(f"pseudopotential type {text.strip()!r}, known are {', '.join(KINDS)}")
    return kind


def _number(text: str) -> float:
    # Fortran writes exponents with D, too.
    return float(re.sub("[dD]", "e", text))


def _cutoff(text: str | None) -> float | None:
    """Return a suggested cutoff; files write 0 (or less) where they suggest nothing."""
    value = 0.0 if text is None else _number(text)
    return value if value > 0 else None
