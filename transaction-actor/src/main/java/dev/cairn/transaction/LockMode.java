package dev.cairn.transaction;

/// How a mount may use what a cluster lock covers. Compatible across mounts: read with read, write-only with write-only.
public enum LockMode { READ, WRITE, WRITE_ONLY }
