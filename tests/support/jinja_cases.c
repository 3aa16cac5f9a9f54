/*
 * What each template gives was worked out from the documentation of Jinja2 and of Python, not by
 * running this implementation.
 */
#include "jinja_cases.h"

static const jinja_case literals[] = {
	{ "{{ 1 }}", "1" },
	{ "{{ 1_000 }}", "1000" },
	{ "{{ 0x1F }} {{ 0o17 }} {{ 0b101 }}", "31 15 5" },
	{ "{{ 1.5 }} {{ 2.0 }} {{ 1e3 }} {{ 1.5e-7 }} {{ 1e16 }} {{ 1e15 }}",
	  "1.5 2.0 1000.0 1.5e-07 1e+16 1000000000000000.0" },
	{ "{{ 0.1 + 0.2 }}", "0.30000000000000004" },
	{ "{{ 0.0001 }} {{ 0.00001 }}", "0.0001 1e-05" },
	{ "{{ 123456789.125 }}", "123456789.125" },
	{ "{{ 'a' }}{{ \"b\" }}", "ab" },
	{ "{{ 'a' 'b' \"c\" }}", "abc" },
	{ "{{ 'a\\nb\\t\\\\\\'\\\"' }}", "a\nb\t\\'\"" },
	{ "{{ '\\x41\\u00e9\\U0001f600\\101' }}", "A\303\251\360\237\230\200A" },
	{ "{{ '\\q' }}", "\\q" },
	{ "{{ 'a\\\nb' }}", "ab" },
	{ "{{ '\\x4' }}", NULL, "malformed escape" },
	{ "{{ '\\ud800' }}", NULL, "malformed escape" },
	{ "{{ true }} {{ True }} {{ false }} {{ none }} {{ None }}", "True True False None None" },
	{ "{{ [] }} {{ [1, 'a', none, 1.0, true] }}", "[] [1, 'a', None, 1.0, True]" },
	{ "{{ () }} {{ (1,) }} {{ (1, 2) }} {{ 1, 2 }}", "() (1,) (1, 2) (1, 2)" },
	{ "{{ {} }} {{ {'a': 1, 2: 'b', 'a': 3} }}", "{} {'a': 3, 2: 'b'}" },
	{ "{{ [1, 2,] }} {{ {'a': 1,} }}", "[1, 2] {'a': 1}" },
	{ "{{ {'a': {'b': 1}} }}", "{'a': {'b': 1}}" },
	{ "{{ 9223372036854775807 }}", "9223372036854775807" },
	{ "{{ 9223372036854775808 }}", NULL, "out of range" },
	{ "{{ 0x }}", NULL, "malformed or out of range" },
	{ "{{ \"it's\" }} {{ [\"it's\"] }} {{ ['a\"b'] }} {{ ['\"\\''] }}",
	  "it's [\"it's\"] ['a\"b'] ['\"\\'']" },
	{ "{{ ['\\n\\t\\\\', '\\x00\\x7f', '\303\251\\u200b'] }}",
	  "['\\n\\t\\\\', '\\x00\\x7f', '\303\251\\u200b']" },
	{ "{{ {[1]: 2} }}", NULL, "unhashable type: 'list'" },
	{ "{{ {1: 'a', 1.0: 'b', true: 'c'} }}", "{1: 'c'}" },
};

static const jinja_case arithmetic[] = {
	{ "{{ 1 + 2 * 3 }}", "7" },
	{ "{{ (1 + 2) * 3 }}", "9" },
	{ "{{ 7 / 2 }} {{ 6 / 2 }}", "3.5 3.0" },
	{ "{{ 7 // 2 }} {{ -7 // 2 }} {{ 7 // -2 }} {{ 7.5 // 2 }}", "3 -4 -4 3.0" },
	{ "{{ 7 % 3 }} {{ -7 % 3 }} {{ 7 % -3 }} {{ -7.5 % 2 }}", "1 2 -2 0.5" },
	{ "{{ 2 ** 10 }} {{ 2 ** -1 }} {{ 2 ** 3 ** 2 }} {{ 2.0 ** 2 }}", "1024 0.5 64 4.0" },
	{ "{{ -2 ** 2 }}", "4" },
	{ "{{ 1 - -1 }} {{ +3 }} {{ - 3 }}", "2 3 -3" },
	{ "{{ true + 1 }} {{ true * 3 }} {{ -true }}", "2 3 -1" },
	{ "{{ 1 / 0 }}", NULL, "division by zero" },
	{ "{{ 1 % 0 }}", NULL, "division by zero" },
	{ "{{ 1.0 // 0 }}", NULL, "division by zero" },
	{ "{{ 9223372036854775807 + 1 }}", NULL, "64 bits" },
	{ "{{ 3037000500 * 3037000500 }}", NULL, "64 bits" },
	{ "{{ 2 ** 63 }}", NULL, "64 bits" },
	{ "{{ 2 ** 62 }}", "4611686018427387904" },
	{ "{{ (-9223372036854775807 - 1) // -1 }}", NULL, "64 bits" },
	{ "{{ (-9223372036854775807 - 1) % -1 }}", "0" },
	{ "{{ 0 ** 0 }} {{ 1 ** 1000000000000 }} {{ (-1) ** 3 }}", "1 1 -1" },
	{ "{{ 'a' + 'b' }} {{ [1] + [2] }} {{ (1,) + (2,) }}", "ab [1, 2] (1, 2)" },
	{ "{{ 'ab' * 3 }}{{ 2 * 'x' }}{{ 'x' * 0 }}{{ 'x' * -1 }} {{ [0] * 3 }}",
	  "abababxx [0, 0, 0]" },
	{ "{{ 'a' + 1 }}", NULL, "unsupported operand types for +: 'str' and 'int'" },
	{ "{{ none + 'a' }}", NULL, "'NoneType' and 'str'" },
	{ "{{ [1] + (2,) }}", NULL, "'list' and 'tuple'" },
	{ "{{ 'a' ~ 1 ~ none ~ 1.0 ~ [1] }}", "a1None1.0[1]" },
	{ "{{ 1 ~ 2 + 3 }}", NULL, "'str' and 'int'" },
	{ "{{ 1 ~ 2 * 3 }}", "16" },
	{ "{{ x + 1 }}", NULL, "'x' is undefined" },
	{ "{{ 'a' ~ x ~ 'b' }}", "ab" },
	{ "{{ 1 +\n 2 }}", "3" },
};

