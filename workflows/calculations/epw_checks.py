"""What the inputs of an EpwCalculation must say, and what two of them must share to hand files on."""

from collections.abc import Mapping
from typing import Any

from aiida import orm
from aiida.common.exceptions import InputValidationError

from hts.epw_input import DEFAULT_EPW_VERSION, VERSION_EXTRA, projects_automatically
from hts.wannier import count_projections

PREFIX = "aiida"
NAMELIST = "INPUTEPW"
# What the plugin sets itself.
BLOCKED_KEYWORDS = frozenset(
    {"prefix", "outdir", "dvscf_dir", "amass", "iverbosity", "epwread", "epwwrite", "kmaps", "wannierize", "epbread",
     "epbwrite", "ep_coupling", "filukk"}
)  # fmt: skip
_MESH_KEYWORDS = {"kmesh": ("nk1", "nk2", "nk3"), "qmesh": ("nq1", "nq2", "nq3")}
_WANNIER = ("prefix", "kmesh", "nbndsub", "epw_version", "cell", "bands_skipped")
# What a restart on other fine grids must share with the run that made its folder.
RESTART_FINGERPRINT = (*_WANNIER, "qmesh", "vme", "use_ws")
# What the Eliashberg equations must share with the run whose matrix elements on the fine meshes they read.
MATRIX_ELEMENTS_FINGERPRINT = (
    *RESTART_FINGERPRINT, "nkf1", "nkf2", "nkf3", "nqf1", "nqf2", "nqf3", "fsthick", "degaussw", "ngaussw", "mp_mesh_k",
)  # fmt: skip
# What a coarse run must share with the run whose Wannier functions it takes.
WANNIER_FINGERPRINT = (
    *_WANNIER, "vme", "proj", "auto_projections", "scdm_proj", "scdm_entanglement", "scdm_mu", "scdm_sigma", "num_iter",
    "dis_win_min", "dis_win_max", "dis_froz_min", "dis_froz_max",
)  # fmt: skip


def lower_keywords(parameters: orm.Dict) -> dict[str, Any]:
    """Return the namelist with lower-case keywords."""
    return {key.lower(): value for key, value in parameters[NAMELIST].items()}


def is_wannierisation_only(inputs: Mapping[str, Any]) -> bool:
    """Tell whether these inputs ask for Wannier functions alone: ``elph`` false, and no phonons."""
    return "parameters" in inputs and lower_keywords(inputs["parameters"]).get("elph") is False


def validate_parameters(value: orm.Dict | None, _: Any) -> str | None:
    """Return what is wrong with the namelist by itself."""
    if value is None:
        return None
    content = value.get_dict()
    if set(content) != {NAMELIST}:
        return f"parameters has {sorted(content)}, wanted the one namelist {NAMELIST}"
    keywords = {key.lower() for key in content[NAMELIST]}
    blocked = keywords & BLOCKED_KEYWORDS
    if blocked:
        return f"parameters sets {sorted(blocked)}, which the plugin sets; remove them"
    wanted = {name for names in _MESH_KEYWORDS.values() for name in names} | {"nbndsub"}
    if wanted - keywords:
        return f"parameters lacks {sorted(wanted - keywords)}; give the coarse meshes and nbndsub"
    return None


def validate_inputs(value: Mapping[str, Any], _: Any) -> str | None:
    """Return what is wrong with the folders: of a restart, of a Wannierisation alone, or of a coarse run."""
    ph_folders = value.get("ph_folders") or {}
    coarse = "nscf_folder" in value or bool(ph_folders) or "wannier_folder" in value
    if "matrix_elements_folder" in value:
        alone = not coarse and "epw_folder" not in value
        return None if alone else "matrix_elements_folder holds all that is read; give no other folder"
    if ("epw_folder" in value) == coarse:
        return "give either epw_folder (restart), or nscf_folder with ph_folders (coarse meshes), not both or none"
    if is_wannierisation_only(value):
        if ph_folders or "wannier_folder" in value or "epw_folder" in value:
            return "elph is false, which asks for Wannier functions alone; give nscf_folder and no other folder"
        if lower_keywords(value["parameters"]).get("eliashberg"):
            return "elph is false and eliashberg true, wanted both or none; mend one of them"
        return None
    if coarse and not ("nscf_folder" in value and ph_folders):
        return "nscf_folder and ph_folders belong together; give both, or elph = false for Wannier functions alone"
    expected = {f"q_{index}" for index in range(1, len(ph_folders) + 1)}
    if coarse and set(ph_folders) != expected:
        return f"ph_folders has {sorted(ph_folders)}, wanted q_1 to q_N without gaps, in the order of dyn0"
    return None


