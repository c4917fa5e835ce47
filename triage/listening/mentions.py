"""Mentions: places, products, companies, people and references, by cues that leave no doubt."""

from __future__ import annotations

import re
from collections.abc import Iterator

from triage.listening.found import Found, Kind, opening

_H = r"[^\W\d_a-zA-Z任另各几每贵品该某的了是在和有我你他她这那们不没被把与及到去从说给买让就都也还]"
_REGION = (
    "北京|上海|天津|重庆|河北|山西|辽宁|吉林|黑龙江|江苏|浙江|安徽|福建|江西|山东|河南|湖北|湖南|广东|海南|四川|贵州|云南|陕西|甘肃"
    "|青海|台湾|内蒙古|广西|西藏|宁夏|新疆|香港|澳门|广州|深圳|杭州|南京|苏州|成都|武汉|西安|长沙|郑州|青岛|大连|厦门|宁波|福州"
    "|济南|合肥|昆明|沈阳|哈尔滨|长春|石家庄|太原|南昌|南宁|贵阳|兰州|海口|无锡|佛山|东莞|温州|泉州|常州|徐州|烟台|珠海|惠州"
)
_PLACE = re.compile(
    rf"{opening(_REGION)}(?:{_REGION})(?P<sure>(?:省|市|(?:壮族|回族|维吾尔)?自治区|特别行政区)?(?:{_H}{{2,4}}?(?<![超城门夜菜股上])(?:市|自治州))?"
    rf"(?:{_H}{{1,4}}?(?<![小校景地片社专])[区县])?(?:{_H}{{1,8}}?(?:街道|大道|路|街)[0-9]+号)?)"
    rf"|(?<=[在到去])(?!年|线|网|官|旗|实体|附近|当地|本地|店|门店)(?P<spot>{_H}{{2,10}}?"
    "(?:门店|分店|(?<!家)店|营业厅|支行|分行|网点|广场店?|小区|商场|医院|酒店|机场|车站|高铁站|路[0-9]+号))"
)
_PLACED = re.compile("(?:[在到从去来往寄]|来自|位于)$")
_PLACES = re.compile("的?(?:这边|那边|当地|本地|地区|门店|分公司|分店|机场|火车站)")
_BRANDED = re.compile("银行|人寿|保险|航空|证券|啤酒|拉面|火锅|大学")
_ONLINE = re.compile("旗舰|网店|官方|专营")

_NAME = (
    r"[^\W\d_致请每各归投个至我你您他们在向跟与对给被从到去是了"
    r"把让找这那哪该贵因于要叫问也都不没就还又才但而及或等后前里有说]"
)
_ORG = re.compile(
    rf"(?<!{_NAME})(?:投|举报|联系|下载|注册|使用|通过|打开|购买)?(?P<name>{_NAME}{{2,10}}?)"
    "(?:(?:财产|人寿)?(?:保险)?(?:股份)?(?:有限)?(?:责任)?公司|银行|保险(?![费金单合产责])|人寿|财险|平台|APP|(?:官方)?旗舰店|专营店|专卖店"
    "|集团)",
    re.IGNORECASE,
)
_GENERIC = re.compile(
    "(?:保险|银行|贷款|快递|外卖|网络|第三方|购物|电商|物业|装修|总|子|分|母|某|借贷|网贷|理财|直播|社交|网上|手机|官方|各大?|[一二两三四五六七八九十几0-9]+家?|家|多"
    "|其[他它]|商?业|合作|中介|担保|催收|物流|旅游|航空|租车|教育|培训|游戏|支付|交易|监管|投诉|财产|人身|意外|医疗|车|重疾|养老|搬家"
    "|家政|运营|正规|大|小|线上|很|许|好|所|任何|整|别|社会|客服|信用|金融|线下|品牌|店铺|商家|供[热水电暖]|燃气|自来水|互联网|垃圾|什么|申请|接受|共|年金|万能)+"
)
_WARES = (
    "手机|电脑|冰箱|洗衣机|空调|电视机|热水器|电饭煲|耳机|平板|充电宝|衣服|羽绒服|鞋子|运动鞋|家具|沙发|床垫|奶粉|水果"
    "|快递|包裹|外卖|机票|火车票|酒店|贷款|信用卡|车险|重疾险|医疗险|意外险|寿险|保单|会员|套餐|宽带|流量|话费|健身卡|课程|网课|药品|化妆品"
    "|面霜|轮胎|汽车|电动车|门票"
)
_GOODS = re.compile(rf"《[^《》]{{1,30}}(?<![法例定则知])》|{opening(_WARES)}(?:{_WARES})(?![员号公银业站柜平单])")

