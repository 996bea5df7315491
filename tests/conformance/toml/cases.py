"""TOML 1.0, rule by rule, in the order of the specification.

`valid(name, text, value)`: value is what the text means. `invalid(name, text, at)`: at is the
"line:column" of the error, in bytes. oracle=False marks where tomllib is laxer or stricter.
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone

VALID = []
INVALID = []


@dataclass
class Case:
    name: str
    text: bytes
    value: object = None
    at: str = ""
    message: str = ""
    oracle: bool = True


def as_bytes(text):
    return text if isinstance(text, bytes) else text.encode()


def valid(name, text, value, oracle=True):
    VALID.append(Case(name, as_bytes(text), value=value, oracle=oracle))


def invalid(name, text, at, message="", oracle=True):
    INVALID.append(Case(name, as_bytes(text), at=at, message=message, oracle=oracle))


# Text, comments, lines
valid("empty", "", {})
valid("only-newline", "\n", {})
valid("only-comment", "# nothing", {})
valid("only-blanks", " \t ", {})
valid("comment-after-value", "a = 1 # one\n", {"a": 1})
valid("comment-after-header", "[a] # one\n", {"a": {}})
valid("comment-non-ascii", "# \u00e9\u4e16\U0001f600\na = 1", {"a": 1})
valid("comment-tab", "# a\tb\n", {})
valid("no-final-newline", "a = 1", {"a": 1})
valid("crlf", "a = 1\r\n# c\r\n[t]\r\nb = 2\r\n", {"a": 1, "t": {"b": 2}})
valid("indented", "  a = 1\n\t[t]\n\tb = 2", {"a": 1, "t": {"b": 2}})
valid("byte-order-mark", "\ufeffa = 1", {"a": 1}, oracle=False)
invalid("comment-nul", b"# a\x00b", "1:4", "control character 0x00")
invalid("comment-del", b"# \x7f", "1:3", "0x7f")
invalid("comment-bare-cr", b"# a\rb", "1:4", "carriage return")
invalid("comment-escape-char", b"# \x1b[0m", "1:3")
invalid("bare-cr", b"a = 1\rb = 2", "1:6")
invalid("bare-cr-at-end", b"a = 1\r", "1:6")
invalid("form-feed", b"a = 1\x0c", "1:6")
invalid("nul-at-start", b"\x00", "1:1")
invalid("utf8-lone-continuation", b"a = 'x\x80'", "1:7", "invalid UTF-8")
invalid("utf8-overlong", b"a = '\xc0\xaf'", "1:6", "invalid UTF-8")
invalid("utf8-overlong-3", b"a = '\xe0\x80\xaf'", "1:6")
invalid("utf8-overlong-4", b"a = '\xf0\x80\x80\xaf'", "1:6")
invalid("utf8-surrogate", b"a = '\xed\xa0\x80'", "1:6", "invalid UTF-8")
invalid("utf8-too-large", b"a = '\xf4\x90\x80\x80'", "1:6")
invalid("utf8-f5", b"a = '\xf5\x80\x80\x80'", "1:6")
invalid("utf8-cut", b"a = 'b'\n# \xe4\xb8", "2:3")
invalid("utf8-latin1-comment", b"# caf\xe9\n", "1:6")
invalid("utf16", b"\xff\xfea\x00", "1:1")
invalid("bom-inside", "a = 1\n\ufeffb = 2", "2:1")

# Keys
valid("key-bare", "abc_DEF-123 = 1", {"abc_DEF-123": 1})
valid("key-digits", "1234 = 1", {"1234": 1})
valid("key-dashes", "- = 1\n--- = 2\n_ = 3", {"-": 1, "---": 2, "_": 3})
valid("key-keyword", "true = 1\ninf = 2\nnan = 3", {"true": 1, "inf": 2, "nan": 3})
valid("key-basic", '"a b" = 1', {"a b": 1})
valid("key-literal", "'a \"b\\' = 1", {'a "b\\': 1})
valid("key-empty-basic", '"" = 1', {"": 1})
valid("key-empty-literal", "'' = 1", {"": 1})
valid("key-escape", '"\\u00e9\\n" = 1', {"\u00e9\n": 1})
valid("key-non-ascii", '"\u00e9" = 1', {"\u00e9": 1})
valid("key-nul", '"a\\u0000b" = 1\n"a" = 2', {"a\0b": 1, "a": 2})
valid("key-dotted", "a.b.c = 1\na.b.d = 2\na.e = 3", {"a": {"b": {"c": 1, "d": 2}, "e": 3}})
valid("key-dotted-quoted", 'a."b.c".\'d\' = 1', {"a": {"b.c": {"d": 1}}})
valid("key-dotted-blanks", "a . b\t.\tc = 1", {"a": {"b": {"c": 1}}})
valid("key-dotted-float", "3.14 = 1", {"3": {"14": 1}})
valid("key-dotted-mixed-order", "a.x = 1\nb.x = 2\na.y = 3", {"a": {"x": 1, "y": 3}, "b": {"x": 2}})
valid("key-no-blanks", "a=1", {"a": 1})
invalid("key-empty", "= 1", "1:1", "expected a key")
invalid("key-no-value", "a = ", "1:5", "expected a value")
invalid("key-no-value-line", "a =\nb = 1", "1:4", "end of the line")
invalid("key-alone", "a", "1:2", "expected =")
invalid("key-alone-line", "a\n= 1", "1:2")
invalid("key-space", "a b = 1", "1:3", "expected =")
invalid("key-two-on-line", "a = 1 b = 2", "1:7", "expected a new line")
invalid("key-multi-line-basic", '"""a""" = 1', "1:1", "multi-line")
invalid("key-multi-line-literal", "'''a''' = 1", "1:1")
invalid("key-newline-in-quotes", '"a\nb" = 1', "1:1")
invalid("key-non-ascii-bare", "\u00e9 = 1", "1:1", "not ASCII")
invalid("key-symbol", "a! = 1", "1:2")
invalid("key-twice", "a = 1\na = 2", "2:1", "already defined at line 1")
invalid("key-twice-quoted", "a = 1\n'a' = 2", "2:1")
invalid("key-dot-end", "a. = 1", "1:4", "expected a key")
invalid("key-dot-start", ".a = 1", "1:1")
invalid("key-dot-dot", "a..b = 1", "1:3")
invalid("key-value-as-table", "a = 1\na.b = 2", "2:1", "already defined")
invalid("key-table-as-value", "a.b = 1\na = 2", "2:1")
invalid("key-hash", "a # = 1", "1:3")
invalid("key-open-quote", '"a = 1', "1:1", "without a closing")

# Strings
valid("basic", 'a = "text"', {"a": "text"})
valid("basic-empty", 'a = ""', {"a": ""})
valid("basic-escapes", r'a = "\b\t\n\f\r\"\\"', {"a": '\b\t\n\f\r"\\'})
valid("basic-u", r'a = "\u00E9\u4e16"', {"a": "\u00e9\u4e16"})
valid("basic-U", r'a = "\U0001F600\U0010FFFF"', {"a": "\U0001f600\U0010ffff"})
valid("basic-u0000", r'a = "x\u0000y"', {"a": "x\0y"})
valid("basic-u-two-bytes", r'a = "\u0080\u07FF\u0800\uFFFF"', {"a": "\x80\u07ff\u0800\uffff"})
valid("basic-u-edges", r'a = "\uD7FF\uE000"', {"a": "\ud7ff\ue000"})
valid("basic-tab", 'a = "x\ty"', {"a": "x\ty"})
valid("basic-hash", 'a = "x # y"', {"a": "x # y"})
valid("basic-single-quotes", "a = \"it's\"", {"a": "it's"})
valid("basic-then-hash", 'a = "\\\\" # "', {"a": "\\"})
valid("multi", 'a = """x\ny"""', {"a": "x\ny"})
valid("multi-empty", 'a = """"""', {"a": ""})
valid("multi-first-newline", 'a = """\nx\n"""', {"a": "x\n"})
valid("multi-second-newline", 'a = """\n\nx"""', {"a": "\nx"})
valid("multi-crlf", 'a = """\r\nx\r\ny"""', {"a": "x\ny"})
valid("multi-continuation", 'a = """x \\\n\n   y"""', {"a": "x y"})
valid("multi-continuation-blank", 'a = """x \\  \n   y"""', {"a": "x y"})
valid("multi-continuation-crlf", 'a = """x\\\r\n  \r\n y"""', {"a": "xy"})
valid("multi-continuation-end", 'a = """x\\\n"""', {"a": "x"})
valid("multi-escaped-backslash", 'a = """x\\\\\ny"""', {"a": "x\\\ny"})
valid("multi-quotes", 'a = """a"b""c"""', {"a": 'a"b""c'})
valid("multi-quotes-4", 'a = """x""""', {"a": 'x"'})
valid("multi-quotes-5", 'a = """x"""""', {"a": 'x""'})
valid("multi-quotes-start", 'a = """"x"""', {"a": '"x'})
valid("multi-only-quotes", 'a = """"""""', {"a": '""'})
valid("multi-escaped-quotes", 'a = """x\\"\\"\\"y"""', {"a": 'x"""y'})
valid("multi-unicode", 'a = """\\u00e9\n\\U0001F600"""', {"a": "\u00e9\n\U0001f600"})
valid("literal", "a = 'C:\\path\\n'", {"a": "C:\\path\\n"})
valid("literal-empty", "a = ''", {"a": ""})
valid("literal-quotes", "a = 'say \"x\"'", {"a": 'say "x"'})
valid("literal-tab", "a = 'x\ty'", {"a": "x\ty"})
valid("multi-literal", "a = '''x\ny\\'''", {"a": "x\ny\\"})
valid("multi-literal-first-newline", "a = '''\nx'''", {"a": "x"})
valid("multi-literal-quotes", "a = '''it''s'''", {"a": "it''s"})
valid("multi-literal-5", "a = '''x'''''", {"a": "x''"})
valid("multi-literal-backslash-eol", "a = '''x\\\ny'''", {"a": "x\\\ny"})
valid("multi-literal-crlf", "a = '''\r\nx\r\n'''", {"a": "x\n"})
invalid("basic-newline", 'a = "x\ny"', "1:5", "without a closing")
invalid("basic-open", 'a = "x', "1:5")
invalid("basic-open-escaped", 'a = "x\\"', "1:5")
invalid("basic-open-crlf", 'a = "x\r\n', "1:5")
invalid("basic-bad-escape", r'a = "\q"', "1:6", r"invalid escape \q")
invalid("basic-escape-x", r'a = "\x41"', "1:6")
invalid("basic-escape-e", r'a = "\e"', "1:6")
invalid("basic-escape-slash", r'a = "\/"', "1:6")
invalid("basic-escape-single", r'''a = "\'"''', "1:6")
invalid("basic-escape-octal", r'a = "\0"', "1:6")
invalid("basic-escape-space", r'a = "x\ y"', "1:7")
invalid("basic-escape-non-ascii", 'a = "\\\u00e9"', "1:6")
invalid("basic-escape-end", 'a = "\\', "1:6")
invalid("basic-escape-newline", 'a = "x\\\ny"', "1:7")
invalid("basic-u-short", r'a = "\u00e"', "1:6", "4 hex digits")
invalid("basic-U-short", r'a = "\U0000e"', "1:6", "8 hex digits")
invalid("basic-u-surrogate", r'a = "\uD800"', "1:6", "U+D800")
invalid("basic-u-low-surrogate", r'a = "\uDFFF"', "1:6")
invalid("basic-U-too-large", r'a = "\U00110000"', "1:6")
invalid("basic-u-sign", r'a = "\u+123"', "1:6")
invalid("basic-control", b'a = "x\x01"', "1:7")
invalid("basic-del", b'a = "x\x7f"', "1:7")
invalid("multi-open", 'a = """x\n"', "1:5", "without closing")
invalid("multi-quotes-6", 'a = """x""""""', "1:9")
invalid("multi-bad-escape", 'a = """\n\\q"""', "2:1")
invalid("multi-continuation-text", 'a = """x \\ y"""', "1:10")
invalid("multi-bare-cr", b'a = """x\ry"""', "1:9")
invalid("multi-control", b'a = """\x02"""', "1:8")
invalid("literal-newline", "a = 'x\ny'", "1:5")
invalid("literal-open", "a = 'x", "1:5")
invalid("literal-control", b"a = '\x1f'", "1:6")
invalid("literal-quote-inside", "a = 'it's'", "1:9")
invalid("multi-literal-open", "a = '''x''", "1:5")
invalid("multi-literal-control", b"a = '''\x00'''", "1:8")
invalid("bare-text", "a = hello", "1:5", "strings need quotes")
invalid("bare-text-after", 'a = "x" y', "1:9", "expected a new line")

