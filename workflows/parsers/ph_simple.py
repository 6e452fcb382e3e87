"""Parser of ph.x with ``electron_phonon = 'simple'``: keeps the scheduler's reason, believes lambda only if whole."""

import re
from typing import Any

from aiida import orm
from aiida.engine import ExitCode
from aiida.parsers import Parser

from hts.dynmat import read_dynamical_matrix
from hts.errors import ParseError
from hts.simple_output import SimpleCoupling, identify_translations, parse_simple
from workflows.calculations.ph_simple import MATRIX_PREFIX, smearings

# What ph.x 6.7 prints, and the exit code it means; the first that matches decides, so the more specific come first.
_ERRORS = (
    (r"Maximum CPU time exceeded", "ERROR_OUT_OF_WALLTIME"),
    (r"Cannot allocate memory|out of memory|Allocation would exceed|Error allocating", "ERROR_OUT_OF_MEMORY"),
    (r"No space left on device", "ERROR_DISK_FULL"),
    (
        # It opens for writing what is not there, so that a missing file is one that is too short.
        r"problems reading u|error (?:reading|opening) file \"[^\"]*dvscf|Error in routine\s+readmat"
        r"|file = '[^']*dynamical-matrix-",
        "ERROR_PHONON_FILES",
    ),
    (r"[Ee]rror in routine\s+(?:davcio|diropn|seqopn)", "ERROR_DISK_FULL"),
)
_CRASH = re.compile(r"Error in routine\s+(.*?)\n\s*%%|(Fortran runtime error: .*)|(SIGSEGV|SIGABRT|SIGFPE)", re.DOTALL)
_VERSION = re.compile(r"Program PHONON v\.(\S+)")


class PhSimpleParser(Parser):
    """Parse standard output, and hold it against the dynamical matrix that ph.x was given."""

    def parse(self, **_: Any) -> ExitCode | None:
        """Attach ``output_parameters`` and return the exit code."""
        if self.node.exit_status is not None:
            # The scheduler has already said why (out of time, out of memory, node failure): nothing here knows better.
            return ExitCode(self.node.exit_status, self.node.exit_message)
        stdout = self._content(self.node.get_option("output_filename"))
        if not stdout.strip():
            return self.exit_codes.ERROR_OUTPUT_STDOUT_MISSING
        error = self._error(stdout)
        if error is not None:
            return error
        try:
            coupling = self._coupling(stdout)
        except ParseError as reason:
            return self.exit_codes.ERROR_COUPLING_MISSING.format(reason=str(reason))
        index = self.node.inputs.qpoint_index.value
        try:
            # Cut, or of another q-point: ph.x takes either without a word.
            matrix = read_dynamical_matrix(self._content(f"{MATRIX_PREFIX}{index}"))
            coupling = identify_translations(coupling, matrix)
        except ParseError as reason:
            return self.exit_codes.ERROR_DYNAMICAL_MATRIX.format(reason=str(reason))
        version = _VERSION.search(stdout)
        content = {"qpoint_index": index, "code_version": version.group(1) if version else None}
        self.out("output_parameters", orm.Dict({**content, **coupling.to_dict()}))
        return None

    def _coupling(self, stdout: str) -> SimpleCoupling:
        sigma_ry, n_sigma = smearings(getattr(self.node.inputs, "parameters", None))
        found = parse_simple(stdout, sigma_ry, n_sigma)
        if len(found) != 1:
            raise ParseError(f"ph.x: {len(found)} q-points found, wanted one; rerun this q-point alone")
        return found[0]

    def _error(self, stdout: str) -> ExitCode | None:
        both = f"{stdout}\n{self._content(self.node.get_option('scheduler_stderr'))}"
        for pattern, name in _ERRORS:
            if re.search(pattern, both):
                return getattr(self.exit_codes, name)  # type: ignore[no-any-return]
        crash = _CRASH.search(both)
        if crash is not None:
            reason = " ".join(next(group for group in crash.groups() if group).split())[:200]
            return self.exit_codes.ERROR_UNKNOWN.format(reason=reason)
        if "JOB DONE" not in stdout:
            return self.exit_codes.ERROR_OUTPUT_STDOUT_INCOMPLETE
        return None

    def _content(self, name: str | None) -> str:
        """Return a retrieved file as text, empty if it is not there; bytes that are no text become marks."""
        if not name:
            return ""
        try:
            return self.retrieved.base.repository.get_object_content(name, "rb").decode("utf-8", errors="replace")
        except OSError:
            return ""
