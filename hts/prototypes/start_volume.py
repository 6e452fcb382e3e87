"""The volume at which a member of a family begins its relaxation."""

from collections.abc import Mapping

from hts.contacts import template_contacts
from hts.prototypes.geometry import PrimitiveTemplate
from hts.radii import shortest_possible_ang
from hts.references import hydrogen_volume_ang3_per_molecule
from hts.volumes import starting_volume_ang3


def start_volume_ang3(template: PrimitiveTemplate, placed: Mapping[str, str], pressure_gpa: float) -> float:
    """Return the starting volume of a template's cell: that of the elements, or more where atoms would overlap.

    Parameters
    ----------
    template : PrimitiveTemplate
    placed : Mapping[str, str]
        Label -> element of all sites.
    pressure_gpa : float
        Pressure in GPa, 0 or above.

    Returns
    -------
    float
        Angstrom^3: `hts.volumes.starting_volume_ang3` (for hydrogen alone the volume of the solid), raised until no two
        atoms are nearer than `hts.radii.shortest_possible_ang`. Large atoms on the small sites of a family need that.

    Raises
    ------
    UserError
        An element without volume or radius, a negative pressure.
    """
    counts = template.counts(placed)
    if set(counts) == {"H"}:
        volume_ang3 = counts["H"] * hydrogen_volume_ang3_per_molecule(pressure_gpa) / 2
    else:
        volume_ang3 = starting_volume_ang3(counts, pressure_gpa)
    for (first, second), lengths in template_contacts(template).items():
        # Lengths are for a cell of 1 A^3.
        length_ang = shortest_possible_ang(placed[first], placed[second], pressure_gpa)
        volume_ang3 = max(volume_ang3, (length_ang / lengths[0]) ** 3)
    return volume_ang3
