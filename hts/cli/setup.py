"""`hts setup`: profile, computer, codes and pseudopotentials; what is there already is kept."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from hts.errors import UserError

_FOLDER = click.Path(path_type=Path)


@click.command()
@click.option("--profile", default="hts", show_default=True, metavar="NAME", help="Profile to make or to complete.")
@click.option("--bin-dir", type=_FOLDER, help="Folder of pw.x, ph.x, q2r.x and epw.x; default: PATH.")
@click.option("--pseudo-family", metavar="LABEL", help="Label to install, or one that is installed. [LDA/vbc]")
@click.option("--pseudo-folder", type=_FOLDER, help="Folder of norm-conserving UPF files to install.")
@click.option("--pseudo-pattern", default="*.[uU][pP][fF]", show_default=True, help="Which files of that folder.")
@click.option("--cutoffs", type=_FOLDER, help='JSON: {"Al": {"cutoff_wfc": 30, "cutoff_rho": 120}, …} in Ry.')
def setup(
    profile: str,
    bin_dir: Path | None,
    pseudo_family: str | None,
    pseudo_folder: Path | None,
    pseudo_pattern: str,
    cutoffs: Path | None,
) -> None:
    """Make the profile, the codes and the pseudopotential family.

    Needs no service: SQLite for storage, and a message broker that lives with the daemon. Can be repeated; what exists
    is kept. Without --pseudo-folder the LDA files of Debian's quantum-espresso-data are installed as LDA/vbc, with
    cutoffs of 30 and 120 Ry.
    """
    if pseudo_folder is not None and pseudo_family is None:
        raise UserError("--pseudo-folder is given without a label; add --pseudo-family LABEL")
    if pseudo_folder is None and cutoffs is not None:
        raise UserError("--cutoffs is given without files to install; add --pseudo-folder DIR")
    from hts.store import codes, pseudos
    from hts.store import profile as profiles

    executables = codes.find_executables(bin_dir)
    if pseudo_folder is not None:
        pseudos.select_files(pseudo_folder, pseudo_pattern)
    created = profiles.create(profile)
    complete = False
    try:
        profiles.load(profile)
        _report("profile", profile, created)
        _report("computer", codes.COMPUTER_LABEL, codes.setup_computer())
        _adopt_scheduler()
        for label, made in codes.setup_codes(executables).items():
            _report("code", f"{label} ({executables[label.split('@')[0]]})", made)
        _setup_pseudos(pseudo_family, pseudo_folder, pseudo_pattern, cutoffs)
        complete = True
    finally:
        if created and not complete:
            profiles.delete(profile)
    if not codes.has_job_stamps():
        click.echo("Note: this localhost was not made by hts; `hts status` cannot tell idle time from work.", err=True)
    click.echo("Type next: hts doctor, then hts run examples/al-h-perovskites.yaml", err=True)


def _adopt_scheduler() -> None:
    from hts.store import codes, daemon

    if codes.adopt_scheduler():
        stopped = "; the daemon was stopped for it, `hts run` starts it again" if daemon.stop() else ""
        change = f"{codes.SCHEDULER} instead of {codes.FORMER_SCHEDULER} on {codes.COMPUTER_LABEL}"
        click.echo(f"set   {'scheduler':17} {change}{stopped}")


def _setup_pseudos(label: str | None, folder: Path | None, pattern: str, cutoffs: Path | None) -> None:
    from hts.store import pseudos

    if folder is not None and label is not None:
        _install(label, lambda: pseudos.install_family(label, folder, pattern, cutoffs))
    elif label is not None and label != pseudos.DEBIAN_LABEL:
        _install(label, lambda: pseudos.load_family(label))
    elif pseudos.DEBIAN_FOLDER.is_dir():
        files = pseudos.select_files(pseudos.DEBIAN_FOLDER, pseudos.DEBIAN_PATTERN)
        values = pseudos.debian_cutoffs_ry(files)
        install = (pseudos.DEBIAN_LABEL, pseudos.DEBIAN_FOLDER, pseudos.DEBIAN_PATTERN, values)
        _install(pseudos.DEBIAN_LABEL, lambda: pseudos.install_family(*install))
    elif not pseudos.family_labels():
        raise UserError(
            f"no pseudopotentials: {pseudos.DEBIAN_FOLDER} is not there; `apt-get install quantum-espresso-data` or "
            "give --pseudo-family LABEL --pseudo-folder DIR"
        )


def _install(label: str, install: Callable[[], Any]) -> None:
    from hts.store import pseudos

    made = not pseudos.family_exists(label)
    family = install()
    hints = pseudos.cutoff_elements(family)
    without = sorted(set(family.elements) - hints)
    note = f", no cutoff hint for {', '.join(without)}" if without else ""
    _report("pseudopotentials", f"{label} ({', '.join(sorted(family.elements))}{note})", made)


def _report(what: str, name: str, made: bool) -> None:
    click.echo(f"{'made' if made else 'kept'}  {what:17} {name}")
