"""Training one network as its protocol and regularizers say.

`VERSION` is raised whenever the training loop itself changes results; it enters the key of every fit.
"""

VERSION = 2
