import pytest
import vctk_tree

from data_prep.vctk_corpus import find_corpus
from sqspeech.errors import DataError


@pytest.fixture(scope="module")
def trees(tmp_path_factory):
    folder, samples = tmp_path_factory.mktemp("trees"), vctk_tree.recordings()
    return {
        "0.80": vctk_tree.write_080(folder / "VCTK-Corpus", samples, silence=0.3),
        "0.92": vctk_tree.write_092(folder / "VCTK-Corpus-0.92", samples),
    }


@pytest.mark.parametrize("version", ["0.80", "0.92"])
def test_a_corpus_is_found_itself_below_a_folder_and_nested(trees, version, tmp_path):
    (tmp_path / "X/VCTK-Corpus").mkdir(parents=True)
    (tmp_path / "X/VCTK-Corpus/VCTK-Corpus").symlink_to(trees[version])
    (tmp_path / "X/.hidden/wav48").mkdir(parents=True)
    (tmp_path / "X/__MACOSX/wav48_silence_trimmed").mkdir(parents=True)
    nested = tmp_path / "X/VCTK-Corpus/VCTK-Corpus"
    for given in (nested, nested.parent, tmp_path / "X", tmp_path):
        corpus = find_corpus(given)
        assert (corpus.path, corpus.release.version) == (nested, version)


@pytest.mark.parametrize("version", ["0.80", "0.92"])
@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_corpus_is_found_in_its_archive(trees, version, elsewhere, tmp_path):
    path = vctk_tree.write_archive(trees[version], version, tmp_path / "downloads")
    corpus = find_corpus(path, tmp_path / "disk" if elsewhere else None)
    target = (
        tmp_path / "disk" if elsewhere else path.with_name({"0.80": "VCTK-Corpus", "0.92": "VCTK-Corpus-0.92"}[version])
    )
    assert corpus.release.version == version
    assert corpus.path == (target / "VCTK-Corpus" if version == "0.80" else target)
    extracted = {path.relative_to(corpus.path) for path in corpus.path.rglob("*") if path.is_file()}
    kept = {path.relative_to(trees[version]) for path in trees[version].rglob("*") if path.is_file()}
    assert extracted == {path for path in kept if "__MACOSX" not in path.parts and not path.name.startswith(".")}


def test_no_corpus_names_what_was_looked_for(tmp_path):
    with pytest.raises(DataError, match=r"no folder wav48_silence_trimmed \(release 0.92\) or wav48 \(release 0.80\)"):
        find_corpus(tmp_path)
    with pytest.raises(DataError, match="no such folder or archive"):
        find_corpus(tmp_path / "nothing")
    with pytest.raises(DataError, match="leave out --extract-to"):
        find_corpus(tmp_path, tmp_path / "other")


def test_two_corpora_are_both_named(trees, tmp_path):
    parent = trees["0.80"].parent
    with pytest.raises(DataError, match=r"VCTK-Corpus/wav48 and .*VCTK-Corpus-0.92/wav48_silence_trimmed; name the"):
        find_corpus(parent)
    (tmp_path / "wav48").mkdir()
    (tmp_path / "wav48_silence_trimmed").mkdir()
    with pytest.raises(DataError, match="more than one corpus"):
        find_corpus(tmp_path)
