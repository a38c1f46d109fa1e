package dev.cairn.block;

import java.io.IOException;

/// A device failed or gave bytes that cannot be trusted. The message names the device, the place, what was found, what
/// was expected. Becomes EIO at the caller; it never stops the node.
public class DeviceException extends IOException {
    private static final long serialVersionUID = 1;

    public DeviceException(String message) {
        super(message);
    }

    public DeviceException(String message, Throwable cause) {
        super(message, cause);
    }
}
