"""Parser of epw.x: keeps the scheduler's reason, names the failure, and believes alpha2F only if it is whole."""

from pathlib import Path
from typing import Any

import numpy as np
from aiida import orm
from aiida.engine import ExitCode
from aiida.parsers import Parser

from hts.epw_decay import DECAY_UNITS, parse_decay
from hts.epw_gaps import GapDistribution, gap_distribution, parse_gap_surface, surface_temperature_k
from hts.epw_matrix_elements import smeared_couplings
from hts.epw_output import classify_error, error_text, parse_stdout
from hts.epw_spectra import parse_a2f, parse_bands, parse_phdos
from hts.errors import ParseError
from hts.wannier90_output import parse_wannier_bands
from workflows.calculations.epw_checks import PREFIX, assumed_version, lower_keywords

# EPW prints alpha2F with seven decimals.
_SAME_LAMBDA = 1e-4


class EpwParser(Parser):
    """Parse standard output and the spectra."""

    def parse(self, **kwargs: Any) -> ExitCode | None:
        """Attach what can be read, and return the exit code of the first thing that went wrong."""
        stdout = self._content(self.node.get_option("output_filename"))
        values: dict[str, Any] = {}
        if stdout.strip():
            values = parse_stdout(stdout)
            self._compare_versions(values["code_version"])
            self.out("output_parameters", orm.Dict(values))
        self._keywords = lower_keywords(self.node.inputs.parameters)
        invalid = self._spectra()
        unsummed = self._smeared(kwargs.get("retrieved_temporary_folder"))
        self._wannier()
        self._gaps(values)
        if self.node.exit_status is not None:
            # The scheduler has already said why (out of time, out of memory, node failure): nothing here knows better.
            return ExitCode(self.node.exit_status, self.node.exit_message)
        # epw.x on a full disk can end with an empty file and status 0.
        if not stdout.strip():
            return self.exit_codes.ERROR_OUTPUT_STDOUT_MISSING
        failure = self._failure(stdout, values) or self._spectrum_failure(invalid) or self._gap_failure(values)
        return failure or (self.exit_codes.ERROR_MATRIX_ELEMENTS.format(reason=unsummed) if unsummed else None)

    def _failure(self, stdout: str, values: dict[str, Any]) -> ExitCode | None:
        stderr = self._content(self.node.get_option("scheduler_stderr"))
        name = classify_error(stdout, stderr)
        if name is None:
            return None if values["job_done"] else self.exit_codes.ERROR_OUTPUT_STDOUT_INCOMPLETE
        reason = error_text(stdout) or " ".join(stderr.split())[:200] or "no message"
        return getattr(self.exit_codes, name).format(reason=reason)  # type: ignore[no-any-return]

    def _spectrum_failure(self, invalid: str | None) -> ExitCode | None:
        if invalid:
            return self.exit_codes.ERROR_ALPHA2F_INVALID.format(reason=invalid)
        if self._keywords.get("eliashberg") and "alpha2f" not in self.outputs:
            return self.exit_codes.ERROR_ALPHA2F_MISSING
        return None

    def _gap_failure(self, values: dict[str, Any]) -> ExitCode | None:
        """Name the first temperature at which the Eliashberg equations failed; the earlier ones are attached."""
        for entry in values.get("eliashberg", ()):
            reason = f"{entry['temperature_k']:g} K in {entry['iterations']} iterations"
            if entry["converged"] is False:
                reason += ": the gap fell to zero, this is above Tc" if entry["collapsed"] else ""
                return self.exit_codes.ERROR_ELIASHBERG_NOT_CONVERGED.format(reason=reason)
            if entry["pade_failed"]:
                return self.exit_codes.ERROR_PADE_NAN.format(reason=f"{entry['temperature_k']:g} K")
        return None

    def _compare_versions(self, printed: str | None) -> None:
        assumed = assumed_version(self.node.inputs)
        if printed is not None and printed != assumed:
            self.logger.warning(
                f"epw.x is {printed}, its input was written for {assumed}; run `hts setup` or give settings.epw_version"
            )

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

    def _smeared(self, folder: str | None) -> str | None:
        """Attach alpha2F at the smearings that were asked for; return what is wrong with the matrix elements.

        They are checked where nobody asked for a sum, too, as far as the sum here has EPW's N(E_F).
        """
        settings = self.node.inputs.settings.get_dict() if "settings" in self.node.inputs else {}
        sigmas_ev = settings.get("smearings_ev", [])
        found_any = (Path(folder or "") / f"{PREFIX}.ephmat").is_dir()
        checkable = found_any and self._keywords.get("ngaussw") == 0
        if "alpha2f" not in self.outputs or not (sigmas_ev or checkable):
            return None
        spectrum = self.outputs["alpha2f"]
        energy = spectrum.get_array("energy_mev")
        try:
            *found, own = smeared_couplings(Path(folder or ""), PREFIX, [*sigmas_ev, self._keywords["degaussw"]])
        except ParseError as error:
            return str(error)
        smearing = float(spectrum.get_array("smearing_mev")[0])
        printed = float(spectrum.get_array("lambda")[0])
        again = float(2 * np.sum(own.alpha2f(energy, smearing) / energy) * (energy[1] - energy[0]))
        if abs(again - printed) > _SAME_LAMBDA * max(printed, 1.0):
            return f"lambda {again:.5f}, epw.x has {printed:.5f} at the same smearing, wanted the same"
        if not sigmas_ev:
            return None
        self.out(
            "smeared_alpha2f",
            _arrays(
                energy_mev=energy,
                smearings_ev=np.array([one.sigma_ev for one in found]),
                dos_per_spin_ev=np.array([one.dos_per_spin_ev for one in found]),
                alpha2f=np.array([one.alpha2f(energy, smearing) for one in found]),
            ),
        )
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

    def _wannier(self) -> None:
        """Attach Wannier90's bands and the decay of the matrix elements, each if it is there and whole."""
        if text := self._content(f"{PREFIX}_band.dat"):
            try:
                bands = parse_wannier_bands(text, self._content(f"{PREFIX}_band.kpt"), int(self._keywords["nbndsub"]))
                self.out("wannier_bands", _arrays(**vars(bands)))
            except ParseError as error:
                self.logger.warning(str(error))
        decays: dict[str, Any] = {}
        for name in DECAY_UNITS:
            if not (text := self._content(f"decay.{name}")):
                continue
            try:
                decays[f"{name}_distance_ang"], decays[f"{name}_magnitude"] = parse_decay(text)
            except ParseError as error:
                self.logger.warning(f"decay.{name}: {error}")
        if decays:
            self.out("decay", _arrays(**decays))

    def _gaps(self, values: dict[str, Any]) -> None:
        """Attach the gap distributions of the temperatures that converged: the others wrote theirs, too."""
        converged = {
            round(entry["temperature_k"], 2): entry["temperature_k"]
            for entry in values.get("eliashberg", ())
            if entry["anisotropic"] and entry["converged"] and not entry["collapsed"]
        }
        found = []
        for name in sorted(self.retrieved.base.repository.list_object_names()):
            temperature = converged.get(surface_temperature_k(name) or -1.0)
            if temperature is None:
                continue
            try:
                found.append(self._gap(name, temperature, values))
            except ParseError as error:
                self.logger.warning(f"{name}: {error}")
        if found:
            node = _arrays(temperatures_k=np.array([gap.temperature_k for gap in found]))
            for index, gap in enumerate(found):
                node.set_array(f"gap_mev_{index}", gap.gap_mev)
                node.set_array(f"weight_{index}", gap.weight)
            self.out("gap_distributions", node)

    def _gap(self, name: str, temperature_k: float, values: dict[str, Any]) -> GapDistribution:
        wanted = ("degaussw_ev", "dos_ef_per_spin_ev")
        kmesh = values.get("fine_kmesh") or [self._keywords.get(f"nkf{axis}") for axis in (1, 2, 3)]
        if not all(kmesh) or any(key not in values for key in wanted):
            raise ParseError("standard output lacks the smearing, N(E_F) or the fine k-mesh, wanted all; rerun epw.x")
        return gap_distribution(
            parse_gap_surface(self._content(name)),
            temperature_k,
            values["degaussw_ev"],
            kmesh,
            values["dos_ef_per_spin_ev"],
            int(self._keywords.get("ngaussw", 1)),
        )


def _arrays(**arrays: Any) -> orm.ArrayData:
    node = orm.ArrayData()
    for name, array in arrays.items():
        node.set_array(name, array)
    return node
