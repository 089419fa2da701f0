"""Suspects behind the Open Inference Protocol (KServe v2), over REST and over gRPC."""
