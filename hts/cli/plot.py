"""`hts plot`: pictures of what a profile holds, saved by the ending of the file's name."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from hts.cli.hull import limit_option, pressure_option, settings_options
from hts.cli.options import output_option, profile_option, require_writable, unwritable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# What says when a file was made, so that the same picture is the same file.
_DATES = {".png": None, ".svg": "Date", ".pdf": "CreationDate"}
_ENDINGS = f"a picture ends in one of {', '.join(ending.removeprefix('.') for ending in _DATES)}"


@click.group()
def plot() -> None:
    """Draw pictures of what the profile holds; nothing is computed.

    \b
    Example:
      hts plot hull Al-H --pressure-gpa 100 -o hull.png
      hts plot enthalpy Ca-H --formula CaH6 -o cah6.pdf
      hts plot softening Al4H -o softening.png
      hts plot bands Al4H -o bands.svg
    """


_output_option = output_option("PNG, SVG or PDF, by its ending.")


@plot.command("hull")
@click.argument("system")
@_output_option
@pressure_option
@settings_options
@limit_option
@profile_option
def plot_hull(
    system: str,
    path: Path,
    pressure_gpa: float | None,
    campaign: str | None,
    basis: str | None,
    max_hull_ev_per_atom: float | None,
    profile: str | None,
) -> None:
    """Draw the hull of SYSTEM, two or three elements such as Al-H or Al-Mg-H, at a pressure.

    Phases on the hull are filled, others open or coloured with their energy above hull in meV/atom; stars are
    candidates of campaigns.

    \b
    Example:
      hts plot hull Ca-H --pressure-gpa 150 -o ca-h.svg
      hts plot hull Al-Mg-H --pressure-gpa 10 --max-hull-ev-per-atom 0.2 -o al-mg-h.png
    """
    require_writable(path, _DATES, _ENDINGS)
    from hts.plots.hull import hull_figure, require_drawable
    from hts.store import hulls
    from hts.store import profile as profiles
    from hts.stored_phases import parse_system

    elements = parse_system(system)
    require_drawable(elements)
    profiles.load(profile)
    found = hulls.load_hull(elements, pressure_gpa, campaign=campaign, basis=basis)
    save(hull_figure(found, max_hull_ev_per_atom), path)
    for line in found.missing:
        click.echo(f"hull incomplete: {line}", err=True)


@plot.command("enthalpy")
@click.argument("system")
@_output_option
@click.option("--formula", metavar="NAME", help="Only this formula, candidate or phase; default: every compound.")
@click.option("--relative-to", metavar="PHASE", help="Measure from this phase of the same formula, not from the hull.")
@settings_options
@profile_option
def plot_enthalpy(
    system: str,
    path: Path,
    formula: str | None,
    relative_to: str | None,
    campaign: str | None,
    basis: str | None,
    profile: str | None,
) -> None:
    """Draw enthalpy against pressure for the phases of SYSTEM.

    Zero is the hull of all other compositions at each pressure: below it a phase is stable, above it decomposes. The
    polymorphs of a formula share their zero, so that the lowest line is the stable one.

    \b
    Example:
      hts plot enthalpy Al-H -o al-h.png
      hts plot enthalpy Ca-H --formula CaH2 --relative-to CaH2-mh2-pnma -o cah2.pdf
    """
    require_writable(path, _DATES, _ENDINGS)
    from hts.plots.enthalpy import enthalpy_figure
    from hts.store import hulls
    from hts.store import profile as profiles
    from hts.stored_phases import parse_system

    elements = parse_system(system)
    profiles.load(profile)
    found = hulls.load_curves(elements, only=formula, relative_to=relative_to, campaign=campaign, basis=basis)
    save(enthalpy_figure(found), path)
    for line in found.no_hull:
        click.echo(f"left out: {line}", err=True)
    for pressure_gpa, lines in found.missing.items():
        for line in lines:
            click.echo(f"hull incomplete at {pressure_gpa:g} GPa: {line}", err=True)


@plot.command("softening")
@click.argument("key")
@_output_option
@click.option("--squared", is_flag=True, help="Draw squared frequencies, straight lines near the transition.")
@profile_option
def plot_softening(key: str, path: Path, squared: bool, profile: str | None) -> None:
    """Draw the lowest mode at every q-point of the candidate KEY against pressure.

    Imaginary frequencies are negative. Shaded: between the lowest stable and the highest unstable pressure; dashed:
    where a mode is predicted to become imaginary. An unstable rung has the q-points that were computed there.

    \b
    Example:
      hts plot softening perovskite-Al4H -o softening.png
      hts plot softening Al4H --squared -o squared.svg
    """
    require_writable(path, _DATES, _ENDINGS)
    from hts.plots.softening import softening_figure
    from hts.store import profile as profiles
    from hts.store import softening

    profiles.load(profile)
    save(softening_figure(softening.load_softening(key), squared), path)


@plot.command("bands")
@click.argument("key")
@_output_option
@click.option("--pressure-gpa", type=float, metavar="P", help="A stable rung; default: the lowest.")
@profile_option
def plot_bands(key: str, path: Path, pressure_gpa: float | None, profile: str | None) -> None:
    """Draw phonon bands and density of states of the candidate KEY at a pressure where it is stable.

    Lines are interpolated; points are what ph.x has computed, and decide.

    \b
    Example:
      hts plot bands Al4H -o bands.png
      hts plot bands perovskite-Al4H --pressure-gpa 10 -o bands-10gpa.pdf
    """
    require_writable(path, _DATES, _ENDINGS)
    from hts.plots.bands import bands_figure
    from hts.store import profile as profiles
    from hts.store import softening

    profiles.load(profile)
    save(bands_figure(softening.load_bands(key, pressure_gpa)), path)


def save(figure: "Figure", path: Path) -> None:
    """Write a picture by the ending of its file; the same picture gives the same file.

    Raises
    ------
    UserError
        If the file cannot be written.
    """
    import matplotlib as mpl

    date = _DATES[path.suffix.lower()]
    try:
        with mpl.rc_context({"svg.hashsalt": "hts"}):
            figure.savefig(path, metadata={date: None} if date else None)
    except OSError as error:
        raise unwritable(path, error) from None
    click.echo(f"{path} written", err=True)