# Integers
valid("integers", "a = 0\nb = +1\nc = -17\nd = 42", {"a": 0, "b": 1, "c": -17, "d": 42})
valid("integer-zeros", "a = +0\nb = -0", {"a": 0, "b": 0})
valid("integer-underscores", "a = 1_000\nb = 5_349_221\nc = 1_2_3", {"a": 1000, "b": 5349221, "c": 123})
valid("integer-max", "a = 9223372036854775807", {"a": 2**63 - 1})
valid("integer-min", "a = -9223372036854775808", {"a": -(2**63)})
valid("hex", "a = 0xDEADBEEF\nb = 0xdead_beef\nc = 0x00f", {"a": 0xDEADBEEF, "b": 0xDEADBEEF, "c": 15})
valid("octal", "a = 0o755\nb = 0o0_7", {"a": 0o755, "b": 7})
valid("binary", "a = 0b1101_0110\nb = 0b0", {"a": 0b11010110, "b": 0})
valid("hex-max", "a = 0x7fffffffffffffff", {"a": 2**63 - 1})
for at, text in enumerate([
    "01", "-01", "+01", "00", "0_1", "1__0", "_1", "1_", "+", "-", "++1", "--1", "+-1", "1+", "0x", "0X1", "0O7",
    "0B1", "0xg", "0o8", "0b2", "+0x1", "-0x1", "-0o7", "+0b1", "0x_1", "0x1_", "0x1__2", "0b_1", "0o1_", "1a", "0.x",
    "1 2", "1,", "0x1.5", "Infinity", "1_000_", "True", "FALSE", "truee", "t", "null",
]):
    where = {"1 2": "1:7", "1,": "1:6"}.get(text, "1:5")
    invalid(f"number-{at}-{text}", f"a = {text}", where)
