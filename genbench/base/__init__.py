"""The ground floor: errors, keys, files, words, plain values. Knows nothing of networks or plugins."""
