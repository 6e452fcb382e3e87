"""epw.x: from the files of a coarse nscf and of the ph.x runs, or from an earlier epw.x, to alpha2F."""

from pathlib import PurePosixPath
from typing import Any

from aiida import orm
from aiida.common.datastructures import CalcInfo, CodeInfo
from aiida.common.exceptions import InputValidationError
from aiida.common.folders import Folder
from aiida.engine import CalcJob, CalcJobProcessSpec

from hts.epw_decay import DECAY_UNITS
from hts.epw_input import EpwKeywordError, namelist_text, restart_files, wannier_files
from hts.epw_matrix_elements import sums_smearings
from hts.wannier_centres import centres_program
from workflows.calculations.epw_checks import (
    BLOCKED_KEYWORDS,
    MATRIX_ELEMENTS_FINGERPRINT,
    PREFIX,
    RESTART_FINGERPRINT,
    WANNIER_FINGERPRINT,
    assumed_version,
    check_fingerprint,
    check_meshes,
    check_projections,
    lower_keywords,
    nscf_path,
    validate_inputs,
    validate_parameters,
)

# Uuid of the computer, path there, path in the working directory.
_Transfer = tuple[str, str, str]
# Number, label, message; the labels are those that hts.epw_output.classify_error returns.
_EXIT_CODES = (
    (302, "ERROR_OUTPUT_STDOUT_MISSING", "epw.x wrote no standard output, or it could not be read."),
    (310, "ERROR_ALPHA2F_MISSING", "epw.x finished but aiida.a2f was not retrieved."),
    (311, "ERROR_ALPHA2F_INVALID", "aiida.a2f is cut or holds no numbers: {reason}"),
    (313, "ERROR_MATRIX_ELEMENTS", "The matrix elements on the fine mesh do not fit: {reason}"),
    (312, "ERROR_OUTPUT_STDOUT_INCOMPLETE", "Standard output ends before the end: the run was interrupted."),
    (320, "ERROR_INVALID_INPUT", "epw.x refused its input: {reason}"),
    (330, "ERROR_MISSING_DVSCF", "A file of the phonon run is missing or cut (dvscf, dyn, patterns): {reason}"),
    (331, "ERROR_QPOINTS_MISMATCH", "The phonon files are not those of this q-mesh. {reason}"),
    (332, "ERROR_KPOINTS_MISMATCH", "The nscf run is not on this k-mesh. {reason}"),
    (333, "ERROR_RESTART_FILES", "A file of the earlier epw.x is missing or does not fit: {reason}"),
    (340, "ERROR_POOLS", "epw.x wants as many pools as ranks: {reason}"),
    (390, "ERROR_UNKNOWN", "epw.x stopped: {reason}"),
    (400, "ERROR_OUT_OF_WALLTIME", "epw.x ran out of walltime."),
    (401, "ERROR_OUT_OF_MEMORY", "epw.x ran out of memory: {reason}"),
    (402, "ERROR_DISK_FULL", "epw.x could not write: the disk is full or unwritable. {reason}"),
    (500, "ERROR_CANNOT_BRACKET_EF", "No Fermi energy on the fine mesh: check nbndsub and the band count. {reason}"),
    (501, "ERROR_DISENTANGLEMENT_WINDOW", "The energy windows do not fit the bands. {reason}"),
    (502, "ERROR_TOO_FEW_BANDS", "The nscf run has too few bands for nbndsub. {reason}"),
    (503, "ERROR_PROJECTIONS", "Wannier90 refused the projections. {reason}"),
    (504, "ERROR_WIGNER_SEITZ", "No Wigner-Seitz cells around these Wannier functions. {reason}"),
    (510, "ERROR_MIX_BROYDEN", "The Eliashberg equations failed in Broyden mixing; alpha2F is attached if written."),
    (511, "ERROR_ELIASHBERG_NOT_CONVERGED", "The Eliashberg equations did not converge at {reason}."),
    (512, "ERROR_PADE_NAN", "The continuation to the real axis gave NaN at {reason}; lower npade."),
)


