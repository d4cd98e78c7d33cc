"""The page of `--format html` in a real browser: what a reader can do, and what never happens."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from lsbcheck.report import Setting
from lsbcheck.report.html import page as page_of
from lsbcheck.report.json import document
from lsbcheck.report.shape import Document
from lsbcheck.rules import RULES
from tests.browser.fleet import KINDS, fleet
from tests.browser.reader import AXE, PHONE, Reader, violations

START_FAILURE = "start-failure-reported"
expect.set_options(timeout=30_000)


@pytest.fixture(scope="module")
def every_kind(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A page of one script of each kind."""
    return written(tmp_path_factory.mktemp("page"), fleet(len(KINDS)))


def written(folder: Path, shown: Document) -> str:
    file = folder / "report.html"
    file.write_text(page_of(shown), "ascii")
    return file.as_uri()


@pytest.fixture
def reader(browser: Browser, every_kind: str) -> Iterator[Reader]:
    """Has the page open; at the end nothing was complained of, and nothing but it was asked for."""
    one = Reader(browser)
    one.opens(every_kind)
    yield one
    one.context.close()
    assert one.complaints == []
    assert {address.partition("#")[0] for address in one.requests} == {every_kind}


@pytest.fixture
def page(reader: Reader) -> Page:
    return reader.page


def shown_rows(page: Page) -> list[str]:
    return page.locator("#matrix tbody tr:visible th").all_inner_texts()


def cell(page: Page, script: str, rule: str) -> Locator:
    place = [one.id for one in RULES].index(rule) + 2
    row = page.locator("#matrix tbody tr", has=page.get_by_role("button", name=script, exact=True))
    return row.locator("td").nth(place - 1).locator("button")


def broken_start(page: Page) -> Locator:
    """A cell of a script that says 0 to a start that failed."""
    place = [one.id for one in RULES].index(START_FAILURE) + 2
    return page.locator(f"#matrix tbody td:nth-child({place + 1}) button.f").first


