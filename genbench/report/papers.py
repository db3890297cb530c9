"""Where the papers are that measures come from: citations as sources write them, each with its address."""

from __future__ import annotations

import re

__all__ = ["ARXIV", "linked"]

ARXIV = {
    "Andreeva et al. 2024": "2407.08723",
    "Andriushchenko et al. 2023": "2302.07011",
    "Baratin et al. 2021": "2008.00938",
    "Bartlett, Foster & Telgarsky 2017": "1706.08498",
    "Birdal et al. 2021": "2111.13171",
    "Chatterjee & Zielinski 2020": "2008.01217",
    "Cortes et al. 2012": "1203.0550",
    "Dherin et al. 2022": "2209.13083",
    "Dziugaite et al. 2020": "2010.11924",
    "Foret et al. 2021": "2010.01412",
    "Fort et al. 2019": "1901.09491",
    "Frankle et al. 2020": "1912.05671",
    "Gal & Ghahramani 2016": "1506.02142",
    "Ghorbani et al. 2019": "1901.10159",
    "Golowich, Rakhlin & Shamir 2018": "1712.06541",
    "Goodfellow et al. 2015": "1412.6572",
    "Guo et al. 2017": "1706.04599",
    "Huang et al. 2020": "1906.03291",
    "Jastrzebski et al. 2021": "2012.14193",
    "Jiang et al. 2019": "1810.00113",
    "Jiang et al. 2020": "1912.02178",
    "Jiang et al. 2022": "2106.13799",
    "Keskar et al. 2017": "1609.04836",
    "Kwon et al. 2021": "2102.11600",
    "Liang et al. 2019": "1711.01530",
    "Liu et al. 2020": "2001.07384",
    "Maddox et al. 2020": "2003.02139",
    "Madry et al. 2018": "1706.06083",
    "Martin, Peng & Mahoney 2021": "2002.06716",
    "McCandlish et al. 2018": "1812.06162",
    "Mingard et al. 2021": "2006.15191",
    "Nagarajan & Kolter 2019": "1905.13344",
    "Nakkiran & Bansal 2020": "2009.08092",
    "Natekar & Sharma 2020": "2012.02775",
    "Nixon et al. 2019": "1904.01685",
    "Novak et al. 2018": "1802.08760",
    "Papyan, Han & Donoho 2020": "2008.08186",
    "Petzka et al. 2021": "2001.00939",
    "Pitas et al. 2017": "1801.00171",
    "Rangamani et al. 2019": "1902.02434",
    "Ru et al. 2021": "2006.04492",
    "Sankararaman et al. 2020": "1904.06963",
    "Wei & Ma 2019": "1905.03684",
    "Xu & Mannor 2012": "1005.2243",
    "Yang et al. 2023": "2202.02842",
    "Yao et al. 2020": "1912.07145",
    "Zhang et al. 2018": "1710.09412",
}
"""Numbers at arXiv. A citation that two papers share is not among them."""

_CITED = re.compile("|".join(map(re.escape, sorted(ARXIV, key=len, reverse=True))))


def linked(source: str) -> list[tuple[str, str]]:
    """The parts of a source in their order, each with the address of the paper that it cites, or none."""
    parts, passed = [], 0
    for found in _CITED.finditer(source):
        parts.append((source[passed : found.start()], ""))
        parts.append((found.group(), f"https://arxiv.org/abs/{ARXIV[found.group()]}"))
        passed = found.end()
    parts.append((source[passed:], ""))
    return [part for part in parts if part[0]]
