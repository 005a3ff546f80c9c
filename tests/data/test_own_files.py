"""npz.py, image_folders.py, registry.py: arrays and images from files, loaded by path."""

import numpy as np
import pytest
from PIL import Image

from jaxsize.data import as_images, from_arrays, from_image_folder, from_npz, load
from jaxsize.data._files.own_names import count_rows, safe_name
from jaxsize.errors import InputError

rng = np.random.default_rng(0)
X, Y = rng.normal(size=(60, 3)), np.arange(60) % 3


def saved(path, **arrays):
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize("names", [("inputs", "targets"), ("x", "y"), ("X", "y")])
def test_arrays_in_a_file_are_those_arrays(tmp_path, names):
    path = saved(tmp_path / "my waves.npz", **dict(zip(names, (X, Y), strict=True)), weights=Y + 1)
    dataset = load(path, seed=3)
    assert (dataset.name, dataset.source) == ("my_waves", "arrays of my waves.npz")
    assert dataset.fingerprint() == from_arrays(X, Y, weights=Y + 1, seed=3).fingerprint()


def test_splits_in_a_file_are_those_splits(tmp_path):
    words = np.array((["train"] * 4 + ["valid", "test"]) * 10)
    by_word = from_npz(saved(tmp_path / "a.npz", x=X, y=Y, split=words))
    np.testing.assert_array_equal(by_word.test.inputs, X[words == "test"].astype(np.float32))
    apart = {"x_train": X[:40], "y_train": Y[:40], "x_test": X[40:], "y_test": Y[40:], "note": np.array("hello")}
    by_name = from_npz(saved(tmp_path / "b.npz", **apart), validation=None)
    np.testing.assert_array_equal(by_name.test.inputs, X[40:].astype(np.float32))
    assert (len(by_name.train), by_name.validation) == (40, None)
    assert by_name.info["unused_arrays"] == ["note"]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"foo": X}, "expected an array inputs, x or x_train, it holds foo"),
        ({"x": X}, "expected an array targets or y for these inputs, it holds x"),
        ({"x": X, "inputs": X, "y": Y}, "expected one of inputs, x, got 2 of them"),
        ({"x": np.array([{}, 1], object)}, "cannot be read as .npz (arrays of Python objects are not read)"),
        (
            {"x": X, "y": Y, "split": ["train"] * 59 + ["tst"]},
            "split must say train, validation or test for",
        ),
        ({"x": X, "y": Y, "split": ["train"] * 60}, "split names no test row"),
        ({"x": X, "y": Y[:5]}, "a: 60 rows of inputs, but targets [5]"),
    ],
)
def test_wrong_arrays_in_a_file_are_one_clear_line(tmp_path, arrays, message):
    with pytest.raises(InputError) as caught:
        from_npz(saved(tmp_path / "a.npz", **arrays))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_of_another_kind_are_refused(tmp_path):
    (tmp_path / "a.npz").write_text("hello")
    for name, message in (("a.npz", "is no .npz file"), ("b.npz", "cannot be read")):
        with pytest.raises(InputError, match=message):
            load(tmp_path / name)
    with pytest.raises(InputError, match=r"a\.txt does not exist; expected \.csv"):
        load(tmp_path / "a.txt")
    with pytest.raises(InputError, match=r"form: .* own data have no original form"):
        load(tmp_path / "a.npz", form="original")
    with pytest.raises(InputError, match="unknown option 'targt'; its options: target, task, categorical"):
        load("a.csv", targt=1)
    with pytest.raises(InputError, match="unknown data set 'mnits'; there are digits"):
        load("mnits")


def test_names_of_files_are_safe_and_unique(tmp_path):
    given = [tmp_path / name for name in ("a b/é.csv.gz", "mnist.csv", "x.tsv", "X/x.npz", "images", "...")]
    names = []
    for path in given:
        names.append(safe_name(path, ["mnist", *names]))
    assert names == ["own", "mnist_2", "x", "x_2", "images", "own_2"]


def test_rows_are_counted_without_reading_all(tmp_path):
    table = tmp_path / "a.csv"
    table.write_text("x,y\n" + "1,2\n" * 50)
    arrays = saved(tmp_path / "a.npz", x=X, y=Y)
    assert (count_rows(table, 1000), count_rows(table, 20), count_rows(arrays, 1000)) == (51, 20, 60)
    assert count_rows(tmp_path / "none.csv", 9) == count_rows(tmp_path / "none.npz", 9) == 0


# ---- images


def draw(folder, label, count=8, size=(5, 4), mode="L"):
    (folder / label).mkdir(parents=True, exist_ok=True)
    for number in range(count):
        pixels = rng.integers(0, 256, (size[1], size[0], len(mode)), np.uint8)
        Image.fromarray(pixels[..., 0] if mode == "L" else pixels).save(folder / label / f"{number}.png")


def test_images_are_read_as_they_are(tmp_path):
    for label in ("cat", "dog"):
        draw(tmp_path / "pets", label, mode="RGB")
    (tmp_path / "pets" / "dog" / "notes.txt").write_text("good dogs")
    dataset = load(tmp_path / "pets")
    assert (dataset.name, dataset.row_shape, dataset.info["classes"]) == ("pets", (4, 5, 3), ["cat", "dog"])
    assert as_images(dataset) is dataset
    assert dataset.info["ignored_files"] == 1
    parts = [part for part in (dataset.train, dataset.validation, dataset.test) if part is not None]
    given = {image.tobytes(): label for part in parts for image, label in zip(part.inputs, part.targets, strict=True)}
    for path in (tmp_path / "pets").rglob("*.png"):
        with Image.open(path) as image:
            assert given.pop(np.asarray(image).tobytes()) == (path.parent.name == "dog")
    assert not given
    pixels = dataset.train.inputs * dataset.input_scale + dataset.input_shift
    np.testing.assert_allclose(pixels.mean(axis=(0, 1, 2)), 0, atol=1e-5)


def test_folders_may_say_the_split_and_grey_images_have_one_channel(tmp_path):
    for part, count in (("train", 9), ("val", 2), ("test", 3)):
        for label in ("0", "1"):
            draw(tmp_path / part, label, count)
    dataset = from_image_folder(tmp_path, standardize=False)
    assert dataset.validation is not None
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (18, 4, 6)
    assert dataset.row_shape == (4, 5, 1)
    assert float(dataset.input_scale) == np.float32(1 / 255)


def test_wrong_folders_are_one_clear_line(tmp_path):
    with pytest.raises(InputError, match="expected a folder of images for each class"):
        from_image_folder(tmp_path)
    draw(tmp_path, "a")
    draw(tmp_path, "b")
    draw(tmp_path, "c", count=1, size=(6, 4))
    with pytest.raises(InputError, match=r"0\.png has 5 x 4 pixels, but .*c/0\.png has 6 x 4; all must"):
        from_image_folder(tmp_path)
    draw(tmp_path, "c", count=1, mode="RGBA")
    with pytest.raises(InputError, match=r"c/0\.png: expected an image without transparent pixels"):
        from_image_folder(tmp_path)
    (tmp_path / "c" / "0.png").write_text("no image")
    with pytest.raises(InputError, match=r"c/0\.png: cannot be read as an image"):
        from_image_folder(tmp_path)
    (tmp_path / "c" / "0.png").unlink()
    with pytest.raises(InputError, match=r"c: expected images \(\.png, "):
        from_image_folder(tmp_path)
