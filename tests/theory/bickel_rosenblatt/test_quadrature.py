"""Meshes and outlines: cells that follow kinks and narrow parts, and keep their digits far from 0."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.examples import examples
from theory.bickel_rosenblatt.outlines import KernelGrid, Outline, Power, outline_of
from theory.bickel_rosenblatt.quadrature import GROWTH, Feature, Mesh, Nodes, Table, split
from theory.densities.families import density_named
from theory.densities.weights import weight_named
from theory.kernels import EPANECHNIKOV, GAUSSIAN, TRIANGULAR

places = st.integers(-1000, 1000).map(lambda number: Fraction(number, 128) + 1000)
features = st.builds(Feature, places, st.floats(-9, 2).map(lambda power: 10.0**power))


@settings(max_examples=examples(50), deadline=None)
@given(edges=st.sets(places, min_size=2, max_size=6), marks=st.lists(features, max_size=4))
def test_a_mesh_covers_its_interval_with_cells_that_are_narrow_beside_features(
    edges: set[Fraction], marks: list[Feature]
) -> None:
    mesh = Mesh.graded(edges, marks)
    lowers = [Fraction(base) + Fraction(rest) for base, rest in zip(mesh.bases, mesh.rests, strict=True)]
    uppers = [lower + Fraction(width) for lower, width in zip(lowers, mesh.widths, strict=True)]
    assert lowers[0] == min(edges)
    assert uppers[-1] == pytest.approx(max(edges), rel=1e-15)
    assert set(edges) - {max(edges)} <= set(lowers)
    for upper, following in zip(uppers, lowers[1:], strict=False):
        assert float(abs(upper - following)) < 1e-14
    for lower, upper in zip(lowers, uppers, strict=True):
        for place, scale in marks:
            away = max(lower - place, place - upper, Fraction(0))
            assert float(upper - lower) <= (1 + 1e-12) * GROWTH * (scale + float(away))


def test_cells_beside_a_narrow_feature_far_from_0_keep_their_digits() -> None:
    """At 10^6 doubles are 1e-10 apart; the cells beside the feature are a tenth of that wide, and measured exactly."""
    mesh = Mesh.graded([Fraction(0), Fraction(2 * 10**6)], [Feature(Fraction(10**6), 1e-11)])
    around = np.abs((mesh.bases - 10**6) + mesh.rests) < 1e-10
    assert around.sum() > 4
    assert mesh.widths[around].min() < 2e-11
    assert np.all(mesh.bases[around] == 10**6)


@settings(max_examples=examples(50), deadline=None)
@given(
    edges=st.sets(places, min_size=2, max_size=6),
    rows=st.lists(st.floats(985, 1015), min_size=1, max_size=4),
    shifts=st.lists(st.floats(-5, 5), min_size=2, max_size=4, unique=True),
)
def test_the_panels_of_a_row_make_up_its_part_of_the_mesh(
    edges: set[Fraction], rows: list[float], shifts: list[float]
) -> None:
    mesh, at = Mesh.graded(edges, ()), np.array(rows)
    points = np.broadcast_to(np.sort(shifts), (at.size, len(shifts)))
    panels = mesh.cut(Nodes(at, np.zeros_like(at), np.ones_like(at)), points)
    ends = np.clip(at[:, None] + points[:, [0, -1]], float(min(edges)), float(max(edges)))
    along, lengths = panels.nodes(4)
    bases, offsets = mesh.places(panels, along)
    positions = bases[:, None] + offsets
    # Cubes are integrated exactly, and a node is at the same place seen from the row and from its cell.
    exact = ((ends - 1000) ** 4 / 4) @ [-1.0, 1.0]
    assert panels.sum(lengths * (positions - 1000) ** 3) == pytest.approx(exact, abs=1e-9)
    assert panels.starts[:, None] + along + at[panels.rows, None] == pytest.approx(positions, abs=1e-12)
    # No panel contains an edge or a point.
    cuts = np.concatenate([split(sorted(edges))[0] - at[panels.rows, None], points[panels.rows]], axis=1)
    inside = (cuts > panels.starts[:, None] + 1e-12) & (cuts < (panels.starts + panels.widths)[:, None] - 1e-12)
    assert not inside.any()


def test_a_table_reproduces_polynomials_between_its_nodes() -> None:
    mesh = Mesh.graded([Fraction(-1), Fraction(1, 3), Fraction(2)], ())
    nodes = mesh.nodes(5)
    at = nodes.bases + nodes.offsets
    table = Table.of(mesh, np.stack([at**4 - at, 1 + at**2]))
    panels = mesh.cut(Nodes(np.zeros(1), np.zeros(1), np.ones(1)), np.array([[-0.7, 0.1, 1.2]]))
    along, _ = panels.nodes(3)
    points = panels.starts[:, None] + along
    first, second = table(panels, along)
    assert first == pytest.approx(points**4 - points, abs=1e-13)
    assert second == pytest.approx(1 + points**2, abs=1e-13)


def test_the_outline_of_a_density_has_its_knots_landmarks_and_fractional_powers() -> None:
    outline = outline_of(density_named("beta:1.5,3"))
    assert outline.kinks == {0, 1}
    assert outline.powers == {Power(Fraction(0), 0.5)}
    assert [place for place, _ in outline.features] == [pytest.approx(1 / 3)]
    assert outline_of(density_named("uniform:0,2")) == Outline(frozenset([Fraction(0), Fraction(2)]))
    assert outline_of(weight_named("window:-1,2")).kinks == {-1, 2}
    assert len(outline_of(weight_named("inverse-density:-1,2", "normal")).features) == 1


def test_a_compact_kernel_moves_an_outline_and_a_gaussian_one_blurs_it() -> None:
    outline = Outline(
        frozenset([Fraction(0)]), frozenset([Feature(Fraction(3), 0.125)]), frozenset([Power(Fraction(0), 0.5)])
    )
    smooth = KernelGrid(EPANECHNIKOV, 0.5).smooth(outline)
    assert smooth.kinks == {Fraction(-1, 2), Fraction(1, 2)}
    assert {place for place, _ in smooth.features} == {Fraction(5, 2), Fraction(7, 2)}
    assert {exponent for _, exponent in smooth.powers} == {1.5}
    blurred = KernelGrid(GAUSSIAN, 0.5).smooth(outline)
    assert blurred == Outline(features=frozenset([Feature(Fraction(0), 0.5), Feature(Fraction(3), 0.5)]))
    assert list(map(int, KernelGrid(TRIANGULAR, 0.5).lags)) == [0, 1, 2]
    correlated = KernelGrid(TRIANGULAR, 0.5).correlate(Outline(frozenset([Fraction(0)])))
    assert correlated.kinks == {Fraction(step, 2) for step in range(-2, 3)}
