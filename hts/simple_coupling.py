"""lambda without Wannier functions: the sum of what ph.x prints per q-point, and EPW's lambda held against it.

The smearings mean the same in both codes (checked in the sources of Quantum ESPRESSO 6.7): ``el_ph_sigma`` of ph.x and
``degaussw`` of EPW are the width of exp(-(x / sigma)^2) / (sigma sqrt(pi)) for both delta functions (``w0gauss`` of
order 0 in elphon.f90 and in EPW's io_eliashberg.f90). Their N(E_F) is of first-order Methfessel-Paxton smearing of that
width unless ``el_ph_ngauss`` and ``ngaussw`` are set to 0, as hts does: lambda is divided by the N(E_F) of the same
delta function. What differs is the meshes: ph.x sums over the k-mesh of the scf and the coarse q-mesh, EPW over its
fine ones. Below some sigma the coarse k-mesh has too few states at E_F, and there is nothing to compare.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hts.errors import HtsError, InconsistentSettingsError
from hts.simple_output import NO_LAMBDA_BELOW_CM1, SimpleCoupling
from hts.units import MEV_PER_CM1, RY_TO_EV

# Beyond this the k-mesh of the phonons says little about the Fermi surface, whatever its N(E_F) is corrected to.
_LARGEST_DOS_CORRECTION = 0.25


class ImaginaryModesError(HtsError, ValueError):
    """Modes with imaginary frequencies, to which no coupling constant belongs."""


@dataclass(frozen=True)
class SmearingTotal:
    """The sum over the Brillouin zone at one smearing.

    Attributes
    ----------
    sigma_ry : float
    dos_ef : float
        N(E_F), states per spin, Ry and cell: the mean over the q-points, which print it alike to about 1e-5.
    lambda_ : float
    omega_log_mev : float or None
        None where lambda is zero.
    """

    sigma_ry: float
    dos_ef: float
    lambda_: float
    omega_log_mev: float | None


@dataclass(frozen=True)
class TotalCoupling:
    """lambda at every smearing that all q-points have a number for.

    Attributes
    ----------
    smearings : tuple of SmearingTotal
        Ascending in sigma.
    notes : tuple of str
        What was left out, and why.
    """

    smearings: tuple[SmearingTotal, ...]
    notes: tuple[str, ...]

    def lambda_by_sigma(self) -> dict[float, float]:
        """Return sigma (Ry) -> lambda, as `compare` wants it."""
        return {each.sigma_ry: each.lambda_ for each in self.smearings}


def total_lambda(qpoints: Sequence[SimpleCoupling], weights: Sequence[float]) -> TotalCoupling:
    """Sum lambda and the logarithmic moment over q-points and modes.

    lambda = sum_q w_q sum_v lambda_qv and omega_log = exp(sum_q w_q sum_v lambda_qv ln(omega_qv) / lambda), the moments
    of alpha2F(omega) = (1/2) sum_q w_q sum_v lambda_qv omega_qv delta(omega - omega_qv).

    Parameters
    ----------
    qpoints : sequence of SimpleCoupling
        All irreducible q-points of a mesh, with the same smearings.
    weights : sequence of float
        Size of each star over the size of the mesh (`hts.phonons.star_sizes`).

    Returns
    -------
    TotalCoupling
        Without the translations at Gamma, where lambda is 0/0, which a note says; the weight of Gamma stays in the
        mean. A smearing at which a number did not fit its field is left out.

    Raises
    ------
    ValueError
        If weights are missing, not positive or do not sum to 1.
    InconsistentSettingsError
        If the q-points have different smearings.
    ImaginaryModesError
        If a mode that is no translation is imaginary.

    References
    ----------
    P. B. Allen and R. C. Dynes, Phys. Rev. B 12, 905 (1975), https://doi.org/10.1103/PhysRevB.12.905, for the moments.
    """
    _check_weights(qpoints, weights)
    sigma_ry = _common_smearings(qpoints)
    lambdas, logarithms = np.zeros(len(sigma_ry)), np.zeros(len(sigma_ry))
    for qpoint, weight in zip(qpoints, weights, strict=True):
        modes = _counted(qpoint)
        strength = qpoint.lambda_[:, modes]
        # Where ph.x gives no lambda (below 20 cm^-1) it is zero, so that the logarithm there does not matter.
        energy_mev = np.maximum(qpoint.frequencies_cm1[modes], 1e-3) * MEV_PER_CM1
        lambdas += weight * strength.sum(axis=1)
        logarithms += weight * (strength * np.log(energy_mev)).sum(axis=1)
    dos_ef = np.average([qpoint.dos_ef for qpoint in qpoints], axis=0, weights=weights)
    totals = tuple(
        SmearingTotal(sigma, dos, total, math.exp(logarithm / total) if total > 0 else None)
        for sigma, dos, total, logarithm in zip(
            *(column.tolist() for column in (sigma_ry, dos_ef, lambdas, logarithms)), strict=True
        )
        if math.isfinite(total)
    )
    return TotalCoupling(totals, _notes(qpoints, sigma_ry[~np.isfinite(lambdas)].tolist()))


def _common_smearings(qpoints: Sequence[SimpleCoupling]) -> NDArray[np.float64]:
    sigma_ry = qpoints[0].sigma_ry
    for qpoint in qpoints:
        if not (qpoint.sigma_ry.shape == sigma_ry.shape and np.allclose(qpoint.sigma_ry, sigma_ry, rtol=1e-9)):
            raise InconsistentSettingsError(
                f"smearings of {qpoint.sigma_ry.tolist()} Ry beside {sigma_ry.tolist()}, wanted the same at every "
                "q-point; rerun ph.x with one el_ph_sigma"
            )
    return sigma_ry


def _notes(qpoints: Sequence[SimpleCoupling], left_out_ry: Sequence[float]) -> tuple[str, ...]:
    notes = [
        f"{len(qpoint.translations)} translations at Gamma are left out: their lambda means nothing"
        for qpoint in qpoints
        if qpoint.translations
    ]
    if left_out_ry:
        listed = ", ".join(f"{sigma:g}" for sigma in left_out_ry)
        notes.append(f"sigma = {listed} Ry is left out: a lambda was too large for its field")
    return tuple(notes)


def _check_weights(qpoints: Sequence[SimpleCoupling], weights: Sequence[float]) -> None:
    if not qpoints or len(weights) != len(qpoints):
        raise ValueError(f"{len(weights)} weights for {len(qpoints)} q-points; give one for each irreducible q-point")
    if min(weights) <= 0 or abs(sum(weights) - 1) > 1e-6:
        raise ValueError(f"weights {list(weights)} sum to {sum(weights):g}, wanted positive ones that sum to 1")


def _counted(qpoint: SimpleCoupling) -> NDArray[np.int_]:
    """Return the modes that are no translations; none of them may be imaginary."""
    modes = np.setdiff1d(np.arange(len(qpoint.frequencies_cm1)), qpoint.translations).astype(int)
    lowest_cm1 = qpoint.frequencies_cm1[modes].min(initial=0.0)
    # Within 20 cm^-1 of zero, on either side, ph.x gives no lambda, so that such a mode adds nothing.
    if lowest_cm1 < -NO_LAMBDA_BELOW_CM1:
        place = " ".join(f"{value:.4g}" for value in qpoint.qpoint_2pi_over_a)
        raise ImaginaryModesError(
            f"a mode at {lowest_cm1:.0f} cm-1 at q = ({place}) 2 pi/a is imaginary, wanted a stable crystal; lambda of "
            "an unstable one means nothing: compute it at a pressure at which it is stable"
        )
    return modes


@dataclass(frozen=True)
class Comparison:
    """EPW's lambda beside that of ph.x at the same smearing.

    Attributes
    ----------
    sigma_ry : float
        The smearing that ph.x's lambda is for: EPW's, or the nearest there is.
    lambda_simple : float
    relative_deviation : float or None
        (lambda of EPW - lambda of ph.x) / lambda of ph.x; None where ph.x finds none.
    within_range : bool
        Whether EPW's smearing lies between those of ph.x. Outside, the values are for different smearings.
    text : str
        One line.
    """

    sigma_ry: float
    lambda_simple: float
    relative_deviation: float | None
    within_range: bool
    text: str


def compare(lambda_epw: float, degaussw_ev: float, simple: Mapping[float, float]) -> Comparison:
    """Hold EPW's lambda against that of ph.x at the same smearing.

    Parameters
    ----------
    lambda_epw : float
    degaussw_ev : float
        EPW's smearing; the same convention as ``el_ph_sigma``, in eV instead of Ry.
    simple : mapping of float to float
        sigma (Ry) -> lambda (`TotalCoupling.lambda_by_sigma`).

    Returns
    -------
    Comparison
        Linear in sigma between the two nearest smearings; outside their range the nearest one's value.

    Raises
    ------
    ValueError
        If there is nothing to compare with, or a number that is not finite.
    """
    if not simple:
        raise ValueError("ph.x gave lambda at no smearing, wanted at least one; rerun it with electron_phonon='simple'")
    if not all(math.isfinite(value) for value in (lambda_epw, degaussw_ev, *simple, *simple.values())):
        raise ValueError(
            f"lambda = {lambda_epw}, degaussw = {degaussw_ev} eV, ph.x: {dict(simple)}; wanted finite ones"
        )
    known = sorted(simple)
    wanted_ry = degaussw_ev / RY_TO_EV
    sigma_ry = min(max(wanted_ry, known[0]), known[-1])
    within_range = math.isclose(sigma_ry, wanted_ry, rel_tol=1e-9)
    lambda_simple = float(np.interp(sigma_ry, known, [simple[sigma] for sigma in known]))
    deviation = (lambda_epw - lambda_simple) / lambda_simple if lambda_simple > 0 else None
    text = f"lambda {lambda_epw:.3f} of EPW, {lambda_simple:.3f} of ph.x at sigma = {sigma_ry:.4g} Ry"
    if deviation is None:
        text += ": the k-mesh of the scf has no states at E_F for this smearing"
    else:
        text += f": {100 * deviation:+.0f} %"
    if not within_range:
        text += f" (EPW's own {wanted_ry:.4g} Ry is outside the {known[0]:g} to {known[-1]:g} Ry of ph.x)"
    return Comparison(sigma_ry, lambda_simple, deviation, within_range, text)


def compare_at_dos(
    lambda_epw: float, degaussw_ev: float, dos_per_spin_ev: float, smearings: Sequence[Mapping[str, Any]]
) -> Comparison:
    """Hold EPW's lambda against that of ph.x, rescaled to the density of states of a dense mesh.

    ph.x sums over the k-mesh of the phonons, whose N(E_F) is off where the mesh does not resolve the smearing; lambda
    is proportional to it (K. Bozier et al., arXiv:2508.18371).

    Parameters
    ----------
    lambda_epw, degaussw_ev
        As in `compare`.
    dos_per_spin_ev : float
        N(E_F) of a dense mesh with the smearing of EPW, states per spin, eV and cell.
    smearings : sequence of mapping
        Of ph.x: ``sigma_ry``, ``lambda_`` and ``dos_ef`` (per spin, Ry and cell) of each.

    Returns
    -------
    Comparison
        ``relative_deviation`` is None, and the text says why, where nothing can be concluded: EPW's smearing is not
        among those of ph.x, or N(E_F) of its k-mesh is off by more than a quarter.

    Raises
    ------
    ValueError
        As `compare`.
    """
    known = sorted(smearings, key=lambda one: one["sigma_ry"])
    plain = compare(lambda_epw, degaussw_ev, {one["sigma_ry"]: one["lambda_"] for one in known})
    if not plain.within_range:
        return replace(plain, relative_deviation=None)
    dos = float(np.interp(plain.sigma_ry, [one["sigma_ry"] for one in known], [one["dos_ef"] for one in known]))
    scale = dos_per_spin_ev * RY_TO_EV / dos if dos > 0 else math.inf
    if abs(scale - 1) > _LARGEST_DOS_CORRECTION:
        text = f"{plain.text}; not judged: N(E_F) of that k-mesh would have to be multiplied by {scale:.2f}"
        return replace(plain, relative_deviation=None, text=text)
    rescaled = scale * plain.lambda_simple
    deviation = (lambda_epw - rescaled) / rescaled if rescaled > 0 else None
    text = f"lambda {lambda_epw:.3f} of EPW, {rescaled:.3f} of ph.x at sigma = {plain.sigma_ry:.4g} Ry"
    if deviation is not None:
        text += f": {100 * deviation:+.0f} %"
    return Comparison(plain.sigma_ry, rescaled, deviation, True, text)
