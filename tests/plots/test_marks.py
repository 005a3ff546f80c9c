import itertools

import matplotlib.colors
import matplotlib.image
import numpy as np
import pytest

from jaxsize.plots.axes import log_axis, zoom_axis
from jaxsize.plots.grid import grid
from jaxsize.plots.looks import colors, looks
from jaxsize.plots.marks import band, bands, points
from jaxsize.plots.style import save, subplots


def curves():
    """Runs [5, 4] with some values that are not finite, one position without any."""
    values = np.random.default_rng(0).normal(size=(5, 4))
    values[:, 2] = np.nan
    values[1, 0], values[2, 0], values[3, 3] = np.nan, np.inf, -np.inf
    return values


def test_a_band_is_the_median_between_the_extremes():
    figure, panels = subplots(1, 1)
    values = curves()
    band(panels[0, 0], [1, 2, 3, 4], values, color="k", label="a", linestyle="--")
    (line,) = panels[0, 0].lines
    columns = [column[np.isfinite(column)] for column in values.T]
    expected = [np.median(column) if column.size else np.nan for column in columns]
    np.testing.assert_allclose(line.get_ydata(), expected)
    assert (line.get_linestyle(), line.get_label()) == ("--", "a")
    outlines = [path.vertices for path in panels[0, 0].collections[0].get_paths()]
    corners = {tuple(np.round(corner, 6)) for outline in outlines for corner in outline}
    for x, column in zip([1, 2, 3, 4], columns, strict=True):
        heights = sorted({y for at, y in corners if at == x})
        np.testing.assert_allclose(
            [heights[0], heights[-1]] if heights else [], [column.min(), column.max()] if column.size else [], atol=1e-6
        )
    figure.canvas.draw()


def test_a_grid_has_a_row_of_panels_per_form_and_a_line_per_arm():
    rows = {"original": {0.5: curves(), "all": 2 * curves()}, "corrected": {16: curves()}}
    panels = {"size": lambda arm: arm**2, "half": lambda arm: ([3, 6, 9, 12], arm / 2)}
    _, axes = grid(rows, panels, log=["step", "size"], xlabel="step", title="arms")
    assert [[panel.get_title() for panel in row] for row in axes] == [
        ["original: size", "half"],
        ["corrected: size", "half"],
    ]
    assert [text.get_text() for text in axes[0, 1].get_legend().get_texts()] == ["0.5", "all"]
    assert {panel.get_xscale() for panel in axes.ravel()} == {"log"}
    assert [panel.get_yscale() for panel in axes[0]] == ["log", "linear"]
    first, second = axes[0, 1].lines
    assert list(first.get_xdata()) == [3, 6, 9, 12] and first.get_linestyle() != second.get_linestyle()
    np.testing.assert_allclose(second.get_ydata(), 2 * first.get_ydata())
    bands(axes[1, 0], {16: curves()})
    assert [line.get_color() for line in axes[1, 0].lines] == [colors(1)[0]] * 2


def test_points_show_every_finite_value_and_their_median():
    _, panels = subplots(1, 1)
    points(panels[0, 0], 3.0, [1.0, np.nan, 5.0, 2.0], color="k", label="b")
    marks, median = panels[0, 0].lines
    assert (list(marks.get_xdata()), list(marks.get_ydata())) == ([3, 3, 3], [1, 5, 2])
    assert (list(median.get_xdata()), list(median.get_ydata())) == ([3], [2])
    points(panels[0, 0], 4.0, [np.nan], color="k")
    assert len(panels[0, 0].lines) == 2


@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_colors_grow_lighter(count):
    shades = np.array([matplotlib.colors.to_rgb(color) for color in colors(count)])
    assert len(shades) == max(count, 1)
    assert (np.diff(shades @ [0.2126, 0.7152, 0.0722]) > 0).all()


