"""Champion against challenger: figures anybody can recompute, a fair bootstrap, a page that is safe to open."""

from __future__ import annotations

import json
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from training.cli import app
from training.compare import paired_bootstrap, read_complaints
from training.metrics import bootstrap_interval
from triage import load_pipeline

ROOT = Path(__file__).parents[2]
NEVER, ALWAYS = "never-service", "always-service"
PHONE = "13800000011"


def complaint(number: int, text: str, **labels: Any) -> dict[str, Any]:
    blank = {"types": [], "primary": "other", "intensity": 0, "emotions": {}, "demands": [], "risks": []}
    return {"id": f"own-{number:02d}", "text": text, "source": "test", **blank, **labels}


SERVICE: dict[str, Any] = {"types": ["service"], "primary": "service", "intensity": 1, "emotions": {"anger": 1}}
GOODS = ("台灯", "书架", "水杯", "雨伞", "耳机", "毛毯", "键盘", "砂锅", "球鞋", "背包", "风扇", "相框")
COMPLAINTS = [
    *(
        complaint(i, f"{goods}下单半个月了还没有发货，问客服也没人回复，请给个说法。", slice="late", **SERVICE)
        for i, goods in enumerate(GOODS)
    ),
    complaint(
        20, "电饭煲用了两天内胆就掉漆，要求换新。", types=["quality"], primary="quality", intensity=1, slice="few"
    ),
    complaint(21, f"你们的人说好回电<script>alert('x')</script>，我的号码是{PHONE}，等了一周。", **SERVICE),
    complaint(22, "催收把我逼得昨晚写好了遗书，我真的不想活了。", risks=["self_harm"], **{**SERVICE, "intensity": 3}),
    complaint(23, "！！！？？？"),
]


