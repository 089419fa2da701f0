"""Cross-domain fingerprinting of deep models: the part that vision, text and EEG share."""