invalid("integer-too-large", "a = 9223372036854775808", "1:5", "64 bits", oracle=False)
invalid("integer-too-small", "a = -9223372036854775809", "1:5", oracle=False)
invalid("hex-too-large", "a = 0x8000000000000000", "1:5", oracle=False)
invalid("integer-zero-first", "port = 08080", "1:8", "cannot begin with 0")

# Floats, booleans
valid("floats", "a = 1.0\nb = 3.1415\nc = -0.01", {"a": 1.0, "b": 3.1415, "c": -0.01})
valid("float-exponents", "a = 5e+22\nb = 1E06\nc = -2e-2\nd = 1e1", {"a": 5e22, "b": 1e6, "c": -0.02, "d": 10.0})
valid("float-both", "a = 6.626e-34\nb = 0.1E+1", {"a": 6.626e-34, "b": 1.0})
valid("float-underscores", "a = 224_617.445_991_228\nb = 1e1_0", {"a": 224617.445991228, "b": 1e10})
valid("float-zeros", "a = 0.0\nb = +0.0\nc = -0.0\nd = 0e0", {"a": 0.0, "b": 0.0, "c": -0.0, "d": 0.0})
valid("float-exponent-zeros", "a = 1e00\nb = 2e-007", {"a": 1.0, "b": 2e-7})
valid("float-inf", "a = inf\nb = +inf\nc = -inf", {"a": float("inf"), "b": float("inf"), "c": float("-inf")})
valid("float-nan", "a = nan\nb = +nan", {"a": float("nan"), "b": float("nan")})
valid("float-overflow", "a = 1e999", {"a": float("inf")})
valid("float-precise", "a = 0.1\nb = 1.7976931348623157e308\nc = 5e-324", {"a": 0.1, "b": 1.7976931348623157e308, "c": 5e-324})
valid("booleans", "a = true\nb = false", {"a": True, "b": False})
for at, text in enumerate([
    "1.", ".1", "+.1", "1.e1", "1._1", "1_.1", "1.1_", "1__0.5", "1e", "1e+", "1e_1", "1e1_", "1.0e", "01.5", "1.2.3",
    "Inf", "NaN", "INF", "+Inf", "infinity", "in", "1e1.5", "-.5", "--1.5", "1.5f", "00.5", "1ee5", "1e--5", "_1.5",
]):
    invalid(f"float-{at}-{text}", f"a = {text}", "1:5")