def bundle(models: Path, version: str, service: float) -> None:
    """The committed champion's network under another version, with another threshold for ``service``."""
    champion = json.loads((ROOT / "models" / "aliases.json").read_text(encoding="utf-8"))["champion"]
    source, target = ROOT / "models" / champion, models / version
    target.mkdir(parents=True)
    manifest = json.loads((source / "manifest.json").read_text(encoding="utf-8"))
    manifest |= {"version": version, "min_confidence": 0.0, "domain": None}
    manifest["files"] = {name: manifest["files"][name] for name in ("model.onnx", "tokenizer.json")}
    manifest["thresholds"]["types"]["service"] = service
    for name in manifest["files"]:
        shutil.copy(source / name, target / name)
    (target / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def command(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["compare", *(str(word) for word in words)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def lines(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    bundle(folder, NEVER, 1.01)
    bundle(folder, ALWAYS, 0.0)
    (folder / "aliases.json").write_text(json.dumps({"champion": NEVER}), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    (folder / "complaints.jsonl").write_text(lines(COMPLAINTS), encoding="utf-8")
    no_labels = [{"id": "x-1", "text": "asdf", "reason": "no_words"}, {"ticket_id": "T-1", "text": "请查一下我的订单"}]
    (folder / "no_labels.jsonl").write_text(lines(no_labels), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def page(models: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page that the command wrote for the champion (never service) against the challenger (always service)."""
    out = tmp_path_factory.mktemp("out") / "new"
    code, output = command("champion", ALWAYS, "--data", data, "--models", models, "--out", out)
    assert code == 0, output
    assert output.strip().splitlines()[-1] == str(out / "compare.html")
    return out / "compare.html"


@pytest.fixture(scope="module")
def report(page: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))
    return found


def test_the_champion_is_a_and_only_labelled_rows_count(report: dict[str, Any]) -> None:
    assert report["a"].startswith(NEVER)
    assert report["b"].startswith(ALWAYS)
    assert report["rows"] == len(COMPLAINTS)


def test_figures_are_those_of_the_served_decisions(report: dict[str, Any], models: Path) -> None:
    for side, version in (("a", NEVER), ("b", ALWAYS)):
        pipeline = load_pipeline(models, bundle=version)
        right = [pipeline.triage(row["text"]).primary_type == row["primary"] for row in COMPLAINTS]
        assert report["main"]["primary_accuracy"][side] == pytest.approx(np.mean(right), abs=1e-4)


def test_labels_show_where_the_two_part_and_only_there(report: dict[str, Any]) -> None:
    service = report["labels"]["types"]["service"]
    assert service["support"] == 14
    assert (service["a"]["recall"], service["b"]["recall"]) == (0.0, 1.0)
    assert service["b"]["precision"] == pytest.approx(14 / 15, abs=1e-4)
    assert service["difference"]["recall"] == 1.0
    for head in ("intensity", "emotions", "demands", "risks"):
        for label in report["labels"][head].values():
            assert label["a"] == label["b"]
    assert report["labels"]["primary"]["service"]["a"]["recall"] == 0.0


def test_the_bootstrap_tells_apart_what_differs_and_only_that(report: dict[str, Any]) -> None:
    same, apart = report["main"]["intensity_qwk"], report["main"]["macro3"]
    assert (same["difference"], same["difference_ci95"], same["b_not_worse"]) == (0.0, [0.0, 0.0], 1.0)
    low, high = apart["difference_ci95"]
    assert 0 < low <= apart["difference"] <= high
    assert apart["difference"] == pytest.approx(apart["b"] - apart["a"], abs=2e-4)
    assert apart["b_not_worse"] == 1.0


def test_slices_of_a_handful_of_rows_are_left_out(report: dict[str, Any]) -> None:
    assert set(report["slices"]) == {"late"}
    assert report["slices"]["late"]["rows"] == len(GOODS)
    assert set(report["slices"]["late"]["main"]) == set(report["main"])


def test_a_text_nothing_can_be_said_of_is_abstained_on_by_both(report: dict[str, Any]) -> None:
    assert report["abstained"] == {"a": 1, "b": 1}
    assert "own-23" not in {text["id"] for text in report["differences"]["texts"]}


def test_texts_decided_differently_say_who_is_right(report: dict[str, Any]) -> None:
    texts = report["differences"]["texts"]
    assert {text["id"] for text in texts} == {row["id"] for row in COMPLAINTS} - {"own-23"}
    gold = {row["id"]: row for row in COMPLAINTS}
    for text in texts:
        assert text["gold"]["types"] == gold[text["id"]]["types"]
        assert "service" in text["b"]["types"]
        assert "service" not in text["a"]["types"]
        for field, who in text["right"].items():
            assert text["a"][field] != text["b"][field]
            assert [text[side][field] == text["gold"][field] for side in "ab"] == [who == side for side in "ab"]
    right = report["differences"]["right"]["types"]
    assert sum(right.values()) == len(texts)
    assert right["b"] > right["a"]


def test_the_surest_texts_come_first(report: dict[str, Any]) -> None:
    sure = [max(text["confidence"].values()) for text in report["differences"]["texts"]]
    assert sure == sorted(sure, reverse=True)
    assert sure[0] > sure[-1]


def test_the_right_tier_is_what_the_policy_makes_of_the_gold_labels(report: dict[str, Any]) -> None:
    tiers = {text["id"]: text["gold"]["tier"] for text in report["differences"]["texts"]}
    assert tiers["own-22"] == "L4"
    assert tiers["own-20"] == "L1"


class Tags(HTMLParser):
    """Collects the tags, what they load, and the text outside the style."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loaded: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loaded += [str(value) for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_stands_alone_and_shows_texts_as_text(page: Path) -> None:
    read = Tags()
    read.feed(page.read_text(encoding="utf-8"))
    assert "script" not in read.tags
    assert not read.loaded
    assert "<script>alert('x')</script>" in read.text
    assert read.tags.count("article") == len(COMPLAINTS) - 1
    assert all(word in read.text for word in ("own-22", "late", "vulnerable 弱势人群", "B better"))


def test_personal_data_are_masked_in_what_is_written(page: Path) -> None:
    assert PHONE not in page.read_text(encoding="utf-8")
    assert PHONE not in page.with_suffix(".json").read_text(encoding="utf-8")


def test_the_paired_interval_is_that_of_the_difference() -> None:
    random = np.random.default_rng(1)
    a, b = random.random(80), random.random(80)
    interval, not_worse = paired_bootstrap(80, lambda i: a[i].mean(), lambda i: b[i].mean())
    assert interval == bootstrap_interval(80, lambda i: b[i].mean() - a[i].mean())
    assert 0 < not_worse < 1
    assert paired_bootstrap(80, lambda i: a[i].mean(), lambda i: a[i].mean() - 0.1) == ((-0.1, -0.1), 0.0)


def test_the_samples_of_the_repository_can_be_compared_on() -> None:
    samples = ROOT / "data" / "samples"
    found = {c.row["id"] for c in read_complaints(samples)}
    labelled = [json.loads(line) for path in samples.glob("*.jsonl") for line in path.read_text("utf-8").splitlines()]
    assert found == {row["id"] for row in labelled if "types" in row}
    slices = {c.row["slice"] for c in read_complaints(samples / "hard.jsonl")}
    assert "idiom_vs_crisis" in slices


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("champion", NEVER, "two different versions"),
        (NEVER, "challenger", "names no challenger"),
        (NEVER, "absent", "absent"),
    ],
)
def test_what_cannot_be_compared_is_said_in_a_line(
    models: Path, data: Path, tmp_path: Path, a: str, b: str, expected: str
) -> None:
    code, output = command(a, b, "--data", data, "--models", models, "--out", tmp_path / "out")
    assert code == 2
    assert expected in output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({**COMPLAINTS[0], "primary": "quality"}, "bad.jsonl:1: "),
        (complaint(1, "好" * 20_001, **SERVICE), "bad.jsonl:1: text"),
        ({"id": "x-1", "text": "asdf", "reason": "no_words"}, "found none"),
    ],
)
def test_a_bad_row_is_named_by_file_and_line(models: Path, tmp_path: Path, row: dict[str, Any], expected: str) -> None:
    (tmp_path / "bad.jsonl").write_text(lines([row]), encoding="utf-8")
    out = tmp_path / "out"
    code, output = command(NEVER, ALWAYS, "--data", tmp_path / "bad.jsonl", "--models", models, "--out", out)
    assert code == 2
    assert expected in output