def _define_outputs(spec: CalcJobProcessSpec) -> None:
    spec.output(
        "output_parameters",
        valid_type=orm.Dict,
        help="Scalars with the unit in the key (eV, meV, K, Angstrom^2, s); printed_* are EPW's own Tc.",
    )
    spec.output(
        "alpha2f",
        valid_type=orm.ArrayData,
        required=False,
        help="energy_mev (n), alpha2f, integrated_lambda (m, n), smearing_mev, lambda (m): m phonon smearings.",
    )
    spec.output(
        "smeared_alpha2f",
        valid_type=orm.ArrayData,
        required=False,
        help="energy_mev (n), smearings_ev, dos_per_spin_ev (s), alpha2f (s, n): at settings.smearings_ev.",
    )
    spec.output("phonon_dos", valid_type=orm.ArrayData, required=False, help="energy_mev (n), dos_per_mev (m, n).")
    spec.output(
        "bands",
        valid_type=orm.ArrayData,
        required=False,
        help="points_2pi_over_alat (n, 3), electrons_ev (n, bands), phonons_mev (n, modes); with band_plot.",
    )
    spec.output(
        "wannier_bands",
        valid_type=orm.ArrayData,
        required=False,
        help="kpoints_frac (n, 3), path_inv_ang (n), energies_ev (n, n_wannier); if wdata asks for bands_plot.",
    )
    spec.output(
        "decay",
        valid_type=orm.ArrayData,
        required=False,
        help="<name>_distance_ang, <name>_magnitude (n) of H, dynmat, epmate, epmatp (Ry), v: see hts.epw_decay.",
    )
    spec.output(
        "gap_distributions",
        valid_type=orm.ArrayData,
        required=False,
        help="temperatures_k (t); for each i: gap_mev_<i>, weight_<i> (n), weights sum to 1; with laniso, limag.",
    )


_FIRST_OF_THE_PHYSICS = 500