# Dates and times
valid("datetime-z", "a = 1979-05-27T07:32:00Z", {"a": datetime(1979, 5, 27, 7, 32, tzinfo=timezone.utc)})
valid("datetime-offset", "a = 1979-05-27T00:32:00-07:00", {"a": datetime(1979, 5, 27, 0, 32, tzinfo=timezone(timedelta(hours=-7)))})
valid("datetime-offset-east", "a = 1979-05-27T00:32:00+05:30", {"a": datetime(1979, 5, 27, 0, 32, tzinfo=timezone(timedelta(hours=5, minutes=30)))})
valid("datetime-fraction", "a = 1979-05-27T00:32:00.999999Z", {"a": datetime(1979, 5, 27, 0, 32, 0, 999999, timezone.utc)})
valid("datetime-space", "a = 1979-05-27 07:32:00Z", {"a": datetime(1979, 5, 27, 7, 32, tzinfo=timezone.utc)})
valid("datetime-lower", "a = 1979-05-27t07:32:00z", {"a": datetime(1979, 5, 27, 7, 32, tzinfo=timezone.utc)})
valid("datetime-local", "a = 1979-05-27T07:32:00", {"a": datetime(1979, 5, 27, 7, 32)})
valid("datetime-local-fraction", "a = 1979-05-27 07:32:00.5", {"a": datetime(1979, 5, 27, 7, 32, 0, 500000)})
valid("datetime-long-fraction", "a = 1979-05-27T00:32:00.1234567891234", {"a": datetime(1979, 5, 27, 0, 32, 0, 123456)})
valid("date", "a = 1979-05-27", {"a": date(1979, 5, 27)})
valid("date-comment", "a = 1979-05-27 # May", {"a": date(1979, 5, 27)})
valid("date-blank-end", "a = 1979-05-27 ", {"a": date(1979, 5, 27)})
valid("date-array", "a = [1979-05-27 , 07:32:00]", {"a": [date(1979, 5, 27), time(7, 32)]})
valid("date-leap", "a = 2000-02-29\nb = 2024-02-29", {"a": date(2000, 2, 29), "b": date(2024, 2, 29)})
valid("time", "a = 07:32:00\nb = 00:32:00.999999\nc = 23:59:59", {"a": time(7, 32), "b": time(0, 32, 0, 999999), "c": time(23, 59, 59)})
for at, text in enumerate([
    "1979-13-01", "1979-00-01", "1979-01-00", "1979-01-32", "1979-02-29", "1900-02-29", "1979-04-31", "1979-1-01",
    "1979-01-1", "79-01-01", "19790-01-01", "1979-05-27T", "1979-05-27T07", "1979-05-27T07:32", "1979-05-27T24:00:00",
    "1979-05-27T07:60:00", "1979-05-27T07:32:61", "1979-05-27T07:32:00.", "1979-05-27T07:32:00.Z", "1979-05-27T07:32:00+",
    "1979-05-27T07:32:00+07", "1979-05-27T07:32:00+07:0", "1979-05-27T07:32:00+24:00", "1979-05-27T07:32:00+07:60",
    "1979-05-27X07:32:00", "1979-05-27T7:32:00", "7:32:00", "07:32", "24:00:00", "07:60:00", "07:32:00Z", "07:32:00.",
    "07:32:00+01:00", "1979-05-27Z", "1979-05-27 07:32", "1979-05", "1979-05-27T07:32:00ZZ", "07:3:00", "12:00:00:00",
]):
    invalid(f"date-{at}-{text}", f"a = {text}", "1:5")
