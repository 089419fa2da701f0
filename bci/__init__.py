"""EEG: data, architectures and the steps that train its models."""
