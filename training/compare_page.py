"""The comparison of two bundles as one self-contained page: no script, nothing loaded from anywhere."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, StrictUndefined

from triage.taxonomy import INTENSITY_LEVELS, ZH

FIGURES = {
    "macro3": "types: macro-F1 over quality, service, refusal",
    "primary_accuracy": "primary type: accuracy",
    "intensity_qwk": "intensity: quadratic-weighted κ",
    "demands_micro_f1": "demands: micro-F1",
    "risks_micro_f1": "risks: micro-F1",
}
LEVELS = {str(level): name for level, name in enumerate(INTENSITY_LEVELS)}

STYLE = """
:root { color-scheme: light dark; --line: #8886; --up: #0a7d38; --down: #c02626; --soft: #8882; }
@media (prefers-color-scheme: dark) { :root { --up: #4cc47c; --down: #ff8080; } }
body { font: 15px/1.5 system-ui, "Noto Sans CJK SC", "Microsoft YaHei", sans-serif; max-width: 72rem; margin: 2rem auto;
  padding: 0 1rem; }
h2 { margin-top: 2.5rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: .5rem 0 1.5rem; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid var(--line); padding: .25rem .7rem; text-align: right; white-space: nowrap; }
th[scope=row], td.text { text-align: left; font-weight: normal; }
caption { text-align: left; font-weight: bold; padding: .3rem 0; }
.up { color: var(--up); } .down { color: var(--down); }
article { border: 1px solid var(--line); border-radius: .5rem; padding: .5rem 1rem; margin: 1rem 0; }
article p { white-space: pre-wrap; overflow-wrap: anywhere; background: var(--soft); padding: .5rem; }
article h3 { font-size: 1rem; margin: .2rem 0; }
"""

TEMPLATE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{{ a }} against {{ b }}</title>
<style>{{ style | safe }}</style>
</head>
{% macro signed(value) -%}
<td class="{{ 'up' if value > 0 else 'down' if value < 0 else '' }}">{{ '%+.3f' % value }}</td>
{%- endmacro %}
{% macro figures(main, caption) %}
<div class="wide"><table>
<caption>{{ caption }}</caption>
<thead><tr><th scope="col"></th><th scope="col">A</th><th scope="col">B</th><th scope="col">B − A</th>
<th scope="col">95 % interval</th><th scope="col">B not worse in</th><th scope="col">told apart</th></tr></thead>
<tbody>
{% for name, figure in main.items() %}
{% set low, high = figure.difference_ci95 %}
<tr><th scope="row">{{ titles[name] }}</th><td>{{ '%.3f' % figure.a }}</td><td>{{ '%.3f' % figure.b }}</td>
{{ signed(figure.difference) }}<td>{{ '%+.3f' % low }} … {{ '%+.3f' % high }}</td>
<td>{{ '%.1f' % (100 * figure.b_not_worse) }} %</td>
<td>{{ 'B better' if low > 0 else 'A better' if high < 0 else 'no' }}</td></tr>
{% endfor %}
</tbody></table></div>
{% endmacro %}
{% macro decided(who, what, sure) %}
<tr><th scope="row">{{ who }}</th><td class="text">{{ what.types | map('zh') | join('、') or '–' }}</td>
<td class="text">{{ what.primary | zh if what.primary else 'abstained' }}</td>
<td class="text">{{ what.intensity }} {{ levels[what.intensity | string] }}</td><td class="text">{{ what.tier }}</td>
<td>{{ '%.2f' % sure if sure is not none else '' }}</td></tr>
{% endmacro %}
<body>
<h1>Two bundles on the same complaints</h1>
<p>A is <code>{{ a }}</code>, B is <code>{{ b }}</code>; both decided the {{ rows }} labelled complaints of
<code>{{ data }}</code> under the routing policy <code>{{ policy }}</code>. Abstained: A {{ abstained.a }},
B {{ abstained.b }}.</p>
<h2>Main figures</h2>
<p>Intervals are of the difference B − A over resamples of the texts, the same ones for both. “Told apart” means that
the interval leaves out zero. A figure is 0 where its labels do not occur.</p>
{{ figures(main, 'all texts (' ~ rows ~ ')') }}
<h2>Slices</h2>
{% for name, part in slices.items() %}
{{ figures(part.main, name ~ ' (' ~ part.rows ~ ')') }}
{% else %}
<p>No slice has enough rows.</p>
{% endfor %}
<h2>Labels</h2>
<p>Intensity by level; an emotion counts from level 1.</p>
{% for head, by_label in labels.items() %}
<div class="wide"><table>
<caption>{{ head }}</caption>
<thead><tr><th scope="col" rowspan="2"></th><th scope="col" rowspan="2">gold</th>
{% for key in ('precision', 'recall', 'F1') %}<th scope="colgroup" colspan="3">{{ key }}</th>{% endfor %}</tr>
<tr>{% for _ in range(3) %}<th scope="col">A</th><th scope="col">B</th><th scope="col">B − A</th>{% endfor %}</tr>
</thead>
<tbody>
{% for label, of in by_label.items() %}
<tr><th scope="row">{{ label }} {{ label | zh }}</th><td>{{ of.support }}</td>
{% for key in ('precision', 'recall', 'f1') %}
<td>{{ '%.3f' % of.a[key] }}</td><td>{{ '%.3f' % of.b[key] }}</td>{{ signed(of.difference[key]) }}
{% endfor %}</tr>
{% endfor %}
</tbody></table></div>
{% endfor %}
<h2>Texts decided differently</h2>
<p>{{ differences.rows }} of {{ rows }} texts, those first that either bundle is surest about. The right tier is what
the policy makes of the gold labels.</p>
<div class="wide"><table>
<caption>Who is right where they differ</caption>
<thead><tr><th scope="col"></th><th scope="col">A</th><th scope="col">B</th><th scope="col">neither</th></tr></thead>
<tbody>
{% for field, count in differences.right.items() %}
<tr><th scope="row">{{ field }}</th><td>{{ count.a }}</td><td>{{ count.b }}</td><td>{{ count.neither }}</td></tr>
{% endfor %}
</tbody></table></div>
{% for text in differences.texts %}
<article>
<h3>{{ text.id }} · {{ verdicts[text.verdict] }}</h3>
<p lang="zh">{{ text.text }}</p>
<div class="wide"><table>
<thead><tr><th scope="col"></th>{% for field in ('types', 'primary', 'intensity', 'tier') %}
<th scope="col">{{ field }}{% if field in text.right %} ({{ who[text.right[field]] }}){% endif %}</th>
{% endfor %}<th scope="col">certain</th></tr></thead>
<tbody>
{{ decided('gold', text.gold, none) }}
{{ decided('A', text.a, text.confidence.a) }}
{{ decided('B', text.b, text.confidence.b) }}
</tbody></table></div>
</article>
{% endfor %}
</body>
</html>
"""
WHO = {"a": "A is right", "b": "B is right", "neither": "neither is right"}
VERDICTS = {**WHO, "a": "A is right in more", "b": "B is right in more", "both": "each is right in as much"}


def render(report: dict[str, Any]) -> str:
    """The page of a comparison, as HTML with everything in it escaped."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["zh"] = lambda name: LEVELS.get(name) or ZH[name]
    template = environment.from_string(TEMPLATE)
    return template.render(report, titles=FIGURES, levels=LEVELS, style=STYLE, who=WHO, verdicts=VERDICTS)
