"""Other wordings of training texts that leave every label as it is: what a decision must not depend on.

One kind for each way in which customers, mail programs and evasion change a text without changing the matter: courtesy
around it, a mail's signature or an automatic reply below it, sentences in another order, characters that sound or look
alike, characters torn apart, spaces and emoji in between. Phrases are drawn from pools written for this purpose.
"""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable

from datasets import Dataset, concatenate_datasets
from pypinyin import Style, pinyin

from training.corpus import prepared_text
from triage.text import HAN

MOST_FREQUENT = 2500
"""Homophones come from so many of the corpus's most frequent characters: nobody mistypes into a rare one."""
LONGEST = 400
"""Longer texts are left alone: a variant costs as much training time as any other row."""

GREETINGS = (
    "你好，", "您好，", "你好，在吗？", "老师好，", "领导好，", "客服你好，", "请问，", "麻烦问一下，",
    "抱歉打扰了，", "打扰一下，", "尊敬的客服人员：您好！", "尊敬的领导，您好，", "各位老师好，辛苦了。",
    "Hi，你好，", "麻烦您了，", "不好意思，想跟您反映个事。", "早上好，", "亲，在不在，", "您好，给您添麻烦了，",
    "工作人员您好，",
)  # fmt: skip
THANKS = (
    "谢谢。", "谢谢！", "谢谢您！", "麻烦了，谢谢。", "多谢。", "辛苦了。", "给您添麻烦了。", "感谢您的帮助。",
    "非常感谢！", "期待您的回复，谢谢。", "拜托了。", "劳驾了，谢谢。", "祝好。", "此致敬礼", "祝工作顺利！",
    "谢谢理解。", "麻烦您费心了。", "盼复，谢谢。", "先谢过了。", "感恩。",
)  # fmt: skip
SURNAMES, GIVEN = "赵钱孙李周吴郑陈林黄何高罗宋唐许邓冯曹彭", "伟芳娜敏静丽强磊军洋艳勇杰涛明超霞平刚桂"
TOWNS = ("长宁", "城南", "江北", "滨河", "新华", "和平", "东湖", "西山", "金水", "开发区")
FIRMS = ("实业有限公司", "商贸有限公司", "科技有限公司", "中学", "社区卫生服务中心", "物流公司", "设计事务所", "机械厂")
JOBS = ("财务部", "采购部", "办公室", "教务处", "仓储部", "市场部", "技术部", "后勤科")
PHONES = ("小米", "华为", "荣耀", "苹果", "vivo", "OPPO")
ABOVE = (
    "工单编号：{number}\n来源：{channel}\n创建时间：{date} {time}\n客户原文：",
    "【{channel}留言】提交于{date} {time}\n",
    "发件人：{name}\n收件人：客户服务部\n时间：{date} {time}\n主题：情况反映\n\n",
    "-----原始邮件-----\n发件人：{name}\n发送时间：{date}\n\n",
    "来电号码已隐藏，坐席{number}记录：",
    "会话编号{number}，接入时间{time}。访客：",
)
BELOW = (
    "\n\n发自我的{phone}手机",
    "\n\n来自{phone}手机客户端",
    "\n\n{name}\n{town}{firm}{job}\n{date}",
    "\n--\n{name} {job}\n{town}{firm}\n地址：{town}路{number}号",
    "\n\n此邮件由系统代发，请勿直接回复。如有疑问请登录官网查询。",
    "\n\n本邮件可能含有保密内容，如误收请删除并通知发件人。",
    "\n> 【自动回复】您的来信我们已收到，工作人员会在工作时间内为您处理，请耐心等待。",
    "\n> 客服{number}：您好，您的反馈已登记，后续会有专人跟进，感谢您的支持与理解。",
    "\n\n在 {date} {time}，客户服务部写道：\n> 感谢您的来信，我们会尽快为您核实。\n> 服务时间：周一至周五 9:00-18:00",
    "\n[附件：图片{number}.jpg]\n[附件：截图.png]",
    "\n（提交渠道：{channel}；设备：{phone}；系统版本：{number}；网络：5G）",
    "\n\n以上内容由语音转写，可能有误。",
)
CHANNELS = ("官网", "小程序", "APP", "微信公众号", "邮箱", "在线客服", "12345转办件", "营业厅")
TORN = {
    "行": "彳亍", "骗": "马扁", "银": "钅艮", "保": "亻呆", "催": "亻崔", "贷": "代贝", "投": "扌殳",
    "信": "亻言", "利": "禾刂", "期": "其月", "账": "贝长", "服": "月艮", "话": "讠舌", "好": "女子",
    "明": "日月", "理": "王里", "款": "士示欠", "收": "丩攵", "钱": "金戋", "诉": "讠斥", "法": "氵去",
    "退": "艮辶",
}  # fmt: skip
EMOJI = "😡😤😭🙏💔😠🙄😢❗🤬👎😅"
SENTENCE = re.compile(r"[^。！？!?；;\n]+[。！？!?；;\n]*")
CHARACTER = re.compile(f"[{HAN}]")

