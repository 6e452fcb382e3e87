"""epw.x: from the files of a coarse nscf and of the ph.x runs, or from an earlier epw.x, to alpha2F."""

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from aiida import orm
from aiida.common.datastructures import CalcInfo, CodeInfo
from aiida.common.exceptions import InputValidationError
from aiida.common.folders import Folder
from aiida.engine import CalcJob, CalcJobProcessSpec
from aiida_quantumespresso.utils.convert import convert_input_to_namelist_entry

from hts.wannier import count_projections

PREFIX = "aiida"
_NAMELIST = "INPUTEPW"
# The EPW whose keywords users write here; what later ones no longer know is dropped (version, exclusive of earlier).
DEFAULT_EPW_VERSION = "5.3.1"
_REMOVED_KEYWORDS = {"kmaps": (5, 4), "nswfc": (5, 5), "nswc": (5, 5), "pwc": (5, 5), "wsfc": (5, 5), "lunif": (5, 5)}
_RENAMED_KEYWORDS = {"eps_acustic": ("eps_acoustic", (5, 9))}
_MESH_KEYWORDS = {"kmesh": ("nk1", "nk2", "nk3"), "qmesh": ("nq1", "nq2", "nq3")}
# What a restart on other fine grids reads (checked on 5.3.1 by leaving out each); not even prefix.save is opened.
# restart.fmt, selecq.fmt and ephmat would carry the old fine grids over.
_RESTART_FILES = ("crystal.fmt", "epwdata.fmt", "vmedata.fmt", f"{PREFIX}.ukk", f"out/{PREFIX}.epmatwp")
_FINGERPRINT = ("prefix", "kmesh", "qmesh", "nbndsub", "epw_version", "cell", "bands_skipped", "vme")

# Number, label, message; the labels are those that hts.epw_output.classify_error returns.
_EXIT_CODES = (
    (302, "ERROR_OUTPUT_STDOUT_MISSING", "epw.x wrote no standard output, or it could not be read."),
    (310, "ERROR_ALPHA2F_MISSING", "epw.x finished but aiida.a2f was not retrieved."),
    (311, "ERROR_ALPHA2F_INVALID", "aiida.a2f is cut or holds no numbers: {reason}"),
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
    (510, "ERROR_MIX_BROYDEN", "The Eliashberg equations failed in Broyden mixing; alpha2F is attached if written."),
)


def version_tuple(version: str) -> tuple[int, ...]:
    """Turn '5.3.1' into (5, 3, 1)."""
    return tuple(int(part) for part in re.findall(r"\d+", version))


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def namelist_text(parameters: Mapping[str, Any], version: str = DEFAULT_EPW_VERSION) -> str:
    """Write EPW's input: the title line, then the namelist, lists as ``key(i) = value``.

    Parameters
    ----------
    parameters : mapping
        Keyword to bool, int, float, str, or a list of them. ``temps`` becomes one blank-separated entry.
    version : str
        Keywords which that EPW no longer has are left out; renamed ones are renamed.

    Returns
    -------
    str
    """
    number = version_tuple(version)
    lines = ["--", "&inputepw"]
    for key, value in sorted(parameters.items()):
        if key in _REMOVED_KEYWORDS and number >= _REMOVED_KEYWORDS[key]:
            continue
        name = key
        if key in _RENAMED_KEYWORDS and number >= _RENAMED_KEYWORDS[key][1]:
            name = _RENAMED_KEYWORDS[key][0]
        if key == "temps":
            lines.append("  temps = " + " ".join(str(float(item)) for item in _as_list(value)))
        elif isinstance(value, list | tuple):
            lines += [
                convert_input_to_namelist_entry(f"{name}({index})", item).rstrip()
                for index, item in enumerate(value, 1)
            ]
        else:
            lines.append(convert_input_to_namelist_entry(name, value).rstrip())
    return "\n".join([*lines, "/", ""])