static const jinja_case comparison[] = {
	{ "{{ 1 == 1.0 }} {{ 1 == '1' }} {{ true == 1 }} {{ none == false }}",
	  "True False True False" },
	{ "{{ 1 != 2 }} {{ 1 < 2 }} {{ 2 <= 2 }} {{ 3 > 4 }} {{ 4 >= 4 }}",
	  "True True True False True" },
	{ "{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 1 == 1 != 2 }}", "True False True" },
	{ "{{ 'a' < 'b' }} {{ 'Z' < 'a' }} {{ 'a' < 'aa' }} {{ '\303\251' > 'z' }}",
	  "True True True True" },
	{ "{{ [1, 2] == [1, 2.0] }} {{ [1] == (1,) }} {{ {'a': 1, 'b': 2} == {'b': 2, 'a': 1} }}",
	  "True False True" },
	{ "{{ [1, 2] < [1, 3] }} {{ (1,) < (1, 0) }}", "True True" },
	{ "{{ 1 < 'a' }}", NULL, "'int' and 'str' cannot be ordered" },
	{ "{{ none < 1 }}", NULL, "cannot be ordered" },
	{ "{{ 9007199254740993 == 9007199254740992.0 }} {{ 9007199254740993 > 9007199254740992.0 "
	  "}}",
	  "False True" },
	{ "{{ 'a' in 'cat' }} {{ '' in '' }} {{ 'x' not in 'cat' }}", "True True True" },
	{ "{{ 1 in [1, 2] }} {{ 1.0 in [1] }} {{ 'k' in {'k': none} }} {{ 3 not in (1, 2) }}",
	  "True True True True" },
	{ "{{ 1 in 'abc' }}", NULL, "must be a string, not int" },
	{ "{{ 1 in 5 }}", NULL, "not iterable" },
	{ "{{ 'a' in x }} {{ 'a' not in x }}", "False True" },
	{ "{{ x == y }} {{ x != 1 }} {{ x == none }}", "True True False" },
	{ "{{ not true }} {{ not '' }} {{ not not 1 }}", "False True True" },
	{ "{{ 1 and 2 }} {{ 0 and 2 }} {{ '' or 'd' }} {{ 0 or '' or none }}", "2 0 d None" },
	{ "{{ not 1 == 2 }} {{ not 1 in [2] }}", "True True" },
	{ "{{ true or x.y.z }} {{ false and x.y.z }}", "True False" },
	{ "{{ 1 or 0 and 0 }}", "1" },
	{ "{{ 'y' if 1 else 'n' }}{{ 'y' if 0 else 'n' }}{{ 'y' if 0 }}", "yn" },
	{ "{{ 1 if 0 else 2 if 0 else 3 }}", "3" },
	{ "{{ ('a' if x is defined else 'b') + 'c' }}", "bc" },
	{ "{% if [] %}a{% elif {} %}b{% elif '' %}c{% elif 0 %}d{% elif 0.0 %}e{% elif none %}f{% "
	  "else %}g{% endif %}",
	  "g" },
	{ "{% if [0] and {'a': 0} and ' ' and -1 and 0.1 %}y{% endif %}", "y" },
};

static const jinja_case access[] = {
	{ "{{ a.b.c }} {{ a['b']['c'] }} {{ a.b['c'] }}", "1 1 1", NULL,
	  "{\"a\": {\"b\": {\"c\": 1}}}" },
	{ "{{ a.0 }} {{ a[0] }} {{ a[-1] }} {{ a.0.1 }}", "[7, 8] [7, 8] 9 8", NULL,
	  "{\"a\": [[7, 8], 9]}" },
	{ "{{ a[5] is defined }} {{ a[-3] is defined }} {{ a.x is defined }} [{{ a.x }}]",
	  "False False False []", NULL, "{\"a\": [1, 2]}" },
	{ "{{ a.x.y }}", NULL, "'dict' object has no attribute 'x'", "{\"a\": {}}" },
	{ "{{ x.y }}", NULL, "'x' is undefined" },
	{ "{{ x['y'] }}", NULL, "'x' is undefined" },
	{ "{{ x() }}", NULL, "'x' is undefined" },
	{ "{{ a.f() }}", NULL, "no attribute 'f'", "{\"a\": {}}" },
	{ "{{ 'h\303\251llo'[1] }}{{ 'h\303\251llo'[-1] }}{{ 'abc'[9] }}", "\303\251o" },
	{ "{{ s[1:3] }} {{ s[:2] }} {{ s[-2:] }} {{ s[::-1] }} {{ s[::2] }} {{ s[3:1:-1] }}",
	  "\303\251l h\303\251 lo oll\303\251h hlo ll", NULL, "{\"s\": \"h\303\251llo\"}" },
	{ "{{ a[1:] }} {{ a[:-1] }} {{ a[::-1] }} {{ a[10:] }} {{ a[-10:2] }} {{ a[1::2] }} {{ "
	  "a[:] }}",
	  "[2, 3] [1, 2] [3, 2, 1] [] [1, 2] [2] [1, 2, 3]", NULL, "{\"a\": [1, 2, 3]}" },
	{ "{{ a[::0] }}", NULL, "step of a slice is zero", "{\"a\": [1]}" },
	{ "{{ a['x':] }}", NULL, "slice index must be an integer", "{\"a\": [1]}" },
	{ "{{ 5[1:] }}", NULL, "cannot be sliced" },
	{ "{{ (1, 2, 3)[:2] }}", "(1, 2)" },
	{ "{{ a[::9223372036854775807] }}{{ a[::-9223372036854775807] }}", "[1][3]", NULL,
	  "{\"a\": [1, 2, 3]}" },
	{ "{{ d.items() }} {{ d['items'] }}", "[('items', 1)] 1", NULL, "{\"d\": {\"items\": 1}}" },
	{ "{{ d.get('a') }} {{ d.get('z') }} {{ d.get('z', 5) }}", "1 None 5", NULL,
	  "{\"d\": {\"a\": 1}}" },
	{ "{{ d.keys() | list }} {{ d.values() | list }} {{ d | list }}",
	  "['a', 'b'] [1, 2] ['a', 'b']", NULL, "{\"d\": {\"a\": 1, \"b\": 2}}" },
	{ "{{ d.nothing() }}", NULL, "'dict' object has no attribute 'nothing'", "{\"d\": {}}" },
	{ "{{ a[1.0] is defined }}{{ d[1] }}", "False", NULL, "{\"a\": [1, 2], \"d\": {}}" },
	{ "{{ none.x is defined }}", "False" },
	{ "{{ true[0] is defined }}", "False" },
	{ "{{ a[true] }}", "2", NULL, "{\"a\": [1, 2]}" },
	{ "{{ {1: 'x'}[1] }} {{ {none: 'y'}[none] }} {{ {(1, 2): 'z'}[(1, 2)] }}", "x y z" },
};

