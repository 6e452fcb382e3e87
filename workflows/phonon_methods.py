"""The ways to decide dynamic stability, by the name that the setting `phonons.method` gives them."""

from workflows.finite_displacement import FiniteDisplacementWorkChain
from workflows.phonons import PhononsWorkChain
from workflows.stage import StageWorkChain

PHONON_METHODS: dict[str, type[StageWorkChain]] = {
    "dfpt": PhononsWorkChain,
    "finite_displacement": FiniteDisplacementWorkChain,
}
