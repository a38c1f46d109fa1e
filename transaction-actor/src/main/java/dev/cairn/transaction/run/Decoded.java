package dev.cairn.transaction.run;

/// What reading a block of a run gave: one of the three kinds of payload, or the reason why there is none.
sealed interface Decoded permits ItemBlock, RunIndex, BloomBlock, Decoded.Payload, Decoded.Damaged, Decoded.Foreign {
    /// What it weighs in the cache.
    int heapBytes();

    /// A sound payload whose inside nobody has looked at yet: a step on the way, never cached.
    record Payload(byte[] raw) implements Decoded {
        @Override
        public int heapBytes() {
            return raw.length;
        }
    }

    /// Bytes that cannot be trusted.
    record Damaged(String why) implements Decoded {
        @Override
        public int heapBytes() {
            return 0;
        }
    }

    /// A sound block of something else: the run that the manifest names here has been merged and its space reused.
    record Foreign(String why) implements Decoded {
        @Override
        public int heapBytes() {
            return 0;
        }
    }
}