static const jinja_case whitespace[] = {
	{ "a\n", "a" },
	{ "a\n\n", "a\n" },
	{ "a\r\nb\rc", "a\nb\nc" },
	{ "", "" },
	{ "\n", "" },
	{ "{% if true %}\na\n{% endif %}\nb", "a\nb" },
	{ "  {% if true %}\n  a\n  {% endif %}\nb", "  a\nb" },
	{ "x {% if true %} a {% endif %} b", "x  a  b" },
	{ "a\n  {{ 1 }}\n b", "a\n  1\n b" },
	{ "a \n {%- if true -%} \n b \n {%- endif -%} \n c", "abc" },
	{ "a \n {{- 1 -}} \n b", "a1b" },
	{ "a\n  {#- c -#}  \nb", "ab" },
	{ "a\n  {# c #}\nb", "a\nb" },
	{ "a {# c #} b", "a  b" },
	{ "a\n  {%+ if true %}b{% endif %}", "a\n  b" },
	{ "{% if true +%}\na{% endif %}", "\na" },
	{ "{{ '\n' }}x", "\nx" },
	{ "{{ 1 }}\nx", "1\nx" },
	{ "{# a #}\n{# b #}\nx", "x" },
	{ "  {# a #} x", " x" },
	{ "{% if true %}  {% if true %}x{% endif %}{% endif %}", "  x" },
	{ "{% if true %}\n  {% if true %}x{% endif %}{% endif %}", "x" },
	{ "{% raw %}{{ a }}{% b %}{# c #}{% endraw %}", "{{ a }}{% b %}{# c #}" },
	{ "a {%- raw -%} {{ x }} {%- endraw -%} b", "a{{ x }}b" },
	{ "{% raw %}\nx{% endraw %}\ny", "\nxy" },
	{ "{% raw %}{% endif %}", NULL, "no {% endraw %}" },
	{ "{# a", NULL, "no #}" },
	{ "{{ a", NULL, "no }}" },
	{ "{% if", NULL, "no %}" },
	{ "{ {a} } {a}%}", "{ {a} } {a}%}" },
	{ "a{{ 1 }}b{{ 2 }}c", "a1b2c" },
	{ "{{-1}}{{- 2}}", "12" },
	{ "\342\200\203{%- if true %}x{% endif %}", "x" },
	{ "{{ 'a }} b' }}", "a }} b" },
	{ "{% set x = 'a %} b' %}{{ x }}", "a %} b" },
	{ "\\n{{ '\\n' }}", "\\n\n" },
	{ "a\n{% for i in [1, 2] %}\n{{ i }}\n{% endfor %}\nb", "a\n1\n2\nb" },
};

static const jinja_case statements[] = {
	{ "{% for i in [1, 2, 3] %}{{ i }}{% endfor %}", "123" },
	{ "{% for i in [] %}{{ i }}{% else %}none{% endfor %}", "none" },
	{ "{% for i in x %}{{ i }}{% else %}none{% endfor %}", "none" },
	{ "{% for a, b in [(1, 2), [3, 4]] %}{{ a }}-{{ b }};{% endfor %}", "1-2;3-4;" },
	{ "{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}", "123" },
	{ "{% for (a, b) in [(1, 2)] %}{{ a }}{{ b }}{% endfor %}", "12" },
	{ "{% for a, b in [(1,)] %}{% endfor %}", NULL,
	  "1 values cannot be unpacked into 2 names" },
	{ "{% for k in {'a': 1, 'b': 2} %}{{ k }}{% endfor %}", "ab" },
	{ "{% for k, v in {'a': 1, 'b': 2}.items() %}{{ k }}={{ v }} {% endfor %}", "a=1 b=2 " },
	{ "{% for c in 'a\303\251' %}[{{ c }}]{% endfor %}", "[a][\303\251]" },
	{ "{% for i in 5 %}{% endfor %}", NULL, "'int' object is not iterable" },
	{ "{% for i in none %}{% endfor %}", NULL, "'NoneType' object is not iterable" },
	{ "{% for i in [1, 2, 3, 4] if i % 2 == 0 %}{{ loop.index }}:{{ i }}/{{ loop.length }} {% "
	  "endfor %}",
	  "1:2/2 2:4/2 " },
	{ "{% for i in [1] if false %}x{% else %}e{% endfor %}", "e" },
	{ "{% for i in 'abc' %}{{ loop.index0 }}{{ loop.index }}{{ loop.revindex }}{{ "
	  "loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }} {% endfor %}",
	  "0132TrueFalse3 1221FalseFalse3 2310FalseTrue3 " },
	{ "{% for i in [1, 2] %}[{{ loop.previtem }}|{{ loop.nextitem }}]{{ loop.previtem is "
	  "defined }}{% endfor %}",
	  "[|2]False[1|]True" },
	{ "{% for i in [1, 1, 2] %}{{ loop.changed(i) }}{% endfor %}", "TrueFalseTrue" },
	{ "{% for i in [1, 2, 3] %}{{ loop.cycle('a', 'b') }}{% endfor %}", "aba" },
	{ "{% for i in [1] %}{% for j in [1] %}{{ loop.depth }}{{ loop.depth0 }}{% endfor %}{{ "
	  "loop.depth }}{% endfor %}",
	  "211" },
	{ "{% for i in [1, 2] %}{% set o = loop %}{% for j in 'ab' %}{{ o.index }}{{ loop.index }} "
	  "{% endfor %}{% endfor %}",
	  "11 12 21 22 " },
	{ "{% for i in [1, 2, 3, 4] %}{% if i == 2 %}{% continue %}{% endif %}{% if i == 4 %}{% "
	  "break %}{% endif %}{{ i }}{% endfor %}",
	  "13" },
	{ "{% for i in [1, 2] %}{% for j in [1, 2] %}{% if j == 2 %}{% break %}{% endif %}{{ i "
	  "}}{{ j }} {% endfor %}{% endfor %}",
	  "11 21 " },
	{ "{% break %}", NULL, "'break' outside of a loop" },
	{ "{% for i in x recursive %}{% endfor %}", NULL, "recursive loops are not supported" },
	{ "{% set x = 1 %}{% for i in [1, 2] %}{{ x }}{% set x = i + 5 %}{{ x }} {% endfor %}{{ x "
	  "}}",
	  "16 17 1" },
	{ "{% set x = 1 %}{% if true %}{% set x = 2 %}{% endif %}{{ x }}", "2" },
	{ "{% set ns = namespace(n=0, s='') %}{% for i in [1, 2, 3] %}{% set ns.n = ns.n + i %}{% "
	  "set ns.s = ns.s ~ i %}{% endfor %}{{ ns.n }} {{ ns.s }}",
	  "6 123" },
	{ "{% set d = {} %}{% set d.x = 1 %}", NULL, "only attributes of a namespace can be set" },
	{ "{% set q.x = 1 %}", NULL, "'q' is undefined" },
	{ "{% set a, b = 1, 2 %}{{ a }}{{ b }}", "12" },
	{ "{% set a, b = [1] %}", NULL, "cannot be unpacked" },
	{ "{% set a = 1, %}{{ a }}", "(1,)" },
	{ "{% set x %}a{{ 1 }}b{% endset %}[{{ x }}]", "[a1b]" },
	{ "{% set x | upper | trim %} a{{ 'b' }} {% endset %}[{{ x }}]", "[AB]" },
	{ "{% set x %}{% set y = 1 %}{% endset %}{{ y is defined }}", "False" },
	{ "{% set ns = namespace() %}{% set ns.t %}hi{% endset %}{{ ns.t }}", "hi" },
	{ "{% with a = 1, b = a %}{{ a }}{{ b }}{% endwith %}{{ a }}", "199", NULL, "{\"a\": 9}" },
	{ "{% filter upper %}a{{ 'b' }}{% endfilter %}c", "ABc" },
	{ "{% filter replace('a', 'b') | upper %}aa{% endfilter %}", "BB" },
	{ "{% generation %}a{{ 1 }}{% endgeneration %}b", "a1b" },
	{ "{% do [].append(1) %}x", "x" },
	{ "{% if true %}", NULL, "no {% endif %}" },
	{ "{% for i in [] %}", NULL, "no {% endfor %}" },
	{ "{% endif %}", NULL, "found 'endif'" },
	{ "{% include 'x' %}", NULL, "line 1 column 4: the statement 'include' is not supported" },
	{ "{% extends 'x' %}", NULL, "not supported" },
	{ "{% import 'x' as y %}", NULL, "not supported" },
	{ "{% autoescape true %}{% endautoescape %}", NULL, "not supported" },
	{ "{% block x %}{% endblock %}", NULL, "not supported" },
	{ "{% bogus %}", NULL, "found 'bogus' where a statement" },
	{ "{% if true %}a{% else %}b{% elif true %}{% endif %}", NULL, "found 'elif'" },
	{ "a\n  {{ x.y }}", NULL, "line 2 column 7" },
	{ "a\n{% if x.y %}{% endif %}", NULL, "line 2 column 8" },
	{ "\303\251{{ x.y }}", NULL, "line 1 column 6" },
};

