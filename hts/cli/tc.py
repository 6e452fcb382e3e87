"""`hts tc`: superconducting Tc from any alpha2F file, without a profile."""

import json
from pathlib import Path
from typing import Any

import click

from hts.alpha2f import MEV_PER_UNIT, read_alpha2f
from hts.errors import UserError
from hts.superconductivity import tc_table
from hts.units import BOLTZMANN_MEV_PER_K

DEFAULT_MU_STARS = (0.10, 0.13, 0.16)
HIGHEST_MU_STAR = 0.5


@click.command(
    epilog="\b\nExamples:\n  hts tc aiida.a2f --mu-star 0.10 --mu-star 0.13\n  hts tc a2f.dat --unit THz --json",
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
    "--column",
    type=int,
    default=1,
    show_default=True,
    help="Which alpha2F column; 1 is the first after the energies.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def tc(alpha2f: Path, unit: str | None, mu_stars: tuple[float, ...], column: int, as_json: bool) -> None:
    """Tc of the file ALPHA2F: McMillan, Allen-Dynes and isotropic Migdal-Eliashberg, for each mu*.

    mu* enters the Eliashberg equations at their cutoff of ten times the highest phonon energy. The status is that of
    the Eliashberg Tc: superconducting, not_superconducting (Tc is 0) or not_bracketed (below a millionth of omega_log,
    no number given).
    """
    for mu_star in mu_stars:
        if not 0 <= mu_star <= HIGHEST_MU_STAR:
            raise UserError(
                f"mu* = {mu_star:g} was given, wanted 0 to {HIGHEST_MU_STAR:g}: change --mu-star, 0.10 is usual"
            )
    energy_mev, spectrum = read_alpha2f(alpha2f, unit, column)
    try:
        table = tc_table(energy_mev, spectrum, mu_stars)
    except ValueError as error:
        raise UserError(f"{alpha2f}: {error}") from error
    click.echo(json.dumps(table, indent=2, allow_nan=False) if as_json else _text(table))


def _text(table: dict[str, Any]) -> str:
    """Moments and temperatures as plain aligned lines."""
    head = f"lambda {table['lambda']:.4f}"
    for key in ("omega_log_mev", "omega_2_mev"):
        value = table[key]
        name = key.removesuffix("_mev")
        head += f"   {name} " + ("-" if value is None else f"{value:.2f} meV ({value / BOLTZMANN_MEV_PER_K:.1f} K)")
    lines = [head, "", f"{'mu*':>6} {'McMillan (K)':>14} {'Allen-Dynes (K)':>17} {'Eliashberg (K)':>16}  status"]
    for row in table["tc"]:
        solved = "-" if row["eliashberg_k"] is None else f"{row['eliashberg_k']:.4g}"
        lines.append(
            f"{row['mu_star']:>6g} {row['mcmillan_k']:>14.4g} {row['allen_dynes_k']:>17.4g} {solved:>16}  "
            f"{row['status']}"
        )
    return "\n".join(lines)
