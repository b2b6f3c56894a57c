from pathlib import Path

import pytest
import soundfile
from corpus import voice

from data_prep.csv_corpus import recordings
from data_prep.folder import prepare
from data_prep.held_out import Shares
from data_prep.inventory import Inventory
from data_prep.recordings import collect
from sqspeech.data.data_dir import DataDir
from sqspeech.errors import DataError


@pytest.fixture
def read(tmp_path):
    def read(content, name="table.csv"):
        inventory = Inventory()
        data = content if isinstance(content, bytes) else content.encode()
        (tmp_path / name).write_bytes(data)
        return list(recordings(tmp_path / name, inventory)), [(s.name, s.reason) for s in inventory.skipped]

    return read


def test_every_column_is_read(read, tmp_path):
    rows, skipped = read(
        "Path,speaker,text,utt_id,gender,start,end,other\n"
        'a/x.wav,p 1,"well,  then",p 1-u7,Female,0.5,1.25,?\n'
        f"{tmp_path}/y.flac,p2,,,m,,,\n"
    )
    first, second = rows
    assert (first.path, first.speaker, first.label) == (tmp_path / "a/x.wav", "p 1", "u7")
    assert (first.start, first.end, first.text, first.gender) == (0.5, 1.25, "well, then", "f")
    assert (second.path, second.label) == (tmp_path / "y.flac", "y")
    assert (second.start, second.end, second.text, second.gender) == (0, None, None, "m")
    assert skipped == []


@pytest.mark.parametrize(
    "content",
    [
        'path\tspeaker\ttext\nx.wav\ta\tsay "so, or\n',
        'path;speaker;text\r\nx.wav;a;"say ""so, or"\r\n',
        '\ufeff,path,speaker,text\n0,x.wav,a,"say ""so, or"\n\n',
    ],
)
def test_dialects_of_tables(read, content):
    rows, skipped = read(content)
    assert [(row.path.name, row.speaker, row.text) for row in rows] == [("x.wav", "a", 'say "so, or')]
    assert skipped == []


def test_labels_name_the_part(read):
    rows, _ = read("path,speaker,start,end\na/b/x.wav,a,1.5,2\na/b/x.wav,a,3,\na/b/x.wav,a,0,\nc/x.wav,a,,\n")
    assert [row.label for row in rows] == ["b/x-00001500-00002000", "b/x-00003000-end", "b/x", "c/x"]


def test_a_path_that_is_no_file_is_left_out(read, tmp_path):
    names = [".", "..", "/", "nothing.wav", f"{'long' * 100}.wav", "\0.wav"]
    rows, _ = read("path,speaker,start\n" + "".join(f"{name},a,1\n" for name in names))
    inventory = Inventory()
    collect(rows, Shares(), inventory)
    assert inventory.sets == {}
    assert [skip.reason for skip in inventory.skipped].count("no such file") >= 5
    assert len(inventory.skipped) == 6


def test_faulty_rows_are_left_out_by_line(read):
    times = ["1,1", "2,1", "-1,1", "x,1", "nan,1", "0,nan", "0,inf", "inf,"]
    content = "".join(f"x.wav,a,{cells}\n" for cells in times)
    rows, skipped = read(f"path,speaker,start,end\nx.wav\n,a,,\nx.wav,a,0,1,2\n{content}x.wav,a,0,1\n")
    assert [row.name for row in rows] == ["table.csv:13"]
    assert skipped[:3] == [
        ("table.csv:2", "a row without path or speaker"),
        ("table.csv:3", "a row without path or speaker"),
        ("table.csv:4", "a row with too many cells"),
    ]
    assert skipped[3:] == [(f"table.csv:{line}", "a row with bad times") for line in range(5, 13)]


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("filepath,speaker\n", "no column 'path'; is 'filepath' meant"),
        ("path,speaker_id\n", "no column 'speaker'; is 'speaker_id' meant"),
        ("wav,who\n", "no column 'path'; it has wav, who"),
        ("", "no column 'path'; it has nothing"),
        ("path,speaker,path\n", "'path' twice"),
        ('path,speaker\nx.wav,"a\ny.wav,b\n', ":3: .*is a quotation mark left open"),
        (b"path,speaker\n\xff,a\n", "not UTF-8 at byte 13"),
    ],
)
def test_a_table_that_cannot_be_read_is_one_line(read, content, match):
    with pytest.raises(DataError, match=match) as error:
        read(content)
    assert "\n" not in str(error.value)


def test_a_table_of_a_folder_gives_what_the_folder_gives(tmp_path):
    for speaker in ("a", "b-c"):
        for name in ("1.wav", "s/2.wav", "s/3.wav"):
            path = tmp_path / "corpus" / speaker / name
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, voice(120, 0), 16000)
    files = sorted((tmp_path / "corpus").rglob("*.wav"))
    table = tmp_path / "corpus/all.csv"
    rows = [path.relative_to(table.parent) for path in files]
    table.write_text("path,speaker\n" + "".join(f"{row},{row.parts[0]}\n" for row in rows))
    prepare(table, tmp_path / "table", Shares())
    prepare(table.parent, tmp_path / "folder", Shares())
    for name in ("train", "dev", "test"):
        assert DataDir.read(tmp_path / "table" / name) == DataDir.read(tmp_path / "folder" / name)


def test_parts_of_real_recordings(speech, tmp_path):
    paths = sorted((speech / "librispeech28/LibriSpeech").rglob("*.flac"))[:3]
    table = tmp_path / "parts.tsv"
    table.write_text(
        "path\tspeaker\tstart\tend\n" + "".join(f"{p}\tx\t{t}\t{t + 0.75}\n" for p in paths for t in (0, 1))
    )
    inventory = prepare(table, tmp_path / "data", Shares())
    sets = [DataDir.read(tmp_path / "data" / name) for name in ("train", "dev", "test")]
    utterances = [utterance for part in sets for utterance in part]
    assert len(utterances) == 6
    assert {utterance.path for utterance in utterances} == {Path(path) for path in paths}
    for utterance in utterances:
        whole, rate = soundfile.read(utterance.path, dtype="float32")
        first = round(utterance.start * rate)
        assert (utterance.read(rate) == whole[first : first + round(0.75 * rate)]).all()
        assert inventory.seconds[utterance.utt_id] == 0.75
