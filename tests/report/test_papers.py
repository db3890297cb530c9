"""Sources of measures lead to their papers: every citation does, to one address each, in a form that exists."""

import re

from genbench.leaderboard.sources import sources
from genbench.report.papers import ARXIV, DOI, ELSEWHERE, linked

WITHOUT = ("MacKay 1992", "a PGDL entry of 2020")
"""Two papers of one author and year, and an entry of a contest without one."""


def test_a_source_is_cut_where_it_cites_and_says_the_same():
    source = "after Jiang et al. 2020, eq. 22; Keskar et al. 2017"
    parts = linked(source)
    assert "".join(part for part, _ in parts) == source
    assert [address.rpartition("/")[2] for _, address in parts if address] == ["1912.02178", "1609.04836"]
    assert linked("") == []


def test_every_paper_that_a_measure_cites_is_linked():
    assert len(sources()) > 150
    for name, source in sources().items():
        rest = "".join(part for part, address in linked(source) if not address)
        for known in WITHOUT:
            rest = rest.replace(known, "")
        assert not re.search(r"\d{4}|et al", rest), (name, source)


def test_addresses_are_of_one_paper_each_and_need_no_further_encoding():
    assert all(re.fullmatch(r"\d{4}\.\d{4,5}", number) for number in ARXIV.values())
    assert all(re.fullmatch(r"10\.\d{4}/\S+", doi) for doi in DOI.values())
    citations = [*ARXIV, *DOI, *ELSEWHERE]
    addresses = [linked(citation)[0][1] for citation in citations]
    assert len(set(citations)) == len(set(addresses)) == len(citations)
    assert all(re.fullmatch(r"https://[\w./:;()?=%-]+", address) for address in addresses)


def test_no_citation_is_kept_that_no_measure_makes():
    told = " ".join(sources().values())
    assert [each for each in [*ARXIV, *DOI, *ELSEWHERE] if each not in told] == []
