"""ph.x with ``electron_phonon = 'simple'``: lambda of one q-point from the dvscf of an earlier ph.x, without EPW."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from aiida import orm
from aiida.common.datastructures import CalcInfo, CodeInfo
from aiida.common.exceptions import InputValidationError
from aiida.common.folders import Folder
from aiida.engine import CalcJob, CalcJobProcessSpec
from aiida_quantumespresso.utils.convert import convert_input_to_namelist_entry

from hts.simple_output import EL_PH_NSIGMA, EL_PH_SIGMA_RY

PREFIX = "aiida"
MATRIX_PREFIX = "DYN_MAT/dynamical-matrix-"
_NAMELIST = "INPUTPH"
_KEYWORDS = {"el_ph_sigma": float, "el_ph_nsigma": int, "el_ph_ngauss": int, "max_seconds": float}

_EXIT_CODES = (
    (302, "ERROR_OUTPUT_STDOUT_MISSING", "ph.x wrote no standard output, or it could not be read."),
    (304, "ERROR_DYNAMICAL_MATRIX", "The dynamical matrix is not that of this q-point: {reason}"),
    (306, "ERROR_DISK_FULL", "ph.x could not write its scratch: the disk is full or unwritable."),
    (310, "ERROR_COUPLING_MISSING", "No lambda could be read: {reason}"),
    (312, "ERROR_OUTPUT_STDOUT_INCOMPLETE", "Standard output ends before the end: the run was interrupted."),
    (330, "ERROR_PHONON_FILES", "A file of the phonon run is missing or cut (dvscf, patterns, dynamical matrix)."),
    (390, "ERROR_UNKNOWN", "ph.x stopped: {reason}"),
    (400, "ERROR_OUT_OF_WALLTIME", "ph.x ran out of walltime."),
    (401, "ERROR_OUT_OF_MEMORY", "ph.x ran out of memory."),
)


def smearings(parameters: orm.Dict | None) -> tuple[float, int]:
    """Return ``el_ph_sigma`` (Ry) and ``el_ph_nsigma`` of an input, or what stands for them.

    Parameters
    ----------
    parameters : orm.Dict or None
        The input of a `PhSimpleCalculation`.
    """
    keywords = _keywords(parameters)
    return keywords.get("el_ph_sigma", EL_PH_SIGMA_RY), keywords.get("el_ph_nsigma", EL_PH_NSIGMA)


def _keywords(parameters: orm.Dict | None) -> dict[str, Any]:
    content = parameters.get_dict() if parameters is not None else {}
    return {key.lower(): value for key, value in content.get(_NAMELIST, {}).items()}


def _validate_parameters(value: orm.Dict | None, _: Any) -> str | None:
    if value is None:
        return None
    if set(value.get_dict()) != {_NAMELIST}:
        return f"parameters has {sorted(value.get_dict())}, wanted the one namelist {_NAMELIST}"
    for key, given in _keywords(value).items():
        if key not in _KEYWORDS:
            return f"parameters sets {key}, wanted only {sorted(_KEYWORDS)}: the rest is that of the ph.x run"
        wanted = (int, float) if _KEYWORDS[key] is float else int
        zero = key == "el_ph_ngauss"
        if isinstance(given, bool) or not isinstance(given, wanted) or given < 0 or (given == 0 and not zero):
            said = "0 or a positive" if zero else "a positive"
            return f"parameters has {key} = {given!r}, wanted {said} {_KEYWORDS[key].__name__}"
    return None


def _validate_inputs(value: Mapping[str, Any], _: Any) -> str | None:
    """Hold mesh, q-point and scf against the ph.x run: ph.x itself takes the files of another one without a word."""
    if not {"ph_folder", "qpoints", "qpoint_index", "scf_folder"} <= set(value):
        return None
    creator = value["ph_folder"].creator
    if creator is None:
        return None
    theirs = creator.inputs
    if "qpoint_index" in theirs and theirs.qpoint_index.value != value["qpoint_index"].value:
        given = theirs.qpoint_index.value
        return f"ph_folder is of q-point {given}, qpoint_index says {value['qpoint_index'].value}; mend one of them"
    if "qpoints" in theirs:
        found, wanted = (list(node.get_kpoints_mesh()[0]) for node in (theirs.qpoints, value["qpoints"]))
        if found != wanted:
            return f"ph_folder was run on the q-mesh {found}, qpoints says {wanted}; mend one of them"
    if "parent_folder" in theirs:
        found, wanted = (node.get_remote_path() for node in (theirs.parent_folder, value["scf_folder"]))
        if found != wanted:
            return f"ph_folder was run behind the scf in {found}, scf_folder is {wanted}; mend one of them"
    return None


class PhSimpleCalculation(CalcJob):
    """One q-point's lambda, on scratch of its own beside that of the scf and of the ph.x run, which stay as they are.

    What ph.x 6.7 needs (checked by leaving out each): ``prefix.save`` with ``prefix.xml``, the dvscf of this q-point,
    its dynamical matrix, and patterns.N.xml of *all* irreducible q-points in ``_ph0/prefix.phsave``. The first two are
    only read (checked by checksum) and are linked. Of the others ph.x makes empty ones where there are none, and beside
    the patterns it writes; they are small and are copied. A missing dvscf, too, would come to be as an empty file
    behind its link: hand over no folder that was emptied. The sum over q-points is that of one run over all of them, to
    the last printed digit.
    """

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:  # type: ignore[override]
        """Define the inputs, outputs and exit codes."""
        super().define(spec)
        spec.input("scf_folder", valid_type=orm.RemoteData, help="The scf that the ph.x run was behind.")
        spec.input("ph_folder", valid_type=orm.RemoteData, help="The finished ph.x run of this q-point, with dvscf.")
        spec.input("qpoints", valid_type=orm.KpointsData, help="The q-mesh of that run.")
        spec.input(
            "qpoint_index", valid_type=orm.Int, help="Which irreducible q-point, counted from 1 in the order of dyn0."
        )
        spec.input(
            "parameters",
            valid_type=orm.Dict,
            required=False,
            validator=_validate_parameters,
            help="{'INPUTPH': {...}}: el_ph_sigma (Ry, 0.01), el_ph_nsigma (10), el_ph_ngauss (1), max_seconds.",
        )
        spec.inputs.validator = _validate_inputs
        spec.input("metadata.options.input_filename", valid_type=str, default=f"{PREFIX}.in")
        spec.input("metadata.options.output_filename", valid_type=str, default=f"{PREFIX}.out")
        spec.input("metadata.options.parser_name", valid_type=str, default="hts.ph_simple")
        spec.input("metadata.options.withmpi", valid_type=bool, default=True)
        spec.output(
            "output_parameters",
            valid_type=orm.Dict,
            help="frequencies_cm1, translations (modes, from 0); in each of smearings sigma_ry, fermi_ev, dos_ef "
            "(states/spin/Ry/cell), and of every mode lambda and gamma_ghz (None: did not fit its field).",
        )
        spec.default_output_node = "output_parameters"
        for status, label, message in _EXIT_CODES:
            spec.exit_code(status, label, message=message, invalidates_cache=True)

    def prepare_for_submission(self, folder: Folder) -> CalcInfo:
        """Write the input and say what is linked and copied from where.

        Raises
        ------
        InputValidationError
            If ``qpoints`` is no mesh through Gamma.
        """
        index = self.inputs.qpoint_index.value
        options = self.inputs.metadata.options
        with folder.open(options.input_filename, "w") as handle:
            handle.write(self._input_text(index))
        own = PurePosixPath("out/_ph0") if index == 1 else PurePosixPath(f"out/_ph0/{PREFIX}.q_{index}")
        phsave = f"out/_ph0/{PREFIX}.phsave"
        for name in (own, PurePosixPath(MATRIX_PREFIX).parent):
            folder.get_subfolder(str(name), create=True)
        scf, ph = self.inputs.scf_folder, self.inputs.ph_folder
        scf_root, ph_root = (PurePosixPath(remote.get_remote_path()) for remote in (scf, ph))
        dvscf, matrix = str(own / f"{PREFIX}.dvscf1"), f"{MATRIX_PREFIX}{index}"
        calcinfo = CalcInfo()
        calcinfo.remote_symlink_list = [
            *((scf.computer.uuid, str(scf_root / name), name) for name in (f"out/{PREFIX}.save", f"out/{PREFIX}.xml")),
            (ph.computer.uuid, str(ph_root / dvscf), dvscf),
        ]
        calcinfo.remote_copy_list = [
            (ph.computer.uuid, str(ph_root / matrix), matrix),
            (ph.computer.uuid, str(ph_root / phsave), phsave),
        ]
        codeinfo = CodeInfo()
        codeinfo.cmdline_params = ["-in", options.input_filename]
        codeinfo.stdout_name = options.output_filename
        codeinfo.code_uuid = self.inputs.code.uuid
        calcinfo.codes_info = [codeinfo]
        calcinfo.retrieve_list = [options.output_filename, (matrix, ".", 2)]
        return calcinfo

    def _input_text(self, index: int) -> str:
        try:
            mesh, offset = self.inputs.qpoints.get_kpoints_mesh()
        except AttributeError as error:
            raise InputValidationError("qpoints is a list, wanted the mesh of the ph.x run") from error
        if any(offset):
            raise InputValidationError(f"qpoints is shifted by {offset}, wanted a mesh through Gamma")
        sigma_ry, n_sigma = smearings(self.inputs.get("parameters"))
        keywords = {
            **_keywords(self.inputs.get("parameters")),
            "prefix": PREFIX,
            "outdir": "./out/",
            "fildyn": MATRIX_PREFIX,
            "fildvscf": "dvscf",
            "trans": False,
            "electron_phonon": "simple",
            "el_ph_sigma": float(sigma_ry),
            "el_ph_nsigma": n_sigma,
            "recover": False,
            "ldisp": True,
            **{f"nq{axis + 1}": count for axis, count in enumerate(mesh)},
            "start_q": index,
            "last_q": index,
        }
        lines = [convert_input_to_namelist_entry(key, value).rstrip() for key, value in sorted(keywords.items())]
        return "\n".join([f"&{_NAMELIST}", *lines, "/", ""])