class EpwCalculation(CalcJob):
    """One run of epw.x: EPW 5.3.1 of Quantum ESPRESSO 6.7, and 5.4 to 6.0 where keywords or files differ.

    Four kinds, told apart by the folders given:

    - ``nscf_folder`` and ``ph_folders``: Wannier functions, coarse matrix elements, fine meshes;
    - ``nscf_folder`` alone with ``elph`` false: Wannier functions only, to be judged before the dear rest;
    - ``nscf_folder``, ``ph_folders`` and ``wannier_folder``, that of such a run: the rest;
    - ``epw_folder``: other fine meshes or smearings, or the Eliashberg equations, from stored matrix elements.
    """

    BLOCKED_KEYWORDS = BLOCKED_KEYWORDS

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:  # type: ignore[override]
        """Define the inputs, outputs and exit codes."""
        super().define(spec)
        spec.input(
            "structure", valid_type=orm.StructureData, help="As pw.x got it: the order of kinds is that of amass."
        )
        spec.input(
            "parameters",
            valid_type=orm.Dict,
            validator=validate_parameters,
            help="{'INPUTEPW': {...}}: meshes, nbndsub, windows, smearings; lists for proj, wdata, temps.",
        )
        spec.input(
            "nscf_folder", valid_type=orm.RemoteData, required=False, help="pw.x nscf on the full coarse k-mesh."
        )
        spec.input_namespace(
            "ph_folders",
            valid_type=orm.RemoteData,
            required=False,
            dynamic=True,
            help="q_1 to q_N, the folder of the ph.x run of each irreducible q-point; several may be the same run.",
        )
        spec.input(
            "epw_folder", valid_type=orm.RemoteData, required=False, help="Earlier epw.x: other fine grids, smearing."
        )
        spec.input(
            "wannier_folder",
            valid_type=orm.RemoteData,
            required=False,
            help="epw.x that only Wannierised, from the same nscf_folder; its Wannier functions are taken.",
        )
        spec.input(
            "matrix_elements_folder",
            valid_type=orm.RemoteData,
            required=False,
            help="epw.x with ephwrite on the very fine meshes: only the Eliashberg equations are solved.",
        )
        spec.input("fine_points", valid_type=orm.KpointsData, required=False, help="Path for band_plot (both k and q).")
        spec.input("settings", valid_type=orm.Dict, required=False, help="cmdline (list), epw_version, smearings_ev.")
        spec.inputs.validator = validate_inputs
        spec.input("metadata.options.input_filename", valid_type=str, default=f"{PREFIX}.in")
        spec.input("metadata.options.output_filename", valid_type=str, default=f"{PREFIX}.out")
        spec.input("metadata.options.parser_name", valid_type=str, default="hts.epw")
        spec.input("metadata.options.withmpi", valid_type=bool, default=True)
        _define_outputs(spec)
        spec.default_output_node = "output_parameters"
        for status, label, message in _EXIT_CODES:
            # What was interrupted or lacked something may go well the next time: it must not be served from the cache.
            spec.exit_code(status, label, message=message, invalidates_cache=status < _FIRST_OF_THE_PHYSICS)

    def prepare_for_submission(self, folder: Folder) -> CalcInfo:
        """Write the input and say what is linked from where.

        Raises
        ------
        InputValidationError
            If the earlier runs do not fit these parameters, or this EPW does not know a keyword.
        """
        settings = self._settings()
        parameters = lower_keywords(self.inputs.parameters)
        check_projections(parameters, self.inputs.structure)
        solves_only = "matrix_elements_folder" in self.inputs
        restart = "epw_folder" in self.inputs or solves_only
        parameters |= {
            "prefix": PREFIX,
            "outdir": "./out/",
            "dvscf_dir": "./save",
            "iverbosity": 0,
            "amass": [kind.mass for kind in self.inputs.structure.kinds],
            "epwread": restart,
            "epwwrite": not restart,
            "wannierize": not restart and "wannier_folder" not in self.inputs,
        }
        if restart:
            parameters["kmaps"] = True
        parameters.setdefault("elph", True)
        if solves_only:
            parameters |= {"elph": False, "ep_coupling": False, "ephwrite": False}
        if parameters.get("band_plot"):
            parameters |= self._write_points(folder)
        try:
            text = namelist_text(parameters, assumed_version(self.inputs))
        except EpwKeywordError as error:
            raise InputValidationError(str(error)) from error
        with folder.open(self.inputs.metadata.options.input_filename, "w") as handle:
            handle.write(text)
        folder.get_subfolder("out", create=True)
        calcinfo = CalcInfo()
        calcinfo.remote_symlink_list, calcinfo.remote_copy_list = self._transfers(folder)
        calcinfo.codes_info = [self._code_info(settings)]
        if "wannier_folder" in self.inputs and parameters.get("use_ws"):
            calcinfo.prepend_text = self._tidy_centres(folder, parameters["nbndsub"])
        calcinfo.retrieve_list = [
            self.inputs.metadata.options.output_filename,
            *(f"{PREFIX}.{ending}" for ending in ("a2f", "phdos", "wout", "win", "dos")),
            *(f"{PREFIX}_band.{ending}" for ending in ("dat", "kpt")),
            *(f"decay.{name}" for name in DECAY_UNITS),
            "band.eig",
            "phband.freq",
            f"{PREFIX}.imag_aniso_gap_FS_*",
            "CRASH",
        ]
        # Summed at other smearings, and where nothing is to be summed, checked: epw.x may have misread its own files.
        if parameters.get("ephwrite") and sums_smearings(assumed_version(self.inputs)):
            calcinfo.retrieve_temporary_list = ["selecq.fmt", (f"out/{PREFIX}.ephmat/*", ".", 2)]
        return calcinfo

    def _transfers(self, folder: Folder) -> tuple[list[_Transfer], list[_Transfer]]:
        """Return what to link, because epw.x only reads it (checked by checksum), and what to copy."""
        if "epw_folder" in self.inputs:
            return self._restart_links(), []
        if "matrix_elements_folder" in self.inputs:
            return self._matrix_element_transfers()
        links = self._nscf_links()
        copies: list[_Transfer] = []
        if "wannier_folder" in self.inputs:
            more_links, more_copies = self._wannier_transfers()
            links, copies = links + more_links, copies + more_copies
        if self.inputs.get("ph_folders"):
            check_meshes(lower_keywords(self.inputs.parameters), self.inputs.structure, self.inputs.ph_folders)
            folder.get_subfolder(f"save/{PREFIX}.phsave", create=True)
            more_links, more_copies = self._phonon_transfers()
            links, copies = links + more_links, copies + more_copies
        return links, copies

    def _settings(self) -> dict[str, Any]:
        content = self.inputs.settings.get_dict() if "settings" in self.inputs else {}
        settings = {key.lower(): value for key, value in content.items()}
        known = {"cmdline", "epw_version", "smearings_ev"}
        if unknown := set(settings) - known:
            raise InputValidationError(f"settings has {sorted(unknown)}, wanted only {', '.join(sorted(known))}")
        if "smearings_ev" in settings and lower_keywords(self.inputs.parameters).get("ngaussw") != 0:
            raise InputValidationError("settings.smearings_ev is set, wanted ngaussw = 0, as the sum here has; set it")
        return settings

    def _code_info(self, settings: dict[str, Any]) -> CodeInfo:
        # EPW stops unless every rank is a pool of its own.
        options = self.inputs.metadata.options
        ranks = options.resources.get("tot_num_mpiprocs") or (
            options.resources.get("num_machines", 1) * options.resources.get("num_mpiprocs_per_machine", 1)
        )
        cmdline = settings.get("cmdline") or (["-npool", str(ranks)] if options.withmpi else [])
        codeinfo = CodeInfo()
        codeinfo.cmdline_params = [*cmdline, "-in", options.input_filename]
        codeinfo.stdout_name = options.output_filename
        codeinfo.code_uuid = self.inputs.code.uuid
        return codeinfo

    def _write_points(self, folder: Folder) -> dict[str, str]:
        if "fine_points" not in self.inputs:
            raise InputValidationError("band_plot is set without fine_points, wanted the path; give it as KpointsData")
        points = self.inputs.fine_points.get_kpoints()
        rows = [f"{len(points)} crystal", *(" ".join(f"{x:.10f}" for x in point) + " 1.0" for point in points)]
        with folder.open("path.dat", "w") as handle:
            handle.write("\n".join(rows) + "\n")
        return {"filkf": "path.dat", "filqf": "path.dat"}

    def _tidy_centres(self, folder: Folder, n_functions: int) -> str:
        """Write the program that frees the centres in prefix.ukk of their rounding, and return how it is run."""
        structure = self.inputs.structure
        with folder.open("centres.awk", "w") as handle:
            handle.write(centres_program(structure.cell, [site.position for site in structure.sites], n_functions))
        ukk = f"{PREFIX}.ukk"
        return f"LC_ALL=C awk -f centres.awk {ukk} {ukk} > {ukk}.part && mv {ukk}.part {ukk}"

    def _nscf_links(self) -> list[_Transfer]:
        nscf = self.inputs.nscf_folder
        root = PurePosixPath(nscf.get_remote_path())
        names = (f"{PREFIX}.save", f"{PREFIX}.xml")
        return [(nscf.computer.uuid, str(root / "out" / name), f"out/{name}") for name in names]

    def _wannier_transfers(self) -> tuple[list[_Transfer], list[_Transfer]]:
        """Return what to link and what to copy of the folder with the Wannier functions.

        prefix.ukk is copied: restarts on other fine meshes read it, when the folder it comes from may be gone.
        """
        remote, nscf = self.inputs.wannier_folder, self.inputs.nscf_folder
        check_fingerprint("wannier_folder", remote, self.inputs, WANNIER_FINGERPRINT)
        # prefix.ukk turns these very wavefunctions: those of another nscf run differ by their phases.
        made_from, wanted = nscf_path(remote), nscf.get_remote_path()
        if made_from != wanted:
            raise InputValidationError(
                f"wannier_folder was made from {made_from}, nscf_folder is {wanted}, wanted the same; Wannierise anew"
            )
        root = PurePosixPath(remote.get_remote_path())
        names = wannier_files(lower_keywords(self.inputs.parameters), PREFIX)
        files = [(remote.computer.uuid, str(root / name), name) for name in names]
        return [file for file in files if not file[2].endswith(".ukk")], [
            file for file in files if file[2].endswith(".ukk")
        ]

    def _phonon_transfers(self) -> tuple[list[_Transfer], list[_Transfer]]:
        """Return what to link and what to copy, the small rest.

        Of phsave only patterns.N.xml is read. It is copied, because its reader may write: it makes an empty file where
        there is none.
        """
        links: list[_Transfer] = []
        copies: list[_Transfer] = []
        for key, remote in self.inputs.ph_folders.items():
            index, computer = int(key.removeprefix("q_")), remote.computer.uuid
            source = PurePosixPath(remote.get_remote_path())
            scratch = source / "out" / "_ph0"
            place = scratch if index == 1 else scratch / f"{PREFIX}.q_{index}"
            links.append((computer, str(place / f"{PREFIX}.dvscf1"), f"save/{PREFIX}.dvscf_q{index}"))
            patterns = f"{PREFIX}.phsave/patterns.{index}.xml"
            dynamical = source / "DYN_MAT" / f"dynamical-matrix-{index}"
            copies.append((computer, str(dynamical), f"save/{PREFIX}.dyn_q{index}"))
            copies.append((computer, str(scratch / patterns), f"save/{patterns}"))
        return links, copies

    def _restart_links(self) -> list[_Transfer]:
        remote = self.inputs.epw_folder
        check_fingerprint("epw_folder", remote, self.inputs, RESTART_FINGERPRINT)
        root = PurePosixPath(remote.get_remote_path())
        files = restart_files(lower_keywords(self.inputs.parameters), assumed_version(self.inputs), PREFIX)
        return [(remote.computer.uuid, str(root / name), name) for name in files]

    def _matrix_element_transfers(self) -> tuple[list[_Transfer], list[_Transfer]]:
        """Return what to link and what to copy of a run with ``ephwrite``; nothing else is read (5.3.1, tried)."""
        remote = self.inputs.matrix_elements_folder
        check_fingerprint("matrix_elements_folder", remote, self.inputs, MATRIX_ELEMENTS_FINGERPRINT)
        root, computer = PurePosixPath(remote.get_remote_path()), remote.computer.uuid
        copies = [(computer, str(root / name), name) for name in ("crystal.fmt", "selecq.fmt")]
        place = f"out/{PREFIX}.ephmat"
        return [(computer, str(root / place), place)], copies