invalid("date-two-spaces", "a = 1979-05-27  07:32:00", "1:17")

# Arrays
valid("array", "a = [1, 2, 3]", {"a": [1, 2, 3]})
valid("array-empty", "a = []\nb = [ ]\nc = [\n]", {"a": [], "b": [], "c": []})
valid("array-nested", 'a = [[1, 2], ["x", []]]', {"a": [[1, 2], ["x", []]]})
valid("array-mixed", 'a = [1, 2.0, "x", true, {b = 1}]', {"a": [1, 2.0, "x", True, {"b": 1}]})
valid("array-trailing-comma", "a = [1, 2,]", {"a": [1, 2]})
valid("array-lines", "a = [\n  1, # one\n\n  # two\n  2\n  ,\n]", {"a": [1, 2]})
valid("array-crlf", "a = [\r\n1,\r\n2\r\n]", {"a": [1, 2]})
valid("array-no-blanks", "a=[1,2]", {"a": [1, 2]})
valid("array-string-bracket", 'a = ["]", "#"]', {"a": ["]", "#"]})
valid("array-tables", "a = [{x = 1}, {y = 2}]", {"a": [{"x": 1}, {"y": 2}]})
valid("array-deep", "a = " + "[" * 60 + "]" * 60, {"a": eval("[" * 60 + "]" * 60)})
invalid("array-open", "a = [1, 2", "1:10", "end of the file")
invalid("array-open-line", "a = [1,\n", "2:1")
invalid("array-no-comma", "a = [1 2]", "1:8", ", or ]")
invalid("array-comma-first", "a = [,1]", "1:6")
invalid("array-two-commas", "a = [1,,2]", "1:8")
invalid("array-only-comma", "a = [,]", "1:6")
invalid("array-close-twice", "a = [1]]", "1:8")
invalid("array-wrong-close", "a = [1}", "1:7")
invalid("array-key", "a = [b = 1]", "1:6")
invalid("array-text-after", "a = [1] 2", "1:9")
invalid("array-too-deep", "a = " + "[" * 100 + "]" * 100, "1:69", "64 levels", oracle=False)
invalid("array-extend", "a = [1]\na.b = 2", "2:1")
invalid("array-comment-open", "a = [1 # ]", "1:11")

