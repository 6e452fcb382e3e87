"""Parser of ph.x for one q-point: keeps the scheduler's reason, and believes a dynamical matrix only if it is whole."""

import json
import re
from typing import Any

import numpy as np
from aiida import orm
from aiida.engine import ExitCode
from aiida.parsers import Parser
from aiida_quantumespresso.calculations.ph import PhCalculation
from numpy.typing import NDArray

from hts.dynmat import DynamicalMatrix, read_dynamical_matrix, read_qpoint_list
from hts.errors import ParseError
from hts.phonons import qpoint_modes
from workflows.calculations.ph import PARTIAL_MODES_FILE

# What ph.x 6.7 prints, and the exit code it means; the first that matches decides, so the more specific come first.
_ERRORS = (
    ("Maximum CPU time exceeded", "ERROR_OUT_OF_WALLTIME"),
    (r"No space left on device|[Ee]rror in routine\s+(?:davcio|diropn|seqopn)", "ERROR_DISK_FULL"),
    ("problems computing cholesky", "ERROR_COMPUTING_CHOLESKY"),
    ("FFT grid incompatible with symmetry", "ERROR_INCOMPATIBLE_FFT_GRID"),
    ("wrong representation", "ERROR_WRONG_REPRESENTATION"),
    ("No convergence has been achieved", "ERROR_CONVERGENCE_NOT_REACHED"),
)
_WALL_TIME = re.compile(r"PHONON\s*:.*CPU\s+(?:(\d+)h)?\s*(?:(\d+)m)?\s*(?:([\d.]+)s)?\s+WALL")
_VERSION = re.compile(r"Program PHONON v\.(\S+)")


def dynamical_matrix_of(retrieved: orm.FolderData, qpoint_index: int) -> DynamicalMatrix:
    """Read the dynamical matrix of one q-point from what a ph.x job brought back.

    Parameters
    ----------
    retrieved : orm.FolderData
    qpoint_index : int
        Counted from 1.

    Returns
    -------
    DynamicalMatrix

    Raises
    ------
    ParseError
        If the file is missing or not whole.
    """
    return read_dynamical_matrix(read_matrix_file(retrieved, qpoint_index))


def read_matrix_file(retrieved: orm.FolderData, qpoint_index: int) -> str:
    """Return the text of ``fildyn<N>`` (0: the list of q-points).

    Raises
    ------
    ParseError
        If it was not written.
    """
    name = f"{PhCalculation._OUTPUT_DYNAMICAL_MATRIX_PREFIX}{qpoint_index}"
    try:
        return _text_of(retrieved, name)
    except OSError as error:
        raise ParseError(f"ph.x wrote no {name}; rerun this q-point") from error


def read_partial_modes(retrieved: orm.FolderData) -> dict[str, Any] | None:
    """Return what is known of a q-point that was stopped at an imaginary mode; None of any other.

    Returns
    -------
    dict or None
        ``qpoint_index``, ``qpoint_2pi_over_a``, ``representations`` (those that were finished) and
        ``number_of_representations``, ``frequencies_cm1`` (upper bounds of the lowest ones), ``lowest_cm1`` and
        ``softest_mode`` (`hts.soft_mode.soft_mode`).
    """
    if PARTIAL_MODES_FILE not in retrieved.base.repository.list_object_names():
        return None
    content: dict[str, Any] = json.loads(_text_of(retrieved, PARTIAL_MODES_FILE))
    return content


def _text_of(retrieved: orm.FolderData, name: str) -> str:
    """Return a file's text; bytes that are none are replaced, so that garbage is reported and not raised."""
    return retrieved.base.repository.get_object_content(name, "rb").decode("utf-8", errors="replace")


def _check_qpoint(matrix: DynamicalMatrix, qpoints: NDArray[np.float64], index: int) -> None:
    """Refuse a matrix of another q-point than the one that was asked for."""
    if index > len(qpoints):
        raise ParseError(f"q-point {index} was asked for, ph.x lists {len(qpoints)}; ask for one of these")
    if not np.allclose(matrix.qpoint_2pi_over_a, qpoints[index - 1], atol=1e-6):
        found, wanted = matrix.qpoint_2pi_over_a.tolist(), qpoints[index - 1].tolist()
        raise ParseError(f"dynamical matrix {index} is of q = {found}, wanted {wanted}; rerun this q-point")


class PhQPointParser(Parser):
    """Parse stdout and the dynamical matrix of one q-point."""

    def parse(self, **_: Any) -> ExitCode | None:
        """Attach ``output_parameters`` and return the exit code."""
        if self.node.exit_status is not None:
            # The scheduler has already said why (out of time, out of memory, node failure): nothing here knows better.
            return ExitCode(self.node.exit_status, self.node.exit_message)
        try:
            stdout = _text_of(self.retrieved, str(self.node.get_option("output_filename")))
        except OSError:
            return self.exit_codes.ERROR_OUTPUT_STDOUT_MISSING
        error = self._error(stdout)
        if error is not None:
            return error
        index = self.node.inputs.qpoint_index.value
        try:
            matrix = dynamical_matrix_of(self.retrieved, index)
            mesh, qpoints = read_qpoint_list(read_matrix_file(self.retrieved, 0))
            _check_qpoint(matrix, qpoints, index)
        except ParseError as reason:
            return self.exit_codes.ERROR_DYNAMICAL_MATRIX.format(reason=str(reason))
        modes = qpoint_modes(matrix)
        version = _VERSION.search(stdout)
        self.out(
            "output_parameters",
            orm.Dict(
                {
                    "qpoint_index": index,
                    "qpoint_mesh": list(mesh),
                    "number_of_qpoints": len(qpoints),
                    "qpoint_2pi_over_a": matrix.qpoint_2pi_over_a.tolist(),
                    "star_size": matrix.star_size,
                    "frequencies_cm1": modes.frequencies_cm1.tolist(),
                    "lowest_cm1": float(modes.frequencies_cm1[0]) if len(modes.frequencies_cm1) else None,
                    "translations_cm1": modes.translations_cm1.tolist(),
                    "printed_frequencies_cm1": matrix.printed_frequencies_cm1.tolist(),
                    "wall_time_seconds": _wall_time_seconds(stdout),
                    "code_version": version.group(1) if version else None,
                }
            ),
        )
        return None

    def _error(self, stdout: str) -> ExitCode | None:
        for pattern, name in _ERRORS:
            if re.search(pattern, stdout):
                if "restart_folder" in self.node.inputs and _is_stale(name, stdout):
                    return self.exit_codes.ERROR_STALE_RECOVER
                return getattr(self.exit_codes, name)  # type: ignore[no-any-return]
        if "JOB DONE" not in stdout:
            return self.exit_codes.ERROR_OUTPUT_STDOUT_INCOMPLETE
        return None


def _is_stale(name: str, stdout: str) -> bool:
    """Say whether a restart failed on what it took over rather than for the reason it prints.

    With recover files of another state ph.x gives up before its first iteration, yet prints JOB DONE, or it can't read
    them, which looks like a full disk; a disk that is really full says so again when the q-point is run afresh.
    """
    if name == "ERROR_CONVERGENCE_NOT_REACHED":
        return "iter #" not in stdout
    return name == "ERROR_DISK_FULL" and "No space left on device" not in stdout


def _wall_time_seconds(stdout: str) -> float | None:
    found = _WALL_TIME.findall(stdout)
    if not found:
        return None
    hours, minutes, seconds = found[-1]
    return 3600 * float(hours or 0) + 60 * float(minutes or 0) + float(seconds or 0)
