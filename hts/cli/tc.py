"""`hts tc`: superconducting Tc from any alpha2F file, without a profile."""

import json
import math
from pathlib import Path
from typing import Any

import click

from hts.alpha2f import MEV_PER_UNIT, read_alpha2f, smearing_columns
from hts.errors import UserError
from hts.superconductivity import MU_STAR_CONVENTIONS, tc_table
from hts.units import BOLTZMANN_MEV_PER_K

DEFAULT_MU_STARS = (0.10, 0.13, 0.16)
HIGHEST_MU_STAR = 0.5
# The option's spelling of the conventions.
_CONVENTIONS = {name.replace("_", "-"): name for name in MU_STAR_CONVENTIONS}


@click.command(
    epilog="\b\nExamples:\n  hts tc aiida.a2f --mu-star 0.10 --mu-star 0.13\n  hts tc a2f.dat --unit THz --json\n"
    "  hts tc alpha2F.dat --all-columns --pressure-gpa 150 --gap",
)
@click.argument("alpha2f", type=click.Path(path_type=Path))
@click.option(
    "--unit",
    type=click.Choice(list(MEV_PER_UNIT), case_sensitive=False),
    metavar="meV|THz|cm-1|Ry",
    help="Unit of the energies. Taken from the header where it says so (EPW, matdyn.x, lambda.x).",
)
@click.option(
    "--mu-star",
    "mu_stars",
    type=float,
    multiple=True,
    default=DEFAULT_MU_STARS,
    show_default=True,
    help="Coulomb pseudopotential, 0 to 0.5; repeat for several.",
)
@click.option(
    "--mu-star-convention",
    "convention",
    type=click.Choice(list(_CONVENTIONS)),
    default="at-cutoff",
    show_default=True,
    help="at-cutoff: the Eliashberg equations take mu* at their cutoff, as given (as EPW does). rescaled: mu* is that "
    "of omega_2 and is carried to the cutoff.",
)
@click.option(
    "--cutoff-factor",
    type=float,
    default=10.0,
    show_default=True,
    help="Cutoff of the Eliashberg equations over the highest phonon energy.",
)
@click.option(
    "--column",
    "columns",
    type=int,
    multiple=True,
    help="Which alpha2F column, by default 1, the first after the energies; repeat for several and their spread.",
)
@click.option("--all-columns", is_flag=True, help="Every smearing of an EPW or lambda.x file, and their spread.")
@click.option("--pressure-gpa", type=float, help="Pressure, to print the figure of merit S = Tc / sqrt(P^2 + 39^2).")
@click.option("--gap", is_flag=True, help="Solve for the gap at Tc/10 and the isotope coefficient too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def tc(
    alpha2f: Path,
    unit: str | None,
    mu_stars: tuple[float, ...],
    convention: str,
    cutoff_factor: float,
    columns: tuple[int, ...],
    all_columns: bool,
    pressure_gpa: float | None,
    gap: bool,
    as_json: bool,
) -> None:
    """Tc of the file ALPHA2F: McMillan, Allen-Dynes and isotropic Migdal-Eliashberg, for each mu*.

    The status is that of the Eliashberg Tc: superconducting, not_superconducting (Tc is 0) or not_bracketed (below a
    millionth of omega_log, no number given). The spread starts from Allen-Dynes at the first mu* and the first column
    and varies one thing at a time.
    """
    _check(mu_stars, pressure_gpa)
    if all_columns and columns:
        raise UserError("--all-columns and --column were given, wanted one of them: drop the other")
    chosen = (smearing_columns(alpha2f) if all_columns else columns) or (1,)
    settings = {
        "cutoff_factor": cutoff_factor,
        "mu_star_convention": _CONVENTIONS[convention],
        "pressure_gpa": pressure_gpa,
        "gap": gap,
    }
    tables = {column: _solved(alpha2f, unit, column, mu_stars, settings) for column in chosen}
    answer = _answer(tables)
    if as_json:
        click.echo(json.dumps(answer, indent=2, allow_nan=False))
        return
    for column, table in tables.items():
        click.echo((f"column {column}: " if len(tables) > 1 else "") + _text(table))
        click.echo()
    click.echo(_conventions_and_spread(answer, len(tables)))


def _check(mu_stars: tuple[float, ...], pressure_gpa: float | None) -> None:
    for mu_star in mu_stars:
        if not 0 <= mu_star <= HIGHEST_MU_STAR:
            raise UserError(
                f"mu* = {mu_star:g} was given, wanted 0 to {HIGHEST_MU_STAR:g}: change --mu-star, 0.10 is usual"
            )
    if pressure_gpa is not None and not (math.isfinite(pressure_gpa) and pressure_gpa >= 0):
        raise UserError(f"a pressure of {pressure_gpa:g} GPa was given, wanted 0 or more: change --pressure-gpa")


