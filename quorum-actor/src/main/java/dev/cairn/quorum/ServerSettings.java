package dev.cairn.quorum;

import java.time.Duration;

/// @param lease      how long a mount may use its locks after it last heard the server answer a renewal
/// @param leaseGrace what the server waits beyond that: clocks drift, and a renewal may have been on its way
/// @param tick       how often [ServerCore#tick] is called
public record ServerSettings(Duration lease, Duration leaseGrace, Duration tick) {
    public static final ServerSettings DEFAULT =
            new ServerSettings(Duration.ofSeconds(10), Duration.ofSeconds(3), Duration.ofMillis(500));

    public ServerSettings {
        if (lease.toMillis() < 100 || leaseGrace.isNegative() || tick.isNegative() || tick.isZero())
            throw new IllegalArgumentException("lease %s, grace %s, tick %s".formatted(lease, leaseGrace, tick));
        if (tick.multipliedBy(4).compareTo(lease) > 0)
            throw new IllegalArgumentException("a tick of " + tick + " cannot watch leases of " + lease);
    }
}