# Tables
valid("table", "[a]\nb = 1", {"a": {"b": 1}})
valid("table-empty", "[a]", {"a": {}})
valid("table-dotted", "[a.b.c]\nx = 1", {"a": {"b": {"c": {"x": 1}}}})
valid("table-quoted", '[a."b.c"]\nx = 1\n[\'d e\']', {"a": {"b.c": {"x": 1}}, "d e": {}})
valid("table-blanks", "[ a . b ]\nx = 1", {"a": {"b": {"x": 1}}})
valid("table-empty-name", '[""]\na = 1', {"": {"a": 1}})
valid("table-super-later", "[a.b]\nx = 1\n[a]\ny = 2", {"a": {"b": {"x": 1}, "y": 2}})
valid("table-out-of-order", "[a.x]\n[b]\n[a.y]", {"a": {"x": {}, "y": {}}, "b": {}})
valid("table-root-first", "x = 1\n[a]\nx = 2", {"x": 1, "a": {"x": 2}})
valid("table-dotted-inside", "[a]\nb.c = 1\nb.d = 2", {"a": {"b": {"c": 1, "d": 2}}})
valid("table-sub-of-dotted", "[a]\nb.c = 1\n[a.b.d]\nx = 2", {"a": {"b": {"c": 1, "d": {"x": 2}}}})
valid("table-number-name", "[1.2]\na = 1", {"1": {"2": {"a": 1}}})
valid("table-true-name", "[true]", {"true": {}})
valid("table-deep", "[" + ".".join("a" * 60) + "]", eval('{"a":' * 60 + "{}" + "}" * 60))
invalid("table-twice", "[a]\n[a]", "2:2", "already defined at line 1")
invalid("table-twice-apart", "[a]\nx = 1\n[b]\n[a]\ny = 2", "4:2")
invalid("table-twice-quoted", "[a]\n['a']", "2:2")
invalid("table-super-twice", "[a.b]\n[a]\n[a]", "3:2")
invalid("table-over-value", "a = 1\n[a]", "2:2")
invalid("table-through-value", "a = 1\n[a.b]", "2:2")
invalid("table-over-table-key", "[a]\nb = 1\n[a.b]", "3:4")
invalid("table-key-over-table", "[a.b]\n[a]\nb = 1", "3:1")
invalid("table-over-dotted", "a.b = 1\n[a]", "2:2")
invalid("table-over-dotted-inside", "[a]\nb.c = 1\n[a.b]", "3:4")
invalid("table-over-dotted-deep", "[a]\nb.c.d = 1\n[a.b.c]", "3:6")
invalid("dotted-into-table", "[a.b.c]\nz = 9\n[a]\nb.c.t = 1", "4:3")
invalid("dotted-into-table-deep", "[a.b.c.d]\nz = 9\n[a]\nb.c.d.k.t = 1", "4:5")
invalid("dotted-into-other-section", "[t]\na.b = 1\n[t.a.c]\n[u]\n[t.a]", "5:4")
valid("dotted-into-implicit", "[a.b.c]\nz = 9\n[a]\nb.t = 1", {"a": {"b": {"c": {"z": 9}, "t": 1}}})
invalid("dotted-into-implicit-then-header", "[a.b.c]\n[a]\nb.t = 1\n[a.b]", "4:4")
invalid("dotted-past-section", "[z.a]\nb.x = 1\n[z]\na.b.y = 2", "4:1")
invalid("dotted-past-tables", "[[z.a]]\nb.x = 1\n[z]\na.b.y = 2", "4:1")
invalid("table-empty-header", "[]", "1:2", "expected a key")
invalid("table-blank-header", "[ ]", "1:3")
invalid("table-open", "[a", "1:3", "expected ]")
invalid("table-open-line", "[a\nb]", "1:3")
invalid("table-dot-end", "[a.]", "1:4")
invalid("table-dot-start", "[.a]", "1:2")
invalid("table-dot-dot", "[a..b]", "1:4")
invalid("table-text-after", "[a] b = 1", "1:5")
invalid("table-equals-after", "[a] = 1", "1:5")
invalid("table-two-names", "[a b]", "1:4")
invalid("table-nested-bracket", "[a[b]]", "1:3")
invalid("table-close-twice", "[a]]", "1:4")
invalid("table-comma", "[a,b]", "1:3")
invalid("table-too-deep", "[" + ".".join("a" * 100) + "]", "1:131", "64 levels", oracle=False)

