"""What people look at: a run as a page, as figures and on a terminal; components as lists and cards.

`content` is what a report says, in plain data, put together from `standing`, `correlation`, `fits`,
`further`, `sections` and `provenance` with `numbers` made small. `page` writes it as one HTML file that
begins with a `glance`, `figures` draws it for papers, `terminal` prints tables; `papers` knows where cited
papers are. `catalog` has the rows and cards of components, suites and plugins, `guide` the texts of
``genbench help``.
"""
