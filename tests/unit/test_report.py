"""The report: self-contained, escaped, readable, and different when the data are."""

import re
from html.parser import HTMLParser

import msgspec
import pytest

from analysis.figures.drawing import Drawing
from analysis.figures.exposure import exposure
from analysis.figures.incidence import incidence
from analysis.figures.issuance import issuance
from analysis.figures.latency import latency
from analysis.figures.twin import twin
from analysis.report import report
from analysis.summary import summarise
from scenarios.record.record import RunRecord
from tests.records import AGENTS, counts, manifest, measured, operation, simulated

VOID = {"meta", "br", "link", "img", "hr", "input"}


class Page(HTMLParser):
    """Tags, ids and references of a page; refuses unbalanced tags."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.references: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(str(value))
            if name in ("href", "xlink:href", "src", "srcset", "data", "action"):
                self.references.append(str(value))
            assert not name.startswith("on")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def both() -> str:
    record = simulated(n=60)
    record.manifest = manifest(
        sources={"threats.leak.rate_per_secret_year": "leak.rate_per_static_credential"},
        not_observable={"operations": "there is <no> network"},
        scenario=record.manifest.scenario
        | {
            "title": "Tom & <script>alert(1)</script>",
            "faults": [{"kind": "issuer-outage", "start_s": 5000.0, "duration_s": 1000.0}],
        },
    )
    return report(record, measured())


def test_a_page_loads_nothing_and_runs_nothing(both: str) -> None:
    page = Page(both)
    assert "script" not in page.tags
    assert {"iframe", "object", "embed", "link", "img"}.isdisjoint(page.tags)
    assert all(reference.startswith("#") for reference in page.references)
    assert "@import" not in both
    assert re.findall(r"url\((?!#)", both) == []


def test_what_comes_from_a_file_is_escaped(both: str) -> None:
    assert "Tom &amp; &lt;script&gt;" in both
    assert "there is &lt;no&gt; network" in both


def test_every_id_is_there_once_and_every_reference_meets_one(both: str) -> None:
    page = Page(both)
    assert len(page.ids) == len(set(page.ids))
    assert {reference[1:] for reference in page.references} <= set(page.ids)
    assert set(re.findall(r"url\(#([^)]*)\)", both)) <= set(page.ids)


def test_the_verdict_stands_before_everything_else(both: str) -> None:
    order = [
        "Verdict",
        "What it buys",
        "What it costs",
        "Figures",
        "All estimates",
        "Assumptions",
        "How to reproduce it",
        "What was not observable",
    ]
    places = [both.index(f">{title}") for title in order]
    assert places == sorted(places)


def test_a_reader_can_repeat_and_distrust_it(both: str) -> None:
    assert (
        "midas simulate hand-made --regime static-key --regime svid --agents 100 --hours 5.55556"
        in both
    )
    assert "midas drive hand-made --regime svid --target embedded" in both
    assert "0123456789abcdef" in both
    assert "0.05 1/yr" in both
    assert "0.01 to 0.3 1/yr" in both


def test_equal_records_give_equal_pages_and_other_records_another() -> None:
    assert report(simulated(n=20), None) == report(simulated(n=20), None)
    assert report(simulated(n=20), None) != report(simulated(n=20, seed=2), None)


@pytest.mark.parametrize(
    ("sim", "real"),
    [
        (None, None),
        (simulated(n=0), None),
        (None, measured()),
        (RunRecord(manifest()), None),
        (simulated(n=3), RunRecord(manifest(world="measured"))),
    ],
)
def test_whatever_is_missing_there_is_a_page(sim: RunRecord | None, real: RunRecord | None) -> None:
    page = Page(report(sim, real))
    assert "main" in page.tags


def drawings() -> list[Drawing | None]:
    sim, real = summarise(simulated(n=60)), summarise(measured())
    return [exposure(sim), incidence(sim), issuance(sim), latency(real), incidence(real)]


def test_every_figure_can_be_read_aloud_and_names_interval_and_n() -> None:
    for figure in drawings():
        assert figure is not None
        assert re.match(r'<svg [^>]*role="img" aria-labelledby="', figure.svg)
        assert "<title" in figure.svg
        assert "<desc" in figure.svg
        assert "95 %" in figure.caption
        assert re.search(r"\bn\b", figure.caption)
        assert "n = " in figure.svg + figure.caption
        assert len(figure.svg) < 200_000


def test_what_is_written_on_an_axis_is_not_rounded() -> None:
    record = simulated(n=0)
    record.series = [
        msgspec.structs.replace(row, value=row.value / 1e3)
        for row in record.series
        if row.name == "issued"
    ]
    drawn = issuance(summarise(record))
    assert drawn is not None
    labels = re.findall(r">(0\.\d+)<", drawn.svg)
    assert len(labels) == len(set(labels)) > 0
    assert all(float(label) > 0 for label in labels)


def test_there_is_no_figure_without_data() -> None:
    empty = summarise(RunRecord(manifest()))
    assert [f(empty) for f in (exposure, incidence, issuance, latency)] == [None] * 4


def test_the_same_window_is_drawn_side_by_side_and_another_is_not() -> None:
    real = measured()
    window = RunRecord(
        manifest(scenario=real.manifest.scenario, regimes=["svid"]),
        operations=[
            operation("issue", [0.001 * (k + 1) for k in range(60)] * 10, batch=b)
            for b in range(10)
        ],
    )
    window.counts = counts("svid", 0, agents=AGENTS)
    real.counts = counts("svid", 0, agents=AGENTS)
    figure = twin(summarise(window), summarise(real))
    assert figure is not None
    assert "issue-x509 p95" in figure.svg
    assert "Simulated beside measured, same window" in report(simulated(n=10), real, window)
    assert "Simulated beside measured" not in report(simulated(n=10), real)
    window.counts = counts("svid", 0, agents=AGENTS + 1)
    assert twin(summarise(window), summarise(real)) is None


def test_a_run_that_is_not_valid_says_so_at_its_figure() -> None:
    record = measured()
    record.manifest = msgspec.structs.replace(record.manifest, valid=False, reason="too slow")
    figure = latency(summarise(record))
    assert figure is not None
    assert figure.title == "Measured latency, not valid"
    assert figure.caption.startswith("Not valid: too slow.")