_SURNAME = (
    "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许何吕张孔曹严华魏陶姜戚谢邹喻苏潘葛范彭郎鲁韦马苗方袁柳鲍史唐费廉岑薛雷贺倪汤罗郝邬安"
    "傅卞齐康伍余顾孟黄穆萧尹姚邵汪祁毛禹狄米贝戴宋庞熊纪舒屈项祝董梁杜阮蓝闵季贾江童颜郭梅林钟徐邱骆高夏蔡田樊胡凌霍万柯卢莫房丁邓"
    "洪包左石崔龚程邢裴陆荣翁曾叶白刘龙侯武谭温庄柴瞿阎向覃冉牛肖欧廖聂"
)
_ROLE = (
    "客服|理赔员|业务员|销售员?|催收员?|快递员|骑手|店员|店长|服务员|工作人员|专员|经理|主管|师傅|老板|卖家|商家|维修工"
)
_NUMBERED = ("工号", "坐席号", "客服编号", "员工号")
_PERSON = re.compile(
    rf"(?P<id>(?:{'|'.join(_NUMBERED)})[:是为 ]{{0,2}}(?:[A-Za-z]{{0,3}}[0-9]{{2,10}}|<[A-Z]+>))"
    rf"|(?P<staff>(?:{_ROLE})(?:[小老][{_SURNAME}]|[{_SURNAME}](?:某某?|先生|女士|小姐|经理|主管))"
    rf"|[{_SURNAME}](?<![对双我官甲乙]方)(?<![上下本这]周)(?<!也许)(?<![如任]何)(?<!保安)"
    rf"(?:经理|主管|主任|店长|队长|专员|师傅|客服|律师)|{_ROLE})"
    rf"|(?P<customer>(?:我是|本人|我叫)[{_SURNAME}](?:先生|女士|小姐|某某?))"
    "|(?P<family>我(?:妈妈?|爸爸?|母亲|父亲|老公|老婆|丈夫|妻子|儿子|女儿|孩子|奶奶|爷爷|外婆|外公)|老人家?|小孩|宝宝)"
)
_ROLES = {"id": "staff", "staff": "staff", "customer": "customer", "family": "family"}
_STAFF_NUMBER = re.compile("[A-Za-z]{0,3}[0-9]{2,10}$")
_BARE_ROLE = re.compile(_ROLE)
_REFERENCE = re.compile(
    "(?:订单|保单|快递|运单|流水|工单|交易|合同|投诉|受理|报案|理赔|借据|发票|案件|单)(?:单号|编号|号码|号)"
    "[:是为 ]{0,3}(?:<[A-Z]+>|[A-Za-z0-9][A-Za-z0-9_-]{4,39})"
)
_BY_FORM: tuple[tuple[Kind, re.Pattern[str]], ...] = (("product", _GOODS), ("reference", _REFERENCE))


def named(text: str) -> Iterator[Found]:
    """Every place, company, person, product and reference that is named."""
    for match in _PLACE.finditer(text):
        placed = _PLACED.search(text, max(0, match.start() - 2), match.start()) or _PLACES.match(text, match.end())
        sure = match["sure"] or match["spot"] or (placed and not _BRANDED.match(text, match.end()))
        if sure and not _ONLINE.search(match[0]):
            yield Found("place", *match.span())
    for match in _ORG.finditer(text):
        if not _GENERIC.fullmatch(match["name"]):
            yield Found("company", match.start("name"), match.end())
    for match in _PERSON.finditer(text):
        yield Found("person", *match.span(), _ROLES[str(match.lastgroup)])
    for kind, pattern in _BY_FORM:
        for match in pattern.finditer(text):
            yield Found(kind, *match.span())


def staff_name(mention: str) -> str | None:
    """The number or name that a mention of staff gives (8021 of 工号8021, 客服小李); None where it gives none."""
    if mention.startswith(_NUMBERED):
        written = _STAFF_NUMBER.search(mention)
        return written[0] if written else None
    return None if _BARE_ROLE.fullmatch(mention) else mention
