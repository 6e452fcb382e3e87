"""Zero-point energy: what harmonic vibrations do to the distance of a stable crystal from the hull."""

import re
from typing import Any

from aiida import orm
from aiida.common.links import LinkType
from aiida.engine import ExitCode, while_
from aiida.engine.processes.workchains.workchain import WorkChainSpec

from hts.fingerprint import fingerprint
from workflows import functions, phonon_functions
from workflows.once import find_process, profile_lock
from workflows.phonon_methods import PHONON_METHODS
from workflows.stage import StageWorkChain

_GAMMA = [1, 1, 1]


class ZeroPointWorkChain(StageWorkChain):
    """Add zero-point energies to a crystal and to the phases that it would decompose into.

    Phonons that the profile holds of such a phase are used; where there are none, ``hull.zero_point`` says what is
    computed, once for all who ask: ``gamma`` the modes at Gamma, ``mesh`` those of the q-mesh. A phase of one atom has
    no modes at Gamma and takes the q-mesh. One phase without a zero-point energy leaves the correction open, with the
    reason: it is never taken as zero.
    """

    _codes = ("pw", "ph", "q2r")

    @classmethod
    def define(cls, spec: WorkChainSpec) -> None:  # type: ignore[override]
        """Define inputs, outline, outputs and exit codes."""
        super().define(spec)
        spec.input("placement", valid_type=orm.Dict, help="Of the crystal on the hull, without zero-point energy.")
        spec.input("phonons", valid_type=orm.Dict, help="Of the crystal, stable.")
        spec.input("interpolation", valid_type=orm.Dict, required=False, help="Of these phonons.")
        spec.outline(cls.setup, while_(cls.should_get_phonons)(cls.get_phonons, cls.inspect_phonons), cls.results)
        spec.output(
            "zero_point", valid_type=orm.Dict, help="Distance from the hull (eV/atom) with it, and of what it is made."
        )
        spec.exit_code(701, "ERROR_ZERO_POINT_OPEN", message="no correction by zero-point energy: {reason}")

    def setup(self) -> None:
        """Find the relaxations of the competing phases behind the placement."""
        phases = self.inputs.placement["competing_phases"]
        relaxations = relaxations_behind(self.inputs.placement)
        self.ctx.wanted = {re.sub(r"\W", "_", label): label for label in phases}
        self.ctx.relaxed = {key: relaxations[label] for key, label in self.ctx.wanted.items()}
        self.ctx.found = {}
        self.ctx.unknown = {}
        self.ctx.attempts = 0
        for key, node in self.ctx.relaxed.items():
            magnetism = node.outputs.relaxation.get_dict().get("magnetism") or {}
            if magnetism.get("state") == "ferromagnetic":
                self.ctx.unknown[key] = "ferromagnetic, and phonons are those of the non-magnetic state"

    def should_get_phonons(self) -> bool:
        """Try again only for what was lost with the process that ran it."""
        open_ones = set(self.ctx.wanted) - set(self.ctx.found) - set(self.ctx.unknown)
        return bool(open_ones) and self.ctx.attempts < self.inputs.settings["hull"]["max_reference_attempts"]

    def get_phonons(self) -> None:
        """Use, await or submit the phonons of every competing phase."""
        self.ctx.attempts += 1
        for key in self.ctx.wanted:
            if key in self.ctx.found or key in self.ctx.unknown:
                continue
            relaxed = self.ctx.relaxed[key]
            node = stable_phonons_of(relaxed.outputs.structure) or self._shared(key, relaxed)
            self.to_context(**{f"phonons_{key}": node})

    def _shared(self, key: str, relaxed: orm.WorkChainNode) -> orm.ProcessNode:
        """Return the one process of the profile that computes a phase's phonons with these settings."""
        settings = self.inputs.settings.get_dict()
        if settings["hull"]["zero_point"] == "gamma" and len(relaxed.outputs.structure.sites) > 1:
            settings["dft"]["qpoints_mesh"] = _GAMMA
        identity = fingerprint({"dft": settings["dft"], "phonons": settings["phonons"]})
        label = f"phonons/{relaxed.outputs.structure.uuid}/{identity}"
        with profile_lock():
            node: orm.ProcessNode | None = find_process(label)
            if node is None:
                method = PHONON_METHODS[settings["phonons"]["method"]]
                inputs = {
                    **self.shared_inputs(*method._codes),
                    "settings": orm.Dict(settings),
                    "structure": relaxed.outputs.structure,
                    "scf_folder": relaxed.outputs.scf_folder,
                    "kpoints_mesh": orm.List(relaxed.outputs.relaxation["kpoints_mesh"]),
                    "metadata": {"label": label, "call_link_label": f"phonons_{key}"},
                }
                node = self.submit(method, **inputs)
                self.report(f"{label}: submitted as {node.pk} for {self.ctx.wanted[key]}")
        return node

    def inspect_phonons(self) -> None:
        """Keep what finished; what was killed with somebody else's screening is asked for again."""
        last = self.ctx.attempts >= self.inputs.settings["hull"]["max_reference_attempts"]
        for key in self.ctx.wanted:
            node = self.ctx.get(f"phonons_{key}")
            if node is None or key in self.ctx.found:
                continue
            if node.is_finished_ok:
                self.ctx.found[key] = node
            elif node.is_finished or last:
                self.ctx.unknown[key] = self.reason_of(node)

    def results(self) -> ExitCode | None:
        """Correct the placement; without every zero-point energy it stays open, with the reason."""
        own = phonon_functions.crystal_zero_point_energy(
            self.inputs.phonons, self.inputs.structure, **_given(self.inputs, "interpolation")
        )
        zero_points = {
            key: phonon_functions.crystal_zero_point_energy(
                node.outputs.phonons, node.inputs.structure, **_given(node.outputs, "interpolation")
            )
            for key, node in self.ctx.found.items()
        }
        corrected = functions.correct_placement(
            placement=self.inputs.placement,
            candidate=own,
            labels=orm.Dict(self.ctx.wanted),
            unknown=orm.Dict(self.ctx.unknown),
            **{f"phase_{key}": node for key, node in zero_points.items()},
        )
        self.out("zero_point", corrected)
        if corrected["distance_with_zero_point_ev_per_atom"] is None:
            return self.exit_codes.ERROR_ZERO_POINT_OPEN.format(reason=corrected["reason"])
        return None


