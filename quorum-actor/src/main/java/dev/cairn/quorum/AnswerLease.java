package dev.cairn.quorum;

/// Whether this server may still speak for the volume. One that was stopped and goes on, or was cut off, does not know that
/// it has a successor; the journal refuses its writes, but an answer that writes nothing would be a lie.
interface AnswerLease {
    /// A single slot has no successor elsewhere.
    AnswerLease ALWAYS = new AnswerLease() {
        @Override
        public boolean held() {
            return true;
        }

        @Override
        public void renew() {}
    };

    boolean held();

    /// Starts to renew; never waits.
    void renew();
}