class TestTheMatrix:
    def test_has_every_script_and_rule(self, page: Page) -> None:
        assert len(shown_rows(page)) == len(KINDS)
        expect(page.get_by_role("status")).to_have_text(
            f"{len(KINDS)} of {len(KINDS)} scripts shown"
        )
        for rule in RULES:
            button = page.locator(f"#matrix .keys button[data-rule={rule.id}]")
            expect(button).to_have_accessible_name(re.compile(re.escape(rule.title)))

    def test_names_each_cell_by_a_word_and_not_by_its_colour(self, page: Page) -> None:
        expect(broken_start(page)).to_have_accessible_name("broken, and it decides the verdict")
        expect(page.locator("#matrix tbody button.p").first).to_have_accessible_name("holds")
        verdict = page.locator("#matrix tbody tr[data-code='1'] td").first.get_by_role("img")
        expect(verdict).to_have_accessible_name("not safe to hand to Pacemaker")

    def test_filters_by_what_a_script_comes_to(self, page: Page) -> None:
        broken = page.locator("#matrix tbody tr[data-code='1']").count()
        chip = page.locator(".chips [data-code='1']")
        chip.click()
        expect(chip).to_have_attribute("aria-pressed", "true")
        assert len(shown_rows(page)) == broken
        page.locator(".chips [data-code='3']").click()
        both = page.locator("#matrix tbody tr:not([data-code='0'])").count()
        assert len(shown_rows(page)) == both > broken
        page.get_by_role("button", name="Clear").click()
        assert len(shown_rows(page)) == len(KINDS)
        expect(chip).to_have_attribute("aria-pressed", "false")

    def test_filters_by_a_rule_from_the_list_and_from_its_column(self, page: Page) -> None:
        page.get_by_label("Rule that does not hold").select_option(START_FAILURE)
        by_list = shown_rows(page)
        place = [one.id for one in RULES].index(START_FAILURE) + 3
        cells = page.locator(f"#matrix tbody tr:visible td:nth-child({place})")
        assert 0 < len(by_list) < len(KINDS)
        assert "✓" not in cells.all_inner_texts()
        key = page.locator(f"#matrix .keys button[data-rule={START_FAILURE}]")
        expect(key).to_have_attribute("aria-pressed", "true")
        key.click()
        assert len(shown_rows(page)) == len(KINDS)
        key.click()
        assert shown_rows(page) == by_list

    def test_is_searched_by_name_and_by_what_was_said(self, page: Page) -> None:
        search = page.get_by_role("searchbox", name="Search")
        search.fill("SNMPD-26")
        assert shown_rows(page) == ["snmpd-26"]
        search.fill("although nothing of the service runs after it")
        few = shown_rows(page)
        assert 0 < len(few) < len(KINDS)
        search.fill("no such thing anywhere")
        assert shown_rows(page) == []
        expect(page.get_by_role("status")).to_have_text(re.compile("^No script fits"))

    def test_is_put_in_order(self, page: Page) -> None:
        given = shown_rows(page)
        order = page.get_by_label("Order")
        order.select_option("name")
        names = shown_rows(page)
        assert names != given
        assert names.index("acpid") < names.index("acpid-14") < names.index("atd")
        order.select_option("worst")
        first = page.locator("#matrix tbody tr:visible").first
        assert first.get_attribute("data-code") == "1"
        order.select_option("given")
        assert shown_rows(page) == given

    def test_is_one_stop_of_the_keyboard_with_arrows_inside(self, page: Page) -> None:
        assert page.locator("#matrix button[tabindex='0']").count() == 1
        page.locator("#matrix tbody tr").nth(0).locator("th button").focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowDown")
        expect(page.locator("#matrix tbody tr").nth(1).locator("td button").first).to_be_focused()
        page.keyboard.press("ArrowUp")
        page.keyboard.press("ArrowUp")
        expect(page.locator("#matrix .keys button").first).to_be_focused()
        page.keyboard.press("Control+End")
        expect(page.locator("#matrix tbody tr").last.locator("td button").last).to_be_focused()
        page.keyboard.press("Home")
        expect(page.locator("#matrix tbody tr").last.locator("th button")).to_be_focused()
        assert page.locator("#matrix button[tabindex='0']").count() == 1

    def test_a_slash_goes_to_the_search(self, page: Page) -> None:
        page.keyboard.press("/")
        expect(page.get_by_role("searchbox")).to_be_focused()
        expect(page.get_by_role("searchbox")).to_have_value("")


