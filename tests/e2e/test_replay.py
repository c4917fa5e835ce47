"""A thousand decisions made by one process are made again, to the byte, by another that sees the database only."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from typing import Any

SCENES = (
    "{day}在你们{shop}买的{thing}，{money}，用了{days}就坏了，{who}说“{quote}”，我要求退货退款。",
    "我{day}申请的退款{money}，{who}答应{days}到账，{end}",
    "{who}态度极其恶劣，{day}我打电话问{thing}的事，他说“{quote}”，{end}",
    "保單是{day}買的，住院花了{money}，理賠員說我沒有如實告知，直接拒賠，{end}",
    "你们催收{day}给我爸妈打了{times}个电话，还骂人，{end}",
    "扣款{money}没有任何人告诉我！！！！！！{day}发现的，我的{number}，请{days}内给我答复。",
    "请问{shop}的{thing}{days}内可以换吗？我{day}买的，{number}",
    "ＶＩＰ会员费{money}被自动续了，㈱说不能退，打了{times}次电话都没人接，{end}",
    "保(bao)险(xian)业务员{day}代签了我的字，保费{money}，{who}说“{quote}”，{end}",
    "快递{days}没有动静，{thing}丢了，联系{who}，他说“{quote}”，我的{number}，{end}",
)
VALUES = {
    "day": ("昨天", "3月2日", "上周五下午三点", "2026年1月15日", "去年國慶", "前天晚上"),
    "shop": ("朝阳门店", "旗舰店", "APP", "万达广场二楼", "小程序"),
    "thing": ("洗衣機", "电饭煲", "医疗险", "机票", "手机", "网课"),
    "money": ("花了１２８０元", "两万三千块", "399.5元", "共計5萬元", "三百多", "88块钱"),
    "days": ("三天", "15天", "两个星期", "一个月", "48小时"),
    "who": ("客服小李", "工号8021的店员", "张经理", "客服", "理赔员"),
    "quote": ("爱找谁找谁", "系統就是這樣", "你去投诉啊", "不归我们管，‘总部’说了算"),
    "times": ("5", "十幾", "三", "２０"),
    "end": ("气死我了！", "再不处理我就打12315。", "我要去銀保監會投訴！！！！", "我真的不想活了……", "請盡快處理"),
    "number": ("电话１３８１２３４５６７８", "手机号是13987654321", "訂單號2026030488123", "邮箱wang.fang@example.com"),
}  # fmt: skip
NUMBER = 1_000
CIRCUMSTANCES: tuple[dict[str, Any], ...] = (
    {},
    {"channel": "12378", "amount": "52000.00"},
    {"received_at": "2026-03-04T09:30:00.25+08:00", "opened_at": "2026-02-01T10:00:00+08:00"},
    {"previous_contacts": 4, "customer_flags": ["vip", "vulnerable"], "customer_id": "C-17"},
)


def tickets() -> Iterator[dict[str, Any]]:
    """Different tickets without end, the same in every run."""
    draw = random.Random(17)
    seen = set()
    while True:
        values = {name: draw.choice(choices) for name, choices in VALUES.items()}
        text = "".join(scene.format(**values) for scene in draw.sample(SCENES, draw.choice((1, 1, 1, 2))))
        if text not in seen:
            yield {"text": text, "ticket_id": f"T{len(seen)}", "source": "crm"} | draw.choice(CIRCUMSTANCES)
            seen.add(text)


def test_a_thousand_decisions_replay_after_a_restart(serve, fenzhen: Callable[..., Any]) -> None:
    server = serve()
    ids, tiers = set(), set()
    drawn = list(itertools.islice(tickets(), NUMBER))
    for chunk in (drawn[start : start + 250] for start in range(0, NUMBER, 250)):
        results = server.client.post("/v1/triage/batch", json={"tickets": chunk}).json()["results"]
        assert [result["status"] for result in results] == [200] * len(chunk)
        ids |= {result["decision"]["decision_id"] for result in results}
        tiers |= {result["decision"]["route"]["tier"] for result in results}
    assert (len(ids), tiers) == (NUMBER, {"L1", "L2", "L3", "L4"})
    server.stop()

    replayed = fenzhen("replay", "--since", "1d")
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    assert replayed.stdout == "1,000 identical\n"