def test_looks_differ_without_their_colours():
    assert len({(str(look.stroke), look.marker) for look in looks(56)}) == 56
    assert [look.color for look in looks(7)] == colors(7) and looks(0) == []


def test_every_line_that_lies_on_others_shows_its_marks():
    figure, panels = subplots(1, 1)
    bands(panels[0, 0], dict.fromkeys("abcd", np.zeros((2, 100))) | {"lost": np.full((2, 100), np.nan)})
    figure.canvas.draw()
    assert all(tick == int(tick) for tick in panels[0, 0].get_xticks())
    seen = []
    for line in panels[0, 0].lines[:4]:
        start, every = line.get_markevery()
        seen.append((round(start % every, 6), line.get_marker()))
    assert len({start for start, _ in seen}) == len({marker for _, marker in seen}) == 4


@pytest.mark.parametrize("values", [[[3.0]], [[3.0, np.nan]], [[np.nan]], [[0.0, 0.0, 0.0]]])
def test_a_line_without_a_length_has_its_mark(values):
    figure, panels = subplots(1, 1)
    band(panels[0, 0], np.ones(len(values[0])), np.array(values), label="a", **looks(2)[1].line)
    assert panels[0, 0].lines[0].get_markevery() == 1
    figure.canvas.draw()


def test_a_picture_is_replaced_whole_or_not_at_all(tmp_path):
    figure, panels = subplots(2, 3, width=1.5, height=1.0)
    assert panels.shape == (2, 3)
    path = tmp_path / "picture.png"
    save(figure, path)
    assert matplotlib.image.imread(path).shape[:2] == (2 * 160, round(3 * 1.5 * 160))
    before = path.read_bytes()

    def fail(*args, **settings):
        args[0].write_bytes(b"half")
        raise OSError(28, "No space left on device")

    figure.savefig = fail
    with pytest.raises(OSError, match="No space left"):
        save(figure, path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["picture.png"]


@pytest.mark.parametrize("which", ["x", "y"])
def test_log_axes_have_plain_numbers(which):
    figure, panels = subplots(1, 1)
    panels[0, 0].plot([0.01, 1, 200], [0.01, 1, 200])
    log_axis(panels[0, 0], which)
    figure.canvas.draw()
    axis = {"x": panels[0, 0].xaxis, "y": panels[0, 0].yaxis}[which]
    assert axis.get_scale() == "log"
    labels = {label.get_text() for label in axis.get_ticklabels()}
    assert {"0.01", "1", "100"} <= labels and not any("$" in label for label in labels)


@pytest.mark.parametrize("which", ["x", "y"])
@pytest.mark.parametrize(
    ("low", "high"), [(110, 140), (16, 24), (1, 3), (0.004, 0.0175), (24, 24), (0.5, 900), (2e4, 3e6)]
)
def test_a_log_axis_has_two_numbers_or_more_that_do_not_touch(which, low, high):
    figure, panels = subplots(1, 1)
    panels[0, 0].plot([low, high], [low, high])
    log_axis(panels[0, 0], which)
    figure.canvas.draw()
    axis = {"x": panels[0, 0].xaxis, "y": panels[0, 0].yaxis}[which]
    least, most = axis.get_view_interval()
    shown = [tick.label1 for tick in axis.get_major_ticks() if least <= tick.get_loc() <= most]
    assert axis.get_scale() == "log" and len(shown) >= 2
    boxes = [text.get_window_extent() for text in shown]
    assert not any(box.overlaps(other) for box, other in itertools.pairwise(boxes))


def test_either_axis_is_zoomed():
    _, panels = subplots(1, 1)
    panels[0, 0].plot([0.1, 0.9, 1.0], [0.3, 0.7, 0.8])
    zoom_axis(panels[0, 0], 0.2, "x")
    zoom_axis(panels[0, 0], 0.2)
    np.testing.assert_allclose([panels[0, 0].get_xlim(), panels[0, 0].get_ylim()], [[0.79, 1.01], [0.59, 0.81]])
