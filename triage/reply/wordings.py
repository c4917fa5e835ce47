"""Which wordings in a reply hurt or bind us, and when what stands around one makes it harmless."""

from __future__ import annotations

import re
from collections.abc import Iterator

NEAR = 80
"""How many characters around a wording are looked at, so that a long sentence costs no more than its length."""

Span = tuple[int, int]

WE = "(?:我们|我司|我行|我方|我店|我处|本公司|本行|本司|公司|平台)"
_OTHERS = (
    "(?:快递|物流|商家|厂家|第三方|供应商|外包|合作方|银行|保险公司|代理人|业务员|员工|师傅|骑手)"
    "(?:公司|方|那边|小哥|人员)?"
)
_YOU = "[您你]"
_PAY = "(?:退|赔|补偿|减免|付款|打款)"
_WITHDRAW = (
    "(?:撤诉|撤案|销案|撤(?:销|回|掉)|(?:不再|放弃|停止)投诉|删除?掉?(?:帖|差评|评论|微博|视频)"
    "|把.{0,6}(?:帖|评|微博|视频).{0,2}删|把.{0,12}(?:投诉|举报|诉讼|起诉|案子)(?:给|先)?撤)"
)

# One pattern per rule of wording, for cleaned text; `_excused` knows when it is harmless.
WORDINGS: dict[str, re.Pattern[str]] = {
    "admits_fault_before_finding": re.compile(
        rf"是(?:因为|由于)?{WE}(?:的?(?:员工|客服|业务员|系统))?(?:自己|这边)?的?(?:全部)?(?:过错|错误?|责任|问题|失误|疏忽|过失|不对|不是)"
        rf"|{WE}.{{0,4}}全部?责任?|(?:责任|过错|错)(?:完全|全部|都)?在(?:于)?{WE}|{WE}(?:确实|的确|是)?(?:有错|理亏|[搞弄做算办]错)"
        rf"|(?:{WE}(?:的?(?:员工|客服|业务员))?|业务员|客服)(?:确实|的确|是|存在)?(?:违规|违法|违约|误导|欺骗|欺诈|侵权)"
    ),
    "empty_promise": re.compile(
        r"保证(?:一定|肯定|绝对|百分|您?满意|让您满意|解决|能?[退赔]|(?:以后|今后)?(?:绝对?|再也|永远)?不会?再)"
        r"|(?:百分之?百|100%)地?(?:会|能|可以|给|为|帮|解决|[退赔]|没问题|保证|满意|负责)|绝对(?:会|能|不会|可以|没问题|给您)"
        r"|(?:一定|肯定)[会能]?(?:给您|帮您|让您|为您)?(?:全额)?(?:[退赔]|解决|满意|办好|搞定)|包您满意|永远不会"
    ),
    "blame_shifting": re.compile(
        rf"(?:是|属于|因为|由于|怪|怨){_YOU}(?:自己|本人|个人)?(?:的(?:问题|原因|责任|错|选择|决定|事|疏忽)|没|弄|选|[签填点]|疏忽|忘|"
        rf"(?:操作|理解|使用|填写|保管)(?:不当|错误?|有误|失误|不善))|[怪怨]{_YOU}自己"
        rf"|{_YOU}自己(?:没|不(?![用方必便])|弄|当[初时]|疏忽|操作|负责|承担|[签点选填](?:的|了|过|错)|的(?:问题|原因|责任|错))"
        rf"|是系统的?(?:问题|原因|事|设定|规定)|系统就?是?[这]?[样么]设|不归(?:{WE}|我).{{0,6}}管"
        rf"|不(?:是|属于|在){WE}的?(?:业务|管辖|职责|服务)?(?:责任|问题|职责|范围|过错|错|事)|[与跟和同]{WE}(?:无关|没有?关系)"
        rf"|(?:{_YOU}|请)(?:可以|还是|应该|得|需要?|先)?(?:去|自行|自己去?|直接去?)(?:找|联系|问)(?!我|本|专属)"
        rf"|都[是怪]{_OTHERS}|是{_OTHERS}(?:的|个人)(?:问题|责任|原因|错|行为|过错)"
    ),
    "accuses_customer": re.compile(
        rf"{_YOU}们?(?:明显|显然|应该|肯定|就|其实|疑似|可能){{0,2}}是(?:一?[个位名])?(?:受托的?)?(?:代理|骗子|黑)|骗保|恶意投诉|黑产|职业(?:投诉|打假|索赔|闹)"
        rf"|碰瓷|敲诈|讹[人钱诈]|无理取闹|胡搅蛮缠|{_YOU}.{{0,4}}(?:撒谎|说谎|编造)"
    ),
    "money_for_withdrawal": re.compile(
        rf"{_WITHDRAW}[^。!?]{{0,12}}(?:才|再|之?后|就|即可?|方可|便|的话|{WE})[^。!?]{{0,12}}{_PAY}"
        rf"|{_PAY}[^。!?]{{0,12}}(?:前提|条件)[^。!?]{{0,10}}{_WITHDRAW}|(?:只要|先){_YOU}?.{{0,4}}{_WITHDRAW}[^。!?]{{0,20}}{_PAY}"
    ),
    "cold_phrase": re.compile(
        rf"按照?(?:公司|相关|有关|我司)?的?规定(?:办理|处理|执行|就是|只能|不能|无法|不予)|请您?知悉|已阅(?!读)|无法满足|不予受理"
        rf"|特此(?:告知|通知|回复|函复)|{WE}也?没有?什?么?办法|规定就是|无能为力|爱莫能助|请自重"
    ),
}