static const jinja_case macros[] = {
	{ "{% macro m(a, b=2) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}{{ m(1, 3) }}{{ m(b=5, a=4) "
	  "}}",
	  "121345" },
	{ "{% macro m(a) %}[{{ a }}]{% endmacro %}{{ m() }}{{ m(1)|length }}", "[]3" },
	{ "{% macro m(a, b=a) %}{{ b }}{% endmacro %}{{ m(7) }}", "7" },
	{ "{% macro m() %}{% endmacro %}{{ m(1) }}", NULL, "takes at most 0 arguments" },
	{ "{% macro m(a) %}{% endmacro %}{{ m(z=1) }}", NULL, "has no argument 'z'" },
	{ "{% macro m(a) %}{% endmacro %}{{ m(1, a=1) }}", NULL, "got twice" },
	{ "{% macro m(a=1, b) %}{% endmacro %}", NULL, "without default" },
	{ "{% macro f(n) %}{% if n > 0 %}{{ n }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(3) }}",
	  "321" },
	{ "{% set x = 1 %}{% macro m() %}{{ x }}{% set x = 5 %}{{ x }}{% endmacro %}{{ m() }}{{ x "
	  "}}",
	  "151" },
	{ "{% macro m() %}{{ y }}{% endmacro %}{% set y = 3 %}{{ m() }}", "3" },
	{ "{% macro m() %}<{{ caller() }}>{% endmacro %}{% call m() %}x{{ 1 }}{% endcall %}",
	  "<x1>" },
	{ "{% macro m() %}{{ caller(1, 2) }}{% endmacro %}{% call(a, b) m() %}{{ a }}{{ b }}{% "
	  "endcall %}",
	  "12" },
	{ "{% macro m() %}{{ caller is defined }}{% endmacro %}{{ m() }}{% call m() %}{% endcall "
	  "%}",
	  "FalseTrue" },
	{ "{% macro m() %}a{% endmacro %}{{ m.name }} {{ m is callable }}", "m True" },
	{ "{% macro m() %}\n  a\n{% endmacro %}[{{ m() }}]", "[  a\n]" },
	{ "{% for i in [1, 2] %}{% macro m() %}{{ i }}{% endmacro %}{{ m() }}{% endfor %}", "12" },
	{ "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", NULL, "nested too deeply" },
	{ "{% call 5 %}{% endcall %}", NULL, "must call a macro" },
	{ "{% macro m(a, b, c) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ m(*[1, 2, 3]) }}{{ m(1, "
	  "*[2], **{'c': 3}) }}{{ m(c=1, **{'a': 2, 'b': 3}) }}{{ range(*[2, 4]) | list }}",
	  "123123231[2, 3]" },
	{ "{{ range(*5) }}", NULL, "not iterable" },
	{ "{{ dict(**5) }}", NULL, "** wants a dict" },
	{ "{{ dict(**{1: 2}) }}", NULL, "keywords must be strings" },
	{ "{{ dict(**{'a': 1}, b=2) }}", "{'a': 1, 'b': 2}" },
	{ "{{ f(a=1, *b) }}", NULL, "positional argument follows" },
	{ "{{ f(a=1, 2) }}", NULL, "positional argument follows" },
};

static const jinja_case filters_text[] = {
	{ "{{ ' a ' | trim }}|{{ 'xxaxx' | trim('x') }}|{{ '\n a\t' | trim }}", "a|a|a" },
	{ "{{ 'aB' | upper }}{{ 'aB' | lower }}{{ 'hELLO wORLD' | capitalize }}",
	  "ABabHello world" },
	{ "{{ \"it's a-b (c\" | title }} {{ 'x1y z\303\251' | title }}",
	  "It's A-B (C X1y Z\303\251" },
	{ "{{ '\303\251' | upper }}{{ '\303\200\303\211' | lower }}", "\303\211\303\240\303\251" },
	{ "{{ 'aaa' | replace('a', 'b', 2) }} {{ 'aaa' | replace('a', '') }}|{{ 15 | replace(5, 6) "
	  "}}",
	  "bba |16" },
	{ "{{ 'ab' | replace('', '-') }} {{ 'ab' | replace('', '-', 2) }}", "-a-b- -a-b" },
	{ "{{ x | default('d') }}{{ '' | default('d') }}{{ '' | default('e', true) }}{{ none | "
	  "d('f') }}{{ x | d }}",
	  "deNone" },
	{ "{{ [1, 2] | length }}{{ '\303\251' | length }}{{ {'a': 1} | count }}{{ x | length }}",
	  "2110" },
	{ "{{ 5 | length }}", NULL, "has no length" },
	{ "{{ none | length }}", NULL, "has no length" },
	{ "{{ 42 | string }}{{ none | string }}{{ [1] | string | length }}", "42None3" },
	{ "{{ '42' | int }} {{ ' 7 ' | int }} {{ 'x' | int }} {{ 'x' | int(5) }} {{ 3.9 | int }} "
	  "{{ '3.9' | int }} {{ 'ff' | int(0, 16) }} {{ '0x1f' | int(base=16) }} {{ none | int }} "
	  "{{ true | int }}",
	  "42 7 0 5 3 3 255 31 0 1" },
	{ "{{ '1.5' | float }} {{ 'x' | float }} {{ 2 | float }} {{ 'x' | float(1.0) }} {{ '1e3' | "
	  "float }}",
	  "1.5 0.0 2.0 1.0 1000.0" },
	{ "{{ 'inf' | float }} {{ '-inf' | float }} {{ 'nan' | float }}", "inf -inf nan" },
	{ "{{ 2.5 | round }} {{ 3.5 | round }} {{ 2.675 | round(2) }} {{ 7 | round }} {{ 1234.5 | "
	  "round(-2) }} {{ 2.1 | round(0, 'ceil') }} {{ 2.9 | round(method='floor') }}",
	  "2.0 4.0 2.67 7 1200.0 3.0 2.0" },
	{ "{{ -3 | abs }} {{ -2.5 | abs }}", "3 2.5" },
	{ "{{ '<a&\"\\'>' | escape }}{{ '<' | e }}{{ '<' | safe }}",
	  "&lt;a&amp;&#34;&#39;&gt;&lt;<" },
	{ "{{ 'a b/\303\274?' | urlencode }}", "a%20b/%C3%BC%3F" },
	{ "{{ 'a\nb\n\nc' | indent }}", "a\n    b\n\n    c" },
	{ "{{ 'a\nb' | indent(2, true) }}", "  a\n  b" },
	{ "{{ 'a\n\nb' | indent(1, blank=true) }}", "a\n \n b" },
	{ "{{ 'a\n' | indent('>') }}|", "a\n|" },
	{ "{{ '%s-%d-%5.2f|%-4s|%04d|%x' | format('a', 3, 1.5, 'b', 42, 255) }}",
	  "a-3- 1.50|b   |0042|ff" },
	{ "{{ '%(a)s' | format(a=1) }} {{ '%s' % 'x' }} {{ '%s %s' % (1, 2) }} {{ '100%%' % () }}",
	  "1 x 1 2 100%" },
	{ "{{ '%s' | format }}", NULL, "not enough arguments" },
	{ "{{ '%s' % (1, 2) }}", NULL, "not all arguments" },
	{ "{{ '%d' % 'x' }}", NULL, "a number is required" },
	{ "{{ 'a  b c' | wordcount }}", "3" },
	{ "{{ 'x' | nofilter }}", NULL, "no filter named 'nofilter'" },
	{ "{{ -1 | abs }}{{ 2 + 3 | abs }}{{ 'a' ~ 'b' | upper }}", "15aB" },
	{ "{{ 'a' | upper | lower }}", "a" },
};

