"""`hts mode`: the softest mode of a candidate as an animation."""

from pathlib import Path

import click

from hts.cli.options import output_option, profile_option, require_writable, unwritable

_XYZ, _XSF = (".xyz", ".extxyz"), (".axsf", ".xsf")


@click.command()
@click.argument("key")
@output_option("Extended XYZ (.xyz) or animated XSF of XCrySDen (.axsf), by its ending.")
@click.option("--pressure-gpa", type=float, metavar="P", help="At this rung; default: where the softest mode is.")
@click.option(
    "--amplitude-ang",
    type=click.FloatRange(0, min_open=True),
    default=0.3,
    show_default=True,
    metavar="A",
    help="Largest displacement of an atom.",
)
@click.option(
    "--frames", type=click.IntRange(2), default=24, show_default=True, metavar="N", help="Frames of one period."
)
@profile_option
def mode(
    key: str, path: Path, pressure_gpa: float | None, amplitude_ang: float, frames: int, profile: str | None
) -> None:
    """Write how the atoms move in the softest mode of the candidate KEY, an imaginary one if there is any.

    The frames show one period in the smallest supercell that the mode fits. OVITO, VMD, Jmol and ASE read extended
    XYZ, whose last three columns are each frame's displacements.

    \b
    Example:
      hts mode Al4H -o al4h-softest.xyz
      hts mode perovskite-MgAlH3 --pressure-gpa 10 --amplitude-ang 0.5 -o mgalh3.axsf
    """
    require_writable(path, (*_XYZ, *_XSF), "an animation ends in xyz or axsf")
    from hts.mode_animation import animate_mode, animated_xsf, extended_xyz
    from hts.phonon_curves import qpoint_text
    from hts.store import modes
    from hts.store import profile as profiles

    profiles.load(profile)
    found = modes.load_softest_mode(key, pressure_gpa)
    moving = animate_mode(found.structure, found.qpoint, found.eigenvector, amplitude_ang, frames)
    place = qpoint_text(found.qpoint)
    if path.suffix.lower() in _XYZ:
        remarks: dict[str, str | float] = {
            "candidate": found.key,
            "pressure_gpa": found.pressure_gpa,
            "qpoint": place,
            "frequency_cm1": round(found.frequency_cm1, 4),
        }
        text = extended_xyz(moving, **remarks, **({"irrep": found.irrep} if found.irrep else {}))
    else:
        text = animated_xsf(moving)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise unwritable(path, error) from None
    symmetry = f", {found.irrep}" if found.irrep else ""
    cells = "x".join(map(str, moving.repeats))
    click.echo(
        f"{path} written: {found.frequency_cm1:.1f} cm-1 at q = {place}{symmetry}, {found.pressure_gpa:g} GPa; "
        f"{len(moving.supercell)} atoms in {cells} cells, {frames} frames",
        err=True,
    )
