"""The verdict of a run on the claims of papers.

Each seed of a run is one repetition of the paper's experiment, in which the claim's statistic takes one
value; the verdict rests on the interval over the seeds, never on their mean. Nothing here imports torch.
"""
