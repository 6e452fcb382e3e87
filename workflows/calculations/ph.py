"""ph.x for a single irreducible q-point: the unit that is submitted, judged, retried and handed to EPW."""

from pathlib import PurePosixPath
from typing import Any

from aiida import orm
from aiida.common.datastructures import CalcInfo
from aiida.common.folders import Folder
from aiida.engine import CalcJobProcessSpec
from aiida_quantumespresso.calculations.ph import PhCalculation

# What `workflows.monitors.imaginary_mode` leaves in the folder of a job that it stops.
PARTIAL_MODES_FILE = "partial_modes.json"


class PhQPointCalculation(PhCalculation):
    """One irreducible q-point of a mesh, on its own scratch beside a shared, read-only ``prefix.save``.

    What differs from ``PhCalculation``: the parent's ``aiida.save`` is linked, not copied (ph.x 6.7 only reads it,
    checked by checksum), so N q-points don't cost N copies of the wavefunctions; the q-point is an input of its own; a
    restart takes the finished irreps of an interrupted run of this very q-point and nothing else; dvscf is always
    written, because the run that decides stability also feeds EPW.
    """

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:  # type: ignore[override]
        """Define the inputs, outputs and exit codes."""
        super().define(spec)
        spec.input("metadata.options.parser_name", valid_type=str, default="hts.ph")
        spec.input(
            "qpoint_index", valid_type=orm.Int, help="Which irreducible q-point, counted from 1 in the order of dyn0."
        )
        spec.input(
            "restart_folder",
            valid_type=orm.RemoteData,
            required=False,
            help="Scratch of an interrupted run of the same q-point, continued with recover.",
        )
        spec.exit_code(
            304,
            "ERROR_DYNAMICAL_MATRIX",
            message="The dynamical matrix is missing or truncated: {reason}",
            invalidates_cache=True,
        )
        spec.exit_code(
            306,
            "ERROR_DISK_FULL",
            message="ph.x could not write its scratch: the disk is full or unwritable.",
            invalidates_cache=True,
        )
        spec.exit_code(
            411,
            "ERROR_STALE_RECOVER",
            message="ph.x refused the recover files; rerun without them.",
            invalidates_cache=True,
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Copy the blocked keywords: the parent class appends to a list that all of a worker's instances share."""
        super().__init__(*args, **kwargs)
        self._blocked_keywords = [
            *PhCalculation._blocked_keywords,
            ("INPUTPH", "start_q"),
            ("INPUTPH", "last_q"),
            ("INPUTPH", "recover"),
            ("INPUTPH", "fildvscf"),
        ]

    def prepare_for_submission(self, folder: Folder) -> CalcInfo:
        """Write the input for the one q-point, and link instead of copy."""
        index = self.inputs.qpoint_index.value
        restart = "restart_folder" in self.inputs
        calcinfo = super().prepare_for_submission(folder)
        self._add_to_namelist(
            folder,
            [
                f"  start_q = {index}",
                f"  last_q = {index}",
                f"  fildvscf = '{self._DVSCF_PREFIX}'",
                f"  recover = .{'true' if restart else 'false'}.",
            ],
        )
        parent = self.inputs.parent_folder
        root = PurePosixPath(parent.get_remote_path())
        scratch = PurePosixPath(self._OUTPUT_SUBFOLDER)
        folder.get_subfolder(str(scratch), create=True)
        calcinfo.remote_copy_list = []
        calcinfo.remote_symlink_list = [
            (parent.computer.uuid, str(root / scratch / name), str(scratch / name))
            for name in (f"{self._PREFIX}.save", f"{self._PREFIX}.xml")
        ]
        calcinfo.retrieve_list.append(PARTIAL_MODES_FILE)
        if restart:
            calcinfo.remote_copy_list = self._restart_copies(folder, scratch / "_ph0", index)
        return calcinfo

    def _restart_copies(self, folder: Folder, ph0: PurePosixPath, index: int) -> list[tuple[str, str, str]]:
        """Return what a restart takes over: finished irreps with their dvscf, and nothing of the interrupted one.

        Off Gamma ph.x 6.7 goes on from ``recover`` and the bands at k+q to a wrong answer and says JOB DONE (fcc Al at
        L: 47 instead of 155 cm-1; Al4H at R: 781i instead of 149). Without these files it recomputes the bands and
        starts the interrupted irrep afresh.
        """
        previous = self.inputs.restart_folder
        old = PurePosixPath(previous.get_remote_path())
        own = ph0 if index == 1 else ph0 / f"{self._PREFIX}.q_{index}"
        folder.get_subfolder(str(own), create=True)
        kept = (ph0 / f"{self._PREFIX}.phsave", own / f"{self._PREFIX}.{self._DVSCF_PREFIX}1")
        return [(previous.computer.uuid, str(old / path), str(path)) for path in kept]

    def _add_to_namelist(self, folder: Folder, lines: list[str]) -> None:
        """Insert lines behind ``&INPUTPH``; these keywords are the plugin's and are blocked for users."""
        name = self.inputs.metadata.options.input_filename
        with folder.open(name, "r") as handle:
            head, body = handle.read().split("\n", 1)
        with folder.open(name, "w") as handle:
            handle.write("\n".join([head, *lines, body]))