def relaxations_behind(placement: orm.Dict) -> dict[str, orm.WorkChainNode]:
    """Return the relaxation of every phase of a placement by its label.

    Parameters
    ----------
    placement : Dict
        Output of `workflows.functions.place_relaxed`.

    Returns
    -------
    dict
    """
    inputs = placement.creator.inputs
    labels = inputs.labels.get_dict()
    found = {}
    for key, label in labels.items():
        links = inputs[f"phase_{key}"].base.links.get_incoming(
            node_class=orm.WorkChainNode, link_type=LinkType.RETURN, link_label_filter="relaxation"
        )
        # A descent hands on the relaxation of its lowest rung under the same name.
        found[label] = next(node for node in links.all_nodes() if node.process_label == "RelaxWorkChain")
    return found


def stable_phonons_of(structure: orm.StructureData) -> orm.WorkChainNode | None:
    """Return the newest finished phonons of this very crystal that found it stable on a mesh, whoever computed them."""
    query = orm.QueryBuilder().append(orm.StructureData, filters={"id": structure.pk}, tag="structure")
    query.append(
        list(PHONON_METHODS.values()),
        with_incoming="structure",
        edge_filters={"label": "structure"},
        filters={"attributes.exit_status": 0},
        tag="phonons",
    )
    query.append(
        orm.Dict,
        with_incoming="phonons",
        edge_filters={"label": "phonons"},
        filters={"attributes.verdict": "stable", "attributes.qpoints_mesh": {"!==": _GAMMA}},
    )
    query.order_by({"phonons": [{"id": "desc"}]})
    query.add_projection("phonons", "*")
    found = query.first(flat=True)
    return found if isinstance(found, orm.WorkChainNode) else None


def _given(namespace: Any, name: str) -> dict[str, orm.Node]:
    """Return an optional node as a keyword, or nothing."""
    return {name: namespace[name]} if name in namespace else {}
