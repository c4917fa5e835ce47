"""A draft reply is judged by what it says, not by the words it quotes or denies."""

from __future__ import annotations

import time
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.reply.lint import RULES, LintReport, lint
from triage.reply.promises import ZONE

SENT = datetime(2026, 3, 11, 14, 0, tzinfo=ZONE)  # a Wednesday
NEXT = "我会在明天18:00前给您回电。"


def look(draft: str, intensity: int = 2, primary: str | None = "service", *risks: str, **given: object) -> LintReport:
    known: dict[str, object] = {"received_at": None, "sent_at": SENT, **given}
    return lint(draft, primary_type=primary, intensity=intensity, risks=frozenset(risks), **known)  # type: ignore[arg-type]


def rules(report: LintReport) -> set[str]:
    return {finding.rule for finding in report.findings}


# fmt: off
GOOD: list[tuple[str, int, str | None, tuple[str, ...]]] = [
    ("很抱歉给您带来不便，我们正在核查原因。" + NEXT, 2, "quality", ()),
    ("让您久等了，非常抱歉。您的退款我已提交，3个工作日内原路到账。", 1, "refusal", ()),
    ("您说得对，等了三天没人理，换作是我也会生气。我来跟进，今天下班前给您答复。", 3, "service", ()),
    ("您提到客服说‘我们不负责’，听到这样的话您一定很委屈，我很抱歉。" + NEXT, 3, "service", ()),
    ("这并不是您的错，让您受委屈了。我会在24小时内核实并电话告知您。", 2, "service", ()),
    ("我能理解您的着急。尽快解决也是我们的愿望，专员最迟明天12点前给您回电。", 2, "quality", ()),
    ("如果核查后确认是我们的错，我们会承担责任。让您担心了，很抱歉，我们会在本周五前书面答复您。", 2, "quality", ()),
    ("我们不能保证一定退款，但我理解您的失望。复核结果我会在10个工作日内书面答复您。", 2, "refusal", ()),
    ("非常理解您的心情。您的理赔申请不需要您撤销投诉，符合条件就会赔付，我会在3天内告诉您结果。", 2, "refusal", ()),
    ("等了这么久是这样的结果，我理解您的失望。目前无法满足全额退款，原因是课程已上了一半；您可以申请复核，我会在两天内回复您。",
     2, "refusal", ()),
    ("遇到这种事换谁都会着急。请问您是代理人还是本人？如由他人代办，请补一份授权委托书。我会在3个工作日内反馈处理情况。",
     2, "illicit", ()),
    ("感谢您的反馈，我们已经记下。我会在一周内给您回复。", 1, "illicit", ()),
    ("可以开电子发票，打开订单详情点申请发票即可。", 0, "other", ()),
    ("谢谢您的表扬，我已转告师傅。", 0, "other", ()),
    ("您的留言收到了，让您费心了。我会在今天18:00前再联系您一次。", 1, None, ()),
    ("看到您的话我很担心您。您现在安全吗？身边有人吗？我在这儿，不挂电话。还款的事先放下，以后再谈。",
     3, "service", ("self_harm",)),
    ("您现在还好吗？我马上给您打电话，陪您说说话。", 3, None, ("self_harm",)),
    ("您和家人受苦了，真的很抱歉。请您尽快就医，费用单据留好，主管今晚20点前给您回电。", 3, "quality", ("safety",)),
    ("给您添麻烦了，抱歉。经核查是快递公司的问题，我们已替您联系补发，您不用去找他们，包裹明天寄出。",
     2, "service", ()),
    ("让您受累了，抱歉。无需您自行联系商家，我来协调，后天中午前回复您。", 2, "quality", ()),
    ("我们从不认为您是恶意投诉，让您有这种感受很抱歉。" + NEXT, 2, "illicit", ()),
    ("让您担心了，抱歉。近期有黑产冒充客服，请谨防上当。" + NEXT, 1, "service", ()),
    ("您的心情我能理解。我已经第一时间联系门店，店长会在3月13日12:00前给您打电话。", 2, "service", ()),
    ("很抱歉让您失望了。有问题拨打95500也能找到我们，我会在48小时内给您回电。", 2, "quality", ()),
    ("让您跑了两趟，辛苦了，很抱歉。您可以直接联系我，不用再找别人，我明天上午给您回电。", 2, "service", ()),
    ("深表歉意，让您久等了。为您解决问题是我们的责任，专员将于3月16日17:00前上门。", 2, "quality", ()),
    ("抱歉让您重复说了这么多次。现在还不能马上给您结论，但周五前我会把录音核查的结果告诉您。", 2, "service", ()),
    ("王女士您好，孩子的奶粉出了问题，您一定很揪心，实在抱歉。我已安排同事封存同批次产品送检，检测报告出来前您先别给孩子喝。我会在3月13日17:00前把送检进度打电话告诉您。",
     2, "quality", ()),
    ("您好，这几天让您来回跑，真是辛苦您了。按照条款，等待期内确诊的疾病不在保障范围里，简单说就是头九十天查出来的不赔。如果您觉得确诊日期有出入，可以补充病历，我替您申请复核，10个工作日内由复核专员书面回复您。",
     1, "refusal", ()),
    ("先跟您说声对不起，让您在电话里等了四十分钟。您反映的通话我会去调录音，调完之后由我本人在周四18点前向您说明核查情况。",
     2, "service", ()),
    ("张先生，感谢您的耐心。账单多出的38元是流量包续订产生的，我已帮您关掉自动续订，退费申请也提交了，预计48小时内退回您的话费账户，到账后我会短信通知您。",
     0, "refusal", ()),
    ("您别着急，我在这里。您能告诉我您现在在哪儿吗？家里有人陪您吗？我已经请12356的老师一起来听您说。",
     3, "other", ("self_harm",)),
    ("听您这么说，我心里也不好受。催收打到您单位的事我已经叫停核查，今天之内不会再有人拨打，明天10点前我给您回电说明情况。",
     3, "service", ("regulator",)),
    ("您的建议很好，我们会转给产品团队。", 0, "other", ()),
    ("李先生，冰箱刚修好又坏，确实让人窝火，抱歉。您看是换新还是退货，由您自己选，师傅后天上午上门检测。",
     2, "quality", ()),
    ("关于您投诉代理退保被多收手续费一事，我们很重视，您受累了。为了保护您的账户，我们会拨打预留号码核对，5个工作日内专员给您答复。",
     2, "illicit", ()),
    ("非常抱歉，骑手把餐洒了还态度不好，您饿着肚子等到九点，换我也气。餐费已原路退回，站长今晚21点前会给您打电话。",
     3, "service", ()),
    ("刘阿姨您好，听说您为了办退保跑了三趟，天这么冷，让您受累了。您把身份证带上就行，其他表格我都替您准备好，周三上午9点我在柜台等您，我会陪您办完。",
     1, "service", ()),
    ("宽带三天没修好，耽误孩子上网课，实在对不住您。维修师傅今天16:00前到您家，修完我再给您打电话确认。",
     2, "quality", ()),
    ("您说的情况我看了好几遍，确实让人寒心。具体责任要等核查，我不想随便下结论。核查专员会在2个工作日内联系您。",
     3, "service", ("media",)),
    ("抱歉让您等。退款申请已经提交财务，最晚3月18日到账。到时没收到，请直接找我，我的工号是1024。", 1, "refusal", ()),
    ("您不用撤诉，也不用删帖，该退的我们照退。让您气成这样，抱歉。明天15点前财务会把款退回原卡。",
     3, "refusal", ("legal",)),
    ("我知道这段时间您很难。钱的事先不说，您现在一个人吗？我马上打给您，别挂，好吗？", 3, None, ("self_harm",)),
    ("陈先生，让您在柜台白等一下午，实在过意不去。您要的流水我已打印好，客户经理今天17:30前送到您公司。",
     1, "service", ()),
    ("看到孩子过敏的照片，我们心里很不是滋味，给您和孩子添苦了，抱歉。请先停用，药费发票留好。主管将在2小时内给您打电话。",
     2, "quality", ("safety",)),
    ("您的质疑我听明白了，换谁都会觉得不公平。这次拒赔依据的是免责第二款，意思是酒后驾驶不赔；您若对血检结果有异议，可以在30天内申请复核，我来替您递交，复核员5个工作日内回复您。",
     2, "refusal", ()),
    ("谢谢您愿意再给我们一次机会。新机器3月14日前送到，旧机由师傅当场带走，我会全程跟进。", 1, "quality", ()),
    ("密码重置短信已经发送，您点开链接按提示操作就可以。", 0, "other", ()),
    ("您受惊了，非常抱歉。我们正在核实是不是我们的客服泄露了信息，核实结果由信息安全专员在3月13日18点前书面告知您。",
     3, "service", ("legal",)),
]
BAD: list[tuple[str, int, str | None, tuple[str, ...], set[str]]] = [
    ("经核实，您的订单不符合退货条件，抱歉。" + NEXT, 2, "refusal", (), {"empathy_before_facts"}),
    ("根据合同第三条，这笔费用不予退还。" + NEXT, 1, "refusal", (), {"empathy_before_facts"}),
    ("请您理解，系统升级需要时间。" + NEXT, 2, "service", (), {"empathy_before_facts"}),
    ("感谢来信。您的退款正在处理。" + NEXT, 3, "refusal", (), {"empathy_before_facts"}),
    ("很抱歉，这件事确实是我们的错。" + NEXT, 2, "service", (), {"admits_fault_before_finding"}),
    ("让您受委屈了，我司全责。" + NEXT, 2, "quality", (), {"admits_fault_before_finding"}),
    ("对不起，我们的业务员违规了。" + NEXT, 2, "service", (), {"admits_fault_before_finding"}),
    ("抱歉让您久等，我们会尽快处理。", 2, "service", (), {"vague_promise", "missing_next_step"}),
    ("很抱歉，有结果会通知您，争取给您满意的答复。", 2, "service", (), {"vague_promise", "missing_next_step"}),
    ("理解您的着急，我们保证一定解决。" + NEXT, 2, "service", (), {"empty_promise"}),
    ("抱歉添麻烦了，百分之百会退给您。" + NEXT, 2, "refusal", (), {"empty_promise"}),
    ("抱歉，以后绝对不会再发生。" + NEXT, 2, "service", (), {"empty_promise"}),
    ("抱歉给您带来不便，不过这是您自己操作失误。" + NEXT, 2, "quality", (), {"blame_shifting"}),
    ("很理解您，难道不是您自己的问题吗？" + NEXT, 2, "quality", (), {"blame_shifting"}),
    ("抱歉，这个不归我们管，您去找物流公司。" + NEXT, 2, "service", (), {"blame_shifting"}),
    ("抱歉让您久等，都是快递的问题。" + NEXT, 2, "service", (), {"blame_shifting"}),
    ("不好意思是您自己填错了地址。" + NEXT, 2, "service", (), {"blame_shifting"}),
    ("抱歉，这是系统的问题，我们也没办法。" + NEXT, 2, "service", (), {"blame_shifting", "cold_phrase"}),
    ("很抱歉给您带来困扰，祝您生活愉快。", 1, "service", (), {"missing_next_step"}),
    ("很抱歉，明天会有答复。", 1, "service", (), {"missing_next_step"}),
    ("很抱歉。请您在3日内补交材料。", 1, "refusal", (), {"missing_next_step"}),
    ("很抱歉，您的诉求无法满足，请知悉。" + NEXT, 1, "refusal", (), {"cold_phrase"}),
    ("抱歉，此事按规定办理。" + NEXT, 1, "service", (), {"cold_phrase"}),
    ("抱歉让您久等，您明显是代理投诉。" + NEXT, 1, "illicit", (), {"accuses_customer"}),
    ("理解您的心情，但恶意投诉要承担法律后果。" + NEXT, 2, "illicit", (), {"accuses_customer"}),
    ("抱歉，您的行为涉嫌骗保。" + NEXT, 2, "refusal", (), {"accuses_customer"}),
    ("很抱歉。您撤销投诉后我们才能退款。" + NEXT, 2, "refusal", (), {"money_for_withdrawal"}),
    ("很抱歉。赔付的前提是您先撤诉。" + NEXT, 2, "refusal", ("legal",), {"money_for_withdrawal"}),
    ("抱歉打扰您，您的号码13812345678已登记。" + NEXT, 1, "service", (), {"personal_data"}),
    ("您的还款已逾期，请先补齐材料。您现在安全吗？",
     3, "service", ("self_harm",), {"life_safety_first", "empathy_before_facts"}),
    ("很抱歉给您带来不便，您的投诉我们收到了。", 3, None, ("self_harm",), {"life_safety_first"}),
    ("我们的答复是：“这是您自己的问题”，很抱歉。" + NEXT, 2, "service", (), {"blame_shifting"}),
    ("“抱歉，不归我们管。" + NEXT + "”", 2, "service", (), {"blame_shifting"}),
    ("抱歉让您久等，今天12:00前我给您回电。", 2, "service", (), {"past_promise"}),
    ("", 0, "quality", (), {"missing_next_step"}),
    ("亲，这边已经帮您催促了哦，请耐心等待，会尽快给您处理的呢。",
     1, "service", (), {"empathy_before_facts", "missing_next_step", "vague_promise"}),
    ("很抱歉，物流是第三方负责的，跟我们没关系，您联系快递公司吧。",
     2, "service", (), {"blame_shifting", "missing_next_step"}),
    ("抱歉给您造成不便。只要您把微博删了，我们马上给您退款，明天就能到账。",
     2, "refusal", (), {"money_for_withdrawal"}),
    ("对不起，是我们工作人员的失误造成您的损失，我们愿意承担全部责任。明天我给您回电。",
     2, "service", (), {"admits_fault_before_finding"}),
    ("您好，您的贷款已逾期，请按合同约定还款。有困难可以协商分期，我会在3天内联系您。",
     3, "other", ("self_harm",), {"empathy_before_facts", "life_safety_first"}),
    ("理解您，但请不要无理取闹。专员明天12点前联系您。", 2, "service", (), {"accuses_customer"}),
    ("抱歉让您不满意，我拍胸脯保证绝对能退，明天我给您回电。", 2, "refusal", (), {"empty_promise"}),
    ("抱歉，规定就是这样，我们也无能为力。明天我给您回电。", 2, "refusal", (), {"cold_phrase"}),
    ("很抱歉，是您没看清楚条款。明天18点前我给您回电。", 2, "refusal", (), {"blame_shifting"}),
    ("抱歉打扰，您身份证110101199003077758我已登记，明天18点前我给您回电。", 1, "service", (), {"personal_data"}),
    ("您好，您的问题已反馈相关部门，请耐心等待。", 1, "service", (), {"empathy_before_facts", "missing_next_step"}),
    ("很抱歉，我们会在第一时间给您一个满意的答复。", 2, "service", (), {"missing_next_step", "vague_promise"}),
    ("非常抱歉，经查是我行系统出错，责任在我们。明天18点前我给您回电。",
     2, "quality", (), {"admits_fault_before_finding"}),
    ("抱歉，签字的是您本人，现在反悔是您自己的事。明天18点前我给您回电。", 2, "refusal", (), {"blame_shifting"}),
    ("对不起，我承诺绝不会有下次，一定让您满意！明天18点前我给您回电。", 2, "service", (), {"empty_promise"}),
    ("抱歉。先把12345的投诉撤了，我们就给您赔两百。明天18点前我给您回电。",
     2, "refusal", ("regulator",), {"money_for_withdrawal"}),
    ("很遗憾您有这样的体验，但我们怀疑您受黑产指使。明天18点前我给您回电。", 2, "illicit", (), {"accuses_customer"}),
    ("很抱歉，我们客服误导了您，这笔钱肯定能退。明天18点前我给您回电。",
     2, "refusal", (), {"admits_fault_before_finding", "empty_promise"}),
    ("给您添麻烦了。这个业务是合作方负责的，您自行联系他们。明天18点前我给您回电。",
     1, "service", (), {"blame_shifting"}),
    ("您好，我们已经在处理了，稍后给您答复。",
     2, "service", (), {"empathy_before_facts", "missing_next_step", "vague_promise"}),
    ("理解您的心情。您要是真想死谁也拦不住，先把欠款还上。", 3, "other", ("self_harm",), {"life_safety_first"}),
    ("抱歉，公司规定如此，特此回复。明天18点前我给您回电。", 1, "refusal", (), {"cold_phrase"}),
    ("对不起，您这种职业打假人我们见多了。明天18点前我给您回电。", 2, "illicit", (), {"accuses_customer"}),
]
# fmt: on


