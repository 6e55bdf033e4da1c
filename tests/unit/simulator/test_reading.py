"""Reading pages."""

from web.simulator.reading import Form, PageReader

PAGE = """<!doctype html><html><head><meta name="csrf-token" content="abc"></head><body>
<h1>请您来 <em>视频</em>接访</h1>
<p role="alert" hidden>看不见的话</p>
<form method="post" action="/search"><button name="go" value="1">找</button></form>
<form method="post"><input type="hidden" name="csrf" value="abc"><input name="id_tail" maxlength="8">
<input type="checkbox" name="keep"><button>进入</button>
<p class="field__problem" role="alert"><svg></svg><span>后四位不对，<b>还可以</b>试 3 次。</span></p></form>
<div class="notice" role="status"><div><p>第一句。</p><div><p>第二句。</p></div></div></div>
<script type="application/json" id="page">{"session_id": "s1 \\u003c"}</script>
<script src="/x.js"></script></body>"""


def test_the_token_the_forms_and_the_data_are_found() -> None:
    page = PageReader.read(PAGE)
    assert page.csrf_token == "abc"
    assert page.forms == [
        Form("/search", buttons={"go": "1"}),
        Form("", hidden={"csrf": "abc"}, typed=["id_tail"]),
    ]
    assert page.data == {"page": '{"session_id": "s1 \\u003c"}'}


def test_headings_and_notices_are_heard_and_hidden_ones_are_not() -> None:
    assert PageReader.read(PAGE).sentences == [
        "请您来 视频接访",
        "后四位不对，还可以试 3 次。",
        "第一句。第二句。",
    ]


def test_a_broken_page_is_read_as_far_as_it_goes() -> None:
    page = PageReader.read('<h1>没有<form><input name="a"><div role="alert"><p>坏了')
    assert page.forms == [Form("", typed=["a"])]