# Inline tables
valid("inline", 'a = {x = 1, y = "z"}', {"a": {"x": 1, "y": "z"}})
valid("inline-empty", "a = {}\nb = { }", {"a": {}, "b": {}})
valid("inline-nested", "a = {b = {c = {d = 1}}}", {"a": {"b": {"c": {"d": 1}}}})
valid("inline-dotted", "a = {b.c = 1, b.d = 2}", {"a": {"b": {"c": 1, "d": 2}}})
valid("inline-array-lines", "a = {b = [\n1,\n2\n]}", {"a": {"b": [1, 2]}})
valid("inline-multi-line-string", 'a = {b = """x\ny"""}', {"a": {"b": "x\ny"}})
valid("inline-blanks", "a = {\tx = 1 ,y=2 }", {"a": {"x": 1, "y": 2}})
valid("inline-under-dotted", "a.b = {c = 1}\na.d = 2", {"a": {"b": {"c": 1}, "d": 2}})
valid("inline-quoted-key", "a = {'x y' = 1, \"z\" = 2}", {"a": {"x y": 1, "z": 2}})
invalid("inline-newline", "a = {x = 1,\ny = 2}", "1:12", "end of the line")
invalid("inline-newline-first", "a = {\nx = 1}", "1:6")
invalid("inline-newline-last", "a = {x = 1\n}", "1:11", "inline table")
invalid("inline-trailing-comma", "a = {x = 1,}", "1:12")
invalid("inline-comma-first", "a = {,x = 1}", "1:6")
invalid("inline-two-commas", "a = {x = 1,,y = 2}", "1:12")
invalid("inline-no-comma", "a = {x = 1 y = 2}", "1:12")
invalid("inline-open", "a = {x = 1", "1:11")
invalid("inline-twice", "a = {x = 1, x = 2}", "1:13")
invalid("inline-comment", "a = {x = 1 # c\n}", "1:12")
invalid("inline-value", "a = {1}", "1:7")
invalid("inline-extend-header", "a = {x = 1}\n[a]", "2:2")
invalid("inline-extend-sub", "a = {x = 1}\n[a.b]", "2:2")
invalid("inline-extend-dotted", "a = {x = 1}\na.y = 2", "2:1")
invalid("inline-extend-nested", "a = {b = {x = 1}}\n[a.b.c]", "2:2")
invalid("inline-dotted-overwrite", "a = {b = 1, b.c = 2}", "1:13")
invalid("inline-dotted-into-inline", "a = {b = {x = 1}, b.c = 2}", "1:19")
invalid("inline-dotted-then-value", "a = {b.c = 1, b = 2}", "1:15")
invalid("inline-in-section", "[t]\na = {x = 1}\n[t.a]", "3:4")
invalid("inline-array-extend", "a = {b = [{x = 1}]}\n[[a.b]]", "2:3")
invalid("inline-too-deep", "a = " + "{a = " * 80 + "1" + "}" * 80, "1:322", "64 levels", oracle=False)