class TestTheProof:
    def test_opens_by_a_click_and_tells_everything(self, page: Page) -> None:
        broken_start(page).click()
        proof = page.get_by_role("dialog").locator(f"details[data-rule={START_FAILURE}]")
        expect(proof).to_have_attribute("open", "")
        for words in (
            "A start that fails does not say 0",
            "broken",
            "although nothing of the service runs after it",
            "What Pacemaker would do",
            "restarted on this node for ever",
            "Provoked (it acted): program-fails was provoked",
            "start",
            "exit 0",
            "(limit 60 s)",
            "stopped",
            "LSB Core 3.1, 20.2",
            f"lsbcheck --rule {START_FAILURE} /etc/init.d/",
        ):
            expect(proof).to_contain_text(words)
        expect(proof.locator("pre")).to_contain_text("says")

    def test_shows_which_processes_came_and_went(self, page: Page) -> None:
        cell(page, "acpid", "stop-succeeds").click()
        proof = page.locator("details[data-rule=stop-succeeds]")
        row = proof.locator(".processes tbody tr").first
        expect(row).to_contain_text("went")
        expect(row).to_contain_text("S sleeping")
        expect(row).to_contain_text("/usr/sbin/acpidd -f")
        expect(proof.locator(".around").first).to_have_text("Service: ● running → ○ stopped")

    def test_tells_what_was_done_between_two_calls(self, page: Page) -> None:
        cell(page, "acpid", "status-after-crash").click()
        proof = page.locator("details[data-rule=status-after-crash] .timeline")
        expect(proof).to_contain_text("Every process of the service is killed (SIGKILL)")

    def test_shows_every_call_of_every_scenario(self, page: Page) -> None:
        page.get_by_role("button", name="acpid", exact=True).click()
        scenarios = page.locator("details.scenario")
        assert scenarios.count() == 13
        scenarios.filter(has_text="a second start").locator("summary").click()
        asked = scenarios.filter(has_text="a second start").locator(".asked")
        assert asked.all_inner_texts() == [
            f"$ /etc/init.d/acpid {one}" for one in ("start", "start", "stop")
        ]

    def test_opens_and_closes_by_the_keyboard_and_gives_the_focus_back(self, page: Page) -> None:
        start = broken_start(page)
        start.focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("dialog")).to_be_visible()
        expect(page.locator(f"details[data-rule={START_FAILURE}] > summary")).to_be_focused()
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_be_hidden()
        expect(start).to_be_focused()

    def test_keeps_the_focus_inside_while_it_is_open(self, page: Page) -> None:
        broken_start(page).click()
        for _ in range(60):
            page.keyboard.press("Tab")
            # at its end the focus goes to the browser itself, which a page sees as its body
            assert page.evaluate("document.activeElement.matches('body, dialog *')")

    def test_goes_to_the_next_finding_of_what_is_shown_and_back(self, page: Page) -> None:
        page.get_by_label("Rule that does not hold").select_option(START_FAILURE)
        page.locator("#matrix tbody tr:visible th button").first.click()
        following = page.get_by_role("button", name="Next finding")
        seen = [page.url]
        for _ in range(3):
            following.click()
            seen.append(page.url)
        assert len(set(seen)) == 4
        page.get_by_role("button", name="Previous finding").click()
        assert page.url == seen[2]

    def test_has_an_address_of_its_own(self, reader: Reader, every_kind: str) -> None:
        page = reader.page
        broken_start(page).click()
        address = page.url
        page.get_by_role("button", name="Close").click()
        assert page.url.rstrip("#") == every_kind
        page.goto("about:blank")
        page.goto(address)
        expect(page.locator(f"details[data-rule={START_FAILURE}]")).to_have_attribute("open", "")
        reader.requests = [one for one in reader.requests if one != "about:blank"]

    def test_of_another_script_is_not_shown_for_an_older_address(
        self, page: Page, every_kind: str
    ) -> None:
        page.goto(f"{every_kind}#0/%2Fetc%2Finit.d%2Fgone/{START_FAILURE}")
        expect(page.get_by_role("dialog")).to_be_hidden()
        page.goto(f"{every_kind}#0/%2Fetc%2Finit.d%2Facpid/{START_FAILURE}")
        expect(page.locator(f"details[data-rule={START_FAILURE}]")).to_have_attribute("open", "")

    def test_of_an_only_script_stands_below_its_row(self, browser: Browser, tmp_path: Path) -> None:
        reader = Reader(browser)
        page = reader.opens(written(tmp_path, fleet(1)))
        expect(page.locator("#detail")).to_contain_text("Every call")
        expect(page.get_by_role("searchbox")).to_be_hidden()
        cell(page, "acpid", "stop-succeeds").click()
        expect(page.locator("details[data-rule=stop-succeeds] > summary")).to_be_focused()
        reader.context.close()
        assert reader.complaints == []


