"""Where the papers are that measures come from: citations as sources write them, each with its address.

Every address was found beside the title or the authors of the paper in texts that are not ours.
"""

from __future__ import annotations

import re
from urllib.parse import quote

__all__ = ["ARXIV", "DOI", "ELSEWHERE", "linked"]

ARXIV = {
    "Aithal, Kashyap & Subramanyam 2021": "2101.06459",
    "Andreeva et al. 2024": "2407.08723",
    "Andriushchenko et al. 2023": "2302.07011",
    "Baratin et al. 2021": "2008.00938",
    "Bartlett, Foster & Telgarsky 2017": "1706.08498",
    "Birdal et al. 2021": "2111.13171",
    "Chatterjee & Zielinski 2020": "2008.01217",
    "Clauset, Shalizi & Newman 2009": "0706.1062",
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
    "Jaegerman et al. 2021": "2110.12259",
    "Jastrzebski et al. 2021": "2012.14193",
    "Jiang et al. 2019": "1810.00113",
    "Jiang et al. 2020": "1912.02178",
    "Jiang et al. 2022": "2106.13799",
    "Keskar et al. 2017": "1609.04836",
    "Kwon et al. 2021": "2102.11600",
    "Leinster 2013": "1012.5857",
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
    "Nguyen & O'Connor 2015": "1508.05154",
    "Nixon et al. 2019": "1904.01685",
    "Novak et al. 2018": "1802.08760",
    "Papyan, Han & Donoho 2020": "2008.08186",
    "Petzka et al. 2021": "2001.00939",
    "Pitas et al. 2017": "1801.00171",
    "Rangamani et al. 2019": "1902.02434",
    "Ru et al. 2021": "2006.04492",
    "Sankararaman et al. 2020": "1904.06963",
    "Scherlis & Belrose 2025": "2501.18812",
    "Taborsky & Hansen": "2107.02253",
    "Wei & Ma 2019": "1905.03684",
    "Xu & Mannor 2012": "1005.2243",
    "Yang et al. 2023": "2202.02842",
    "Yao et al. 2020": "1912.07145",
    "Zhang et al. 2018": "1710.09412",
    "Zhao, Zhang & Hu 2022": "2202.03599",
}
"""Numbers at arXiv. A citation that two papers share is not among them."""

DOI = {
    "Akaike 1974": "10.1109/TAC.1974.1100705",
    "Brier 1950": "10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2",
    "Caliński & Harabasz 1974": "10.1080/03610927408827101",
    "Davies & Bouldin 1979": "10.1109/TPAMI.1979.4766909",
    "Fisher 1936": "10.1111/j.1469-1809.1936.tb02137.x",
    "Rousseeuw 1987": "10.1016/0377-0427(87)90125-7",
    "Schwarz 1978": "10.1214/aos/1176344136",
}
"""Papers in journals that are not at arXiv."""

ELSEWHERE = {
    "Liao et al. 2020": "https://openreview.net/forum?id=BkelnhNFwB",
    "Roy & Vetterli 2007": "https://ieeexplore.ieee.org/document/7098875",
    "Walker 2023": "https://github.com/ThomasWalker1/Generalization-of-Neural-Networks",
    "Zhang et al. 2017 (Theory of deep learning III)": "https://dspace.mit.edu/handle/1721.1/107841",
    "le-big-mac/robust-generalization-measures": "https://github.com/le-big-mac/robust-generalization-measures",
}
"""Addresses of papers that have no number of either kind; of Walker's report that of the project it is of."""

_ADDRESSES = {
    **{citation: f"https://arxiv.org/abs/{number}" for citation, number in ARXIV.items()},
    **{citation: f"https://doi.org/{quote(doi, safe='/:;()')}" for citation, doi in DOI.items()},
    **ELSEWHERE,
}

_CITED = re.compile("|".join(map(re.escape, sorted(_ADDRESSES, key=len, reverse=True))))


def linked(source: str) -> list[tuple[str, str]]:
    """The parts of a source in their order, each with the address of the paper that it cites, or none."""
    parts, passed = [], 0
    for found in _CITED.finditer(source):
        parts.append((source[passed : found.start()], ""))
        parts.append((found.group(), _ADDRESSES[found.group()]))
        passed = found.end()
    parts.append((source[passed:], ""))
    return [part for part in parts if part[0]]
