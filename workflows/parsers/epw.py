"""Parser of epw.x: keeps the scheduler's reason, names the failure, and believes alpha2F only if it is whole."""

from typing import Any

from aiida import orm
from aiida.engine import ExitCode
from aiida.parsers import Parser

from hts.epw_output import classify_error, error_text, parse_a2f, parse_bands, parse_phdos, parse_stdout
from hts.errors import ParseError
from workflows.calculations.epw import PREFIX


class EpwParser(Parser):
    """Parse standard output and the spectra."""

    def parse(self, **_: Any) -> ExitCode | None:
        """Attach what can be read, and return the exit code of the first thing that went wrong."""
        stdout = self._content(self.node.get_option("output_filename"))
        if stdout.strip():
            self.out("output_parameters", orm.Dict(parse_stdout(stdout)))
        invalid = self._spectra()
        if self.node.exit_status is not None:
            # The scheduler has already said why (out of time, out of memory, node failure): nothing here knows better.
            return ExitCode(self.node.exit_status, self.node.exit_message)
        # epw.x on a full disk can end with an empty file and status 0.
        if not stdout.strip():
            return self.exit_codes.ERROR_OUTPUT_STDOUT_MISSING
        return self._failure(stdout) or self._spectrum_failure(invalid)

    def _failure(self, stdout: str) -> ExitCode | None:
        stderr = self._content(self.node.get_option("scheduler_stderr"))
        name = classify_error(stdout, stderr)
        finished = self.outputs.output_parameters["job_done"]
        if name is None:
            return None if finished else self.exit_codes.ERROR_OUTPUT_STDOUT_INCOMPLETE
        reason = error_text(stdout) or " ".join(stderr.split())[:200] or "no message"
        return getattr(self.exit_codes, name).format(reason=reason)  # type: ignore[no-any-return]

    def _spectrum_failure(self, invalid: str | None) -> ExitCode | None:
        keywords = {key.lower(): value for key, value in self.node.inputs.parameters["INPUTEPW"].items()}
        if invalid:
            return self.exit_codes.ERROR_ALPHA2F_INVALID.format(reason=invalid)
        if keywords.get("eliashberg") and "alpha2f" not in self.outputs:
            return self.exit_codes.ERROR_ALPHA2F_MISSING
        return None

    def _content(self, name: str | None) -> str:
        """Return a retrieved file as text, empty if it is not there; bytes that are no text become marks."""
        if not name or name not in self.retrieved.base.repository.list_object_names():
            return ""
        return self.retrieved.base.repository.get_object_content(name, mode="rb").decode("utf-8", errors="replace")

    def _spectra(self) -> str | None:
        """Attach the spectra; return why alpha2F is not believed, None if it is or is not there."""
        if text := self._content(f"{PREFIX}.phdos"):
            try:
                energy, dos = parse_phdos(text)
                self.out("phonon_dos", _arrays(energy_mev=energy, dos_per_mev=dos))
            except ParseError as error:
                self.logger.warning(str(error))
        self._bands()
        if not (text := self._content(f"{PREFIX}.a2f")):
            return None
        try:
            spectrum = parse_a2f(text)
        except ParseError as error:
            return str(error)
        node = _arrays(
            energy_mev=spectrum.energy_mev,
            alpha2f=spectrum.alpha2f,
            integrated_lambda=spectrum.integrated_lambda,
            smearing_mev=spectrum.smearing_mev,
        )
        node.set_array("lambda", spectrum.lambda_)
        self.out("alpha2f", node)
        return None

    def _bands(self) -> None:
        if not (text := self._content("band.eig")):
            return
        try:
            points, electrons = parse_bands(text)
            arrays = {"points_2pi_over_alat": points, "electrons_ev": electrons}
            if text := self._content("phband.freq"):
                arrays["phonons_mev"] = parse_bands(text)[1]
        except ParseError as error:
            self.logger.warning(str(error))
            return
        self.out("bands", _arrays(**arrays))


def _arrays(**arrays: Any) -> orm.ArrayData:
    node = orm.ArrayData()
    for name, array in arrays.items():
        node.set_array(name, array)
    return node
