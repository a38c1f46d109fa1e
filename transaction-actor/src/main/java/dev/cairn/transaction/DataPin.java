package dev.cairn.transaction;

/// See [Tx#pinData]. Released once, from any thread.
public interface DataPin {
    void release();
}