static const jinja_case filters_sequence[] = {
	{ "{{ [1, 2, 3] | first }}{{ [1, 2, 3] | last }}{{ [] | first is defined }}{{ 'abc' | last "
	  "}}",
	  "13Falsec" },
	{ "{{ [1, 'a', none] | join('-') }} {{ 'abc' | join(',') }} {{ [1, 2] | join }} {{ [{'a': "
	  "1}, {'a': 2}] | join(',', attribute='a') }}",
	  "1-a-None a,b,c 12 1,2" },
	{ "{{ 'abc' | list }} {{ {'a': 1} | list }} {{ x | list }}", "['a', 'b', 'c'] ['a'] []" },
	{ "{{ ['a', 'b'] | map('upper') | list }} {{ [1, -2] | map('abs') | join }}",
	  "['A', 'B'] 12" },
	{ "{{ a | map(attribute='n') | list }} {{ a | map(attribute='z', default=0) | list }} {{ a "
	  "| map(attribute='n.0') | list }}",
	  "[[1], [2]] [0, 0] [1, 2]", NULL, "{\"a\": [{\"n\": [1]}, {\"n\": [2]}]}" },
	{ "{{ ['aa', 'ba'] | map('replace', 'a', 'x') | list }}", "['xx', 'bx']" },
	{ "{{ [1] | map('nofilter') | list }}", NULL, "no filter named" },
	{ "{{ [0, 1, '', 'a'] | select | list }} {{ [1, 2, 3] | select('odd') | list }} {{ [1, 2, "
	  "3] | reject('gt', 1) | list }} {{ [0, 1] | reject | list }}",
	  "[1, 'a'] [1, 3] [1] [0]" },
	{ "{{ m | selectattr('r', 'equalto', 'u') | map(attribute='c') | list }} {{ m | "
	  "rejectattr('r', '==', 'u') | list | length }} {{ m | selectattr('z') | list }} {{ m | "
	  "selectattr('c', 'defined') | list | length }}",
	  "[1, 3] 1 [] 3", NULL,
	  "{\"m\": [{\"r\": \"u\", \"c\": 1}, {\"r\": \"a\", \"c\": 2}, {\"r\": \"u\", \"c\": "
	  "3}]}" },
	{ "{{ m | selectattr('r', 'in', ['u', 'x']) | list | length }}", "1", NULL,
	  "{\"m\": [{\"r\": \"u\"}, {\"r\": \"a\"}]}" },
	{ "{{ [3, 1, 2] | sort }} {{ ['b', 'A', 'c'] | sort }} {{ ['b', 'A'] | "
	  "sort(case_sensitive=true) }} {{ [1, 2] | sort(reverse=true) }}",
	  "[1, 2, 3] ['A', 'b', 'c'] ['A', 'b'] [2, 1]" },
	{ "{{ [{'n': 2, 'i': 0}, {'n': 1, 'i': 1}, {'n': 2, 'i': 2}] | sort(attribute='n') | "
	  "map(attribute='i') | list }}",
	  "[1, 0, 2]" },
	{ "{{ [{'n': 2, 'i': 0}, {'n': 1, 'i': 1}, {'n': 2, 'i': 2}] | sort(true, attribute='n') | "
	  "map(attribute='i') | list }}",
	  "[0, 2, 1]" },
	{ "{{ [1, 'a'] | sort }}", NULL, "cannot be ordered" },
	{ "{{ [1, 2, 1, 'a', 'A'] | unique | list }}", "[1, 2, 'a']" },
	{ "{{ [1, 2] | reverse | list }}{{ 'ab\303\251' | reverse }}", "[2, 1]\303\251ba" },
	{ "{{ {'b': 1, 'a': 2} | dictsort }} {{ {'b': 1, 'a': 2} | dictsort(by='value') }} {{ "
	  "{'b': 1, 'a': 2} | dictsort(reverse=true) }}",
	  "[('a', 2), ('b', 1)] [('b', 1), ('a', 2)] [('b', 1), ('a', 2)]" },
	{ "{{ {'a': 1} | items | list }} {{ x | items | list }}", "[('a', 1)] []" },
	{ "{{ [1, 3, 2] | min }}{{ [1, 3, 2] | max }}{{ [] | max is defined }}{{ [1, 2] | sum }}{{ "
	  "[{'a': 2}] | sum(attribute='a', start=1) }}",
	  "13False33" },
	{ "{{ [1, 2, 3] | batch(2) | list }} {{ [1, 2, 3] | batch(2, 0) | list }}",
	  "[[1, 2], [3]] [[1, 2], [3, 0]]" },
	{ "{{ range(3) | list }} {{ range(1, 7, 2) | list }} {{ range(3, 0, -1) | list }} {{ "
	  "range(0) | list }}",
	  "[0, 1, 2] [1, 3, 5] [3, 2, 1] []" },
	{ "{{ range(100001) }}", NULL, "more than 100000 items" },
	{ "{{ range(1000000000) | list }}", NULL, "more than 100000 items" },
	{ "{{ range(1, 2, 0) }}", NULL, "zero" },
};

