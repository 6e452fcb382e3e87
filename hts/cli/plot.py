"""`hts plot`: pictures of what a profile holds, saved by the ending of the file's name."""

from pathlib import Path

import click

from hts.cli.hull import limit_option, pressure_option, settings_options
from hts.cli.options import profile_option
from hts.cli.pictures import picture_option, require_picture, save
from hts.cli.plot_coupling import plot_alpha2f, plot_convergence, plot_gap, plot_tc


@click.group()
def plot() -> None:
    """Draw pictures of what the profile holds, or of an alpha2F file; no job is run.

    \b
    Example:
      hts plot hull Al-H --pressure-gpa 100 -o hull.png
      hts plot enthalpy Ca-H --formula CaH6 -o cah6.pdf
      hts plot softening Al4H -o softening.png
      hts plot bands Al4H -o bands.svg
      hts plot alpha2f Al4H -o alpha2f.png
      hts plot convergence Al4H -o convergence.png
      hts plot tc -o tc.png
    """


for _command in (plot_alpha2f, plot_convergence, plot_gap, plot_tc):
    plot.add_command(_command)


@plot.command("hull")
@click.argument("system")
@picture_option
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
    require_picture(path)
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
@picture_option
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
    require_picture(path)
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
@picture_option
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
    require_picture(path)
    from hts.plots.softening import softening_figure
    from hts.store import profile as profiles
    from hts.store import softening

    profiles.load(profile)
    save(softening_figure(softening.load_softening(key), squared), path)


@plot.command("bands")
@click.argument("key")
@picture_option
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
    require_picture(path)
    from hts.plots.bands import bands_figure
    from hts.store import profile as profiles
    from hts.store import softening

    profiles.load(profile)
    save(bands_figure(softening.load_bands(key, pressure_gpa)), path)
