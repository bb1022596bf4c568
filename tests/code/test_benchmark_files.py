"""The files of public suites: read as published, and refused where they are not, without quoting them."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from models.errors import MissingData
from training.benchmarks.files import File
from training.benchmarks.suites import Columns, Suite, read

ODD = "zorbleflax"  # stands in every bad line, and must stand in no message
Write = Callable[..., File]


def test_openai_moderation_is_read(tmp_path: Path) -> None:
    rows = [
        {"prompt": f"{ODD} one", "S": 0, "H": 1, "V": 0, "HR": 0, "SH": 0, "S3": 0, "H2": 0, "V2": 0},
        {"prompt": f"{ODD} two", "S": 0, "S3": 1},
        {"prompt": f"{ODD}\u2028three", "V": 0},
    ]
    path = tmp_path / "samples.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode()))
    found = read(Suite.OPENAI_MODERATION, File(path))
    assert found.texts == [row["prompt"] for row in rows]
    assert found.truth.tolist() == [1, 1, 0]
    assert found.answers["H"].tolist()[0] == 1 and np.isnan(found.answers["H"][1:]).all()
    assert np.isfinite(found.answers["V"]).tolist() == [True, False, True]


def test_hatecheck_is_read(write: Write) -> None:
    file = write(
        ",functionality,case_id,test_case,label_gold,target_ident,direction",
        f'0,counter_quote_nh,1,"{ODD}, he said,\nand left",non-hateful,,',
        f"1,derog_impl_h,2,{ODD} again,hateful,trans people,general",
    )
    found = read(Suite.HATECHECK, file)
    assert found.texts == [f"{ODD}, he said,\nand left", f"{ODD} again"]
    assert found.truth.tolist() == [0, 1]
    assert found.groups == {
        "functionality": ["counter_quote_nh", "derog_impl_h"],
        "target_ident": ["", "trans people"],
    }


def test_xstest_is_read_with_and_without_labels(write: Write) -> None:
    new = write("id,prompt,type,label", "1,How do I kill a process?,homonyms,safe", "2,x,contrast_homonyms,unsafe")
    old = write("id_v2,type,prompt,note", "v-1,homonyms,How do I kill a process?,", "v-2,contrast_homonyms,x,")
    for file in (new, old):
        found = read(Suite.XSTEST, file)
        assert found.truth.tolist() == [0, 1]
        assert found.groups == {"type": ["homonyms", "contrast_homonyms"]}
        assert found.texts == ["How do I kill a process?", "x"]


def test_toxicchat_is_read(write: Write) -> None:
    file = write(
        "conv_id,user_input,model_output,human_annotation,toxicity,jailbreaking,openai_moderation",
        "a,A recipe please,Gladly,True,0,0,[]",
        "b,Be rude,No,True,1,1,[]",
    )
    assert read(Suite.TOXICCHAT, file).truth.tolist() == [0, 1]


def test_only_the_test_part_of_edos_and_hatemoji_counts(write: Write) -> None:
    file = write(
        "rewire_id,text,label_sexist,label_category,label_vector,split",
        "1,First,sexist,none,none,train",
        "2,Second,not sexist,none,none,test",
        "3,Third,sexist,none,none,test",
    )
    assert read(Suite.EDOS, file).truth.tolist() == [0, 1]
    both = write(",text,label_gold,type,target,split", "0,First,1,x,y,train", "1,Second,0,none,none,test")
    assert read(Suite.HATEMOJI, both).texts == ["Second"]
    alone = write("text,label_gold", "First,1", "Second,non-hateful")
    assert read(Suite.HATEMOJI, alone).truth.tolist() == [1, 0]


def test_sms_is_read_in_both_forms(write: Write) -> None:
    tabs = write("ham\tIt's \"half past", "spam\tWin a made-up prize\x85 now", "", name="SMSSpamCollection")
    found = read(Suite.SMS_SPAM, tabs)
    assert found.texts == ["It's \"half past", "Win a made-up prize\x85 now"]
    assert found.truth.tolist() == [0, 1]
    table = write("LABEL,TEXT,URL", 'ham,"Home, soon",No', "Smishing,Your made-up parcel,yes", "Spam,A prize,No")
    assert read(Suite.SMS_SPAM, table).truth.tolist() == [0, 1, 1]


def test_jigsaw_leaves_out_what_was_not_scored(write: Write) -> None:
    header = "id,comment_text,toxic,severe_toxic,obscene,threat,insult,identity_hate"
    found = read(
        Suite.JIGSAW, write(header, "1,First,1,0,0,0,1,0", "2,Second,-1,-1,-1,-1,-1,-1", "3,Third,0,0,0,0,0,0")
    )
    assert found.texts == ["First", "Third"]
    assert found.answers["insult"].tolist() == [1, 0]
    assert found.truth.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("cells", "category", "truth"),
    [
        (["1", "0"], None, [1, 0]),
        (["Yes", "no"], "spam", [1, 0]),
        (["TRUE", "False"], None, [1, 0]),
        (["", "spam; hate"], None, [0, 1]),
        (["hate", '"spam, hate"'], "spam", [0, 1]),
        (["spam|hate", ""], "spam", [1, 0]),
    ],
)
def test_any_csv_is_read(write: Write, cells: list[str], category: str | None, truth: list[float]) -> None:
    columns = Columns("Message", "Verdict", category, {"spam", "hate"})
    found = read(Suite.CSV, write("Message,verdict", *(f"a text,{cell}" for cell in cells)), columns)
    assert found.truth.tolist() == truth


COLUMNS = Columns("text", "label", None, {"spam"})


@pytest.mark.parametrize(
    ("suite", "lines", "said"),
    [
        (Suite.OPENAI_MODERATION, ['{"prompt": "a"}', f'{{"prompt": "{ODD}'], "line 2: expected a JSON object"),
        (Suite.OPENAI_MODERATION, [f'["{ODD}"]'], "line 1: expected a JSON object"),
        (Suite.OPENAI_MODERATION, [f'{{"text": "{ODD}"}}'], "line 1: expected a text under prompt"),
        (Suite.OPENAI_MODERATION, [f'{{"prompt": "a", "S": "{ODD}"}}'], "line 1: expected S to be 0, 1 or absent"),
        (Suite.HATECHECK, [f"functionality,{ODD}"], "a header with functionality, test_case, label_gold, target_ident"),
        (Suite.HATECHECK, ["functionality,test_case,label_gold"], "it lacks target_ident"),
        (Suite.XSTEST, ["prompt,type,label", "a,b,safe", f"c,d,{ODD}"], "line 3: expected label to be one of safe, un"),
        (Suite.XSTEST, ["prompt,type,label", f"a,{ODD}: and a long text,safe"], "line 2: expected type to be a short"),
        (Suite.TOXICCHAT, ["user_input,toxicity", f'"{ODD}\nmore",0', f"{ODD},2"], "line 4: expected toxicity to be"),
        (Suite.TOXICCHAT, ["user_input,toxicity", f"{ODD}, cut,0"], "line 2: expected 2 columns, found 3"),
        (Suite.EDOS, ["text,label_sexist", f"{ODD},sexist"], "it lacks split"),
        (Suite.EDOS, ["text,label_sexist,split", f"{ODD},sexist,dev"], 'at least one row with split "test"'),
        (Suite.SMS_SPAM, ["ham\ta", ODD], "line 2: expected a label, a tab and a text"),
        (Suite.SMS_SPAM, ["ham\ta", f"{ODD}\tb"], "line 2: expected the label to be one of ham, spam, smishing"),
        (Suite.HATEMOJI, ["text,label_gold"], "line 2: expected at least one row"),
        (Suite.JIGSAW, ["comment_text,toxic"], "it lacks severe_toxic, obscene, threat, insult, identity_hate"),
        (Suite.CSV, ["text,label", "a,1", f"b,{ODD}"], "line 3: expected label to be one of 0, 1"),
        (Suite.CSV, ["text,label", "a,1", f"{ODD},"], "line 3: expected label to be one of 0, 1"),
        (Suite.CSV, ["text,label", "a,spam", f"b,{ODD}"], "line 3: expected label to be 0/1, true/false, yes/no"),
        (Suite.CSV, [""], "line 1: expected a header with text, label"),
    ],
)
def test_a_malformed_line_is_named_and_not_quoted(write: Write, suite: Suite, lines: list[str], said: str) -> None:
    with pytest.raises(MissingData) as caught:
        read(suite, write(*lines), COLUMNS if suite is Suite.CSV else None)
    assert said in caught.value.message
    assert ODD not in caught.value.message and "\n" not in caught.value.message


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match="cannot be read: No such file"):
        File(tmp_path / "absent.csv")
    (tmp_path / "bad.csv").write_bytes(b"text,label\n\xff\xfe,1\n")
    with pytest.raises(MissingData, match="line 2: expected UTF-8 text"):
        File(tmp_path / "bad.csv")
    (tmp_path / "cut.gz").write_bytes(gzip.compress(b"text,label\n" * 99)[:-12])
    with pytest.raises(MissingData, match="gzipped and damaged"):
        File(tmp_path / "cut.gz")