def _solved(
    path: Path, unit: str | None, column: int, mu_stars: tuple[float, ...], settings: dict[str, Any]
) -> dict[str, Any]:
    """Read one column and solve it."""
    energy_mev, spectrum = read_alpha2f(path, unit, column)
    try:
        return tc_table(energy_mev, spectrum, mu_stars, **settings)
    except ValueError as error:
        raise UserError(f"{path}: {error}") from error


def _answer(tables: dict[int, dict[str, Any]]) -> dict[str, Any]:
    """Return the table of the first column; with several, all of them and the spread over them."""
    first = next(iter(tables.values()))
    if len(tables) == 1:
        return first
    ranking = [table["tc"][0]["allen_dynes_k"] for table in tables.values()]
    return {
        **first,
        "spread": {**first["spread"], "columns_k": [min(ranking), max(ranking)]},
        "columns": [{"column": column, **table} for column, table in tables.items()],
    }


def _text(table: dict[str, Any]) -> str:
    """Moments and temperatures as plain aligned lines."""
    head = f"lambda {table['lambda']:.4f}"
    for key in ("omega_log_mev", "omega_2_mev"):
        value = table[key]
        name = key.removesuffix("_mev")
        head += f"   {name} " + ("-" if value is None else f"{value:.2f} meV ({value / BOLTZMANN_MEV_PER_K:.1f} K)")
    with_merit = "figure_of_merit" in table["tc"][0]
    titles = f"{'mu*':>6} {'McMillan (K)':>14} {'Allen-Dynes (K)':>17} {'Eliashberg (K)':>16}"
    lines = [head, "", titles + (f" {'S (A-D)':>9} {'S (Eli.)':>9}" if with_merit else "") + "  status"]
    for row in table["tc"]:
        line = f"{row['mu_star']:>6g} {row['mcmillan_k']:>14.4g} {row['allen_dynes_k']:>17.4g} "
        line += f"{_number(row['eliashberg_k']):>16}"
        if with_merit:
            line += f" {row['figure_of_merit']:>9.3f} {_number(row['eliashberg_figure_of_merit'], '.3f'):>9}"
        lines.append(f"{line}  {row['status']}")
    if "gap" in table["tc"][0]:
        lines += ["", *_gap_lines(table["tc"])]
    return "\n".join(lines)


def _gap_lines(rows: list[dict[str, Any]]) -> list[str]:
    """Gap and isotope coefficients, one line for each mu*."""
    lines = [
        f"{'mu*':>6} {'T (K)':>9} {'Delta(i w0) (meV)':>18} {'2 Delta/kB Tc':>14} {'Z(i w0)':>8} "
        f"{'isotope McM':>12} {'A-D':>7} {'Eli.':>7}  status of the gap"
    ]
    for row in rows:
        gap, isotope = row["gap"], row["isotope_coefficient"]
        lines.append(
            f"{row['mu_star']:>6g} {_number(gap['temperature_k']):>9} {_number(gap['gap_mev']):>18} "
            f"{_number(gap['gap_ratio']):>14} {_number(gap['z']):>8} {_number(isotope['mcmillan'], '.3f'):>12} "
            f"{_number(isotope['allen_dynes'], '.3f'):>7} {_number(isotope['eliashberg'], '.3f'):>7}  {gap['status']}"
        )
    return lines


def _conventions_and_spread(answer: dict[str, Any], n_columns: int) -> str:
    """Say what mu* meant to the Eliashberg equations, and how far the answers lie apart."""
    cutoff = f"the Eliashberg cutoff of {answer['tc'][0]['cutoff_mev']:.4g} meV"
    if answer["mu_star_convention"] == MU_STAR_CONVENTIONS[0]:
        convention = f"mu* is taken at {cutoff}, as given"
    else:
        carried = ", ".join(f"{row['mu_star_at_cutoff']:.3f}" for row in answer["tc"])
        convention = f"mu* is that of omega_2, rescaled to {cutoff}: {carried}"
    spread = answer["spread"]
    parts = [f"formulas {_range(spread['formulas_k'])}", f"mu* {_range(spread['mu_star_k'])}"]
    if n_columns > 1:
        parts.append(f"columns {_range(spread['columns_k'])}")
    return f"{convention}\nspread around Allen-Dynes at mu* = {answer['tc'][0]['mu_star']:g}: {', '.join(parts)}"


def _range(bounds: list[float] | None) -> str:
    return "unknown" if bounds is None else f"{bounds[0]:.4g} to {bounds[1]:.4g} K"


def _number(value: float | None, form: str = ".4g") -> str:
    return "-" if value is None else format(value, form)