def _validate_parameters(value: orm.Dict | None, _: Any) -> str | None:
    if value is None:
        return None
    content = value.get_dict()
    if set(content) != {_NAMELIST}:
        return f"parameters has {sorted(content)}, wanted the one namelist {_NAMELIST}"
    keywords = {key.lower() for key in content[_NAMELIST]}
    blocked = keywords & EpwCalculation.BLOCKED_KEYWORDS
    if blocked:
        return f"parameters sets {sorted(blocked)}, which the plugin sets; remove them"
    wanted = {name for names in _MESH_KEYWORDS.values() for name in names} | {"nbndsub"}
    if wanted - keywords:
        return f"parameters lacks {sorted(wanted - keywords)}; give the coarse meshes and nbndsub"
    return None


def _validate_inputs(value: Mapping[str, Any], _: Any) -> str | None:
    restart = "epw_folder" in value
    coarse = "nscf_folder" in value or bool(value.get("ph_folders"))
    if restart == coarse:
        return "give either epw_folder (restart), or nscf_folder with ph_folders (coarse meshes), not both or none"
    if coarse and not ("nscf_folder" in value and value.get("ph_folders")):
        return "nscf_folder and ph_folders belong together; give both"
    expected = {f"q_{index}" for index in range(1, len(value.get("ph_folders", {})) + 1)}
    if coarse and set(value["ph_folders"]) != expected:
        return f"ph_folders has {sorted(value['ph_folders'])}, wanted q_1 to q_N without gaps, in the order of dyn0"
    return None