# Arrays of tables
valid("tables", "[[a]]\nx = 1\n[[a]]\nx = 2", {"a": [{"x": 1}, {"x": 2}]})
valid("tables-empty", "[[a]]\n[[a]]", {"a": [{}, {}]})
valid("tables-sub", "[[a]]\n[a.b]\nx = 1\n[[a]]\n[a.b]\nx = 2", {"a": [{"b": {"x": 1}}, {"b": {"x": 2}}]})
valid("tables-nested", "[[a]]\n[[a.b]]\nx = 1\n[[a.b]]\nx = 2\n[[a]]\n[[a.b]]\nx = 3", {"a": [{"b": [{"x": 1}, {"x": 2}]}, {"b": [{"x": 3}]}]})
valid("tables-dotted-name", "[[a.b]]\nx = 1\n[[a.b]]", {"a": {"b": [{"x": 1}, {}]}})
valid("tables-apart", "[[a]]\n[b]\n[[a]]", {"a": [{}, {}], "b": {}})
valid("tables-super-later", "[[a.b]]\n[a]\nx = 1", {"a": {"b": [{}], "x": 1}})
valid("tables-dotted-keys", "[[a]]\nb.c = 1\nb.d = 2\n[[a]]\nb.c = 3", {"a": [{"b": {"c": 1, "d": 2}}, {"b": {"c": 3}}]})
valid("tables-blanks", "[[ a . b ]]\nx = 1", {"a": {"b": [{"x": 1}]}})
invalid("tables-over-table", "[a]\n[[a]]", "2:3")
invalid("tables-over-implicit", "[a.b]\n[[a]]", "2:3")
invalid("tables-over-value", "a = 1\n[[a]]", "2:3")
invalid("tables-over-array", "a = []\n[[a]]", "2:3")
invalid("tables-over-array-of-inline", "a = [{x = 1}]\n[[a]]", "2:3")
invalid("tables-over-dotted", "a.b = 1\n[[a]]", "2:3")
invalid("table-over-tables", "[[a]]\n[a]", "2:2")
invalid("table-sub-twice", "[[a]]\n[a.b]\n[a.b]", "3:4")
invalid("tables-sub-over-table", "[[a]]\n[a.b]\n[[a.b]]", "3:5")
invalid("table-sub-over-tables", "[[a]]\n[[a.b]]\n[a.b]", "3:4")
invalid("table-through-array", "a = [{x = 1}]\n[a.b]", "2:2")
invalid("tables-later", "[a.b]\n[[a.b]]", "2:5")
invalid("dotted-into-tables", "[[t.a]]\n[t]\na.x = 1", "3:1")
invalid("tables-empty-name", "[[]]", "1:3")
invalid("tables-one-close", "[[a]", "1:4", "expected ]]")
invalid("tables-split-close", "[[a] ]", "1:4")
invalid("tables-split-open", "[ [a]]", "1:3")
invalid("tables-open", "[[a", "1:4")

# As a whole
valid(
    "whole",
    """# a file as people write them
title = "x"

[owner]
name = "T"
born = 1979-05-27T07:32:00-08:00

[servers]
  [servers.alpha]
  ip = "10.0.0.1"
  [servers.beta]
  ip = "10.0.0.2"

[clients]
data = [ ["gamma", "delta"], [1, 2] ]
""",
    {
        "title": "x",
        "owner": {"name": "T", "born": datetime(1979, 5, 27, 7, 32, tzinfo=timezone(timedelta(hours=-8)))},
        "servers": {"alpha": {"ip": "10.0.0.1"}, "beta": {"ip": "10.0.0.2"}},
        "clients": {"data": [["gamma", "delta"], [1, 2]]},
    },
)
valid("many-keys", "".join(f"k{i} = {i}\n" for i in range(5000)), {f"k{i}": i for i in range(5000)})
invalid("many-keys-twice", "".join(f"k{i} = {i}\n" for i in range(5000)) + "k77 = 0", "5001:1", "line 78")
invalid("too-large", b"#" + b" " * (1 << 20), "1:1", "1 MiB", oracle=False)
invalid("too-many-values", "a = [" + "1," * 100001 + "]", "1:200004", "more than 100000 values", oracle=False)
