"""What goes into training is checked by file and line, masked, and never shared between splits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from training.corpus import CorpusError, build_corpus
from triage.taxonomy import TYPES, names
from triage.text import clean

ROW: dict[str, Any] = {
    "id": "r-1",
    "text": "空调装了三次还是漏水，要求退货退款",
    "source": "ours",
    "types": ["quality"],
    "primary": "quality",
    "intensity": 1,
    "emotions": {"anger": 1},
    "demands": ["refund"],
    "risks": [],
}
TEXTS = (
    "空调装了三次还是漏水，要求退货退款",
    "快递员把包裹扔在楼下就走了，打电话也不接",
    "理赔资料交了两个月，保险公司一直说在审核",
    "话费套餐被偷偷改成了更贵的，没人通知我",
    "酒店房间的床单上有头发，前台爱理不理",
    "外卖送来的汤洒了一半，商家说不归他们管",
)


def write(folder: Path, name: str, rows: list[dict[str, Any]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / name).write_text(text, encoding="utf-8")


def rows(texts: tuple[str, ...] = TEXTS, **changes: Any) -> list[dict[str, Any]]:
    return [{**ROW, "id": f"r-{i}", "text": text, **changes} for i, text in enumerate(texts)]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"types": ["quallity"]}, "types: unknown label"),
        ({"demands": ["money"]}, "demands: unknown label"),
        ({"risks": ["sadness"]}, "risks: unknown label"),
        ({"emotions": {"rage": 1}}, "emotions: unknown label"),
        ({"intensity": 4}, "intensity"),
        ({"emotions": {"anger": 5}}, "emotions.anger"),
        ({"primary": "other"}, "other"),
        ({"primary": "service"}, "not among types"),
        ({"text": ""}, "text"),
        ({"primary": None}, "primary"),
    ],
)
def test_a_wrong_label_stops_the_run_with_file_and_line(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    write(tmp_path / "data", "mine_train.jsonl", [*rows(TEXTS[:2]), {**ROW, **changes}])
    with pytest.raises(CorpusError) as stopped:
        build_corpus(tmp_path / "data", tmp_path / "out")
    assert "mine_train.jsonl:3: " in str(stopped.value)
    assert said in str(stopped.value)
    assert not (tmp_path / "out" / "report.json").exists()


def test_broken_json_is_told_by_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "x_train.jsonl").write_text('{"id": "1", \n', encoding="utf-8")
    with pytest.raises(CorpusError, match=r"x_train\.jsonl:1: "):
        build_corpus(tmp_path, tmp_path / "out")


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="found none"):
        build_corpus(tmp_path, tmp_path / "out")


def test_a_near_duplicate_of_a_dev_text_is_not_learnt_from(tmp_path: Path) -> None:
    near = TEXTS[0] + "！"
    write(tmp_path / "data", "a_dev.jsonl", rows(TEXTS[:1]))
    write(tmp_path / "data", "a_train.jsonl", [*rows(TEXTS[1:]), {**ROW, "id": "near", "text": near}])
    corpus = build_corpus(tmp_path / "data", tmp_path / "out", calibration=0.01)
    learnt = [row["id"] for split in ("train", "calibration") for row in corpus[split]]
    assert "near" not in learnt
    assert len(learnt) == len(TEXTS) - 1
    assert len(corpus["dev"]) == 1


def test_texts_are_learnt_as_they_are_served_cleaned_and_masked(tmp_path: Path) -> None:
    text = "電話１３８００００００００打來催收，每天十幾個！！！！！！"
    write(tmp_path / "data", "a_train.jsonl", rows((text,)))
    write(tmp_path / "data", "a_dev.jsonl", rows(TEXTS[:1]))
    corpus = build_corpus(tmp_path / "data", tmp_path / "out", calibration=0.0)
    assert corpus["train"]["text"][0] == "电话<PHONE>打来催收,每天十几个!!!"


def test_a_row_that_carries_only_emotions_trains_only_them(tmp_path: Path) -> None:
    votes = {"anger": [2, 3, 2, 1, 2]}
    row = {"id": "b", "text": "烦死了，今天什么都不顺", "emotions": {"anger": 2}, "votes": {"annotators": votes}}
    write(tmp_path / "data", "brighter_train.jsonl", [row])
    write(tmp_path / "data", "a_dev.jsonl", rows(TEXTS[:1]))
    learnt = build_corpus(tmp_path / "data", tmp_path / "out")["train"][0]
    assert learnt["emotions"][0] == pytest.approx([1.0, 0.8, 0.2])
    assert learnt["types"] == [-1.0] * len(names(TYPES))
    assert learnt["primary"] == -1
    assert learnt["licence"] == "CC BY 4.0"


def test_the_report_names_every_source_with_its_licence(tmp_path: Path) -> None:
    write(tmp_path / "data", "a_train.jsonl", rows(TEXTS[:3], source="crm", licence="internal"))
    write(tmp_path / "data", "a_dev.jsonl", rows(TEXTS[3:]))
    build_corpus(tmp_path / "data", tmp_path / "out")
    report = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert {(s["source"], s["licence"]) for s in report["sources"]} == {("crm", "internal"), ("ours", "none stated")}


def test_the_same_folder_gives_the_same_corpus(tmp_path: Path) -> None:
    write(tmp_path / "data", "any.jsonl", rows())
    reports = []
    for name in ("one", "two"):
        build_corpus(tmp_path / "data", tmp_path / name)
        reports.append(json.loads((tmp_path / name / "report.json").read_text(encoding="utf-8"))["sha256"])
    assert reports[0] == reports[1]


def test_our_labels_join_texts_of_the_pool_by_id_and_are_only_trained_on(tmp_path: Path) -> None:
    write(tmp_path / "data", "a_train.jsonl", rows(TEXTS[:2]))
    write(tmp_path / "data", "a_dev.jsonl", rows(TEXTS[2:3]))
    pool = [{"id": f"p-{i}", "text": text, "source": "pool"} for i, text in enumerate(TEXTS[3:])]
    write(tmp_path / "data" / "unlabelled", "pool.jsonl", pool)
    given = [{key: value for key, value in ROW.items() if key not in ("text", "source")} | {"id": "p-1"}]
    write(
        tmp_path / "labels",
        "pool.jsonl",
        [*given, {**given[0], "id": "elsewhere"}, {**ROW, "id": "own", "text": "手机壳裂了"}],
    )
    corpus = build_corpus(tmp_path / "data", tmp_path / "out", labels=tmp_path / "labels", calibration=0.99)
    assert {(row["id"], row["text"]) for row in corpus["train"]} == {
        ("p-1", clean(TEXTS[4]).text),
        ("own", "手机壳裂了"),
    }
    assert len(corpus["calibration"]) == 2


def test_a_wrong_label_of_ours_names_the_id(tmp_path: Path) -> None:
    write(tmp_path / "data", "a_train.jsonl", rows())
    write(tmp_path / "labels", "own.jsonl", [{**ROW, "id": "own-7", "types": ["quallity"]}])
    with pytest.raises(CorpusError, match=r"own-7.*types: unknown label"):
        build_corpus(tmp_path / "data", tmp_path / "out", labels=tmp_path / "labels")
