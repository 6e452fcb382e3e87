"""What the tests of several plugins compute."""

from typing import Any

import pytest
from aiida import orm


@pytest.fixture(scope="module")
def aluminium(aiida_profile: Any) -> orm.StructureData:
    """Return fcc Al; its mass is not AiiDA's own, to be found again in the input."""
    edge = 3.944 / 2
    structure = orm.StructureData(cell=[[0, edge, edge], [edge, 0, edge], [edge, edge, 0]])
    structure.append_atom(position=(0, 0, 0), symbols="Al", mass=26.98)
    return structure
