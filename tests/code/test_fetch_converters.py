"""From a source's published format to rows, on made-up files."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from training.fetch.mails import html_text, mail_text
from training.fetch.run import CONVERTERS

HTML = (
    b"<html><head><title>Kept out</title></head><body>One<br>two<p>A&nbsp; b<table><tr><td>c<td>d</table></body></html>"
)


def converted(name: str, files: Mapping[str, str]) -> list[dict[str, Any]]:
    return list(CONVERTERS[name]({path: text.encode() for path, text in files.items()}))


TABLES: list[tuple[str, dict[str, str], list[dict[str, Any]]]] = [
    (
        "ailuminate_en",
        {"p.csv": 'release_prompt_id,prompt_text,hazard,persona,locale\n1,"How, do\r\nI ",prv,skilled,en_US\n'},
        [{"text": "How, do\r\nI ", "labels": {"hazard": "prv", "persona": "skilled", "locale": "en_US"}}],
    ),
    (
        "covid_fake_news",
        {
            "data/Constraint_Train.csv": "id,tweet,label\n1, Wash your hands ,real\n",
            "data/Constraint_Val.csv": "id,tweet,label\n",
            "data/english_test_with_labels.csv": "id,tweet,label\n1,Tea cures it,fake\n",
        },
        [
            {"text": "Wash your hands", "labels": {"label": "real"}, "split": "train"},
            {"text": "Tea cures it", "labels": {"label": "fake"}, "split": "test"},
        ],
    ),
    (
        "davidson_hate_offensive",
        {"d.csv": ',count,hate_speech,offensive_language,neither,class,tweet\n0,3,0,1,2,2,"a\n""b"" &amp; c"\n'},
        [
            {
                "text": 'a\n"b" &amp; c',
                "labels": {"count": "3", "hate_speech": "0", "offensive_language": "1", "neither": "2", "class": "2"},
            }
        ],
    ),
    (
        "edos_sexism",
        {"e.csv": "text,label_sexist,label_category,label_vector,split\nNice hat,not sexist,none,none,dev\n"},
        [
            {
                "text": "Nice hat",
                "labels": {"label_sexist": "not sexist", "label_category": "none", "label_vector": "none"},
                "split": "dev",
            }
        ],
    ),
    (
        "ethos",
        {
            "Ethos_Dataset_Binary.csv": 'comment;isHate\nFine, thanks;0.0\n"Go; away";0.8\nAlone;1.0\n',
            "Ethos_Dataset_Multi_Label.csv": 'comment;violence;gender\n"Go; away";0.2;1\n',
        },
        [
            {"text": "Fine, thanks", "labels": {"isHate": "0.0"}},
            {"text": "Go; away", "labels": {"isHate": "0.8", "violence": "0.2", "gender": "1"}},
            {"text": "Alone", "labels": {"isHate": "1.0"}},
        ],
    ),
    (
        "germeval2018_german",
        {
            "germeval2018.training.txt": '"Guten Tag |LBR|\tOTHER\tOTHER\n',
            "germeval2018.test.txt": "Du Schnecke \tOFFENSE\tINSULT\r\n\n",
        },
        [
            {"text": '"Guten Tag |LBR|', "labels": {"coarse": "OTHER", "fine": "OTHER"}, "split": "train"},
            {"text": "Du Schnecke", "labels": {"coarse": "OFFENSE", "fine": "INSULT"}, "split": "test"},
        ],
    ),
    (
        "hatemoji_build",
        {
            "B/train.csv": "entry_id,text,type,target,set,split,label_gold\n1,a 🍅 ,none,['none'],original,train,0\n",
            "B/validation.csv": "text\n",
            "B/test.csv": "text\n",
        },
        [
            {
                "text": "a 🍅 ",
                "labels": {"label_gold": "0", "type": "none", "target": "['none']", "set": "original"},
                "split": "train",
            }
        ],
    ),
    (
        "implicit_hate",
        {
            "c/implicit_hate_v1_stg1_posts.tsv": 'post\tclass\n" a ""b"" "\tnot_hate\nsend them !\timplicit_hate\n',
            "c/implicit_hate_v1_stg2_posts.tsv": (
                "post\timplicit_class\textra_implicit_class\nSend them!\tincitement\t\n a b\tirony\t\n"
            ),
        },
        [
            {"text": ' a "b" ', "labels": {"class": "not_hate"}},
            {
                "text": "send them !",
                "labels": {"class": "implicit_hate", "implicit_class": "incitement", "extra_implicit_class": ""},
            },
        ],
    ),
    (
        "online_misogyny_reddit",
        {"f.csv": ",author,body,level_1,level_2,level_3,strength,split\n1,somebody,Hi there ,No,None,,,train\n"},
        [
            {
                "text": "Hi there ",
                "labels": {"level_1": "No", "level_2": "None", "level_3": "", "strength": ""},
                "split": "train",
            }
        ],
    ),
    (
        "openai_teen_safety_synthetic",
        {"datasets/dangerous-content.csv": "A notice\nPrompt,Grade,Answer,Grade\nMay I jump,DC1,No,DC0\nAlone,DC2\n"},
        [
            {"text": "May I jump", "labels": {"policy": "dangerous-content", "label": "DC1", "kind": "prompt"}},
            {"text": "No", "labels": {"policy": "dangerous-content", "label": "DC0", "kind": "response"}},
            {"text": "Alone", "labels": {"policy": "dangerous-content", "label": "DC2", "kind": "prompt"}},
        ],
    ),
    (
        "perspective_wikipedia_model_scores",
        {"p.csv": "id,comment_text,TOXICITY@6,SPAM\na,Good edit ,0.07,0.10\n"},
        [{"text": "Good edit", "labels": {"TOXICITY@6": "0.07", "SPAM": "0.10"}}],
    ),
    (
        "pyrit_harm_scores",
        {
            "h/privacy.csv": (
                "# version,,\nharm_category,objective,assistant_response,human_score_1,human_score_2\np,o,No,0.25,\n"
            ),
            "h/violence.csv": "# version,,\nharm_category,objective,assistant_response,human_score\nv,o,Never,0\n",
        },
        [
            {
                "text": "No",
                "labels": {"harm_category": "p", "file": "privacy", "human_scores": [0.25], "objective": "o"},
            },
            {
                "text": "Never",
                "labels": {"harm_category": "v", "file": "violence", "human_scores": [0.0], "objective": "o"},
            },
        ],
    ),
    (
        "sms_spam_smishing",
        {"d.csv": 'label,TEXT,URL,EMAIL,PHONE\nham,"\tSee you",No,No,No\n'},
        [{"text": "\tSee you", "labels": {"label": "ham", "URL": "No", "EMAIL": "No", "PHONE": "No"}}],
    ),
    (
        "surge_toxicity",
        {"t.csv": "\ufefftext,is_toxic\nHello,Not Toxic\n"},
        [{"text": "Hello", "labels": {"is_toxic": "Not Toxic"}}],
    ),
    (
        "stormfront_white_supremacy_forum",
        {
            "annotations_metadata.csv": (
                "file_id,user_id,subforum_id,num_contexts,label\n1_1,7,7,0,noHate\n1_2,7,7,2,noHate\n1_3,7,7,0,hate\n"
            ),
            "all_files/1_1.txt": "Good morning . ",
            "all_files/1_2.txt": "And you ?",
            "sampled_test/1_2.txt": "And you ?",
        },
        [
            {"text": "Good morning .", "labels": {"label": "noHate", "num_contexts": "0"}},
            {"text": "And you ?", "labels": {"label": "noHate", "num_contexts": "2"}, "split": "sampled_test"},
        ],
    ),
    (
        "toxigen_demonstrations",
        {
            "demonstrations/race/neutral_asian_sentences.txt": "they sing well \nthey cook\n\n",
            "prompts/hate_asian_1k.txt": "- they shout\\n- they cook\\n-\n- they shout\\n-\n",
        },
        [
            {"text": "they sing well", "labels": {"label": "neutral", "group": "asian"}},
            {"text": "they cook", "labels": {"label": "neutral", "group": "asian"}},
            {"text": "they shout", "labels": {"label": "hate", "group": "asian"}},
        ],
    ),
]


@pytest.mark.parametrize(("name", "files", "rows"), TABLES, ids=[name for name, _, _ in TABLES])
def test_conversion(name: str, files: dict[str, str], rows: list[dict[str, Any]]) -> None:
    assert converted(name, files) == rows


def test_conversion_of_json_lines() -> None:
    names = (
        "hd",
        "cv",
        "vo",
        "im",
        "ex",
        "rel",
        "rae",
        "sxo",
        "gen",
        "idl",
        "nat",
        "pol",
        "mph",
        "harm",
        "degradation",
    )
    columns = dict.fromkeys(names, 0)
    post = {"text_id": 1, "Text": "Good  day ", "purity": 1, **columns}
    files = {"d/dev.jsonl": json.dumps(post) + "\n", "d/test.jsonl": ""}
    assert converted("gab_hate_corpus", files) == [{"text": "Good  day ", "labels": columns, "split": "dev"}]


def test_conversion_of_two_samples() -> None:
    flags = "toxic,severe_toxic,obscene,threat,insult,identity_hate"
    files = {
        "samples/test_examples.csv": f"comment_text,{flags}\nthanks,0,0,0,0,0,0\n",
        "train.csv": f'"id","comment_text",{flags}\n"0","Well  said\n",0,0,0,0,1,0\n',
    }
    first, second = converted("jigsaw_toxic_sample", files)
    assert (first["text"], first["split"], set(first["labels"].values())) == ("thanks", "test_examples", {"0"})
    assert (second["text"], second["split"], second["labels"]["insult"]) == ("Well  said", "train", "1")


def test_mails() -> None:
    plain = b"Subject: Lunch\n  today\nContent-Type: text/plain\n\nSoup\n\n\n\nand bread\n"
    files = {"data/easy-ham-1/1.txt": plain}
    assert list(CONVERTERS["spamassassin_email"](files)) == [
        {"text": "Subject: Lunch today\n\nSoup\n\nand bread", "labels": {"group": "easy-ham-1"}}
    ]
    assert mail_text(b"Subject: A\nContent-Type: text/html\n\n" + HTML) == "Subject: A\n\nOne\ntwo\nA b\nc d"
    assert mail_text(b"Subject: A\n\n" + HTML).endswith("\n\nOne\ntwo\nA b\nc d")  # HTML that calls itself plain
    assert mail_text(b"Content-Type: text/plain; charset=made-up\n\ncaf\xe9") == "Subject: \n\ncafé"
    assert len(mail_text(b"Subject: A\n\n" + b"word " * 9999)) == 8000


def test_mails_of_several_parts() -> None:
    def mail(first: bytes) -> bytes:
        parts = [
            b"text/plain\n\n" + first,
            b"text/html\n\n<p>In HTML</p>",
            b"text/plain\nContent-Disposition: attachment\n\nx",
        ]
        body = b"".join(b"--=\nContent-Type: " + part + b"\n" for part in parts)
        return b'Subject: A\nContent-Type: multipart/mixed; boundary="="\n\n' + body + b"--=--\n"

    assert mail_text(mail(b"This is an HTML message.")) == "Subject: A\n\nIn HTML"
    assert mail_text(mail(b"What stands in the plain part, in full.....")).endswith("in full.....")


def test_html_is_cut_where_it_breaks_off() -> None:
    assert html_text("<p>Whole</p> and <a href=") == "Whole and"