class TestLanguageAndTheme:
    def test_the_language_can_be_switched(self, page: Page) -> None:
        page.get_by_role("button", name="日本語").click()
        expect(page.locator("html")).to_have_attribute("lang", "ja")
        expect(page.get_by_role("heading", name="スクリプトと規則")).to_be_visible()
        broken_start(page).click()
        proof = page.locator(f"details[data-rule={START_FAILURE}]")
        expect(proof).to_contain_text("失敗した start は 0 を返さない")
        expect(proof).to_contain_text("このノードで再起動を永遠に繰り返します")
        page.keyboard.press("Escape")
        page.get_by_role("button", name="English").click()
        expect(page.get_by_role("heading", name="Scripts and rules")).to_be_visible()

    def test_no_english_word_of_the_page_is_left_in_japanese(self, page: Page) -> None:
        page.get_by_role("button", name="日本語").click()
        page.get_by_role("button", name="acpid", exact=True).click()
        english = page.evaluate(
            """() => [...document.querySelectorAll("[data-word], dialog dt, dialog h3, dialog h4")]
                .map((one) => one.textContent).filter((text) => /^[A-Za-z ]{12,}$/.test(text))"""
        )
        assert english == []

    @pytest.mark.parametrize(("locale", "lang"), [("ja-JP", "ja"), ("de-DE", "en")])
    def test_the_first_language_is_the_readers(
        self, browser: Browser, every_kind: str, locale: str, lang: str
    ) -> None:
        reader = Reader(browser, locale=locale)
        expect(reader.opens(every_kind).locator("html")).to_have_attribute("lang", lang)
        reader.context.close()

    def test_a_choice_is_remembered(self, page: Page) -> None:
        page.get_by_role("button", name="日本語").click()
        page.get_by_role("button", name="明るい・暗い").click()
        chosen = background(page)
        page.reload()
        expect(page.locator("html")).to_have_attribute("lang", "ja")
        assert background(page) == chosen

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_the_theme_is_the_systems_until_it_is_switched(
        self, browser: Browser, every_kind: str, scheme: str
    ) -> None:
        reader = Reader(browser, color_scheme=scheme)
        page = reader.opens(every_kind)
        first = background(page)
        assert (sum(first) > 600) == (scheme == "light")
        page.locator("#theme").click()
        assert (sum(background(page)) > 600) == (scheme == "dark")
        page.locator("#theme").click()
        assert background(page) == first
        reader.context.close()


def background(page: Page) -> list[int]:
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return [int(number) for number in re.findall(r"\d+", colour)]


class TestOnAPhone:
    @pytest.mark.parametrize("locale", ["en-US", "ja-JP"])
    def test_nothing_is_wider_than_the_screen(
        self, browser: Browser, every_kind: str, locale: str
    ) -> None:
        reader = Reader(browser, **PHONE, locale=locale)
        page = reader.opens(every_kind)
        wide = "document.documentElement.scrollWidth > screen.width"
        assert not page.evaluate(wide)
        page.locator("summary").first.click()
        assert not page.evaluate(wide)
        broken_start(page).tap()
        expect(page.get_by_role("dialog")).to_be_visible()
        for summary in page.locator("dialog summary").all():
            summary.evaluate("one => { one.parentElement.open = true; }")
        sheet = page.locator(".sheet")
        assert not sheet.evaluate("one => one.scrollWidth > one.clientWidth")
        assert not page.evaluate(wide)
        reader.context.close()

    def test_the_eight_rules_are_seen_at_once(self, browser: Browser, every_kind: str) -> None:
        reader = Reader(browser, **PHONE)
        page = reader.opens(every_kind)
        eighth = page.locator("#matrix tbody tr").first.locator("td").nth(8).bounding_box()
        seen = page.locator(".scroll").bounding_box()
        assert eighth is not None
        assert seen is not None
        assert eighth["x"] + eighth["width"] <= seen["x"] + seen["width"]
        reader.context.close()


class TestAccessibility:
    @pytest.mark.parametrize("scheme", ["light", "dark"])
    @pytest.mark.parametrize("locale", ["en-US", "ja-JP"])
    def test_axe_finds_nothing(
        self, browser: Browser, every_kind: str, scheme: str, locale: str
    ) -> None:
        reader = Reader(browser, color_scheme=scheme, locale=locale, bypass_csp=True)
        page = reader.opens(every_kind)
        page.evaluate(AXE)
        assert violations(page) == []
        broken_start(page).click()
        for summary in page.locator("dialog summary").all()[:6]:
            summary.evaluate("one => { one.parentElement.open = true; }")
        assert violations(page) == []
        reader.context.close()

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_axe_finds_nothing_in_a_page_with_everything(
        self, browser: Browser, tmp_path: Path, scheme: str
    ) -> None:
        shown = fleet(len(KINDS))
        shown["baseline"] = "before.json"
        shown["sandbox"]["notes"] = ["not limited: cpu"]
        shown["sandbox"]["unavailable"] = {"cause": "it broke", "cure": "repair it"}
        for script in shown["scripts"][::2]:
            script["exit_code"] = 0
            for rule in script["rules"]:
                rule["baseline"] = rule["verdict"]
        reader = Reader(browser, **PHONE, color_scheme=scheme, bypass_csp=True)
        page = reader.opens(written(tmp_path, shown))
        page.evaluate(AXE)
        page.locator("details.setting > summary").click()
        assert page.locator("#matrix tbody i.k").count() > 0
        assert violations(page) == []
        page.locator("#matrix tbody button.k").first.click()
        expect(page.get_by_role("dialog")).to_contain_text("known: the baseline has it")
        assert violations(page) == []
        reader.context.close()

    def test_axe_would_have_found_something(self, browser: Browser, every_kind: str) -> None:
        reader = Reader(browser, bypass_csp=True)
        page = reader.opens(every_kind)
        page.evaluate(AXE)
        page.evaluate(
            "document.querySelector('#search').closest('label').replaceWith(document.querySelector('#search'))"
        )
        page.add_style_tag(content=".count { color: #bbb !important; }")
        assert {"color-contrast"} <= {one.partition(":")[0] for one in violations(page)}
        reader.context.close()


