"""All commands one after another, from recordings to a report."""

from pathlib import Path

from corpus import CONFIG, write_corpus


def test_the_whole_pipeline(run, tmp_path):
    (tmp_path / "c.yaml").write_text(CONFIG)
    for name, sentences in (("train", range(3)), ("dev", range(3, 4)), ("test", range(4, 6))):
        write_corpus(tmp_path / "data" / name, sentences)
    for name in ("train", "dev"):
        assert run("features", f"data/{name}", f"dump/{name}", "--config", "c.yaml").status == 0
    assert "steps 0 to 6" in run("train", "dump", "exp", "--config", "c.yaml").out
    assert "steps 6 to 8" in run("train", "dump", "exp", "--config", "c.yaml", "--set", "training.steps=8").out
    assert run("speakers", "exp/best.ckpt").out.split() == ["f1", "f2", "m1", "m2"]
    assert run("units", "exp/best.ckpt", "data/test", "-o", "exp/units").out == (
        "exp/units: 312 units of 8 utterances\n"
    )
    assert run("export", "exp/best.ckpt", "-o", "exp/model.onnx").out == (
        "exp/model.onnx: from samples to codes, vectors and continuous, in ONNX\n"
    )
    assert (
        run("convert", "exp/best.ckpt", "data/test", "--to", "source", "--to", "f1", "-o", "exp/conversion").status == 0
    )
    assert len(list(Path("exp/conversion").glob("*.wav"))) == 16
    assert run("evaluate", "exp/best.ckpt", "data/test", "-o", "exp/metrics.json", "--parallel").status == 0
    outcome = run("report", "exp", "-o", "exp/report.html")
    assert "Reconstruction error" in outcome.out
    assert "exp/report.html" in outcome.out
    assert not list(tmp_path.rglob(".tmp-*"))
