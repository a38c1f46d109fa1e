package dev.cairn.block;

import java.net.InetAddress;

/// A member of the volume's quorum, as mkfs was told and the label keeps it.
///
/// @param nr 0 to 14
/// @param address a numeric IPv4 or IPv6 address, in its usual short form
public record QuorumSlot(int nr, String address, int port) {
    public static final int NR_MAX = 14;

    public QuorumSlot {
        if (nr < 0 || nr > NR_MAX)
            throw new IllegalArgumentException("quorum slot number %d is not within 0 and %d".formatted(nr, NR_MAX));
        if (port < 1 || port > 65535)
            throw new IllegalArgumentException("port %d of quorum slot %d is not within 1 and 65535"
                    .formatted(port, nr));
        try {
            address = InetAddress.ofLiteral(address).getHostAddress();
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException("address '%s' of quorum slot %d is not a numeric IPv4 or IPv6 address"
                    .formatted(address, nr), e);
        }
    }

    /// Reads `NR,ADDRESS,PORT`. @throws IllegalArgumentException saying in words what is wrong
    public static QuorumSlot parse(String text) {
        var parts = text.split(",", -1);
        if (parts.length != 3)
            throw new IllegalArgumentException("quorum slot '" + text + "' is not NR,ADDRESS,PORT, as 0,127.0.0.1,12345");
        try {
            return new QuorumSlot(Integer.parseInt(parts[0]), parts[1], Integer.parseInt(parts[2]));
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException("quorum slot '" + text + "': number and port must be decimal numbers", e);
        }
    }

    InetAddress inetAddress() {
        return InetAddress.ofLiteral(address);
    }

    /// As on the command line of mkfs.
    @Override
    public String toString() {
        return nr + "," + address + "," + port;
    }
}