static const jinja_case json[] = {
	{ "{{ x | tojson }}",
	  "{\"b\": [1, 2.0, null, true], \"a\": {\"\303\251\": \"<\\\"\\\\\\n\\u0001>\"}}", NULL,
	  "{\"x\": {\"b\": [1, 2.0, null, true], \"a\": {\"\303\251\": "
	  "\"<\\\"\\\\\\n\\u0001>\"}}}" },
	{ "{{ {'a': [1, {'b': []}], 'c': {}} | tojson(indent=2) }}",
	  "{\n  \"a\": [\n    1,\n    {\n      \"b\": []\n    }\n  ],\n  \"c\": {}\n}" },
	{ "{{ [1, 2] | tojson(indent=0) }} {{ [1] | tojson(indent='\t') }}",
	  "[\n1,\n2\n] [\n\t1\n]" },
	{ "{{ {'a': 1, 'b': 2} | tojson(separators=(',', ':')) }}", "{\"a\":1,\"b\":2}" },
	{ "{{ {'b': 1, 'a': 2} | tojson(sort_keys=true) }}", "{\"a\": 2, \"b\": 1}" },
	{ "{{ '\303\251\360\237\230\200' | tojson }} {{ '\303\251\360\237\230\200' | "
	  "tojson(ensure_ascii=true) }}",
	  "\"\303\251\360\237\230\200\" \"\\u00e9\\ud83d\\ude00\"" },
	{ "{{ {1: 2, true: 3, none: 4, 1.5: 5} | tojson }}",
	  "{\"1\": 3, \"null\": 4, \"1.5\": 5}" },
	{ "{{ (1, 2) | tojson }} {{ 1e100 | tojson }} {{ 'a/b' | tojson }}",
	  "[1, 2] 1e+100 \"a/b\"" },
	{ "{{ y | tojson }}", NULL, "'y' is undefined" },
	{ "{{ range | tojson }}", NULL, "cannot be written as JSON" },
	{ "{{ {(1, 2): 3} | tojson }}", NULL, "keys of JSON objects" },
	{ "{{ '\\b\\f\\r\\t\\x7f' | tojson }}", "\"\\b\\f\\r\\t\177\"" },
	{ "{{ 'inf' | float | tojson }} {{ 'nan' | float | tojson }}", "Infinity NaN" },
	{ "{{ x }} {{ y }}", "{'k': 'v'} 1.0", NULL, "{\"x\": {\"k\": \"v\"}, \"y\": 1.0}" },
	{ "{{ x | length }}{{ x | tojson }}", "2\"\\u0000a\"", NULL, "{\"x\": \"\\u0000a\"}" },
};

static const jinja_case methods[] = {
	{ "{{ ' a '.strip() }}|{{ ' a '.lstrip() }}|{{ ' a '.rstrip() }}|{{ 'xyaxy'.strip('yx') "
	  "}}|{{ '\n\na'.lstrip('\n') }}",
	  "a|a | a|a|a" },
	{ "{{ 'a,b,,c'.split(',') }} {{ 'a,b,c'.split(',', 1) }} {{ ' a  b '.split() }} {{ 'a b "
	  "c'.split(none, 1) }} {{ ''.split(',') }} {{ ''.split() }}",
	  "['a', 'b', '', 'c'] ['a', 'b,c'] ['a', 'b'] ['a', 'b c'] [''] []" },
	{ "{{ 'a b  c '.split(maxsplit=1) }} {{ 'a,b,c'.rsplit(',', 1) }} {{ 'a b c'.rsplit(none, "
	  "1) }} {{ 'a,b'.rsplit(',') }}",
	  "['a', 'b  c '] ['a,b', 'c'] ['a b', 'c'] ['a', 'b']" },
	{ "{{ 'x'.split('') }}", NULL, "separator is empty" },
	{ "{{ '<think>r</think>\n\na'.split('</think>')[-1].lstrip('\n') }} {{ "
	  "'<think>\nr\n</think>a'.split('</"
	  "think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') }}",
	  "a r" },
	{ "{{ 'abc'.startswith('ab') }}{{ 'abc'.startswith(('x', 'a')) }}{{ 'abc'.endswith('bc') "
	  "}}{{ 'abc'.endswith(('x',)) }}{{ ''.startswith('') }}",
	  "TrueTrueTrueFalseTrue" },
	{ "{{ 'abc'.startswith(1) }}", NULL, "must be a string" },
	{ "{{ 'aXbX'.replace('X', '') }}{{ 'aXbX'.replace('X', 'y', 1) }}", "abaybX" },
	{ "{{ 'aB'.upper() }}{{ 'aB'.lower() }}{{ \"it's x1y\".title() }}{{ 'aB c'.capitalize() "
	  "}}{{ 'aB'.swapcase() }}",
	  "ABabIt'S X1YAb cAb" },
	{ "{{ ','.join(['a', 'b']) }}{{ ','.join('xy') }}", "a,bx,y" },
	{ "{{ ','.join([1]) }}", NULL, "join() wants strings" },
	{ "{{ 'h\303\251llo'.find('l') }} {{ 'hello'.find('z') }} {{ 'hello'.rfind('l') }} {{ "
	  "'hello'.index('e') }} {{ 'hello'.count('l') }} {{ 'aaa'.find('a', 1) }} {{ "
	  "'abc'.find('c', 0, 2) }} {{ 'aa'.count('') }}",
	  "2 -1 3 1 2 1 -1 3" },
	{ "{{ 'a'.index('z') }}", NULL, "not found" },
	{ "{{ 'a-b-c'.partition('-') }} {{ 'a-b-c'.rpartition('-') }} {{ 'a'.partition('-') }} {{ "
	  "'a'.rpartition('-') }}",
	  "('a', '-', 'b-c') ('a-b', '-', 'c') ('a', '', '') ('', '', 'a')" },
	{ "{{ 'a\nb\r\nc'.splitlines() }} {{ 'a\nb'.splitlines(true) }} {{ 'a\n'.splitlines() }}",
	  "['a', 'b', 'c'] ['a\\n', 'b'] ['a']" },
	{ "{{ '12'.isdigit() }}{{ ''.isdigit() }}{{ 'a1'.isalnum() }}{{ 'a\303\251'.isalpha() }}{{ "
	  "' '.isspace() }}{{ 'A1'.isupper() }}{{ 'a'.islower() }}{{ '1'.islower() }}",
	  "TrueFalseTrueTrueTrueTrueTrueFalse" },
	{ "{{ '5'.zfill(3) }} {{ '-5'.zfill(4) }} {{ 'a'.ljust(3, '.') }} {{ 'a'.rjust(3) }} {{ "
	  "'a'.center(4, '*') }} {{ 'ab'.center(5, '*') }}",
	  "005 -005 a..   a *a** **ab*" },
	{ "{{ 'ab'.removeprefix('a') }}{{ 'ab'.removesuffix('b') }}{{ 'ab'.removeprefix('x') }}",
	  "baab" },
	{ "{{ '{} {}'.format(1, 'a') }} {{ '{1}{0}'.format('a', 'b') }} {{ '{x}{{}}'.format(x=2) "
	  "}} {{ '{!r}'.format('a') }}",
	  "1 a ba 2{} 'a'" },
	{ "{{ '{:>5}'.format(1) }}", NULL, "supports only" },
	{ "{{ '{}'.format() }}", NULL, "has no argument 0" },
	{ "{{ '{'.format() }}", NULL, "single '{'" },
	{ "{% set l = [1] %}{{ l.append(2) }}{{ l }}{% set _ = l.extend([3, 4]) %}{{ l.pop() }}{{ "
	  "l.pop(0) }}{{ l }}{{ l.index(3) }}{{ l.count(2) }}",
	  "None[1, 2]41[2, 3]11" },
	{ "{% set l = [3, 1] %}{% set _ = l.insert(1, 2) %}{{ l }}{% set _ = l.reverse() %}{{ l "
	  "}}{% set _ = l.sort() %}{{ l }}{% set _ = l.remove(2) %}{{ l }}{{ l.copy() }}{% set _ = "
	  "l.clear() %}{{ l }}",
	  "[3, 2, 1][1, 2, 3][1, 2, 3][1, 3][1, 3][]" },
	{ "{{ [].pop() }}", NULL, "out of range" },
	{ "{{ [1].remove(2) }}", NULL, "not in the list" },
	{ "{% set d = {'a': 1} %}{{ d.update({'b': 2}, c=3) }}{{ d }}{{ d.pop('a') }}{{ d.pop('z', "
	  "0) }}{{ d.setdefault('b', 9) }}{{ d.setdefault('q', 8) }}{{ d }}{{ d.copy() == d }}",
	  "None{'a': 1, 'b': 2, 'c': 3}1028{'b': 2, 'c': 3, 'q': 8}True" },
	{ "{{ {}.pop('a') }}", NULL, "no such key" },
	{ "{{ 'a'.nope() }}", NULL, "'str' object has no attribute 'nope'" },
	{ "{{ 'a'.upper(1) }}", NULL, "takes at most 0 arguments" },
	{ "{{ 'a'.replace('a') }}", NULL, "needs at least 2 arguments" },
	{ "{{ 'a'.split(nope=1) }}", NULL, "has no argument 'nope'" },
	{ "{% set d = {} %}{% for i in range(40) %}{% set _ = d.update({i: i}) %}{% endfor %}{% "
	  "for i in range(0, 40, 2) %}{% set _ = d.pop(i) %}{% endfor %}{{ d | length }} {{ d[39] "
	  "}} {{ 38 in d }} {{ d | list | first }}",
	  "20 39 False 1" },
};

