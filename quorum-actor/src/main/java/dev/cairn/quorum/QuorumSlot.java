package dev.cairn.quorum;

import java.util.Objects;

/// A configured member of a volume's quorum, as mkfs was told (`-Q number,address,port`).
///
/// @param port        of the actor system, that is of the cluster
/// @param journalPort of the journal's Raft peer; not opened while the slot is the only one
public record QuorumSlot(int number, String address, int port, int journalPort) {
    public QuorumSlot {
        Objects.requireNonNull(address);
        if (number < 0) throw new IllegalArgumentException("slot number " + number);
        if (address.isBlank()) throw new IllegalArgumentException("slot " + number + " has no address");
        if (port < 1 || port > 65535 || journalPort < 1 || journalPort > 65535 || port == journalPort)
            throw new IllegalArgumentException(
                    "slot %d has ports %d and %d".formatted(number, port, journalPort));
    }

    /// With the journal on the next port.
    public QuorumSlot(int number, String address, int port) {
        this(number, address, port, port == 65535 ? port - 1 : port + 1);
    }
}
