"""Evidence put to the test: without the words that are shown a label has to lose more than without any others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from training.deletion import Predict, deletion
from triage.bundle import Bundle, open_champion
from triage.classifier import Classifier, Prediction, unit_index
from triage.model import Window
from triage.taxonomy import HEADS, TYPES, names
from triage.words import cut

ROOT = Path(__file__).parents[2]
TEXTS = [
    "快递员把箱子扔在雨里就走,打电话过去还骂人,我要投诉他",
    "柜台那位大姐全程不抬头,问她三遍都不理,还骂人说我耽误她下班",
    "充电桩坏了没人修,维修师傅来了先骂人,后来干脆不接电话",
]
COMPLAINTS = [
    "在你们家买的电饭煲用了三天就漏电,内胆涂层也掉了,这种质量还敢卖六百块,请给我换一台新的",
    "客服小陈态度恶劣,我问一句她顶一句,最后直接挂我电话,必须让她给我道歉",
    "住院的材料交了四十天,理赔还是拖着不赔,每次都说在审核,再不赔我就去银保监局投诉",
    "健身房上个月跑路了,剩下的两千四百元课费不退,店长说总部不同意退款",
    "外卖里吃出一只蟑螂,孩子当晚上吐下泻住了院,平台只肯赔十块钱优惠券",
    "催收一天打二十几个电话,还打到我单位骂我领导,再这样我要报警起诉你们",
]


@pytest.fixture(scope="module")
def champion() -> Bundle:
    return open_champion(ROOT / "models")


def network(*, believes: str, shows: str) -> Predict:
    """A network that says 'service' wherever it reads ``believes`` and claims to have read it off ``shows``."""
    service = names(TYPES).index("service")

    def predict(text: str) -> Prediction:
        offsets = [(start, end) for _, start, end in cut(text)]
        contributions = np.zeros((len(offsets), len(unit_index())), np.float32)
        for token, (start, end) in enumerate(offsets):
            contributions[token, unit_index()["types", "service"]] = float(text[start:end] == shows)
        probabilities = {
            head.name: np.zeros((len(head.labels), 3) if head.kind == "ordinal" else len(head.labels), np.float32)
            for head in HEADS
        }
        probabilities["types"][service] = probabilities["primary"][service] = 0.95 if believes in text else 0.05
        window = Window(np.arange(len(offsets)), offsets)
        return Prediction(probabilities, (window,), (contributions,), (0,) * len(unit_index()), np.zeros(4), -1.0)

    return predict


def test_evidence_a_network_decides_by_holds_for_every_label(champion: Bundle) -> None:
    report = deletion(network(believes="骂人", shows="骂人"), champion.manifest, TEXTS)
    assert report["primary"]["share"] == report["selected"]["share"] == 1.0
    assert report["primary"]["labels"] == len(TEXTS)
    assert report["primary"]["fall"] == pytest.approx(0.9)


@pytest.mark.parametrize("shows", ["还", "没有的词"])
def test_evidence_a_network_does_not_decide_by_holds_for_none(champion: Bundle, shows: str) -> None:
    """Words it does not look at, and no words at all: both count against it."""
    report = deletion(network(believes="骂人", shows=shows), champion.manifest, TEXTS)
    assert report["primary"]["labels"] == len(TEXTS)
    assert report["primary"]["share"] == 0.0
    assert report["primary"]["fall"] == 0.0


def test_a_report_over_no_labels_claims_nothing(champion: Bundle) -> None:
    assert deletion(network(believes="骂人", shows="骂人"), champion.manifest, ["快递三天没动"])["primary"] == {
        "labels": 0,
        "share": 0.0,
        "fall": 0.0,
        "fall_random": 0.0,
    }


def test_the_champion_decides_by_the_words_it_shows(champion: Bundle) -> None:
    report = deletion(Classifier(champion).predict, champion.manifest, COMPLAINTS)
    assert report["primary"]["labels"] >= 4
    for found in report.values():
        assert found["share"] >= 0.9
        assert found["fall"] > found["fall_random"]