static const jinja_case tests[] = {
	{ "{{ x is defined }}{{ x is undefined }}{{ 1 is defined }}{{ x is not defined }}",
	  "FalseTrueTrueTrue" },
	{ "{{ none is none }}{{ 0 is none }}{{ x is none }}", "TrueFalseFalse" },
	{ "{{ 'a' is string }}{{ 1 is string }}{{ [] is string }}", "TrueFalseFalse" },
	{ "{{ 1 is number }}{{ 1.0 is number }}{{ true is number }}{{ 'a' is number }}",
	  "TrueTrueTrueFalse" },
	{ "{{ 1 is integer }}{{ true is integer }}{{ 1.0 is integer }}{{ 1.0 is float }}{{ true is "
	  "boolean }}{{ 1 is boolean }}",
	  "TrueFalseFalseTrueTrueFalse" },
	{ "{{ {} is mapping }}{{ [] is mapping }}{{ [] is sequence }}{{ 'a' is sequence }}{{ {} is "
	  "sequence }}{{ 1 is sequence }}",
	  "TrueFalseTrueTrueTrueFalse" },
	{ "{{ [] is iterable }}{{ 'a' is iterable }}{{ 1 is iterable }}{{ none is iterable }}",
	  "TrueTrueFalseFalse" },
	{ "{{ 1 is odd }}{{ 2 is even }}{{ 9 is divisibleby(3) }}{{ 9 is divisibleby 2 }}",
	  "TrueTrueTrueFalse" },
	{ "{{ 1 is eq 1 }}{{ 1 is equalto(2) }}{{ 1 is ne 2 }}{{ 1 is lt 2 }}{{ 1 is ge 2 }}{{ 1 "
	  "is gt(0) }}{{ 1 is le 1 }}",
	  "TrueFalseTrueTrueFalseTrueTrue" },
	{ "{{ 1 is in [1] }}{{ 'a' is in 'abc' }}{{ 2 is not in [1] }}", "TrueTrueTrue" },
	{ "{{ true is true }}{{ 1 is true }}{{ false is false }}{{ none is false }}",
	  "TrueFalseTrueFalse" },
	{ "{{ true is sameas true }}{{ 1 is sameas 1.0 }}", "TrueFalse" },
	{ "{{ 'AB' is upper }}{{ 'ab' is lower }}{{ 'Ab' is lower }}", "TrueTrueFalse" },
	{ "{{ range is callable }}{{ 1 is callable }}{{ 'upper' is filter }}{{ 'odd' is test }}{{ "
	  "'zz' is filter }}",
	  "TrueFalseTrueTrueFalse" },
	{ "{{ 1 is nosuch }}", NULL, "no test named 'nosuch'" },
	{ "{{ x is defined and x }}{{ x is defined or 1 }}", "False1" },
	{ "{{ 'a' if x is none else 'b' }}{{ 'a' if x is not defined else 'b' }}", "ba" },
	{ "{{ not x is defined }}{{ (x is defined) == false }}", "TrueTrue" },
	{ "{{ 4 is divisibleby 2 and true }}", "True" },
	{ "{{ [1, 2] | length is eq 2 }}", "True" },
	{ "{{ 1 + 1 is odd }}", "2" },
};

static const jinja_case globals[] = {
	{ "{{ namespace(a=1).a }}{{ namespace({'b': 2}).b }}{{ namespace().x is defined }}",
	  "12False" },
	{ "{{ dict(a=1, b='x') }}{{ dict([('a', 1)]) }}{{ dict({'z': 1}, y=2) }}",
	  "{'a': 1, 'b': 'x'}{'a': 1}{'z': 1, 'y': 2}" },
	{ "{{ dict([1]) }}", NULL, "'int' object is not iterable" },
	{ "{% set j = joiner('|') %}{% for i in [1, 2, 3] %}{{ j() }}{{ i }}{% endfor %}",
	  "1|2|3" },
	{ "{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current "
	  "}}{{ c.reset() }}{{ c.current }}",
	  "ababNonea" },
	{ "{{ raise_exception('Roles must alternate') }}", NULL, "Roles must alternate" },
	{ "{{ raise_exception(nothing) }}", NULL, "line 1 column 19: the template refused" },
	{ "{{ raise_exception('') }}", NULL, "without a reason" },
	{ "{% if false %}{{ raise_exception('x') }}{% endif %}ok", "ok" },
	{ "{{ strftime_now('%d %b %Y') }} {{ strftime_now('%Y-%m-%d %H:%M:%S %A %B %j') }}|{{ "
	  "strftime_now('') }}|",
	  "20 Nov 2026 2026-11-20 12:00:00 Friday November 324||" },
	{ "{{ strftime_now is defined }}{{ lipsum is defined }}", "TrueFalse" },
	{ "{{ range }}", "<function>" },
	{ "{{ 5() }}", NULL, "'int' object is not callable" },
	{ "{{ range }}", "7", NULL, "{\"range\": 7}" },
};

static const jinja_case syntax_errors[] = {
	{ "{{ }}", NULL, "where an expression should be" },
	{ "{{ 1 + }}", NULL, "where an expression" },
	{ "{{ (1 }}", NULL, "line 1 column" },
	{ "{{ [1 }}", NULL, "line 1" },
	{ "{{ 1) }}", NULL, "this bracket was not opened" },
	{ "{{ (1] }}", NULL, "this bracket was not opened" },
	{ "{{ a b }}", NULL, "found 'b' where '}}' should be" },
	{ "{{ 'a }}", NULL, "no closing quote" },
	{ "{{ a..b }}", NULL, "a name after '.'" },
	{ "{{ a[ ] }}", NULL, "an index" },
	{ "{{ $ }}", NULL, "unexpected character" },
	{ "{% set %}", NULL, "the name of a variable" },
	{ "{% set 1 = 2 %}", NULL, "the name of a variable" },
	{ "{% for in x %}{% endfor %}", NULL, "found 'x'" },
	{ "{% for x of y %}{% endfor %}", NULL, "found 'of' where 'in'" },
	{ "{% if %}{% endif %}", NULL, "where an expression" },
	{ "{% macro %}{% endmacro %}", NULL, "the name of the macro" },
	{ "{% %}", NULL, "the name of a statement" },
	{ "a\nb\n  {% x %}", NULL, "line 3 column 6" },
	{ "{{ 1 if }}", NULL, "where an expression" },
	{ "{{ a | }}", NULL, "the name of a filter" },
	{ "{{ a is }}", NULL, "the name of a test" },
	{ "{{ {1} }}", NULL, "':' should be" },
	{ "{{ {1: } }}", NULL, "an expression" },
};

