"""Training one network as its protocol and regularizers say."""
