"""From a suite's TOML file to its trials: read, checked, expanded. Knows no data and no device."""