@pytest.mark.parametrize(("draft", "intensity", "primary", "risks"), GOOD)
def test_a_good_draft_has_nothing_to_mend(
    draft: str, intensity: int, primary: str | None, risks: tuple[str, ...]
) -> None:
    assert rules(look(draft, intensity, primary, *risks)) == set()


@pytest.mark.parametrize(("draft", "intensity", "primary", "risks", "broken"), BAD)
def test_a_bad_draft_breaks_exactly_these_rules(
    draft: str, intensity: int, primary: str | None, risks: tuple[str, ...], broken: set[str]
) -> None:
    assert rules(look(draft, intensity, primary, *risks)) == broken


def test_every_rule_has_a_draft_that_breaks_it() -> None:
    assert set().union(*(broken for *_, broken in BAD)) == set(RULES)


def test_fault_may_be_admitted_once_it_is_established() -> None:
    assert rules(look("很抱歉，这件事是我们的错。" + NEXT, fault_established=True)) == set()


def test_a_calm_customer_may_get_the_facts_first() -> None:
    assert "empathy_before_facts" not in rules(look("经核实，您的订单已发货。" + NEXT, 0))


def test_a_naive_time_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"sent_at.*time zone"):
        look("很抱歉。", sent_at=datetime(2026, 3, 11))
    with pytest.raises(ValueError, match=r"received_at.*time zone"):
        look("很抱歉。", received_at=datetime(2026, 3, 11))


PIECES = [draft for draft, *_ in (*GOOD, *BAD)] + [
    "\r\n",
    "ＡＢ 1",
    "😀",
    "明天",
    "“",
    "是我们的错",
    "99月99日前给您回电",
    "25:70前我回电",
]


@given(
    st.lists(st.sampled_from(PIECES) | st.text(max_size=8), max_size=6).map("".join),
    st.sampled_from([None, "self_harm"]),
)
def test_every_span_is_a_slice_of_the_draft_in_order(draft: str, risk: str | None) -> None:
    report = look(draft, 2, "service", *([risk] if risk else []))
    for spans in (report.findings, report.promises):
        assert all(item.text == draft[item.start : item.end] for item in spans)
        assert [item.start for item in spans] == sorted(item.start for item in spans)


@pytest.mark.parametrize("piece", ["是我们的错您可以", "明天", "您自己没", "撤诉后我们", "“抱歉", "抱歉。尽快处理。"])
def test_a_very_long_draft_is_read_within_seconds(piece: str) -> None:
    draft = (piece * 20_000)[:20_000]
    started = time.perf_counter()
    look(draft, 3, None, "self_harm")
    assert time.perf_counter() - started < 5
