"""Physical constants and conversions, each with its source.

CODATA 2018 values (https://doi.org/10.1103/RevModPhys.93.025010) unless said otherwise. Quantum ESPRESSO writes
pressure in kbar, energy in Ry and length in bohr; everything a user sees is in GPa, eV, Angstrom, cm^-1, meV and K.
"""

BOHR_TO_ANG = 0.529177210903
RY_TO_EV = 13.605693122994
HARTREE_TO_EV = 2 * RY_TO_EV
BOLTZMANN_MEV_PER_K = 0.08617333262
MEV_PER_THZ = 4.135667696
MEV_PER_CM1 = 0.1239841984
CM1_PER_THZ = 33.35640952
MEV_PER_RY = RY_TO_EV * 1000
KBAR_PER_GPA = 10.0
# 1 eV / Angstrom^3 in GPa: the elementary charge over 1e-30 m^3, in 1e9 Pa.
GPA_PER_EV_ANG3 = 160.2176634
# Electron masses per atomic mass unit, and per "Rydberg atomic mass unit" of the dynamical matrices (m_e = 1/2).
ELECTRON_MASS_PER_AMU = 1822.888486209
RY_MASS_PER_AMU = ELECTRON_MASS_PER_AMU / 2
# cm^-1 of one Rydberg: the Rydberg constant itself.
CM1_PER_RY = 109737.31568160
