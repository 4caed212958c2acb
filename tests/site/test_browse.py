"""The script that opens the site in a browser notices each fault that it is for; links need no browser."""

import http.server
import importlib.util
import shutil
import threading

import browse
import pytest

IS_THERE = all(shutil.which(name) for name in ("chromium", "chromedriver")) and importlib.util.find_spec("selenium")
with_browser = pytest.mark.skipif(not IS_THERE, reason="needs chromium, chromium-driver and selenium: make browse")
PAGE = """<!doctype html><html><head><meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">
</head><body><article style="width: 300px">{}</article></body></html>"""
# What each fault is reported as, and a page that has it.
FAULTS = {
    "formula not rendered": '<div class="math">\\[x\\]</div>',
    "markup left in the text": "<p>the sum $$ \\frac{1}{2} $$</p>",
    "markup left": "<p>see {statement}`8`</p>",
    "missing picture": '<img src="nowhere.png" alt="">',
    "pixels wide on a window": '<p style="width: 3000px">wide</p>',
    "pre runs over its box": '<pre style="width: 200px; overflow: visible">' + "x" * 80 + "</pre>",
    "console": "<script>throw new Error('fault')</script>",
    "a request leaves the site": '<img src="http://192.0.2.1/picture.png" alt="">',
}


def test_links_that_lead_nowhere_are_found(tmp_path):
    (tmp_path / "index.html").write_text('<a href="there.html#place">a</a> <a href="https://example.org">b</a>')
    (tmp_path / "there.html").write_text('<p id="place">c <a href="gone.html">d</a> <a href="#missing">e</a></p>')
    found = list(browse.broken_links(tmp_path))
    assert len(found) == 2
    assert "there.html: link to gone.html, which does not exist" in found
    assert "there.html: link to #missing, a place that does not exist" in found


def test_without_a_site_there_is_one_clear_line(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["browse.py", str(tmp_path)])
    with pytest.raises(SystemExit, match="holds no site; run: make docs"):
        browse.main()


@pytest.fixture(scope="module")
def chromium():
    found = browse.browser()
    yield found
    found.quit()


@pytest.fixture
def address(tmp_path):
    import functools

    handler = functools.partial(browse.Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@with_browser
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_reported(fault, chromium, address, tmp_path):
    (tmp_path / "page.html").write_text(PAGE.format(FAULTS[fault]))
    found = browse.look(chromium, f"{address}/page.html", browse.VIEWS[0])
    assert any(fault in each for each in found), found


@with_browser
def test_a_page_without_faults_has_none(chromium, address, tmp_path):
    (tmp_path / "page.html").write_text(PAGE.format("<p>text and <code>a $$ b</code></p><pre>code</pre>"))
    assert [each for view in browse.VIEWS for each in browse.look(chromium, f"{address}/page.html", view)] == []