#define GROUP(name)                                         \
	{                                                   \
#name, name, sizeof(name) / sizeof(name[0]) \
	}

const jinja_group jinja_groups[] = {
	GROUP(literals),	 GROUP(arithmetic),    GROUP(comparison), GROUP(access),
	GROUP(whitespace),	 GROUP(statements),    GROUP(macros),	  GROUP(filters_text),
	GROUP(filters_sequence), GROUP(json),	       GROUP(methods),	  GROUP(tests),
	GROUP(globals),		 GROUP(syntax_errors),
};

const size_t jinja_group_count = sizeof(jinja_groups) / sizeof(jinja_groups[0]);

const char jinja_conversation[] =
	"{\"messages\": [{\"role\": \"system\", \"content\": \"Be brief.\"},"
	" {\"role\": \"user\", \"content\": [{\"type\": \"text\", \"text\": \"Light?\"}]},"
	" {\"role\": \"assistant\", \"content\": \"<think>\\nhm\\n</think>\\n\\nOn.\", "
	"\"tool_calls\":"
	" [{\"id\": \"call00001\", \"type\": \"function\", \"function\": {\"name\": \"light\","
	" \"arguments\": {\"room\": \"h\\u00e4ll\", \"on\": true, \"level\": 0.5}}}]},"
	" {\"role\": \"tool\", \"tool_call_id\": \"call00001\", \"content\": \"{\\\"ok\\\": "
	"true}\"},"
	" {\"role\": \"user\", \"content\": \"Thanks \\ud83d\\ude00\"}],"
	" \"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"light\","
	" \"description\": \"Switch a light.\", \"parameters\": {\"type\": \"object\","
	" \"properties\": {\"room\": {\"type\": \"string\", \"enum\": [\"hall\", \"attic\"]},"
	" \"on\": {\"type\": \"boolean\"}}, \"required\": [\"room\"]}}}],"
	" \"bos_token\": \"<s>\", \"eos_token\": \"</s>\", \"add_generation_prompt\": true}";

/* Roles in tags, with lists of parts, thinking cut out of old answers, and tool calls as JSON. */
static const char turns[] =
	"{%- set ns = namespace(last=-1) -%}\n"
	"{%- for m in messages[::-1] if m.role == 'user' and ns.last < 0 -%}\n"
	"  {%- set ns.last = messages | length - 1 - loop.index0 -%}\n"
	"{%- endfor -%}\n"
	"{% for m in messages %}\n"
	"    {%- if m.content is string %}{% set text = m.content %}\n"
	"    {%- else %}{% set text = m.content | selectattr('type', 'equalto', 'text')"
	" | map(attribute='text') | join('\\n') %}{% endif %}\n"
	"    {%- if m.role == 'assistant' and '</think>' in text and loop.index0 <= ns.last %}\n"
	"        {%- set text = text.split('</think>')[-1].lstrip('\\n') %}\n"
	"    {%- endif %}\n"
	"<|{{ m['role'] }}|>{{ text | trim }}\n"
	"    {%- for call in m.tool_calls or [] %}\n"
	"[call {{ call.function.name }} {{ call['function']['arguments'] | tojson }}]\n"
	"    {%- endfor %}\n"
	"<|end|>\n"
	"{% endfor %}\n"
	"{% if add_generation_prompt %}<|assistant|>{% endif %}";

/* Tools described by a macro that calls itself, as types in the manner of a programming language.
 */
static const char types[] =
	"{%- macro type_of(schema) -%}\n"
	"  {%- if schema.enum is defined -%}\n"
	"    {%- for e in schema.enum %}{{ ' | ' if not loop.first }}{{ e | tojson }}{% endfor "
	"-%}\n"
	"  {%- elif schema.type == 'object' -%}\n"
	"    { {%- for name, part in schema.properties.items() -%}\n"
	"      {{ name }}{{ '' if name in schema.required else '?' }}: {{ type_of(part) }}\n"
	"      {{- ', ' if not loop.last }}\n"
	"    {%- endfor -%} }\n"
	"  {%- elif schema.type == 'array' -%}\n"
	"    {{ type_of(schema['items']) ~ '[]' }}\n"
	"  {%- else -%}\n"
	"    {{ schema.type | default('any') }}\n"
	"  {%- endif -%}\n"
	"{%- endmacro -%}\n"
	"{{ bos_token }}{% if tools %}{% for t in tools | map(attribute='function') %}\n"
	"// {{ t.description }}\n"
	"{{ t.name }}({{ type_of(t.parameters) }})\n"
	"{% endfor %}{% endif %}{{ messages | length }} messages, {{ strftime_now('%d %B %Y') }}";

/* Alternation is enforced, the system text goes into the first turn of the user. */
static const char strict[] =
	"{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set system = "
	"messages[0]['content']"
	" ~ '\\n\\n' %}{% set rest = messages[1:] %}{% else %}{% set system = '' %}"
	"{% set rest = messages %}{% endif %}{% for m in rest | rejectattr('role', 'in', ['tool'])"
	" %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
	"{{ raise_exception('Roles must alternate, not ' + m.role) }}{% endif %}"
	"{% if m.role == 'user' %}{{ '[INST] ' ~ (system if loop.first else '') ~ (m.content if"
	" m.content is string else m.content[0].text) ~ ' [/INST]' }}{% else %}"
	"{{ ' ' ~ m.content.rsplit('\\n', 1)[1] ~ eos_token }}{% endif %}{% endfor %}";

/* The rarer statements. */
static const char odds[] =
	"{%- macro section(title, level=2) %}\n"
	"{{ '#' * level }} {{ title | title }}\n"
	"{{ caller() | indent(2, true) }}\n"
	"{% endmacro %}\n"
	"{%- call section('the roles') %}{% for r in messages | map(attribute='role') | unique"
	" | sort %}{{ r }}{{ ', ' if not loop.last else '.' }}{% endfor %}{% endcall %}\n"
	"{%- filter replace('o', '0') %}{% raw %}{{ not this one }}{% endraw %}{% endfilter %}\n"
	"{%- set long %}{% for m in messages %}{% if loop.index > 3 %}{% break %}{% endif %}"
	"{% if m.role == 'tool' %}{% continue %}{% endif %}{{ loop.cycle('a', 'b') }}"
	"{{ '%03d' % loop.index }}{% generation %}{{ m.role[:2] }}{% endgeneration %}{% endfor %}"
	"{% endset %}\n"
	"{%- with a = long | length, b = long[::-2] %}{{ a }} {{ b }}{% endwith %}\n"
	"{{- '{}-{x}'.format(1, x=2) }} {{ {'a': [1, 2.5, none]} }}";

const jinja_template jinja_templates[] = {
	{ "turns", turns },
	{ "types", types },
	{ "strict", strict },
	{ "odds", odds },
};

const size_t jinja_template_count = sizeof(jinja_templates) / sizeof(jinja_templates[0]);
