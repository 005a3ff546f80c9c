"""progress.py: what is said of a run where nobody looks at a terminal."""

from types import SimpleNamespace

from jaxsize.training import Progress, progress


def test_a_piped_run_prints_a_line_now_and_then(monkeypatch, capsys):
    clock = iter([0.0, 10.0, 61.0, 62.0, 130.0])
    monkeypatch.setattr(progress, "PIPED_SECONDS", 60.0)
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=clock.__next__))
    bar = Progress(6)
    rows = [{"run": 0, "train_loss": 0.5, "test_accuracy": 0.75}, {"run": 1, "train_loss": None, "test_accuracy": 0.25}]
    for _ in range(3):
        bar.advance("digits.learned", 1, rows)
    bar.expect(2)
    bar.advance("digits.from_scratch", 3)
    bar.close()
    out, error = capsys.readouterr()
    assert out == "" and error.splitlines() == [
        "2 of 6 epochs in 61 s; digits.learned, train_loss nan, test_accuracy 0.5",
        "6 of 8 epochs in 130 s; digits.from_scratch",
    ]
