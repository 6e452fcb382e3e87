"""`hts plot alpha2f`, `convergence`, `gap` and `tc`: pictures of electron-phonon coupling and of Tc."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hts.cli.options import profile_option
from hts.cli.pictures import picture_option, require_picture, save
from hts.errors import UserError

if TYPE_CHECKING:
    from hts.coupling_curves import CouplingResult, TcCurve

# An argument that ends so is meant as a file, whether it is there or not.
_FILE_ENDINGS = (".a2f", ".dat", ".txt", ".csv")

_rung_option = click.option(
    "--pressure-gpa", type=float, metavar="P", help="Where coupling was computed; default: the lowest."
)


@click.command("alpha2f")
@click.argument("source", metavar="KEY|FILE")
@picture_option
@_rung_option
@click.option("--unit", metavar="meV|THz|cm-1|Ry", help="Of a FILE's energies, where its header does not say it.")
@click.option("--column", type=int, metavar="N", help="Which alpha2F column of a FILE; default: 1, the first.")
@profile_option
def plot_alpha2f(
    source: str, path: Path, pressure_gpa: float | None, unit: str | None, column: int | None, profile: str | None
) -> None:
    """Draw alpha2F and the cumulative lambda of KEY or FILE.

    KEY is a candidate, FILE any alpha2F file as for `hts tc`, which needs no profile. Bold is the fine mesh and
    smearing that the Tc stands on, thin are the others of its series.

    \b
    Example:
      hts plot alpha2f Al4H -o alpha2f.png
      hts plot alpha2f perovskite-Al4H --pressure-gpa 10 -o alpha2f-10gpa.pdf
      hts plot alpha2f my.a2f --unit meV -o my.svg
    """
    require_picture(path)
    from hts.plots.alpha2f import alpha2f_figure

    if Path(source).is_file() or "/" in source or source.endswith(_FILE_ENDINGS):
        if pressure_gpa is not None:
            raise UserError(f"{source} is a file, --pressure-gpa {pressure_gpa:g} is for a candidate; leave it out")
        save(alpha2f_figure(_of_file(Path(source), unit, column)), path)
        return
    given = [name for name, value in (("--unit", unit), ("--column", column)) if value is not None]
    if given:
        raise UserError(f"{source} is not a file, wanted one with {' and '.join(given)}; leave out what is for files")
    save(alpha2f_figure(_of_candidate(source, pressure_gpa, profile)), path)


@click.command("convergence")
@click.argument("key")
@picture_option
@_rung_option
@profile_option
def plot_convergence(key: str, path: Path, pressure_gpa: float | None, profile: str | None) -> None:
    """Draw lambda and Tc of KEY against the fine k-mesh.

    One line a smearing. The ring is the member that answers, grey the tolerance around it; open members fail a gate,
    which is listed below.

    \b
    Example:
      hts plot convergence Al4H -o convergence.png
      hts plot convergence perovskite-Al4H --pressure-gpa 10 -o convergence.pdf
    """
    require_picture(path)
    from hts.plots.convergence import convergence_figure

    save(convergence_figure(_of_candidate(key, pressure_gpa, profile)), path)


@click.command("gap")
@click.argument("key")
@picture_option
@_rung_option
@profile_option
def plot_gap(key: str, path: Path, pressure_gpa: float | None, profile: str | None) -> None:
    """Draw the distribution of the gap of KEY at each temperature.

    From the anisotropic Eliashberg run, which is made on request (`anisotropic: true`) or with protocol stringent.

    \b
    Example:
      hts plot gap MgB2 -o gap.png
      hts plot gap alb2-MgB2 --pressure-gpa 0 -o gap.pdf
    """
    require_picture(path)
    from hts.plots.gap import gap_figure
    from hts.store import couplings
    from hts.store import profile as profiles

    profiles.load(profile)
    save(gap_figure(couplings.load_gaps(key, pressure_gpa)), path)


@click.command("tc")
@click.argument("campaigns", nargs=-1, metavar="[CAMPAIGN]...")
@picture_option
@click.option(
    "--known/--no-known", default=True, help="Show measured superconductors for comparison.", show_default=True
)
@click.option("--family", help="Prototype.")
@click.option("--verdict", help="One of the verdicts, such as ambient.")
@click.option("--element", multiple=True, help="Holds this element; repeatable.")
@profile_option
def plot_tc(campaigns: tuple[str, ...], path: Path, known: bool, profile: str | None, **filters: Any) -> None:
    """Draw Tc against pressure for all candidates with a Tc.

    CAMPAIGN is a name or a campaign file; without any, all campaigns of the profile. Circles are Allen-Dynes at the
    first mu* with a bar for its range over the convergence series, diamonds isotropic Eliashberg, open ones
    unverified. Pressures of one candidate are joined; grey are lines of equal figure of merit.

    \b
    Example:
      hts plot tc -o tc.png
      hts plot tc al-mg-h-perovskites --verdict ambient --no-known -o ambient.svg
    """
    require_picture(path)
    from hts.cli.candidates import require_known
    from hts.known_superconductors import known_superconductors
    from hts.plots.tc_pressure import tc_pressure_figure

    require_known(filters)
    curves = _tc_curves(campaigns, filters, profile)
    save(tc_pressure_figure(curves, known_superconductors() if known else ()), path)


def _of_file(path: Path, unit: str | None, column: int | None) -> "CouplingResult":
    from hts.alpha2f import MEV_PER_UNIT
    from hts.coupling_curves import file_result

    # Any case will do, as for `hts tc`; an unknown unit is refused by the reader.
    named = {name.lower(): name for name in MEV_PER_UNIT}
    return file_result(path, None if unit is None else named.get(unit.lower(), unit), 1 if column is None else column)


def _of_candidate(key: str, pressure_gpa: float | None, profile: str | None) -> "CouplingResult":
    from hts.store import couplings
    from hts.store import profile as profiles

    profiles.load(profile)
    return couplings.load_coupling(key, pressure_gpa)


def _tc_curves(campaigns: Sequence[str], filters: dict[str, Any], profile: str | None) -> "list[TcCurve]":
    """Return Tc against pressure of the candidates that pass the filters, and tell how many have none.

    Raises
    ------
    UserError
        If no candidate is left.
    """
    from hts.cli.candidates import fits
    from hts.cli.status import campaign_name
    from hts.store import couplings, query
    from hts.store import profile as profiles

    profiles.load(profile)
    names = [campaign_name(campaign) for campaign in campaigns] or [None]
    records = {record.uuid: record for name in names for record in query.candidates(name)}
    screenings = {one.uuid: one for name in names for one in query.screenings(name)}
    fitting = [one for uuid, one in screenings.items() if uuid in records and fits(records[uuid], filters)]
    curves = couplings.tc_curves(fitting)
    if not curves:
        filtered = len(fitting) < len(screenings)
        raise UserError(
            f"none of {len(fitting)} candidate(s){' that fit' if filtered else ''} has a Tc yet, there is nothing to "
            f"draw; `hts candidates` shows how far they are{', fewer filters may leave some' if filtered else ''}"
        )
    click.echo(f"{len(curves)} of {len(screenings)} candidates drawn: they have a Tc and fit", err=True)
    return curves
