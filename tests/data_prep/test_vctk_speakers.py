import pytest
import vctk_tree

from data_prep.vctk_speakers import read_genders, read_text
from sqspeech.errors import DataError


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (vctk_tree.SPEAKERS_080, {"p225": "f", "p226": "m", "p315": "m", "p362": "f"}),
        (vctk_tree.SPEAKERS_092, {"p225": "f", "p280": "f", "p315": "m", "p362": "f", "s5": "f"}),
    ],
)
def test_ids_get_their_p_and_the_rest_of_a_row_does_not_matter(tmp_path, table, expected):
    path = tmp_path / "speaker-info.txt"
    path.write_text(table)
    assert read_genders(path) == expected


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (b"225\t23\tF\r\n", {"p225": "f"}),
        (b"\xef\xbb\xbf225 23 m\n\n", {"p225": "m"}),
        (b"p225 23 F Qu\xe9bec\n", {"p225": "f"}),
        (b"p225 23 ? English\n", {}),
        (b"p225 23\n", {}),
        (b"", {}),
    ],
)
def test_rows_of_other_shapes(tmp_path, row, expected):
    path = tmp_path / "speaker-info.txt"
    path.write_bytes(row)
    assert read_genders(path) == expected


def test_the_real_table_has_every_speaker_of_the_release(speech):
    path = speech / "vctk_sample/VCTK-Corpus/speaker-info.txt"
    genders = read_genders(path)
    assert len(genders) == 109
    assert {genders["p225"], genders["p226"], genders["p315"], genders["p376"]} == {"f", "m"}
    assert list(genders.values()).count("f") == path.read_text().count(" F ")


def test_text_is_utf8_or_else_latin1(tmp_path):
    path = tmp_path / "a.txt"
    for contents in ("caf\xe9".encode(), "caf\xe9".encode("latin-1"), "caf\xe9".encode("utf-8-sig")):
        path.write_bytes(contents)
        assert read_text(path) == "caf\xe9"


def test_a_file_that_cannot_be_read_is_one_line(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read_text(tmp_path)