# Ways out of a page that need nobody to click; each asks `address` for its own name.
WAYS_OUT = """
(address) => {
  const attempt = (name, work) => {
    try { const made = work(address + name); made?.catch?.(() => {}); } catch {}
  };
  const add = (name, tag, set) => attempt(name, (url) => {
    document.body.append(Object.assign(document.createElement(tag), set(url)));
  });
  attempt("fetch", (url) => fetch(url));
  attempt("beacon", (url) => navigator.sendBeacon(url, "x"));
  attempt("xhr", (url) => { const ask = new XMLHttpRequest(); ask.open("GET", url); ask.send(); });
  attempt("socket", (url) => new WebSocket(url.replace("http", "ws")));
  attempt("events", (url) => new EventSource(url));
  attempt("image", (url) => { new Image().src = url; });
  attempt("style", (url) => { document.body.style.background = `url(${url})`; });
  attempt("font", (url) => {
    const font = new FontFace("x", `url(${url})`);
    document.fonts.add(font);
    return font.load();
  });
  add("script", "script", (url) => ({ src: url }));
  add("frame", "iframe", (url) => ({ src: url }));
  add("sheet", "link", (url) => ({ rel: "stylesheet", href: url }));
  add("prefetch", "link", (url) => ({ rel: "prefetch", href: url }));
  add("video", "video", (url) => ({ src: url }));
  add("object", "object", (url) => ({ data: url }));
}
"""
THE_FORM = """
(address) => {
  const form = Object.assign(document.createElement("form"), { action: address + "form" });
  document.body.append(form);
  form.submit();
}
"""
NAMED = set(re.findall(r'(?:attempt|add)\("([a-z]+)"', WAYS_OUT)) | {"form"}


@pytest.fixture
def server() -> Iterator[tuple[str, set[str]]]:
    """Listens, and keeps the names that it is asked for."""
    asked: set[str] = set()

    class Asked(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.add(self.path.strip("/?"))
            self.send_response(204)
            self.end_headers()

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Asked) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}/", asked
        listening.shutdown()
        thread.join()


