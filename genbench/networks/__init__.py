"""What may be asked of any `nn.Module`: layers, passes, derivatives. Knows no fit and no plugin."""