class EpwCalculation(CalcJob):
    """One run of epw.x (EPW 5.3.1 of Quantum ESPRESSO 6.7; newer ones where keywords differ)."""

    BLOCKED_KEYWORDS = frozenset(
        {"prefix", "outdir", "dvscf_dir", "amass", "iverbosity", "epwread", "epwwrite", "kmaps", "wannierize",
         "epbread", "epbwrite", "ep_coupling", "filukk"}
    )  # fmt: skip

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
            validator=_validate_parameters,
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
        spec.input("fine_points", valid_type=orm.KpointsData, required=False, help="Path for band_plot (both k and q).")
        spec.input("settings", valid_type=orm.Dict, required=False, help="cmdline (list), epw_version (default 5.3.1).")
        spec.inputs.validator = _validate_inputs
        spec.input("metadata.options.input_filename", valid_type=str, default=f"{PREFIX}.in")
        spec.input("metadata.options.output_filename", valid_type=str, default=f"{PREFIX}.out")
        spec.input("metadata.options.parser_name", valid_type=str, default="hts.epw")
        spec.input("metadata.options.withmpi", valid_type=bool, default=True)
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
        spec.output("phonon_dos", valid_type=orm.ArrayData, required=False, help="energy_mev (n), dos_per_mev (m, n).")
        spec.output(
            "bands",
            valid_type=orm.ArrayData,
            required=False,
            help="points_2pi_over_alat (n, 3), electrons_ev (n, bands), phonons_mev (n, modes); with band_plot.",
        )
        spec.default_output_node = "output_parameters"
        for status, label, message in _EXIT_CODES:
            spec.exit_code(status, label, message=message)

    def prepare_for_submission(self, folder: Folder) -> CalcInfo:
        """Write the input and say what is linked from where.

        Raises
        ------
        InputValidationError
            If the earlier runs do not fit these parameters.
        """
        settings = self._settings()
        parameters = {key.lower(): value for key, value in self.inputs.parameters[_NAMELIST].items()}
        self._check_projections(parameters)
        restart = "epw_folder" in self.inputs
        parameters |= {
            "prefix": PREFIX,
            "outdir": "./out/",
            "dvscf_dir": "./save",
            "iverbosity": 0,
            "amass": [kind.mass for kind in self.inputs.structure.kinds],
            "epwread": restart,
            "epwwrite": not restart,
            "wannierize": not restart,
        }
        if restart:
            parameters["kmaps"] = True
        parameters.setdefault("elph", True)
        if parameters.get("band_plot"):
            parameters |= self._write_points(folder)
        version = settings.get("epw_version", DEFAULT_EPW_VERSION)
        with folder.open(self.inputs.metadata.options.input_filename, "w") as handle:
            handle.write(namelist_text(parameters, version))
        folder.get_subfolder("out", create=True)
        calcinfo = CalcInfo()
        calcinfo.remote_copy_list = []
        calcinfo.remote_symlink_list = []
        if restart:
            self._check_fingerprint()
            calcinfo.remote_symlink_list = self._restart_links(version)
        else:
            self._gather_coarse(folder, calcinfo)
        calcinfo.codes_info = [self._code_info(settings)]
        calcinfo.retrieve_list = [
            self.inputs.metadata.options.output_filename,
            *(f"{PREFIX}.{ending}" for ending in ("a2f", "phdos", "wout", "win", "dos")),
            "band.eig",
            "phband.freq",
            "CRASH",
        ]
        return calcinfo

    def _settings(self) -> dict[str, Any]:
        content = self.inputs.settings.get_dict() if "settings" in self.inputs else {}
        settings = {key.lower(): value for key, value in content.items()}
        unknown = set(settings) - {"cmdline", "epw_version"}
        if unknown:
            raise InputValidationError(f"settings has {sorted(unknown)}, wanted only cmdline and epw_version")
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

    def _check_projections(self, parameters: Mapping[str, Any]) -> None:
        # With more projections than nbndsub epw.x dies of a segmentation fault.
        symbols = [site.kind_name for site in self.inputs.structure.sites]
        strings = _as_list(parameters.get("proj", []))
        count = count_projections(strings, symbols) if strings else None
        if count is not None and count != parameters["nbndsub"]:
            raise InputValidationError(
                f"proj makes {count} functions, nbndsub is {parameters['nbndsub']}, wanted the same; mend one of them"
            )

    def _write_points(self, folder: Folder) -> dict[str, str]:
        if "fine_points" not in self.inputs:
            raise InputValidationError("band_plot is set without fine_points, wanted the path; give it as KpointsData")
        points = self.inputs.fine_points.get_kpoints()
        rows = [f"{len(points)} crystal", *(" ".join(f"{x:.10f}" for x in point) + " 1.0" for point in points)]
        with folder.open("path.dat", "w") as handle:
            handle.write("\n".join(rows) + "\n")
        return {"filkf": "path.dat", "filqf": "path.dat"}

    def _gather_coarse(self, folder: Folder, calcinfo: CalcInfo) -> None:
        """Link what epw.x only reads (checked by checksum), copy the small rest.

        Of phsave only patterns.N.xml is read. It is copied, because its reader may write: it makes an empty file where
        there is none.
        """
        self._check_meshes()
        folder.get_subfolder(f"save/{PREFIX}.phsave", create=True)
        nscf = self.inputs.nscf_folder
        root = PurePosixPath(nscf.get_remote_path())
        copies: list[tuple[str, str, str]] = []
        links = [
            (nscf.computer.uuid, str(root / "out" / name), f"out/{name}")
            for name in (f"{PREFIX}.save", f"{PREFIX}.xml")
        ]
        for key, remote in self.inputs.ph_folders.items():
            index = int(key.removeprefix("q_"))
            source = PurePosixPath(remote.get_remote_path())
            scratch = source / "out" / "_ph0"
            dvscf = scratch / f"{PREFIX}.dvscf1" if index == 1 else scratch / f"{PREFIX}.q_{index}" / f"{PREFIX}.dvscf1"
            links.append((remote.computer.uuid, str(dvscf), f"save/{PREFIX}.dvscf_q{index}"))
            copies += [
                (
                    remote.computer.uuid,
                    str(source / "DYN_MAT" / f"dynamical-matrix-{index}"),
                    f"save/{PREFIX}.dyn_q{index}",
                ),
                (
                    remote.computer.uuid,
                    str(scratch / f"{PREFIX}.phsave" / f"patterns.{index}.xml"),
                    f"save/{PREFIX}.phsave/patterns.{index}.xml",
                ),
            ]
        calcinfo.remote_copy_list = copies
        calcinfo.remote_symlink_list = links

    def _check_meshes(self) -> None:
        """Compare the q-mesh and its number of irreducible points with what the ph.x runs were given."""
        mesh = self._own_fingerprint()["qmesh"]
        if mesh == [1, 1, 1] and self.inputs.structure.pbc == (True, True, True):
            raise InputValidationError(
                "q-mesh is 1x1x1, wanted at least two points along one axis: lambda would be NaN"
            )
        for key, remote in self.inputs.ph_folders.items():
            creator = remote.creator
            if creator is None or "qpoints" not in creator.inputs:
                continue
            given = list(creator.inputs.qpoints.get_kpoints_mesh()[0])
            if given != mesh:
                raise InputValidationError(
                    f"ph_folders.{key} was run on the q-mesh {given}, parameters say {mesh}; mend nq1..3"
                )
            if "output_parameters" in creator.outputs:
                number = creator.outputs.output_parameters.get_dict().get("number_of_qpoints")
                if number is not None and number != len(self.inputs.ph_folders):
                    raise InputValidationError(
                        f"ph_folders has {len(self.inputs.ph_folders)} q-points, the {mesh} mesh has {number} "
                        "irreducible ones; give all of them"
                    )

    def _restart_links(self, version: str) -> list[tuple[str, str, str]]:
        remote = self.inputs.epw_folder
        root = PurePosixPath(remote.get_remote_path())
        files = list(_RESTART_FILES)
        if version_tuple(version) >= (5, 9):
            # Read without condition there (its io.f90); not tried, no such version at hand.
            files += ["dmedata.fmt", "wigner.fmt"]
        elif self.inputs.parameters[_NAMELIST].get("vme") in (False, "dipole"):
            files[files.index("vmedata.fmt")] = "dmedata.fmt"
        return [(remote.computer.uuid, str(root / name), name) for name in files]

    def _own_fingerprint(self) -> dict[str, Any]:
        return fingerprint(self.inputs.parameters, self.inputs.structure, self.inputs.get("settings"))

    def _check_fingerprint(self) -> None:
        creator = self.inputs.epw_folder.creator
        if creator is None:
            raise InputValidationError(
                "epw_folder was not made by a calculation: what it holds is unknown; rerun from nscf"
            )
        theirs = fingerprint(
            creator.inputs.parameters, creator.inputs.structure, getattr(creator.inputs, "settings", None)
        )
        ours = self._own_fingerprint()
        for key in _FINGERPRINT:
            if theirs[key] != ours[key]:
                raise InputValidationError(
                    f"epw_folder was made with {key} = {theirs[key]}, now {ours[key]} is wanted; a restart can't "
                    "change it: rerun from nscf_folder and ph_folders"
                )


def fingerprint(parameters: orm.Dict, structure: orm.StructureData, settings: orm.Dict | None) -> dict[str, Any]:
    """Return what a restart must share with the run that made its folder.

    Parameters
    ----------
    parameters, structure, settings
        Inputs of an ``EpwCalculation``.

    Returns
    -------
    dict
        prefix, kmesh, qmesh, nbndsub, bands_skipped, vme, epw_version, and cell (Angstrom, 6 digits).
    """
    keywords = {key.lower(): value for key, value in parameters[_NAMELIST].items()}
    content = {key.lower(): value for key, value in (settings.get_dict() if settings else {}).items()}
    return {
        "prefix": PREFIX,
        "kmesh": [keywords.get(name) for name in _MESH_KEYWORDS["kmesh"]],
        "qmesh": [keywords.get(name) for name in _MESH_KEYWORDS["qmesh"]],
        "nbndsub": keywords.get("nbndsub"),
        "bands_skipped": keywords.get("bands_skipped"),
        "vme": keywords.get("vme"),
        "epw_version": content.get("epw_version", DEFAULT_EPW_VERSION),
        "cell": [[round(x, 6) for x in vector] for vector in structure.cell],
    }