Variant = Callable[[str, random.Random], str]


class Variants:
    """Draws variants of texts; ``kinds`` by name. Homophones are learnt from the texts given."""

    def __init__(self, texts: Iterable[str]) -> None:
        counts = Counter(char for text in texts for char in CHARACTER.findall(text))
        frequent = [char for char, _ in counts.most_common(MOST_FREQUENT)]
        sounds = [syllables[0] for syllables in pinyin(frequent, style=Style.NORMAL)]
        alike: dict[str, list[str]] = defaultdict(list)
        for char, sound in zip(frequent, sounds, strict=True):
            alike[sound].append(char)
        self._homophones = {
            char: [other for other in alike[sound] if other != char]
            for char, sound in zip(frequent, sounds, strict=True)
        }
        self.kinds: dict[str, Variant] = {
            "politeness": _polite,
            "boilerplate": _framed,
            "order": _reordered,
            "homophone": self._misspelt,
            "torn": _torn,
            "inserted": _strewn,
        }

    def _misspelt(self, text: str, draw: random.Random) -> str:
        places = [match.start() for match in CHARACTER.finditer(text) if self._homophones.get(match.group())]
        return _put(text, {place: draw.choice(self._homophones[text[place]]) for place in _some(places, draw)})


def with_variants(train: Dataset, share: float, seed: int) -> Dataset:
    """The complaints of ``train`` with a variant of so large a ``share`` of them added.

    A variant keeps its original's id, so that both fall on the same side of every split.
    """
    draw = random.Random(seed)  # noqa: S311
    variants = Variants(train["text"])
    texts, primary = list(train["text"]), list(train["primary"])
    candidates = [row for row, text in enumerate(texts) if primary[row] >= 0 and len(text) <= LONGEST]
    kinds = list(variants.kinds.values())
    added = {}
    for row in draw.sample(candidates, int(share * len(candidates))):
        variant = prepared_text(draw.choice(kinds)(texts[row], draw))
        if variant != texts[row]:
            added[row] = variant
    if not added:
        return train
    others = train.select(list(added)).remove_columns("text").add_column("text", list(added.values()))
    return concatenate_datasets([train, others.select_columns(train.column_names)])


def _polite(text: str, draw: random.Random) -> str:
    return draw.choice(("", *GREETINGS)) + text + draw.choice(THANKS)


def _framed(text: str, draw: random.Random) -> str:
    filled = {
        "name": draw.choice(SURNAMES) + "".join(draw.sample(GIVEN, draw.choice((1, 2)))),
        "town": draw.choice(TOWNS),
        "firm": draw.choice(FIRMS),
        "job": draw.choice(JOBS),
        "phone": draw.choice(PHONES),
        "channel": draw.choice(CHANNELS),
        "number": str(draw.randrange(100, 99999)),
        "date": f"20{draw.randrange(19, 27)}年{draw.randrange(1, 13)}月{draw.randrange(1, 29)}日",
        "time": f"{draw.randrange(24)}:{draw.randrange(60):02d}",
    }
    above = draw.choice(ABOVE).format(**filled) if draw.random() < 0.35 else ""
    below = "" if above and draw.random() < 0.5 else draw.choice(BELOW).format(**filled)
    return above + text + below


def _reordered(text: str, draw: random.Random) -> str:
    sentences = [sentence.strip() for sentence in SENTENCE.findall(text)]
    if len(sentences) < 2:
        return text
    if sentences[-1][-1] not in "。！？!?；;":
        sentences[-1] += "。"
    draw.shuffle(sentences)
    return "".join(sentences)


def _torn(text: str, draw: random.Random) -> str:
    places = [place for place, char in enumerate(text) if char in TORN]
    return _put(text, {place: TORN[text[place]] for place in _some(places, draw)})


def _strewn(text: str, draw: random.Random) -> str:
    places = [match.start() for match in CHARACTER.finditer(text)]
    mark = draw.choice((" ", " ", "…", "~", *EMOJI, "*", "-"))
    return _put(text, {place: text[place] + mark for place in _some(places, draw)})


def _some(places: list[int], draw: random.Random) -> list[int]:
    """One to five of the places, more in longer texts."""
    return draw.sample(places, min(len(places), draw.randint(1, 2 + min(3, len(places) // 20))))


def _put(text: str, new: dict[int, str]) -> str:
    return "".join(new.get(place, char) for place, char in enumerate(text))
