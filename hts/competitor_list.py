"""What a list of competing phases holds: phases, and what is known to lack."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from pymatgen.core import Composition, Structure

from hts.references import missing_competitors

Kind = Literal["element", "known", "library", "imported"]


@dataclass(frozen=True)
class Competitor:
    """A phase that a hull should hold.

    Attributes
    ----------
    label : str
        Such as `Ca-fcc`, `H2-c2-c`, `CaH2-mh2-pnma`, `LaBeH8-fluorite_axh8-La_Be`: safe in file names, the same for the
        same crystal at every pressure and in every system.
    formula : str
        pymatgen's reduced formula.
    structure : Structure
        Primitive cell at the start volume for the pressure.
    caveat : str | None
        Why the hull may be wrong although this phase is on it; None when sound.
    kind : str
        `element`, `known` (a compound of known_phases.yaml within its window), `library` (a filled family), or
        `imported` (a structure that the user gave as a file, see `hts.competitor_files`).
    source_doi : str
        Of what says that the phase exists, else of its structure type. Where the structures of elements at ambient
        conditions come from stands in reference_structures.yaml. Empty for an imported one, whose source stands beside
        its cell in the settings.
    """

    label: str
    formula: str
    structure: Structure
    caveat: str | None
    kind: Kind
    source_doi: str


@dataclass(frozen=True)
class CompetitorList:
    """The phases that a hull should hold, and one line for each thing that lacks.

    Attributes
    ----------
    phases : tuple of Competitor
        In a deterministic order: elements, known compounds, library, imported.
    lacking : tuple of str
        Elements without a structure, phases that cannot be built or are too large.
    elements : tuple of str
        Of the chemical system.
    absent : str
        What did not happen to a compound of a sub-system without one, such as `is known at 10 GPa`.
    """

    phases: tuple[Competitor, ...]
    lacking: tuple[str, ...]
    elements: tuple[str, ...] = ()
    absent: str = "was computed"

    @property
    def missing(self) -> tuple[str, ...]:
        """Every line, for a hull of these phases alone; see `missing_beside`."""
        return self.missing_beside(())

    def missing_beside(self, systems: Collection[frozenset[str]]) -> tuple[str, ...]:
        """Return what lacks on a hull that holds further compounds.

        Parameters
        ----------
        systems : Collection[frozenset[str]]
            Element sets of the compounds that are on the hull beside the phases of this list, the candidate left out.

        Returns
        -------
        tuple of str
            `lacking`, then a line for every sub-system without a compound in `phases` or in `systems`.
        """
        held = {frozenset(Composition(phase.formula).get_el_amt_dict()) for phase in self.phases} | set(systems)
        return (*self.lacking, *missing_competitors(self.elements, held, self.absent))
