"""The guide: texts by topic, for the terminal and as one page.

`topics` reads the texts and fills in what the code itself knows; `page` sets them as one HTML file. The texts
lie in ``texts/``, the pictures of the gallery in ``plots/``.
"""