# Negation counts where only function words stand between it and the wording: 不会操作是您自己的问题 denies nothing.
NEGATED = re.compile(
    r"(?:不(?!好意思|过|仅|只|光|但|满|久)|并非|绝非|没有?|未|别|勿|无需|无须|无意|无法|难以|避免|从不)"
    r"(?:是|会|能|应该?|该|要|想|敢|必|需要?|代表|等于|意味着|认为|觉得|以为|怀疑|说|让|以|把|怪|再|可能|打算|指责|把握|空){0,3}(?:[您你这那]|我们|就|真的?)?(?:是|有|在)?$"
)
_AFFIRMED = re.compile(r"难道|岂|莫非|[不没]得?[不能会]?不|无非|还不|可不")
_OPEN = re.compile(r"如果|倘若|假如|若(?!干)|如(?![此何实今下期约愿上])|一旦|是否|是不是|有没有|还是|请问")
_GUARD = re.compile(r"谨防|警惕|冒充|上当|受骗")
_DUTY = re.compile(r"服务|解决|帮|保障|回应|做好|跟进")
REPORTED = re.compile(
    r"(?:[您你][^,。!?;]{0,6}(?:说|提到|反映|觉得|认为|描述|表示|听到)|(?:客服|同事|工作人员|门店|对方|业务员|商家|他|她)[^,。!?;]{0,8}(?:说|称|骂|答复))(?!的|过的)[^,。!?;]*$"
)
_UNCONDITIONAL = re.compile(r"不需|无需|无须|不用|不必|没有|不以|不会要求|不要求|无论|不管|不论")
_OWNED = re.compile(rf"(?:{WE}|我)(?:来|会|已|正在|将|负责|先行|这边|替您|为您)")
_EXPLAINED = re.compile(r"因为|原因|由于|条款|理由|但是?|不过|可以|复核|方案|另外|替您|为您")


def objectionable(text: str, sentences: list[Span], fault_established: bool) -> Iterator[tuple[str, Span]]:
    """The wordings in ``text`` (cleaned) to object to, sentence by sentence, as ``(rule, (start, end))``."""
    for number, (start, end) in enumerate(sentences):
        following = text[slice(*sentences[number + 1])] if number + 1 < len(sentences) else ""
        for rule, pattern in WORDINGS.items():
            if rule == "admits_fault_before_finding" and fault_established:
                continue
            for match in pattern.finditer(text[start:end]):
                if not _excused(rule, match, following):
                    yield rule, (start + match.start(), start + match.end())


def _excused(rule: str, match: re.Match[str], following: str) -> bool:
    """Whether the wording is denied, reported, asked, conditional, or made good by what stands around it."""
    before = match.string[max(0, match.start() - NEAR) : match.start()]
    after = match.string[match.end() : match.end() + NEAR]
    if rule == "money_for_withdrawal":
        return bool(_UNCONDITIONAL.search(before[-12:] + match[0]))
    clause = re.split("[,:]", before)[-1]
    forbidding = rule == "accuses_customer" and re.search(
        "(?:不要|不得|别|勿)再?$", clause
    )  # 请不要无理取闹 denies nothing
    denied = NEGATED.search(clause) and not (_AFFIRMED.search(clause) or forbidding)
    if denied or REPORTED.search(clause):
        return True
    if rule == "admits_fault_before_finding":
        return bool(_OPEN.search(before) or (match[0].endswith("责任") and _DUTY.search(clause)))
    if rule == "accuses_customer":
        asked = match[0].endswith("代理") and (_OPEN.search(before) or re.match(".{0,4}(?:吗|还是)", after))
        return bool(asked or _GUARD.search(before + after))
    if rule == "blame_shifting":
        return bool(re.search("系统|都?是(?![您你])", match[0]) and match[0][0] in "是都" and _OWNED.search(after))
    return (
        bool(match[0][0] in "按无我公平本" and _EXPLAINED.search(after + following)) if rule == "cold_phrase" else False
    )