def check_projections(keywords: Mapping[str, Any], structure: orm.StructureData) -> None:
    """Compare the projections with ``nbndsub``: with more of them epw.x dies of a segmentation fault.

    Raises
    ------
    InputValidationError
    """
    given = keywords.get("proj", [])
    strings = list(given) if isinstance(given, list | tuple) else [given]
    if bool(keywords.get("auto_projections")) != bool(keywords.get("scdm_proj")):
        raise InputValidationError("auto_projections and scdm_proj differ, wanted both or none; epw.x would stop")
    if projects_automatically(keywords):
        if strings:
            raise InputValidationError("proj is given with auto_projections, wanted one of them; remove proj")
        return
    symbols = [site.kind_name for site in structure.sites]
    count = count_projections(strings, symbols) if strings else None
    if count is not None and count != keywords["nbndsub"]:
        raise InputValidationError(
            f"proj makes {count} functions, nbndsub is {keywords['nbndsub']}, wanted the same; mend one of them"
        )


def check_meshes(keywords: Mapping[str, Any], structure: orm.StructureData, ph_folders: Mapping[str, Any]) -> None:
    """Compare the q-mesh and its number of irreducible points with what the ph.x runs were given.

    Raises
    ------
    InputValidationError
    """
    mesh = [keywords.get(name) for name in _MESH_KEYWORDS["qmesh"]]
    if mesh == [1, 1, 1] and structure.pbc == (True, True, True):
        raise InputValidationError("q-mesh is 1x1x1, wanted at least two points along one axis: lambda would be NaN")
    for key, remote in ph_folders.items():
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
            if number is not None and number != len(ph_folders):
                raise InputValidationError(
                    f"ph_folders has {len(ph_folders)} q-points, the {mesh} mesh has {number} irreducible ones; give "
                    "all of them"
                )


def nscf_path(remote: orm.RemoteData) -> str | None:
    """Return the path of the nscf run that the maker of a folder started from, None if from none."""
    creator = remote.creator
    if creator is None or "nscf_folder" not in creator.inputs:
        return None
    return str(creator.inputs.nscf_folder.get_remote_path())


def printed_version(remote: orm.RemoteData) -> str | None:
    """Return the EPW version in the output of the run that made a folder, None if there is none."""
    creator = remote.creator
    if creator is None or "output_parameters" not in creator.outputs:
        return None
    version = creator.outputs.output_parameters.get_dict().get("code_version")
    return None if version is None else str(version)


def assumed_version(inputs: Any) -> str:
    """Return the EPW that the input is written for.

    Parameters
    ----------
    inputs
        Of an EpwCalculation: ``settings.epw_version`` counts first, then what `hts setup` saw of the code, then what
        the run printed whose files are taken, then 5.3.1.
    """
    settings = inputs["settings"].get_dict() if "settings" in inputs else {}
    given = {key.lower(): value for key, value in settings.items()}.get("epw_version")
    recorded = inputs["code"].base.extras.get(VERSION_EXTRA, None) if "code" in inputs else None
    names = ("epw_folder", "wannier_folder", "matrix_elements_folder")
    earlier = [printed_version(inputs[name]) for name in names if name in inputs]
    return str(next((version for version in (given, recorded, *earlier) if version), DEFAULT_EPW_VERSION))


def fingerprint(inputs: Any, version: str) -> dict[str, Any]:
    """Return what runs that share files must agree on.

    Parameters
    ----------
    inputs
        Of an EpwCalculation, with ``parameters`` and ``structure``.
    version : str
        Of its epw.x.

    Returns
    -------
    dict
        prefix, kmesh, qmesh, epw_version, cell (Angstrom, 6 digits), and the keywords that make the Wannier functions.
    """
    keywords = lower_keywords(inputs["parameters"])
    given = {key: keywords.get(key) for key in {*MATRIX_ELEMENTS_FINGERPRINT, *WANNIER_FINGERPRINT}}
    return given | {
        "prefix": PREFIX,
        "use_ws": bool(keywords.get("use_ws")),  # .false. is the default of epw.x
        "kmesh": [keywords.get(name) for name in _MESH_KEYWORDS["kmesh"]],
        "qmesh": [keywords.get(name) for name in _MESH_KEYWORDS["qmesh"]],
        "epw_version": version,
        "cell": [[round(x, 6) for x in vector] for vector in inputs["structure"].cell],
    }


def check_fingerprint(name: str, remote: orm.RemoteData, inputs: Any, keys: tuple[str, ...]) -> None:
    """Refuse a folder that another kind of run has made.

    Parameters
    ----------
    name : str
        Of the input, for the message.
    remote : RemoteData
        An earlier run's folder.
    inputs
        Of the new EpwCalculation.
    keys : tuple of str
        What must agree.

    Raises
    ------
    InputValidationError
    """
    creator = remote.creator
    if creator is None:
        raise InputValidationError(f"{name} was not made by a calculation: what it holds is unknown; rerun from nscf")
    # What it printed, where it got that far; it may differ from what it was assumed to be.
    theirs = fingerprint(creator.inputs, printed_version(remote) or assumed_version(creator.inputs))
    ours = fingerprint(inputs, assumed_version(inputs))
    for key in keys:
        if theirs[key] != ours[key]:
            raise InputValidationError(
                f"{name} was made with {key} = {theirs[key]}, now {ours[key]} is wanted; it can't be changed any more: "
                "rerun from nscf_folder"
            )
