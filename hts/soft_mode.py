"""The lowest mode at a q-point as a plain record: frequency, representation, which atoms move, eigenvector."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hts.little_group import LittleGroup

# Modes of one representation agree far better than this (printed digits of a dynamical matrix), different ones rarely.
_DEGENERATE_CM1 = 0.3


def soft_mode(
    frequencies_cm1: NDArray[np.float64],
    eigenvectors: NDArray[np.complex128],
    group: LittleGroup,
    symbols: Sequence[str],
) -> dict[str, Any] | None:
    """Describe the lowest mode.

    Parameters
    ----------
    frequencies_cm1 : NDArray, shape (n,)
        Ascending, imaginary ones negative.
    eigenvectors : NDArray, shape (3 N, n), complex
        Mass-weighted polarisation, a column a mode.
    group : LittleGroup
        Of the q-point.
    symbols : sequence of str, length N

    Returns
    -------
    dict or None
        ``frequency_cm1``; ``irrep`` (None where it has no name); ``degeneracy``; ``species_weight`` (element -> part
        of the squared amplitudes of all degenerate modes, adding up to 1); ``eigenvector`` ([re, im] of 3 N components
        of the first of them). None where there is no mode, as at Gamma with one atom.
    """
    if not len(frequencies_cm1):
        return None
    # Close to zero a small error of the squared frequency is a large one of the frequency.
    together = np.abs(frequencies_cm1 * np.abs(frequencies_cm1) - frequencies_cm1[0] * np.abs(frequencies_cm1[0]))
    degenerate = eigenvectors[:, together <= 2 * _DEGENERATE_CM1 * max(abs(float(frequencies_cm1[0])), 1.0)]
    weight = (np.abs(degenerate) ** 2).sum(axis=1).reshape(-1, 3).sum(axis=1) / degenerate.shape[1]
    by_element: dict[str, float] = {}
    for symbol, part in zip(symbols, weight, strict=True):
        by_element[symbol] = round(by_element.get(symbol, 0.0) + float(part), 4)
    return {
        "frequency_cm1": float(frequencies_cm1[0]),
        "irrep": group.mulliken_label(degenerate),
        "degeneracy": degenerate.shape[1],
        "species_weight": by_element,
        "eigenvector": [[round(float(x.real), 8), round(float(x.imag), 8)] for x in degenerate[:, 0]],
    }


def moving_atoms_text(species_weight: dict[str, float]) -> str:
    """Return which atoms move as ``H 87%, Al 13%``; those below half a percent are left out."""
    ranked = sorted(species_weight.items(), key=lambda item: -item[1])
    return ", ".join(f"{element} {weight:.0%}" for element, weight in ranked if weight >= 0.005)
