"""Which of the generated crystals are one and the same."""

from collections.abc import Mapping
from typing import Protocol

from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Structure

from hts.prototypes.geometry import PrimitiveTemplate

# A template and which of the elements, by alphabet, is on each of its labels: a crystal up to the choice of elements.
_Form = tuple[PrimitiveTemplate, tuple[int, ...]]


class Crystal(Protocol):
    """What has to be known of a crystal to compare it."""

    @property
    def key(self) -> str:
        """What it is called."""

    @property
    def formula(self) -> str:
        """Reduced formula."""

    @property
    def space_group_number(self) -> int:
        """1 to 230."""

    @property
    def n_atoms(self) -> int:
        """Atoms of the primitive cell."""

    @property
    def template(self) -> PrimitiveTemplate:
        """Its cell with labels."""

    @property
    def placed(self) -> Mapping[str, str]:
        """Label -> element."""

    @property
    def structure(self) -> Structure:
        """Standard primitive cell."""


class DistinctCrystals:
    """The crystals met so far; tells of a further one whether it is new.

    Only crystals of one formula, space group and cell size are compared at all. Whether two of them are equal depends
    on their templates and on which sites hold equal elements, not on which elements those are and not on the volume, so
    that the costly comparison runs once for every such pair of forms and its result serves all elements: the cost is
    linear in the number of crystals.
    """

    def __init__(self) -> None:
        self._buckets: dict[tuple[str, int, int], list[tuple[_Form, Crystal]]] = {}
        self._verdicts: dict[tuple[_Form, _Form], bool] = {}
        self._matcher = crystal_matcher()
        self.n_comparisons = 0

    def add(self, crystal: Crystal) -> str | None:
        """Remember a crystal unless it is known.

        Parameters
        ----------
        crystal : Crystal

        Returns
        -------
        str | None
            The key of the equal crystal that came before; None for a new one.
        """
        bucket = self._buckets.setdefault((crystal.formula, crystal.space_group_number, crystal.n_atoms), [])
        form = _form(crystal)
        for other_form, other in bucket:
            if self._equal(form, crystal, other_form, other):
                return other.key
        bucket.append((form, crystal))
        return None

    def _equal(self, form: _Form, crystal: Crystal, other_form: _Form, other: Crystal) -> bool:
        pair = (form, other_form)
        if pair not in self._verdicts:
            self.n_comparisons += 1
            self._verdicts[pair] = bool(self._matcher.fit(crystal.structure, other.structure))
        return self._verdicts[pair]


def crystal_matcher() -> StructureMatcher:
    """Return the matcher that decides whether two generated crystals are one.

    Volumes are normalised. Cells are primitive already and free parameters stand at their start values, so equal
    crystals agree closely: the tolerances are tighter than pymatgen's defaults, which would merge relatives.
    """
    return StructureMatcher(ltol=0.05, stol=0.05, angle_tol=1, primitive_cell=False, scale=True)


def _form(crystal: Crystal) -> _Form:
    alphabet = sorted(set(crystal.placed.values()))
    return crystal.template, tuple(alphabet.index(element) for element in crystal.placed.values())