class TestNothingIsFetched:
    @pytest.mark.parametrize("bypass_csp", [True, False], ids=["without-the-policy", "with-it"])
    def test_even_by_a_script_that_tries(
        self,
        browser: Browser,
        every_kind: str,
        server: tuple[str, set[str]],
        bypass_csp: bool,  # noqa: FBT001
    ) -> None:
        address, asked = server
        reader = Reader(browser, bypass_csp=bypass_csp)
        page = reader.opens(every_kind)
        page.evaluate(WAYS_OUT, address)
        page.wait_for_timeout(1000)  # nothing tells when a browser has not asked
        page.evaluate(THE_FORM, address)
        page.wait_for_timeout(500)
        reader.context.close()
        assert asked == (NAMED if bypass_csp else set())

    def test_and_no_text_becomes_markup(self, browser: Browser, every_kind: str) -> None:
        reader = Reader(browser)
        page = reader.opens(every_kind)
        refused = page.evaluate(
            """() => {
              try { document.body.innerHTML = "<b>x</b>"; } catch (error) { return error.name; }
            }"""
        )
        assert refused == "TypeError"
        reader.context.close()

    def test_hostile_output_is_shown_as_text(self, browser: Browser, tmp_path: Path) -> None:
        markup = "<img src=x onerror=document.title=1></script><script>document.title=1</script>"
        hostile = f"{markup}\u202e\x1b[2J"
        told = json.loads(json.dumps(fleet(len(KINDS))).replace("says", json.dumps(hostile)[1:-1]))
        told["scripts"][0]["name"] = hostile
        told["scripts"][0]["script"] = f"/etc/init.d/{hostile}\udcff"
        reader = Reader(browser)
        page = reader.opens(written(tmp_path, told))
        page.locator("#matrix tbody th button").first.click()
        page.locator("details.scenario summary").first.click()
        dialog = page.get_by_role("dialog")
        expect(dialog.locator("h2")).to_contain_text(markup)
        expect(dialog.locator("details.scenario pre").first).to_contain_text("\\u202e\\x1b[2J")
        assert page.title().startswith("lsbcheck")
        assert page.locator("img").count() == 0
        reader.context.close()
        assert reader.complaints == []


def test_without_javascript_the_table_is_complete(browser: Browser, tmp_path: Path) -> None:
    reader = Reader(browser, java_script_enabled=False)
    page = reader.opens(written(tmp_path, fleet(200)))
    assert page.locator("#matrix tbody tr").count() == 200
    assert page.locator("#matrix tbody tr").last.is_visible()
    expect(page.locator("noscript .notice")).to_contain_text("need JavaScript")
    reader.context.close()


@pytest.fixture(scope="module")
def thousand(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("thousand")
    written(folder, fleet(1000))
    return folder / "report.html"


class TestAThousandScripts:
    def test_take_less_than_ten_megabytes(self, thousand: Path) -> None:
        size = thousand.stat().st_size
        print(f"1,000 scripts: {size / 1e6:.1f} MB")
        assert size < 10_000_000

    def test_open_in_two_seconds_and_filter_at_once(
        self, browser: Browser, thousand: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        reader = Reader(browser)
        opened = min(opening_time(reader, thousand.as_uri()) for _ in range(3))
        page = reader.page
        filtered = page.evaluate(
            """() => {
              const search = document.getElementById("search");
              const begin = performance.now();
              search.value = "snmpd-12";
              search.dispatchEvent(new Event("input"));
              document.body.offsetHeight;
              return performance.now() - begin;
            }"""
        )
        assert shown_rows(page)[0].startswith("snmpd-12")
        with capsys.disabled():
            print(f"\n1,000 scripts open in {opened:.2f} s, a first search takes {filtered:.0f} ms")
        assert opened < 2
        assert filtered < 1000
        reader.context.close()

    def test_are_laid_out_as_the_reader_comes_to_them(
        self, browser: Browser, thousand: Path
    ) -> None:
        reader = Reader(browser)
        page = reader.opens(thousand.as_uri())
        first = page.locator("#matrix tbody tr:visible").count()
        assert first < 400
        page.locator("#matrix tbody th button").first.focus()
        page.keyboard.press("Control+End")
        last = page.locator("#matrix tbody tr").last
        expect(last.locator("td button").last).to_be_focused()
        expect(page.locator("#more")).to_be_hidden()
        reader.context.close()
        assert reader.complaints == []


def opening_time(reader: Reader, address: str) -> float:
    """Seconds until the page is laid out and has been painted."""
    page = reader.opens(address)
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return float(page.evaluate("performance.now()")) / 1000


def test_a_run_without_a_sandbox_says_why(browser: Browser, tmp_path: Path) -> None:
    shown = document([], Setting(), 4)
    shown["sandbox"]["unavailable"] = {"cause": "no user namespace", "cure": "run as root"}
    reader = Reader(browser)
    page = reader.opens(written(tmp_path, shown))
    expect(page.locator(".notice").first).to_contain_text("no user namespace. Cure: run as root.")
    page.get_by_role("button", name="日本語").click()
    expect(page.locator("h1")).to_have_text("検査したスクリプトはありません")
    reader.context.close()
    assert reader.complaints == []
